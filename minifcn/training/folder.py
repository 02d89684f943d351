"""What a run leaves behind, and what it goes on from.

config.toml              all settings; `minifcn train --config` of it repeats the run
log.csv                  a row for each step, with the four measures where the net was evaluated
curves.png, samples.png  the log, and some pictures with truth and prediction
weights.safetensors      the net, for `minifcn evaluate` and `minifcn predict`
weights-NET.safetensors  under --stages, the nets of the stages before the last
checkpoint.safetensors   for `minifcn train --resume`
report.html              what `minifcn report` makes of all that

With several tasks, samples.png and the first columns of the log are the first task's; samples-TASK.png and the columns
TASK_pixel_accuracy ... are the others'.
"""

from __future__ import annotations

import csv
import datetime
import io
import itertools
import math
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from minifcn import config as configuration
from minifcn.backend import Array, to_numpy, xp_of
from minifcn.config import TrainConfig
from minifcn.errors import CheckpointError, ConfigError, MinifcnError
from minifcn.files import append, atomic_path, is_partial
from minifcn.metrics import Scores
from minifcn.training.claim import LOCK, Claim

MEASURES = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")
COLUMNS = ("step", "loss", "lr", "seconds", *MEASURES, "stage")


class RunFolder:
    """Paths in the folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.log = path / "log.csv"
        self.curves = path / "curves.png"
        self.samples = path / "samples.png"
        self.weights = path / "weights.safetensors"
        self.checkpoint = path / "checkpoint.safetensors"
        self.report = path / "report.html"

    def samples_of(self, task: str) -> Path:
        """samples.png; of another task than the first, samples-TASK.png."""
        return self.samples.with_stem(f"samples-{task}") if task else self.samples

    def names(self) -> list[str]:
        """Of all that lies there but the claim."""
        return sorted({path.name for path in self.path.iterdir()} - {LOCK})

    def __str__(self) -> str:
        return str(self.path)

    def to_go_on(self, processes: int = 1) -> str:
        """The command that goes on with the run on as many processes, as a shell takes it."""
        path = f"./{self}" if str(self).startswith("-") else str(self)  # or it would be taken for a flag
        command = f"minifcn train --resume {shlex.quote(path)}"
        return command if processes == 1 else f"mpiexec -n {processes} {command} --distributed"

    @classmethod
    def create(cls, out: str, config: TrainConfig, claim: Claim | None = None) -> RunFolder:
        """A new folder with its config.toml: `out`, or one named after date, net and data. Never one that is in use.

        claim: takes the folder, before it is looked at: of two runs that start at once one alone has it.
        """
        with ExitStack() as stack:
            claim = claim or stack.enter_context(Claim())
            path = Path(out) if out else None
            try:
                if path is None:
                    path = _new_folder(config)
                else:
                    path.mkdir(parents=True, exist_ok=True)
                claim.take(path)
                used = any(not is_partial(entry) and entry.name != LOCK for entry in path.iterdir())
            except OSError as error:
                raise ConfigError(f"{path or 'runs'}: cannot be the folder of a run ({error.strerror})") from error
            folder = cls(path)
            if used:
                hint = f", or go on with --resume {path}" if folder.config.is_file() else ""
                raise ConfigError(f"{path}: is not empty, and nothing is overwritten; choose another --out{hint}")
            folder.write_config(config)
            return folder

    @classmethod
    def existing(cls, path: str) -> RunFolder:
        """The folder of a run that can be resumed, be it from its beginning; CheckpointError if it is none."""
        folder = cls(Path(path))
        if not os.path.isfile(folder.config):
            raise CheckpointError(f"{path}: not the folder of a run: it has no {folder.config.name}")
        if not folder.checkpoint.is_file() and folder._has_begun():
            raise CheckpointError(
                f"{path}: its {folder.checkpoint.name} is gone, though {folder.log.name} tells of steps; "
                f"repeat the run with --config {folder.config} --out ANOTHER"
            )
        return folder

    def _has_begun(self) -> bool:
        """Whether steps have been made: the log has more than its head."""
        try:
            return self.log.read_bytes().count(b"\n") > 1
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CheckpointError(f"{self.log}: cannot be read ({error.strerror})") from error

    def stage_weights(self, net: str) -> Path:
        """The weights of the stage whose net is called `net`."""
        return self.path / f"weights-{net}.safetensors"

    def write_config(self, config: TrainConfig) -> None:
        note = "All settings of this run. Repeat it with: minifcn train --config THIS_FILE"
        with atomic_path(self.config) as beside:
            beside.write_text(configuration.to_toml(config, note), encoding="utf-8")


class Log:
    """The rows of log.csv; `tasks` names those beyond the first. Without `writes` they are in memory alone.

    Losses stay on the device until `settle`, so that a GPU is not waited for at every step.
    """

    def __init__(self, path: Path, tasks: Sequence[str] = (), writes: bool = True) -> None:
        self.rows: list[dict[str, Any]] = []
        self.columns = [*COLUMNS, *(f"{task}_{measure}" for task in tasks for measure in MEASURES)]
        self._tasks = tasks
        self._path = path
        self._writes = writes
        self._pending: list[tuple[dict[str, Any], Array]] = []
        self._written = 0

    def go_on(self, step: int) -> None:
        """Takes over the rows up to `step`; later ones, of steps whose weights were never saved, are dropped.

        A row that stands there twice is taken once: before there were claims two processes could write to one log.
        """
        again = f"repeat the run with --config {self._path.with_name('config.toml')} --out ANOTHER"
        try:
            text = self._path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]  # the last row may be cut short where the power failed
            kept = [row for row in csv.DictReader(io.StringIO(whole)) if int(row["step"]) <= step]
            rows = _once([row_of(row) for row in kept])
        except FileNotFoundError as error:
            if step:
                raise CheckpointError(
                    f"{self._path}: is gone, though the checkpoint is of step {step}; put it back, or {again}"
                ) from error
            rows = []
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise CheckpointError(f"{self._path}: cannot be continued: {error}") from error
        if [row["step"] for row in rows] != list(range(1, step + 1)):
            raise CheckpointError(
                f"{self._path}: cannot be continued: expected a row for each of the steps 1..{step} without gaps, "
                f"got {len(rows)}; put back a copy that has them, or {again}"
            )
        if damaged := [row["step"] for row in rows if not set(COLUMNS[:4]) <= row.keys() <= set(self.columns)]:
            raise CheckpointError(f"{self._path}: cannot be continued: step {damaged[0]} lacks or adds columns")
        self.rows = rows
        self._written = 0
        self._rewrite()

    def record(self, step: int, loss: Array, lr: float, seconds: float, stage: str) -> None:
        """Another step has been computed, of the stage whose net is called `stage`."""
        self._pending.append(({"step": step, "lr": lr, "seconds": round(seconds, 3), "stage": stage}, loss))

    def settle(self) -> tuple[int, float] | None:
        """Reads the losses recorded since the last time; returns (step, loss) of the first that is not finite."""
        if not self._pending:
            return None
        rows, losses = zip(*self._pending, strict=True)
        self._pending = []
        for row, loss in zip(rows, to_numpy(xp_of(losses[0]).stack(losses)).tolist(), strict=True):
            if not math.isfinite(loss):
                return row["step"], loss
            self.rows.append({**row, "loss": loss})
        return None

    def score(self, scores: Sequence[Scores]) -> None:
        """The measures of each task after the step of the last settled row."""
        for prefix, values in zip(["", *(f"{task}_" for task in self._tasks)], scores, strict=True):
            self.rows[-1].update({prefix + name: getattr(values, name) for name in MEASURES})
        self._written = 0  # the row may be in the file already: after a resume in the middle of an evaluation

    def write(self) -> None:
        """Appends the settled rows to the file: all of them, or none."""
        if not self._writes:
            return
        if self._written == 0:
            self._rewrite()
            return
        rows = io.StringIO()
        self._writer(rows).writerows(self.rows[self._written :])
        try:
            append(self._path, rows.getvalue().encode())
        except OSError as error:
            raise MinifcnError(f"{self._path}: cannot be written ({error.strerror}); what it held is whole") from error
        self._written = len(self.rows)

    def _rewrite(self) -> None:
        if not self._writes:
            return
        with atomic_path(self._path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
            writer = self._writer(file)
            writer.writeheader()
            writer.writerows(self.rows)
        self._written = len(self.rows)

    def _writer(self, file: Any) -> csv.DictWriter:
        return csv.DictWriter(file, self.columns, restval="", lineterminator="\n")


def row_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of log.csv as numbers, and text for the stage; empty cells are left out. ValueError etc. if damaged."""
    return {key: _read(key, value) for key, value in row.items() if value}


def _once(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a log in order, each step once; ValueError if two rows of a step say different things.

    The time may be another, and one of them may lack the measures that the other has.
    """
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        before = found.setdefault(row["step"], row)
        if other := [key for key in before.keys() & row.keys() - {"seconds"} if before[key] != row[key]]:
            raise ValueError(
                f"two rows of step {row['step']} differ in {min(other)}: were two processes at work here? Remove the "
                "rows of one of them"
            )
        found[row["step"]] = {**row, **before}
    return [found[step] for step in sorted(found)]


def _read(column: str, text: str) -> int | float | str:
    if column == "stage":
        return text
    return int(text) if text.isdigit() else float(text)


def _new_folder(config: TrainConfig) -> Path:
    """A folder runs/DATE-NET-DATA that nobody else has made."""
    kind, _, rest = config.data.partition(":")
    data = re.sub(r"[^A-Za-z0-9]+", "-", f"{kind}-{Path(rest).name}" if kind == "folder" else kind).strip("-")
    name = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{config.net}-{data}"
    runs = Path("runs")
    runs.mkdir(exist_ok=True)
    for candidate in itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2))):
        path = runs / candidate
        with suppress(FileExistsError):  # of a run that began in the same second
            path.mkdir()
            return path
    raise AssertionError("names do not end")
