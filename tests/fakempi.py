"""MPI among threads of one process: what `minifcn.distributed` asks of mpi4py, with the rules that are easily broken.

* A collective operation is the n-th of its communicator: who calls another one as his n-th gets an error, not nonsense.
* It is done when all have come to it, and what is summed is read then: until a request's `Test` says so, the buffer may
  not be touched, and holds NaN where it can.
* Sums are made in the order of the ranks.

`on_ranks(n, work)` runs `work(group)` in n threads, each of which has an `MpiGroup`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from minifcn.distributed.group import MpiGroup

IN_PLACE, SUM, MAX, COMM_TYPE_SHARED, THREAD_MULTIPLE = object(), "sum", "max", "shared", 3
DEADLINE = 20.0  # seconds that a test may wait for a rank that never comes


class _Meeting:
    """An operation under way: who has come to it, and with what."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.brought: dict[int, np.ndarray] = {}
        self.result: np.ndarray | None = None


class World:
    """What the ranks of a communicator share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.lock = threading.Lock()
        self.meetings: dict[int, _Meeting] = {}
        self.children: dict[int, World] = {}
        self.failed = False
        self.calls = 0
        self.bytes: list[int] = []


class Request:
    """A nonblocking operation of one rank."""

    def __init__(self, world: World, meeting: _Meeting, target: np.ndarray | None) -> None:
        self._world, self._meeting, self._target = world, meeting, target
        self._since = time.monotonic()

    def Test(self) -> bool:
        with self._world.lock:
            there = len(self._meeting.brought) == self._world.size
            if there and self._meeting.result is None:
                self._meeting.result = _combined(self._meeting)
        if not there:
            if self._world.failed or time.monotonic() - self._since > DEADLINE:
                raise RuntimeError("another rank has failed, or never came")
            return False
        if self._target is not None:
            self._target[...] = self._meeting.result
            self._target = None
        return True


def _combined(meeting: _Meeting) -> np.ndarray:
    arrays = [meeting.brought[rank] for rank in sorted(meeting.brought)]
    if meeting.kind == "bcast":
        return arrays[0]
    if meeting.kind == MAX:
        return np.maximum.reduce(arrays)
    total = arrays[0].copy()
    for array in arrays[1:]:
        total += array
    return total


class Comm:
    """One rank's communicator."""

    def __init__(self, world: World, rank: int) -> None:
        self.world, self._rank, self._turn, self._families = world, rank, 0, 0

    def Get_rank(self) -> int:
        return self._rank

    def Get_size(self) -> int:
        return self.world.size

    def Dup(self) -> Comm:
        with self.world.lock:
            self._families += 1
            child = self.world.children.setdefault(self._families, World(self.world.size))
        return Comm(child, self._rank)

    def Split_type(self, kind: Any) -> Comm:
        assert kind is COMM_TYPE_SHARED
        return self.Dup()

    def Iallreduce(self, source: Any, target: np.ndarray, op: str) -> Request:
        source = target if source is IN_PLACE else source
        assert source.dtype == target.dtype and source.shape == target.shape
        assert source.flags.c_contiguous and target.flags.c_contiguous
        return self._come(op, source, target)

    def Ibcast(self, data: np.ndarray, root: int) -> Request:
        assert root == 0
        return self._come("bcast", data, data)

    def Ibarrier(self) -> Request:
        return self._come("barrier", np.zeros(1), None)

    def Allreduce(self, source: Any, target: np.ndarray, op: str) -> None:
        request = self.Iallreduce(source, target, op)
        while not request.Test():
            time.sleep(0.001)

    def _come(self, kind: str, source: np.ndarray, target: np.ndarray | None) -> Request:
        self._turn += 1
        with self.world.lock:
            meeting = self.world.meetings.setdefault(self._turn, _Meeting(kind))
            if meeting.kind != kind or any(other.shape != source.shape for other in meeting.brought.values()):
                self.world.failed = True
                raise AssertionError(f"rank {self._rank} comes to a {kind} of {source.shape}, others do not")
            meeting.brought[self._rank] = source.copy()
            self.world.bytes.append(source.nbytes)
        if target is not None and target.dtype.kind == "f":
            target[...] = np.nan
        return Request(self.world, meeting, target)


class Mpi:
    """The module mpi4py.MPI."""

    IN_PLACE, SUM, MAX = IN_PLACE, SUM, MAX
    COMM_TYPE_SHARED, THREAD_MULTIPLE = COMM_TYPE_SHARED, THREAD_MULTIPLE


def on_ranks(size: int, work: Callable[[MpiGroup], Any], each: Callable[..., MpiGroup] = MpiGroup) -> list[Any]:
    """`work(group)` of each rank, at the same time; the first failure is raised."""
    world, results, errors = World(size), [None] * size, []

    def run(rank: int) -> None:
        try:
            results[rank] = work(each(Mpi, Comm(world, rank)))
        except BaseException as error:
            errors.append(error)
            for family in (world, *world.children.values()):
                family.failed = True

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
