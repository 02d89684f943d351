"""The only owner of threads on the CPU.

NumPy multiplies matrices on several cores but copies and adds on one. minifcn cuts its work into bands that do both,
and runs the bands on a few threads of its own (NumPy releases the GIL in its loops), BLAS held to one thread meanwhile.

Bands are cut by shape, never by the number of threads, and BLAS sees one thread even when only one runs: the result has
the same bits on 1, 2 or 16 threads.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from minifcn.backend import Array, Namespace

T = TypeVar("T")
R = TypeVar("R")

#: Below this many bytes, waking a thread costs more than it saves (measured: about 30 microseconds).
SMALL = 1 << 17

#: Bytes of each array that one call of an elementwise function works on. Every call hands the interpreter's lock back
#: and forth, which takes longest where another thread waits for it: with half of this, or less, two threads were no
#: faster than one.
PART = 1 << 20

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
        self.errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self.workers: list[threading.Thread] = []
        self.blas: list[LibController] | None = None
        self.holders = 0
        self.lock = threading.RLock()
        self.local = threading.local()

    def resize(self, threads: int) -> None:
        with self.lock:
            for _ in self.workers:
                self.errands.put(None)
            self.errands, self.workers = SimpleQueue(), []
            self.threads = threads

    def post(self, errand: _Errand) -> None:
        """Some worker will come to help, unless the errand is over by then."""
        with self.lock:
            if len(self.workers) < self.threads - 1:
                worker = threading.Thread(target=_serve, args=(self.errands,), name="minifcn", daemon=True)
                self.workers.append(worker)
                worker.start()
            self.errands.put(errand)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, BLAS has one thread, and a thread that waits for the interpreter's lock gets it soon."""
        with self.lock:
            if self.blas is None:
                self.blas = ThreadpoolController().select(user_api="blas").lib_controllers
            if self.holders == 0:
                self.found = [library.get_num_threads() for library in self.blas]
                for library in self.blas:
                    _set_blas_threads(library, 1)
                self.interval = sys.getswitchinterval()
                sys.setswitchinterval(min(self.interval, _SWITCH_SECONDS))
            self.holders += 1
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0:
                    self.let_go()

    def let_go(self) -> None:
        """Give BLAS its threads back, and the interpreter its interval."""
        for library, threads in zip(self.blas or [], self.found, strict=True):
            _set_blas_threads(library, threads)
        sys.setswitchinterval(self.interval)

    def begin_anew(self) -> None:
        """In a process that was forked off: it has none of the workers, and whoever held the lock is not there."""
        if self.holders:
            self.let_go()
        self.lock = threading.RLock()
        self.errands, self.workers, self.holders = SimpleQueue(), [], 0
        self.local = threading.local()


def _set_blas_threads(library: LibController, threads: int) -> None:
    """From whichever thread: threadpoolctl listens to the first one only, so that others do not fight over a count that
    is the process's; `_Team` counts who holds it."""
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(threads)
    if release is not None:
        release(force=True)


class _Errand:
    """The help of one worker with the tasks of a `run`, whose caller begins without waiting for it.

    Waking a thread takes as long as some tasks: whoever is first, the worker or the caller who is done, takes `turn`.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.turn = threading.Lock()
        self.error: BaseException | None = None

    def help(self) -> None:
        """In the worker."""
        if self.turn.acquire(blocking=False):
            try:
                self.work()
            except BaseException as error:
                self.error = error
            finally:
                self.turn.release()

    def end(self) -> None:
        """In the caller: the worker has helped, or will not begin any more. Lets go of what the work refers to."""
        self.turn.acquire()
        del self.work


def _serve(errands: SimpleQueue[_Errand | None]) -> None:
    """What a worker does all its life."""
    while (errand := errands.get()) is not None:
        errand.help()
        del errand  # the arrays of its tasks must not live on while the worker waits for the next


_team = _Team()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_team.begin_anew)


def at_work() -> AbstractContextManager[None]:
    """Inside, BLAS has one thread: for products that are not in a `run`.

    With more, a product's bits depend on their number; and BLAS's threads, when they have done their share, stay on
    their cores for a while and wait for the next one, busily (OpenBLAS: some 50 ms), where our own threads should be.
    """
    return _team.at_work()


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

    errands = [_Errand(work) for _ in range(threads - 1)]
    with _team.at_work():
        try:
            for errand in errands:
                _team.post(errand)
            work()
        finally:
            for errand in errands:
                errand.end()  # no task outlives the call
    for errand in errands:
        if errand.error is not None:
            raise errand.error
    return results


def split(length: int, bytes_each: int, target: int = SMALL) -> list[slice]:
    """Slices of `range(length)` of about `target` bytes each, by shape alone."""
    step = max(1, target // max(1, bytes_each))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def cut(length: int, bytes_each: int, target: int = PART) -> list[slice]:
    """`range(length)` in an even number of nearly equal slices of at most about `target` bytes; whole if it is less.

    Even, so that no core waits for another's last one.
    """
    count = min(length, -(-length * bytes_each // target))
    count += count % 2 if 1 < count < length else 0
    return slices(length, max(1, count))


def slices(length: int, parts: int) -> list[slice]:
    """`range(length)` in `parts` slices of nearly equal length."""
    return [slice(a, b) for a, b in itertools.pairwise(length * k // parts for k in range(parts + 1))]


def elementwise(xp: Namespace, function: Callable[..., object], *arrays: Array) -> None:
    """Call `function(*parts)` on matching flat parts of equally large arrays, in parallel on the CPU.

    `function` must write its result into one of the parts. All arrays must be C-contiguous; on other backends, and for
    small arrays, it is called once with the whole arrays.
    """
    if xp is not np or arrays[0].nbytes <= PART or not all(a.flags.c_contiguous for a in arrays):
        function(*arrays)
        return
    flat = [a.reshape(-1) for a in arrays]
    run(xp, lambda part: function(*(a[part] for a in flat)), cut(flat[0].size, flat[0].itemsize))


def workspace(xp: Namespace, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An uninitialised array for the calling thread, valid until the thread asks for `name` again.

    Fresh memory costs a page fault for every 4 KiB; a band's columns are built thousands of times in the same place.
    """
    if xp is not np:
        return xp.empty(shape, dtype)
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = getattr(_team.local, name, None)
    if buffer is None or buffer.nbytes < size:
        buffer = np.empty(size, np.uint8)
        setattr(_team.local, name, buffer)
    return buffer[:size].view(dtype).reshape(shape)
