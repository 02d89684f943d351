"""Opponents, each in a process of its own, which `benchmarks.worker` serves."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cases import Case
from minifcn.errors import MinifcnError

ROOT = Path(__file__).resolve().parents[1]


class Setting(NamedTuple):
    """What all opponents of a run share. device: "cpu" or "gpu"; tf32 counts on a GPU only."""

    threads: int
    device: str = "cpu"
    tf32: bool = False


class Absent(MinifcnError):
    """An opponent cannot take part, and the text says why: not installed, or without what a case needs."""


class Opponent:
    """One engine's process. Raises Absent if it is not installed, or if it cannot do a case.

    versions: of its libraries. imports: bytes resident after them.
    """

    def __init__(self, engine: str, setting: Setting) -> None:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CUPY_TF32": str(int(setting.tf32))}
        command = [sys.executable, "-m", "benchmarks.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT
        )
        self.engine = engine
        try:
            told = self._ask("start", engine=engine, **setting._asdict())
        except BaseException:
            self.close()
            raise
        self.versions: dict[str, str] = told["versions"]
        self.imports: int = told["imports"]

    def prepare(self, case: Case, alike: bool = True) -> None:
        """Make a case ready, with the weights that all opponents have (`alike`) or with its own."""
        self._ask("prepare", case=case, alike=alike)

    def results(self) -> dict[str, np.ndarray]:
        """The arrays of one run, by name."""
        return self._ask("results")

    def seconds(self, runs: int) -> float:
        """Seconds of a run of the case that was made ready, the mean of `runs` in a row."""
        return self._ask("seconds", runs=runs)

    def peak(self) -> dict[str, int | None]:
        """The most bytes held so far: {"host", "device"}."""
        return self._ask("peak")

    def set_threads(self, threads: int) -> None:
        """Another number of threads on the CPU, from now on."""
        self._ask("threads", threads=threads)

    def close(self) -> None:
        """End the process."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # it has ended before
                pipe.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Opponent:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, method: str, **arguments: Any) -> Any:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            pickle.dump((method, arguments), process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            kind, value = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError) as error:
            status = process.wait()
            why = "killed by the system, which had no memory left" if status == -9 else f"exit status {status}"
            raise Absent(f"its process ended: {why}") from error
        if kind == "unable":
            raise Absent(value)
        if kind == "failed":
            raise MinifcnError(f"{self.engine}, {method}: {value}")
        return value
