"""An opponent's process: `python -m benchmarks.worker ENGINE`, started and spoken to by `opponents.py` alone.

Requests come pickled on standard input, answers go pickled to standard output: ("ok", value), ("unable", reason) or
("failed", traceback). What libraries print goes to standard error.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import sys
import time
import traceback
from types import ModuleType
from typing import Any

from benchmarks import rss
from benchmarks.cases import Case
from benchmarks.engines import Unable, Work


class Server:
    """Answers requests: each public method is one."""

    engine: ModuleType
    work: Work | None = None

    device: tuple[str, bool] = ("cpu", False)

    def start(self, engine: str, threads: int, device: str, tf32: bool) -> dict[str, Any]:
        """Imports the engine; tells its libraries, and what the imports take."""
        try:
            self.engine = importlib.import_module(f"benchmarks.engines.{engine}")
        except ImportError as error:
            raise Unable(f"not installed here ({error})") from error
        self.device = device, tf32
        self.engine.start(threads, *self.device)
        return {"versions": self.engine.versions(), "imports": rss.now()}

    def threads(self, threads: int) -> None:
        """From now on."""
        self.engine.start(threads, *self.device)

    def prepare(self, case: Case, alike: bool) -> None:
        """Makes a case ready; the one before it goes first."""
        self.work = None
        self.work = self.engine.prepare(case, alike)

    def results(self) -> dict[str, Any]:
        """The arrays that one run gives."""
        assert self.work is not None
        return self.work.results()

    def seconds(self, runs: int) -> float:
        """Seconds of a run, the mean of `runs` in a row."""
        assert self.work is not None
        run = self.work.run
        self.engine.synchronize()
        start = time.perf_counter()
        for _ in range(runs):
            run()
        self.engine.synchronize()
        seconds = (time.perf_counter() - start) / runs
        _rest()
        return seconds

    def peak(self) -> dict[str, int | None]:
        """The most bytes that the process, and the device for it, held so far."""
        return {"host": rss.peak(), "device": self.engine.device_peak()}


def _rest() -> None:
    """Wait until this process is at rest, a second at most: its threads still spin for more work for up to 0.1 s after
    a matrix product, and would take that from the opponent whose turn is next."""
    for _ in range(200):
        busy = time.process_time()
        time.sleep(0.005)
        if time.process_time() - busy < 0.001:
            return


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = Server()
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = "ok", getattr(server, method)(**arguments)
        except (Unable, NotImplementedError) as error:
            answer = "unable", str(error)
        except Exception as error:
            answer = "failed", f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main()
