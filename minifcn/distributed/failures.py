"""When one process of a group fails, all end, and each says why. Three ways to fail:

An error in Python. The process tells it, then ends all of them through MPI (`Reporter`); an error that all of them meet
alike, a wrong setting say, is told once.

Killed, by the system for lack of memory, say. Launchers then end the other processes: MPICH's mpiexec by SIGKILL, at
once, so that none of them can say a word. A shell at each process's side says it instead (`LastWords`).

Silent: its machine is gone, or it hangs, and the launcher does not notice. Each process listens to another one's
`Pulse`, and ends all when it has heard nothing for `SILENCE` seconds. A job may be paused as a whole, by a batch system
say: who finds that it has slept itself begins to count anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import numpy as np

from minifcn.errors import MinifcnError

SILENCE = 45.0  # seconds
BEAT = 1.0
PATIENCE = 3.0  # seconds in which an error that all processes meet shows in all of them


class LastWords:
    """What a process says when it is killed: a shell at its side prints the last line that it was given, if any, when
    the pipe between them ends. Where there is no shell, nobody says anything."""

    _SCRIPT = 'last=; while IFS= read -r line; do last=$line; done; [ -z "$last" ] || printf "%s\\n" "$last" >&2'

    def __init__(self) -> None:
        self._shell: subprocess.Popen | None = None
        self._who = ""
        with suppress(OSError):
            # A session of its own: what is sent to the process, or to its group, does not reach the shell.
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", self._SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def begin(self, rank: int, size: int) -> None:
        """From now on there is something to say."""
        self._who = (
            f"rank {rank} of {size} (process {os.getpid()}): ended from outside. Either it died itself, for lack of "
            "memory, say, or another rank did or failed, and all were ended."
        )
        self.set("No checkpoint had been written yet")

    def set(self, text: str) -> None:
        """What became of the run, and how to go on."""
        if self._shell and self._shell.stdin:
            with suppress(OSError):
                self._shell.stdin.write(f"{self._who} {text}".replace("\n", " ").encode() + b"\n")
                self._shell.stdin.flush()

    def take_back(self) -> None:
        """The process ends of itself: there is nothing to say."""
        if self._shell and self._shell.stdin:
            with suppress(OSError):
                self._shell.stdin.write(b"\n")
                self._shell.stdin.close()
            self._shell.wait()
            self._shell = None


class CtrlC:
    """Ctrl-C that waits: between `hold` and `release` it is only noted. In other threads than the main one, which
    alone gets it, and where it is ignored, nothing changes."""

    def __init__(self) -> None:
        self._came = False
        self._before: Any = None

    def hold(self) -> None:
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self._before = signal.signal(signal.SIGINT, self._note)

    def release(self, forget: bool = False) -> None:
        """From now on it does what it did; so does one that came meanwhile, unless that is to be forgotten."""
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)
        self._before = None
        if self._came and not forget:
            signal.raise_signal(signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True


class Reporter:
    """Tells the errors of processes, once if all of them meet the same.

    world: the communicator of all processes. Until `agrees_by` there is nothing to agree by: then every error is told
    by who has it, and ends all.
    """

    def __init__(self, mpi: Any, world: Any) -> None:
        self._mpi, self._world = mpi, world
        self._comm: Any = None

    def agrees_by(self, comm: Any) -> None:
        """comm: a communicator of all processes that nobody else uses."""
        self._comm = comm

    @contextmanager
    def watching(self, words: LastWords) -> Iterator[None]:
        """In it, an error that all processes meet alike goes on in the first, and ends the others in silence. One that
        they do not share is told by each process that has it; and if another is without, the first of them ends all."""
        try:
            yield
        except SystemExit:
            raise
        except BaseException as error:
            impatience = CtrlC()
            impatience.hold()  # once more, it would get in the way of ending the others
            try:
                self._tell(error, words)
            finally:
                impatience.release(forget=True)
            raise

    def _tell(self, error: BaseException, words: LastWords) -> None:
        """Returns if the error is to go on, in the process that tells it for all."""
        text, status = _described(error)
        together = self._all_fail()
        if together and self._alike(text):
            if self._world.Get_rank() == 0:
                return
            raise SystemExit(status) from None
        with suppress(OSError, ValueError):  # where nothing can be written, all must end nevertheless
            print(f"rank {self._world.Get_rank()}: {text}", file=sys.stderr, flush=True)
            sys.stdout.flush()
        if together:
            raise SystemExit(status) from None
        words.take_back()
        # Through the world's own communicator MPICH ends the others before they have said a word.
        (self._comm or self._world).Abort(status)
        os._exit(status)  # where it returns

    def _all_fail(self) -> bool:
        """Whether all processes come here. Who does not, waits for this one elsewhere, and would wait for ever."""
        if self._comm is None:
            return False
        request, end = self._comm.Ibarrier(), time.monotonic() + PATIENCE
        while not request.Test():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def _alike(self, text: str) -> bool:
        code = zlib.crc32(text.encode(errors="surrogatepass"))  # names of files may hold such
        ends = np.empty(2, np.int64)
        self._comm.Allreduce(np.array([code, -code], np.int64), ends, op=self._mpi.MAX)
        return bool(ends[0] == -ends[1])


def _described(error: BaseException) -> tuple[str, int]:
    """What to print of an error, and the process's exit status: as `command.reports_errors` has them."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped", 130
    if isinstance(error, MinifcnError):
        return f"error: {error}", 2
    if isinstance(error, MemoryError):
        return f"error: out of memory ({error}); smaller batches or crops need less, and so do more processes", 2
    return "".join(traceback.format_exception(error)), 1


class Pulse:
    """In a `with`, a thread that lets the next process hear of this one every second, and listens to the one before."""

    def __init__(self, mpi: Any, comm: Any, words: LastWords) -> None:
        self._comm, self._words = comm, words
        self._done = threading.Event()
        # An MPI that may not be called by two threads at once must do without.
        beats = comm.Get_size() > 1 and mpi.Query_thread() >= mpi.THREAD_MULTIPLE
        self._thread = threading.Thread(target=self._beat, name="minifcn-pulse", daemon=True) if beats else None

    def __enter__(self) -> Pulse:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        if self._thread:
            self._thread.join()

    def _beat(self) -> None:
        rank, size = self._comm.Get_rank(), self._comm.Get_size()
        following, before = (rank + 1) % size, (rank - 1) % size
        sent: deque[Any] = deque()
        heard = awake = time.monotonic()
        while not self._done.wait(BEAT):
            last, awake = awake, time.monotonic()
            if awake - last > SILENCE / 3:  # this process slept: so did the others, perhaps, and wake later
                heard = awake
            sent.append(self._comm.Isend(np.zeros(1, np.uint8), dest=following))
            while sent and sent[0].Test():
                sent.popleft()
            while self._comm.Iprobe(source=before):
                self._comm.Recv(np.empty(1, np.uint8), source=before)
                heard = time.monotonic()
            if time.monotonic() - heard > SILENCE:
                return self._give_up(rank, before)

    def _give_up(self, rank: int, silent: int) -> None:
        """Called in the thread: the main one waits for the process that is silent."""
        text = (
            f"rank {rank}: nothing has been heard of rank {silent} for {SILENCE:.0f} seconds: it hangs, or its machine "
            "is gone; ending all. Go on with --resume"
        )
        self._words.take_back()
        os.write(2, text.encode() + b"\n")  # not print: the main thread may be in one
        last = threading.Timer(10, os._exit, [3])  # should MPI itself hang
        last.daemon = True
        last.start()
        self._comm.Abort(3)
