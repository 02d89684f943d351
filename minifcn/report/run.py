"""What the folder of a run says of it: settings, log, and the nets that it has left so far."""

from __future__ import annotations

import csv
import dataclasses
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minifcn import backend, checkpoint, parallel
from minifcn import config as configuration
from minifcn.config import TrainConfig, mean_of
from minifcn.data import Dataset, num_classes_of
from minifcn.errors import ConfigError, DataError, MinifcnError, WeightsError
from minifcn.files import sha256
from minifcn.inference import open_fcn
from minifcn.net import Net
from minifcn.training import scan
from minifcn.training.folder import RunFolder, row_of
from minifcn.training.sets import evaluation_set
from minifcn.training.stages import Stage, net_of, stages_of


@dataclass(frozen=True)
class Trained:
    """A net that a run has left: where its numbers are, and the updates that the run had made by then."""

    stage: Stage
    path: Path
    step: int
    saved: bool = False  # in the run's checkpoint, not in a weight file of its own

    @property
    def sha256(self) -> str:
        return sha256(self.path)


@dataclass
class Run:
    """A run as its folder tells it."""

    folder: RunFolder
    config: TrainConfig
    stages: list[Stage]
    rows: list[dict[str, Any]]  # of log.csv
    notes: list[str] = field(default_factory=list)  # what is missing or damaged

    @property
    def step(self) -> int:
        """The updates that the log knows of."""
        return self.rows[-1]["step"] if self.rows else 0

    @property
    def finished(self) -> bool:
        """Whether the last stage's weights are there, and are not those of a time before the run was made longer."""
        return self.folder.weights.is_file() and (not self.rows or self.step >= self.stages[-1].end)

    @classmethod
    def read(cls, path: str) -> Run:
        """The run in a folder; ConfigError if it is none."""
        folder = RunFolder(Path(path))
        if not folder.path.is_dir():
            what = "is a file" if folder.path.is_file() else "no such folder"
            raise ConfigError(f"{path}: {what}; expected the folder of a run, as `minifcn train --out` makes it")
        if not folder.config.is_file():
            raise ConfigError(
                f"{path}: not the folder of a run: it has no {folder.config.name}; `minifcn train --out {path}` would "
                "make one, and `minifcn evaluate` scores weights that lie elsewhere"
            )
        config = configuration.resolve(configuration.read_toml(folder.config), {}, where=str(folder.config))
        rows, notes = _log(folder.log)
        return cls(folder, config, stages_of(config), rows, notes)

    def dataset(self, data: str | None, split: str | None) -> Dataset:
        """What the run is evaluated on; or the data set and the part of it that are given instead.

        Of a run with --skip-bad without the samples that cannot be used, which adds a note that counts them.
        """
        config = self.config
        if data or split:
            config = dataclasses.replace(
                config, val_data=data or config.val_data, val_split=split or config.val_split, val_limit=0, overfit=0
            )
        try:
            whole = evaluation_set(config)
            if not config.skip_bad:
                return whole
            net = net_of(config, self.stages[-1], num_classes_of(whole))
            before = scan.read(self.folder.path)
            dataset, bad = scan.usable(whole, net, before.get("train" if config.overfit else "val"))
        except DataError as error:
            raise DataError(f"{error}{'' if data else self._hint(split)}") from error
        if bad:
            self.notes.append(scan.left_out(whole, len(bad)))
        return dataset

    def _hint(self, split: str | None) -> str:
        """Whose word it is that data cannot be opened by: the flag's if they can be without it, else the settings'."""
        if split:
            try:
                evaluation_set(self.config)
            except DataError:
                pass
            else:
                return f" (as --split {split} says)"
        return f" (as {self.folder.config} says; if the data lie elsewhere now: --data KIND:DIR)"

    def trained(self) -> list[Trained]:
        """The net of each stage that has one, the last stage's last. ConfigError if there is none at all.

        Adds a note of each stage that is over and has none.
        """
        found = self._trained()
        kept = {each.stage.net for each in found}
        for stage in self.stages[: found[-1].stage.index]:
            if stage.net not in kept:
                path = self.folder.stage_weights(stage.net)
                self.notes.append(f"{path.name} is missing: the stage {stage.net} is left out")
        return found

    def _trained(self) -> list[Trained]:
        last = self.stages[-1]
        files = {stage.net: self.folder.stage_weights(stage.net) for stage in self.stages[:-1]}
        left = [Trained(s, files[s.net], s.end) for s in self.stages[:-1] if files[s.net].is_file()]
        if self.finished:
            return [*left, Trained(last, self.folder.weights, last.end)]
        if not self.folder.checkpoint.is_file():
            if left:
                return left
            raise ConfigError(
                f"{self.folder}: has neither {self.folder.weights.name} nor {self.folder.checkpoint.name}: there is no "
                f"net to look at; train it anew with: minifcn train --config {self.folder.config} --out ANOTHER"
            )
        state = checkpoint.load(self.folder.checkpoint).state
        (stage,) = [s for s in self.stages if s.net == state.get("stage")] or [last]
        done = [each for each in left if each.stage.index < stage.index]
        return [*done, Trained(stage, self.folder.checkpoint, state["step"], saved=True)]

    def open(self, trained: Trained, dataset: Dataset, device: str, threads: int) -> tuple[Net, list[float]]:
        """(net, mean of its pictures) on a device. WeightsError if the file does not hold the net that it should."""
        if not trained.saved:
            net, about = open_fcn(str(trained.path), None, device, threads)
            if net.spec["name"] != trained.stage.net:
                raise WeightsError(
                    f"{trained.path}: holds {net.spec['name']}, but the run trains {trained.stage.net}; "
                    "put back the file that the run has left there"
                )
            return net, about["mean"]
        if threads:
            parallel.set_threads(threads)
        net = net_of(self.config, trained.stage, num_classes_of(dataset))
        try:
            net.load_state_dict(checkpoint.load(trained.path).weights, give_away=True)
        except MinifcnError as error:
            told = str(error).removeprefix("load_state_dict: ")
            raise WeightsError(f"{trained.path}: is not of the net that the run trains: {told}") from error
        return net.to(backend.for_device(device)), mean_of(self.config)


def _log(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """(rows of log.csv, what is wrong with it)."""
    rows: list[dict[str, Any]] = []
    bad = 0
    try:
        text = path.read_text(encoding="utf-8")
        for raw in csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])):  # the last row may be cut short
            try:
                row = row_of(raw)
                fits = type(row["step"]) is int and all(isinstance(row.get(k, 0), (int, float)) for k in _NUMBERS)
            except (ValueError, KeyError, TypeError, AttributeError):
                fits = False
            if fits:
                rows.append(row)
            bad += not fits
    except FileNotFoundError:
        return [], [f"{path.name} is missing: there are no curves"]
    except (OSError, ValueError, csv.Error) as error:
        return [], [f"{path.name} cannot be read: {error}"]
    return rows, [f"{path.name}: rows that cannot be read, and were passed over: {bad}"] if bad else []


_NUMBERS = ("loss", "lr", "seconds")
