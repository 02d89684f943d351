"""Marks one student: processes of their own for the code, limits, and always a result with a message."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from .child import CLOCK
from .outline import Outcome
from .report import legible

#: Of the processor, for one case.
CASE_SECONDS = 10.0
#: Of the memory of one process (BLAS alone reserves some hundred MB).
MEMORY = 3 << 30
#: By the clock: for Python and NumPy to start, and to wait beyond a case's time for the process to stop by itself.
START_SECONDS = 60.0
GRACE_SECONDS = 3.0
_LOOK = 0.05
#: What is read of a process that should print some ten kB.
TOLD_BYTES = 4 << 20

#: So that students are compared, and machines are shared, fairly.
ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}


class Marked(NamedTuple):
    """What came of a student's files. `problem` is "" if all cases were run; `proof` has the files that were imported,
    with their SHA-256."""

    outcomes: list[Outcome]
    problem: str
    proof: dict[str, str]
    seconds: float


class _Run(NamedTuple):
    """What a process told, its exit status (None: it had to be stopped), what it complained of before it began."""

    lines: list[dict]
    status: int | None
    complaint: str

    @property
    def why(self) -> str:
        """How it ended, for the student."""
        if self.status is None:
            return "it does not end, and its process had to be stopped: a loop or a recursion that catches everything?"
        how = f"signal {_signal(-self.status)}" if self.status < 0 else f"exit status {self.status}"
        return f"the process ended by itself ({how})"


def mark(
    bundle: Path,
    files: dict[str, bytes],
    case_seconds: float = CASE_SECONDS,
    record: bool = False,
    python: str = sys.executable,
) -> Marked:
    """Run the cases in `bundle` on `files`, name -> content, in a process of their own.

    If that ends before its time, or has to be stopped, its question is lost, and another process goes on at the next.
    """
    start = time.monotonic()
    outcomes: dict[int, Outcome] = {}  # by the number of the case, so that none can count twice
    plan: dict[str, Any] = {"refused": {}, "first": 0, "stopped": ""}
    while True:
        run = _run(bundle, files, case_seconds, plan, record, python)
        for line in run.lines:
            if "outcome" in line:
                outcome = Outcome(*line["outcome"])
                outcomes.setdefault(line["case"], outcome._replace(message=legible(outcome.message)))
        done = [outcomes[k] for k in sorted(outcomes)]
        took = time.monotonic() - start
        proof = next((line["proof"] for line in run.lines if "proof" in line), None)
        if proof is not None and "refused" in proof:
            return Marked([], proof["refused"], {}, took)
        if proof is not None:
            return Marked(done, "", proof, took)
        if not _go_on(plan, run):
            return Marked(done, f"the grader itself failed: {run.complaint or run.why}", {}, took)


def _go_on(plan: dict[str, Any], run: _Run) -> bool:
    """Change the plan for the next process; False if that would get no further."""
    began = [line["began"] for line in run.lines if "began" in line]
    if not began:
        return False
    if isinstance(began[-1], str):
        known = began[-1] in plan["refused"]
        plan["refused"][began[-1]] = run.why
        return not known
    further = began[-1] > plan["first"] or not plan["stopped"]
    plan["first"], plan["stopped"] = began[-1], run.why
    return further


def _run(
    bundle: Path, files: dict[str, bytes], case_seconds: float, plan: dict[str, Any], record: bool, python: str
) -> _Run:
    """One process, in a folder of its own with a copy of all that it reads: it may delete what it likes."""
    with tempfile.TemporaryDirectory(prefix="mark-", ignore_cleanup_errors=True) as scratch:
        here = Path(scratch).resolve()
        mine, work = here / "mine", here / "work"
        mine.mkdir()
        work.mkdir()
        if not record:
            bundle = Path(shutil.copytree(bundle, here / "bundle"))
        for name, content in files.items():
            (mine / Path(name).name).write_bytes(content)
        code = f"import sys; sys.path.insert(0, {str(bundle)!r}); from course.child import main; main(sys.argv[1:])"
        told = [
            str(bundle),
            str(mine),
            str(case_seconds),
            str(MEMORY),
            json.dumps(plan),
            str(os.getpid()),
            *["record"] * record,
        ]
        keep = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if key in os.environ}
        process = subprocess.Popen(
            [python, "-I", "-B", "-c", code, *told],
            cwd=work,
            env={**keep, **ONE_THREAD, "HOME": str(work), "TMPDIR": str(work), "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=os.name == "posix",
        )
        assert process.stdout and process.stderr
        out, err = _Listener(process.stdout), _Listener(process.stderr)
        try:
            status = _wait(process, out, CLOCK * case_seconds + GRACE_SECONDS)
        finally:  # Ctrl-C, too: the process is in a session of its own, and would not hear of it
            _end(process, f"HOME={work}".encode())
        lines = []
        for text in out.all().splitlines():
            with suppress(ValueError):
                line = json.loads(text)
                lines += [line] * isinstance(line, dict)
        complaint = err.all().decode(errors="replace").strip().rpartition("\n")[2]
    return _Run(lines, status, legible(complaint, 500))


class _Listener(threading.Thread):
    """Reads a pipe to its end, as it comes, and keeps the beginning."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe, self._kept, self.count = pipe, bytearray(), 0
        self.start()

    def run(self) -> None:
        """Until the last process that can write to the pipe is gone."""
        with self._pipe:
            while block := os.read(self._pipe.fileno(), 1 << 16):
                self._kept += block[: TOLD_BYTES - len(self._kept)]
                self.count += len(block)

    def all(self) -> bytes:
        """What came. Waits for the end, but not for a process that nobody could find."""
        self.join(timeout=2)
        return bytes(self._kept)


def _wait(process: subprocess.Popen, out: _Listener, seconds: float) -> int | None:
    """The exit status, or None if it told nothing for so many seconds: counted in small steps, so that a machine which
    sleeps meanwhile costs none."""
    heard, quiet = 0, 0.0
    while quiet < (seconds if heard else START_SECONDS):
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=_LOOK)
        quiet = 0.0 if out.count != heard else quiet + _LOOK
        heard = out.count
    return None


def _end(process: subprocess.Popen, mark: bytes) -> None:
    """The process and all that it has started: its group and, on Linux, what left that but has its environment."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return str(number)
