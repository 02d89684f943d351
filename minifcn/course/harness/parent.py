"""Marks one student: a process of its own for the code, limits, and always a result with a message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .outline import Outcome

#: Of the whole of one student's run, of one case, and of its memory (BLAS alone reserves some hundred MB).
SECONDS = 60.0
CASE_SECONDS = 10.0
MEMORY = 3 << 30
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


def mark(
    bundle: Path,
    files: dict[str, bytes],
    seconds: float = SECONDS,
    case_seconds: float = CASE_SECONDS,
    record: bool = False,
    python: str = sys.executable,
) -> Marked:
    """Run the cases in `bundle` on `files`, name -> content, in a process of their own."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mark-") as scratch:
        mine = Path(scratch).resolve() / "mine"
        mine.mkdir()
        for name, content in files.items():
            (mine / Path(name).name).write_bytes(content)
        code = f"import sys; sys.path.insert(0, {str(bundle)!r}); from course.child import main; main(sys.argv[1:])"
        command = [python, "-I", "-B", "-c", code, str(bundle), str(mine), str(case_seconds), str(MEMORY)]
        lines, status, complaint = _run(command + ["record"] * record, Path(scratch), seconds)
    return _read(lines, status, complaint, time.monotonic() - start, seconds)


def _run(command: list[str], scratch: Path, seconds: float) -> tuple[list[dict], int | None, str]:
    """(what the process told, its exit status, what it complained of before it began); None: it had to be stopped."""
    keep = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if key in os.environ}
    environment = {**keep, **ONE_THREAD, "HOME": str(scratch), "TMPDIR": str(scratch), "PYTHONHASHSEED": "0"}
    said, complaint = scratch / "told.txt", scratch / "complaint.txt"
    with said.open("wb") as out, complaint.open("wb") as err:
        process = subprocess.Popen(
            command,
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=os.name == "posix",
        )
        status = _wait(process, seconds)
        _end(process)
    with said.open("rb") as file:
        told = file.read(TOLD_BYTES)
    lines = []
    for line in told.splitlines():
        with suppress(ValueError):
            lines.append(json.loads(line))
    return lines, status, complaint.read_text(errors="replace").strip().rpartition("\n")[2][:500]


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    """The exit status, or None after so many seconds: counted, so that a machine which sleeps meanwhile costs none."""
    for _ in range(int(seconds / _LOOK)):
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=_LOOK)
    return None


def _end(process: subprocess.Popen) -> None:
    """The process and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _read(lines: list[dict], status: int | None, complaint: str, took: float, seconds: float) -> Marked:
    outcomes = [Outcome(*line["outcome"]) for line in lines if "outcome" in line]
    proof = next((line["proof"] for line in lines if "proof" in line), None)
    if proof is not None and "refused" in proof:
        return Marked([], proof["refused"], {}, took)
    if proof is not None:
        return Marked(outcomes, "", proof, took)
    after = f"after {len(outcomes)} cases" if outcomes else "before the first case was done"
    if status is None:
        return Marked(outcomes, f"stopped {after}: all together took longer than {seconds:g} s", {}, took)
    if complaint:
        return Marked(outcomes, f"the grader itself failed: {complaint}", {}, took)
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return Marked(outcomes, f"the process ended by itself ({how}) {after}; the cases that were left are lost", {}, took)
