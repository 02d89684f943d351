"""What operations need of memory beside their arguments and results: how it is told before any is taken.

Threads keep the buffers that `parallel.workspace` gives them, by name, for as long as they live: over a net, the
largest of each name counts, once for each thread that has had it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

_NONE: Mapping[str, tuple[int, int]] = MappingProxyType({})


class Workspace(NamedTuple):
    """Bytes that one operation needs.

    passing: of arrays that are gone when it ends. buffers: name -> (bytes, tasks): of each of the threads that share so
    many tasks; of the calling thread alone where there is one task.
    """

    passing: int = 0
    buffers: Mapping[str, tuple[int, int]] = _NONE


def after_another(*workspaces: Workspace) -> Workspace:
    """The workspace of operations that run one after another."""
    buffers: dict[str, tuple[int, int]] = {}
    for workspace in workspaces:
        for name, (size, tasks) in workspace.buffers.items():
            most, among = buffers.get(name, (0, 0))
            buffers[name] = max(most, size), max(among, tasks)
    return Workspace(max((workspace.passing for workspace in workspaces), default=0), buffers)


def kept(workspaces: Iterable[Workspace], threads: int) -> int:
    """What so many threads keep of the buffers of operations that have run one after another."""
    largest: dict[str, list[int]] = {}  # name -> of each thread
    for workspace in workspaces:
        for name, (size, tasks) in workspace.buffers.items():
            held = largest.setdefault(name, [0] * threads)
            for k in range(min(threads, tasks)):
                held[k] = max(held[k], size)
    return sum(map(sum, largest.values()))
