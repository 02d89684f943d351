"""Runs of the trainer inside an experiment's folder: made once, gone on with after Ctrl-C, and read when finished."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from minifcn import config as configuration
from minifcn import train
from minifcn.command import positive
from minifcn.config import TrainConfig
from minifcn.errors import ConfigError, DataError
from minifcn.training.folder import MEASURES, RunFolder

#: What the paper's table 2 calls the four measures.
COLUMNS = dict(zip(MEASURES, ("pixel acc.", "mean acc.", "mean IU", "f.w. IU"), strict=True))


class Unfinished(Exception):
    """The trainer ended early: `status` is what the command exits with."""

    def __init__(self, status: int) -> None:
        super().__init__("stopped; the same command goes on" if status == 130 else "the run above did not end well")
        self.status = status


class Run(NamedTuple):
    """A finished run: its folder, and its log, a row for each step, with the measures where it was evaluated."""

    folder: RunFolder
    log: list[dict[str, float]]

    def measures(self, step: int = 0) -> dict[str, float]:
        """The four measures in percent, after a step, or the last."""
        row = self.log[step - 1]
        return {name: 100 * row[key] for key, name in COLUMNS.items()}

    @property
    def seconds(self) -> float:
        """From the first step to the end of the last, evaluations included."""
        return self.log[-1]["seconds"]

    @property
    def evaluations(self) -> list[dict[str, float]]:
        """The rows that have measures."""
        return [row for row in self.log if "mean_iu" in row]


def add_flags(parser: argparse.ArgumentParser, iterations: int, about: str, net: str = "", usual: str = "1") -> None:
    """The flags of every experiment that trains: `iterations` by default, which mean what `about` says; usual seeds."""
    parser.add_argument("--data", default="shapes", metavar="SPEC", help="data set, as for train (default: shapes)")
    parser.add_argument("--init", default="", metavar="FILE", help="weights to start from (default: a random trunk)")
    parser.add_argument("--recipe", default="tiny", metavar="NAME", help="settings of train to start from (tiny)")
    parser.add_argument("--preset", default="", metavar="NAME", help="widths of the layers (default: the recipe's)")
    if net:
        parser.add_argument("--net", default=net, metavar="NAME", help=f"net to train (default: {net})")
    parser.add_argument("--iterations", type=positive, default=iterations, metavar="N", help=f"{about} ({iterations})")
    parser.add_argument(
        "--seeds", type=seeds, default=seeds(usual), metavar="A,B", help=f"repeat with each of them (default: {usual})"
    )
    parser.add_argument("--val-limit", type=int, default=0, metavar="N", help="evaluate on so many pictures; 0: all")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads on the CPU; 0: one a core")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (default: cpu)")


def seeds(text: str) -> list[int]:
    """ "1,2,3" as [1, 2, 3], for argparse."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(f"expected different whole numbers with commas between, got {text!r}")
    return [int(part) for part in parts]


def settings(arguments: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """Settings of the trainer out of `add_flags`'s flags, and `more`."""
    told = {name: getattr(arguments, name) for name in ("data", "recipe", "val_limit", "threads", "device")}
    told |= {name: value for name in ("init", "preset") if (value := getattr(arguments, name))}
    return {**told, "iterations": arguments.iterations, **more}


def trained(folder: Path, name: str, given: Mapping[str, Any]) -> Run:
    """The run of these settings in `folder`: read if it is finished there, gone on with if it was begun, else made.

    One line tells it, under `name`; what the trainer says goes to FOLDER.txt. Raises ConfigError if the folder has a
    run of other settings, Unfinished if the trainer ends before its time.
    """
    config = configuration.resolve({}, given)
    there = RunFolder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if there.config.is_file():
        _check_same(there, config)
    if not there.weights.is_file():
        argv = ["--resume", str(folder)]
        if not there.checkpoint.is_file():  # what ended before its first checkpoint, at step 0, has left nothing else
            argv = [*_flags(given), "--out", str(folder)]
            for path in (there.config, there.log):
                path.unlink(missing_ok=True)
        with open(f"{folder}.txt", "a", encoding="utf-8") as told, redirect_stdout(told):
            status = train.main(argv)
        if status:
            raise Unfinished(status)
    run = Run(there, _read_log(there.log))
    print(f"{name}: {len(run.log)} steps, {run.seconds:.0f} s, mean IU {run.measures()['mean IU']:.1f}", flush=True)
    return run


def _flags(given: Mapping[str, Any]) -> list[str]:
    """Settings as the trainer's command line."""
    words = []
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        words += [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, str(value)]
    return words


def _check_same(there: RunFolder, config: TrainConfig) -> None:
    """ConfigError unless the folder's run has these settings; what only decides how it is run may differ."""
    had = configuration.resolve(configuration.read_toml(there.config), {}, where=str(there.config))
    for name, old, new in configuration.differences(had, config):
        free = name in configuration.FREE_ON_RESUME - {"iterations", "stage_iterations", "val_limit", "eval_every"}
        if not free and not (name == "mean" and not new):  # taken from the weights that it starts from
            raise ConfigError(
                f"{there}: holds a run with {name} = {old!r}, this one wants {new!r}; choose another --out, or remove "
                "that folder"
            )


def _read_log(path: Path) -> list[dict[str, float]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [{key: float(text) for key, text in row.items() if text and key != "stage"} for row in rows]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
