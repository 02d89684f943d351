"""A long run, watched from outside: `python -m tests.weather.soak`. Its memory and its open files must stay flat.

Prints resident memory and the number of open files along the way, evaluations and checkpoints included.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from minifcn import data

ROOT = Path(__file__).resolve().parents[2]
EVERY = 20  # steps between two looks


class Look(NamedTuple):
    step: int
    resident: int  # bytes
    files: int


def soak(steps: int, data: str) -> list[Look]:
    """Looks at a run of so many steps on `data`, at every `EVERY`-th of them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "minifcn.train", "--data", data, "--preset", "small", "--batch-size", "2",
            "--jitter", "4", "--scale", "1.2", "--mirror", "--iterations", str(steps), "--log-every", str(EVERY),
            "--eval-every", "50", "--checkpoint-every", "50", "--out", str(Path(folder) / "run"),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        looks, told = [], []
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run:
            for line in run.stdout:
                told.append(line)
                if found := re.match(r"step (\d+)/", line):
                    looks.append(Look(int(found[1]), *seen(run.pid)))
        assert run.returncode == 0, "".join(told)
    return looks


def seen(pid: int) -> tuple[int, int]:
    """(resident bytes, open files) of a process; the trainer goes on meanwhile."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def growth(looks: list[Look], settled: int) -> float:
    """By which share resident memory, a mean of five looks, grew from those from step `settled` on to the last.

    Of five, as it breathes with what batches and evaluations take and give back.
    """

    def mean(some: list[Look]) -> float:
        return sum(look.resident for look in some) / len(some)

    return mean(looks[-5:]) / mean([look for look in looks if look.step >= settled][:5]) - 1


def pictures(folder: Path, count: int = 24) -> str:
    """A set of files as a user has, of several sizes, lying in `folder`; returns how it is called for."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    drawn = data.open_dataset(f"shapes:size=48,train={count}", "train")
    (folder / "classes.txt").write_text("\n".join(drawn.classes))
    for n in range(count):
        sample, width = drawn[n], 48 - n % 5
        Image.fromarray(np.ascontiguousarray(sample.image[:, :width])).save(folder / "images" / f"{n:02}.jpg")
        Image.fromarray(np.ascontiguousarray(sample.label[:, :width])).save(folder / "labels" / f"{n:02}.png")
    return f"folder:{folder}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="of each run (default: 2000)")
    parser.add_argument("--settled", type=int, default=200, help="step from which on it must be flat (default: 200)")
    arguments = parser.parse_args()
    if not 100 <= arguments.settled <= arguments.steps - 100:
        parser.error("--settled must leave 100 steps before it and after it")
    for kind in ("shapes", "files"):
        with tempfile.TemporaryDirectory() as folder:
            spec = "shapes:size=48,train=64,val=4" if kind == "shapes" else pictures(Path(folder))
            looks = soak(arguments.steps, spec)
        print(f"{kind:8} step  resident MiB  open files")
        for look in looks[4 :: max(1, len(looks) // 10)]:
            print(f"{look.step:13}{look.resident / 2**20:14.1f}{look.files:12}")
        grown, files = (
            growth(looks, arguments.settled),
            {look.files for look in looks if look.step >= arguments.settled},
        )
        print(f"grown by {grown:.2%} from step {arguments.settled} to {arguments.steps}; open files: {sorted(files)}\n")


if __name__ == "__main__":
    main()
