"""Staged training (section 4.2): a coarse net first, then finer ones, each from the weights of the one before.

What a stage adds, a score layer on a finer map, starts at zero, so the new net first says what the old one said, only
upsampled in two steps. Each stage has its own learning rate, and momentum that starts afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from minifcn import models
from minifcn.config import TrainConfig, stage_nets
from minifcn.errors import ConfigError
from minifcn.net import Net

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Stage:
    """A net by name, how it is trained, and the updates that the run has made when it begins. A plain run is one."""

    net: str
    lr: float
    iterations: int
    start: int = 0
    index: int = 0

    @property
    def title(self) -> str:
        """What the paper's figures call it: "32s", "16s" or "8s"."""
        return f"{models.stride_of(self.net)}s"

    @property
    def end(self) -> int:
        """The updates that the run has made when this stage is complete."""
        return self.start + self.iterations


def stages_of(config: TrainConfig) -> list[Stage]:
    """The stages of a run, in order; ConfigError if the settings of stages do not go together."""
    nets = stage_nets(config.net, config.stages)
    if not nets:
        for name in ("stage_lrs", "stage_iterations"):
            if getattr(config, name):
                raise ConfigError(f"{name} is for staged training: which stages? say --stages 32s,16s,8s")
        return [Stage(config.net, config.lr, config.iterations)]
    rates = [config.lr * config.stage_lr_factor**k for k in range(len(nets))]
    counts = [config.iterations] * len(nets)
    if config.stage_lrs:
        rates = _numbers("stage_lrs", config.stage_lrs, float, "numbers above 0", len(nets))
    if config.stage_iterations:
        counts = _numbers("stage_iterations", config.stage_iterations, int, "integers of at least 1", len(nets))
    starts = [sum(counts[:k]) for k in range(len(nets))]
    return [Stage(*row, index=k) for k, row in enumerate(zip(nets, rates, counts, starts, strict=True))]


def net_of(
    config: TrainConfig, stage: Stage, num_classes: int | dict[str, int], rng: np.random.Generator | None = None
) -> Net:
    """The net that a stage trains, as it begins; without rng its weights are zero and take no memory."""
    padding = None if config.input_padding == "preset" else config.input_padding
    return models.build(
        stage.net, num_classes, config.preset, padding, rng, config.upsampling, config.output_stride or None
    )


def stage_lines(stages: list[Stage]) -> list[str]:
    """What each of several stages does; nothing for a plain run."""
    if len(stages) == 1:
        return []
    return [f"stage {s.index + 1}: {s.net}, steps {s.start + 1} to {s.end}, lr {s.lr:.3g}" for s in stages]


def stage_table(stages: list[Stage], log_rows: Iterable[Mapping[str, Any]]) -> str:
    """The four measures at the end of each stage, of a run's log."""
    columns = {
        "pixel accuracy": "pixel_accuracy",
        "mean accuracy": "mean_accuracy",
        "mean IU": "mean_iu",
        "f.w. IU": "frequency_weighted_iu",
    }
    rows = {row["step"]: row for row in log_rows}
    width = max(len("stage"), *(len(stage.net) for stage in stages))
    told = [f"{'stage':<{width}}  steps  " + "  ".join(columns)]
    for stage in stages:
        values = [f"{rows[stage.end][key]:>{len(name)}.4f}" for name, key in columns.items()]
        told.append(f"{stage.net:<{width}}  {stage.iterations:>5}  " + "  ".join(values))
    return "\n".join(told)


def _numbers(name: str, text: str, kind: Callable[[str], Number], what: str, count: int) -> list[Number]:
    """The list in a setting, one positive number for each stage; ConfigError otherwise."""
    try:
        numbers = [kind(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(0 < number < float("inf") for number in numbers):
        raise ConfigError(f"{name} expects {count} {what}, one for each stage, as in 'A,B', got {text!r}")
    return numbers
