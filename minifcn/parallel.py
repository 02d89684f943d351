"""The only owner of threads on the CPU.

NumPy multiplies matrices on several cores but copies and adds on one. minifcn cuts its work into bands that do both,
and runs the bands on a few threads of its own (NumPy releases the GIL in its loops), BLAS held to one thread meanwhile.

Bands are cut by shape, never by the number of threads, and BLAS sees one thread even when only one runs: the result has
the same bits on 1, 2 or 16 threads.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from minifcn.backend import Array, Namespace

T = TypeVar("T")
R = TypeVar("R")

#: Below this many bytes, waking a thread costs more than it saves (measured: about 30 microseconds).
SMALL = 1 << 17

#: How long a thread may keep the interpreter's lock that another waits for. Python's own 5 ms are longer than most
#: bands take; with a tenth of that, a training step of the tiny net took 61 ms instead of 71 on two cores.
_SWITCH_SECONDS = 0.0005


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Team:
    """The worker threads and the hold on BLAS; one for the process, because BLAS's thread count is the process's."""

    def __init__(self) -> None:
        self.threads = _available_cores()
        self.pool: ThreadPoolExecutor | None = None
        self.blas: ThreadpoolController | None = None
        self.holders = 0
        self.lock = threading.RLock()
        self.local = threading.local()

    def resize(self, threads: int) -> None:
        with self.lock:
            if self.pool is not None:
                self.pool.shutdown()
            self.pool = None
            self.threads = threads

    def workers(self) -> ThreadPoolExecutor:
        with self.lock:
            if self.pool is None:
                self.pool = ThreadPoolExecutor(max(1, self.threads - 1), thread_name_prefix="minifcn")
            return self.pool

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, BLAS has one thread, and a thread that waits for the interpreter's lock gets it soon."""
        with self.lock:
            if self.blas is None:
                self.blas = ThreadpoolController().select(user_api="blas")
            if self.holders == 0:
                self.limit = self.blas.limit(limits=1)
                self.interval = sys.getswitchinterval()
                sys.setswitchinterval(min(self.interval, _SWITCH_SECONDS))
            self.holders += 1
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0:
                    self.limit.restore_original_limits()
                    sys.setswitchinterval(self.interval)


_team = _Team()


def get_threads() -> int:
    """How many threads work on the bands; at first, as many as the process may use cores."""
    return _team.threads


def set_threads(threads: int) -> None:
    """Work on the bands with this many threads from now on. Results do not depend on it; raises ValueError below 1."""
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    _team.resize(threads)


def run(xp: Namespace, function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    """`[function(task) for task in tasks]`, the tasks shared among the threads, the results in the tasks' order.

    xp: the library of the arrays that the tasks work on. Only NumPy's are shared out: a GPU's go one after another into
    the caller's stream. A task must write where no other task reads or writes. Called from within a task, it runs the
    tasks one by one.
    """
    if xp is not np:
        return [function(task) for task in tasks]
    threads = min(_team.threads, len(tasks))
    if threads <= 1 or getattr(_team.local, "inside", False):
        with _team.at_work():
            return [function(task) for task in tasks]

    results: list = [None] * len(tasks)
    ticket = itertools.count()  # next() is one step under the GIL: every task is drawn once

    def work() -> None:
        _team.local.inside = True
        try:
            while (k := next(ticket)) < len(tasks):
                results[k] = function(tasks[k])
        except BaseException:
            for _ in tasks:  # the other threads find nothing left to draw
                next(ticket)
            raise
        finally:
            _team.local.inside = False

    with _team.at_work():
        helpers = [_team.workers().submit(work) for _ in range(threads - 1)]
        try:
            work()
        finally:
            errors = [helper.exception() for helper in helpers]  # waits: no task outlives the call
    for error in errors:
        if error is not None:
            raise error
    return results


def split(length: int, bytes_each: int, target: int = SMALL) -> list[slice]:
    """Slices of `range(length)` of about `target` bytes each, by shape alone."""
    step = max(1, target // max(1, bytes_each))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def elementwise(xp: Namespace, function: Callable[..., object], *arrays: Array) -> None:
    """Call `function(*parts)` on matching flat parts of equally large arrays, in parallel on the CPU.

    `function` must write its result into one of the parts. All arrays must be C-contiguous; on other backends, and for
    small arrays, it is called once with the whole arrays.
    """
    if xp is not np or arrays[0].nbytes <= SMALL or not all(a.flags.c_contiguous for a in arrays):
        function(*arrays)
        return
    flat = [a.reshape(-1) for a in arrays]
    run(xp, lambda part: function(*(a[part] for a in flat)), split(flat[0].size, flat[0].itemsize, 4 * SMALL))


def workspace(xp: Namespace, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An uninitialised array for the calling thread, valid until the thread asks for `name` again.

    Fresh memory costs a page fault for every 4 KiB; a band's columns are built thousands of times in the same place.
    """
    if xp is not np:
        return xp.empty(shape, dtype)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = getattr(_team.local, name, None)
    if buffer is None or buffer.nbytes < size:
        buffer = np.empty(size, np.uint8)
        setattr(_team.local, name, buffer)
    return buffer[:size].view(dtype).reshape(shape)
