"""`python -m minifcn.train` as a user types it, or its first steps: a row a commit, to compare before and after."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.opponents import ROOT
from minifcn.errors import MinifcnError


def run(steps: int | None, threads: int) -> dict[str, Any]:
    """Seconds of the whole command, imports and evaluations included, and the median milliseconds between two steps.

    steps: None for the whole run, which ends in its mean IU on unseen pictures; a shorter one has another.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "minifcn.train", "--out", str(out), "--threads", str(threads)]
        command += ["--iterations", str(steps)] if steps else []
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise MinifcnError(f"minifcn train ended with status {done.returncode}: {done.stderr[-2000:]}")
        with open(out / "log.csv", newline="") as file:
            at = [float(row["seconds"]) for row in csv.DictReader(file)]
    score = re.search(r"^mean IU +([\d.]+)", done.stdout, re.MULTILINE)
    return {
        "steps": len(at),
        "seconds": seconds,
        "step_ms": 1e3 * median(b - a for a, b in pairwise(at)),
        "mean_iu": float(score[1]) if score else None,
    }
