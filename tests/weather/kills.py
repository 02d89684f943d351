"""Runs that are killed at random moments and gone on with, against one that is not: `python -m tests.weather.kills`.

A run is started, killed (SIGKILL) at a moment drawn evenly from the time that it would take, and resumed; what is
resumed is killed in its turn half of the time. After every kill each file in the folder must be whole, and in the end
the weights must be those of the run that nobody killed, bit for bit, and so must the log.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from minifcn import checkpoint, weights
from minifcn import config as configuration
from minifcn.files import is_partial
from minifcn.training.claim import LOCK

ROOT = Path(__file__).resolve().parents[2]

#: Dropout, augmentation, and evaluations and checkpoints that do not fall together.
SETTINGS = [
    "--data", "shapes:size=32,train=6,val=2", "--preset", "small", "--batch-size", "1", "--jitter", "4",
    "--threads", "1", "--checkpoint-every", "3", "--eval-every", "4", "--log-every", "2",
]  # fmt: skip
RUNS = {
    "plain": [*SETTINGS, "--iterations", "24"],
    "staged": [*SETTINGS, "--stages", "32s,16s,8s", "--stage-iterations", "8,7,9", "--stage-lrs", "0.02,0.01,0.005"],
}
#: How far a run had come when it was killed.
MOMENTS = ("no settings yet", "no checkpoint yet", "under way", "steps all made")


class Sitting:
    """A run in a process of its own, looked at from its first line on: Python's own start is of no interest."""

    def __init__(self, *flags: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minifcn.train", *flags],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._first = self._process.stdout.readline()
        self._since = time.perf_counter()

    def finish(self) -> float:
        """Waits for its end, which must be a good one; returns the seconds that it took."""
        output = self._first + self._process.communicate()[0]
        assert self._process.returncode == 0, output
        return time.perf_counter() - self._since

    def kill(self, after: float) -> bool:
        """Kills it so many seconds after its first line; False if it had ended by then."""
        time.sleep(max(0.0, self._since + after - time.perf_counter()))
        ended = self._process.poll() is not None
        self._process.kill()
        output = self._first + self._process.communicate()[0]
        assert not ended or self._process.returncode == 0, output
        return not ended


def look(folder: Path) -> str:
    """Opens every file of a run, which must be whole; returns which of `MOMENTS` it was killed in."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_partial(path) or path.name == LOCK:
            continue
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".toml":
            configuration.resolve(configuration.read_toml(path), {}, where=str(path))
        elif path.name == "checkpoint.safetensors":
            checkpoint.load(path)
        elif path.suffix == ".safetensors":
            weights.open_net(path)
        elif path.suffix == ".csv":
            text = path.read_text()
            assert text.endswith("\n") and len({line.count(",") for line in text.splitlines()}) == 1, text
        else:
            raise AssertionError(f"{path}: a file that no run makes")
    if not (folder / "config.toml").is_file():
        return MOMENTS[0]
    if not (folder / "checkpoint.safetensors").is_file():
        return MOMENTS[1]
    state = checkpoint.load(folder / "checkpoint.safetensors").state
    return MOMENTS[3] if state["step"] == 24 else MOMENTS[2]


def result(folder: Path) -> tuple[dict[str, bytes], list[list[str]]]:
    """All weights, and the log without its seconds, which no run repeats."""
    kept = {path.name: path.read_bytes() for path in sorted(folder.glob("weights*.safetensors"))}
    with open(folder / "log.csv", newline="") as file:
        return kept, [[v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)]


def weathered(kind: str, folder: Path, kills: int, rng: np.random.Generator) -> Counter[str]:
    """Runs until `kills` have hit, with what the uninterrupted run leaves demanded of each; counts their moments."""
    whole = folder / "whole"
    seconds = Sitting(*RUNS[kind], "--out", str(whole)).finish()
    expected, moments, number = result(whole), Counter[str](), 0
    assert len(expected[0]) == (3 if kind == "staged" else 1) and len(expected[1]) == 24
    while moments.total() < kills:
        number += 1
        run, again = folder / f"run{number}", True
        while again:
            begun = (run / "config.toml").is_file()
            sitting = Sitting("--resume", str(run)) if begun else Sitting(*RUNS[kind], "--out", str(run))
            moment = rng.uniform(0, seconds)
            if sitting.kill(moment):
                moments[look(run)] += 1
            else:
                seconds = max(0.9 * seconds, 1.0)  # the machine has become faster
            again = rng.random() < 0.5 and moments.total() < kills
        begun = (run / "config.toml").is_file()
        (Sitting("--resume", str(run)) if begun else Sitting(*RUNS[kind], "--out", str(run))).finish()
        look(run)
        assert result(run) == expected, f"{run} is not as {whole}"
        assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}
    return moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="of each kind of run (default: 50)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{'run':8}{'kills':>6}  " + "  ".join(f"{moment:>17}" for moment in MOMENTS) + "  gone on with")
    for index, kind in enumerate(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            moments = weathered(kind, Path(folder), arguments.kills, np.random.default_rng([arguments.seed, index]))
        counts = "  ".join(f"{moments[moment]:17}" for moment in MOMENTS)
        print(f"{kind:8}{moments.total():6}  {counts}  every file whole, weights and log the same", flush=True)


if __name__ == "__main__":
    main()
