"""Strong and weak scaling: the same training step on one process and on two, each with one thread.

Strong: two processes share the pictures that one had. Weak: each has as many as one had. Beside them one process with
two threads, which is what a machine of two cores has without MPI; and one with half the pictures, which tells what of a
step does not shrink with them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.opponents import ROOT
from minifcn.errors import MinifcnError


class Subject(NamedTuple):
    """A net and its pictures. steps: that are timed in each turn; turns: fresh processes."""

    name: str
    net: str
    preset: str
    padding: int | str
    side: int
    pictures: int
    steps: int
    turns: int = 3


#: From little arithmetic and few weights to many weights for their arithmetic.
SUBJECTS = (
    Subject("FCN-8s tiny, 8 of 96x96", "fcn8s", "tiny", "same", 96, 8, 20),
    Subject("FCN-GoogLeNet, 2 of 224x224", "fcn-googlenet", "googlenet", 35, 224, 2, 4),
    Subject("FCN-8s, 2 of 224x224", "fcn8s", "vgg16", "same", 224, 2, 2, 2),
)

#: Name -> processes, threads of each, pictures as a multiple of one process's.
WAYS = {
    "one": (1, 1, 1.0),
    "one, half": (1, 1, 0.5),
    "one, two threads": (1, 2, 1.0),
    "two, strong": (2, 1, 1.0),
    "two, weak": (2, 1, 2.0),
}


def measure(subject: Subject) -> Iterator[dict[str, Any]]:
    """A row for each way to run the subject; they take turns, each in fresh processes."""
    found: dict[str, dict[str, Any]] = {}
    for _ in range(subject.turns):
        for way, (processes, threads, times) in WAYS.items():
            seen = _run(subject, processes, threads, int(subject.pictures * times))
            row = found.setdefault(way, {**seen, "seconds": [], "waits": []})
            row["seconds"] += seen["seconds"]
            row["waits"] += seen["waits"]
    for way, (processes, threads, times) in WAYS.items():
        yield {
            "case": subject.name, "key": way, "processes": processes, "threads": threads,
            "pictures": int(subject.pictures * times), **found[way],
        }  # fmt: skip


def library() -> str:
    """The MPI that was measured with, in a few words; MinifcnError where there is none."""
    code = "from mpi4py import MPI; print(' '.join(MPI.Get_library_version().split()[:3]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode or not _mpiexec():
        raise MinifcnError("scaling: needs mpi4py and mpiexec; pip install mpi4py mpich")
    return done.stdout.strip()


def _run(subject: Subject, processes: int, threads: int, pictures: int) -> dict[str, Any]:
    job = {
        "net": subject.net, "preset": subject.preset, "padding": subject.padding, "side": subject.side,
        "pictures": pictures, "steps": subject.steps, "threads": threads, "processes": processes,
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.rank", json.dumps(job)]
    if processes > 1:
        command = [_mpiexec(), "-n", str(processes), *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise MinifcnError(f"{subject.name} on {processes} processes: status {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _mpiexec() -> str:
    """That of this environment, or the machine's."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return shutil.which("mpiexec", path=os.pathsep.join(places)) or ""
