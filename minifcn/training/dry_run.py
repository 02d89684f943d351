"""What a run would need and start from, without a step of it: the plan, the memory, the data, the first loss."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from minifcn import models
from minifcn.backend import Namespace
from minifcn.command import memory_budget
from minifcn.config import TrainConfig
from minifcn.data import IGNORE, Batch
from minifcn.data.check import examine
from minifcn.data.dataset import Dataset, tasks_of
from minifcn.distributed import Group
from minifcn.errors import DataError
from minifcn.net import Net
from minifcn.training.objective import Objective
from minifcn.training.sets import Subset

LOOKED_AT = 200  # samples of each set; `minifcn data check` reads all


def batch_shape(config: TrainConfig, train: Dataset, processes: int = 1) -> tuple[int, int, int, int]:
    """(N, 3, H, W) of batches, before one is made: of crops, or of the first picture at its largest under --scale.

    N: the largest share that one of the processes has.
    """
    pictures = -(-config.batch_size // processes)
    if config.crop and not config.overfit:
        return pictures, 3, config.crop, config.crop
    height, width = _largest(config, train)
    return pictures, 3, height, width


def available(limit: int | None, xp: Namespace, group: Group) -> int:
    """Bytes that this process may take: of `limit`, or of the memory that is free, which those of a machine share."""
    free = memory_budget(limit, xp)
    return free if limit is not None or xp is not np else free // group.local_size


def crop_warnings(config: TrainConfig, train: Dataset) -> list[str]:
    """A line if crops are larger than pictures ever become."""
    if not config.crop or config.overfit:
        return []
    height, width = _largest(config, train)
    if config.crop <= max(height, width):
        return []
    return [
        f"warning: crop {config.crop}: the first picture has at most {width}x{height} pixels; what a crop has beyond "
        "is ignored, and takes time and memory"
    ]


def _largest(config: TrainConfig, train: Dataset) -> tuple[int, int]:
    """(height, width) of the first picture, at its largest under --scale."""
    for i in range(min(len(train), LOOKED_AT)):
        with suppress(DataError):  # told when its batch is made, or by `report`
            scale = 1 if config.overfit else config.scale
            height, width = (round(side * scale) for side in train[i].label.shape)
            return height, width
    raise DataError(f"{train.name}: no sample that can be read; `minifcn data check SPEC` tells why")


def memory(net: Net, shape: tuple[int, ...], available: int) -> tuple[bool, list[str]]:
    """Whether training on batches of this shape fits the memory; and what it costs, with a warning if it does not."""
    plan = net.plan(*net.input_shapes(shape))
    fits = plan.peak_bytes <= available
    lines = [
        f"{net.spec['name']}: {plan.parameters / 1e6:.2f} M parameters learn, {plan.fixed / 1e6:.2f} M are fixed; "
        f"{plan.macs / 1e9:.2f} GMAC forward for {'x'.join(map(str, shape))}",
        f"memory: training {_size(plan.peak_bytes)}, inference {_size(plan.inference_bytes)}, "
        f"available {_size(available)}",
    ]
    if not fits:
        padding, least = net.spec["input_padding"], models.family(net.spec["name"]).least_padding
        less = f"--input-padding {least}, " if padding != "same" and padding > least else ""
        lines.append(
            "warning: training needs more memory than there is; smaller --batch-size (and larger --iter-size), --crop, "
            f"{less}or a narrower --preset need less"
        )
    return fits, lines


def report(net: Net | None, batch: Batch | None, objective: Objective, train: Dataset, val: Dataset) -> int:
    """Prints the findings; 1 if training would stumble over the data, else 0. No net and batch if they do not fit."""
    problems = 0
    for dataset in (train, val):
        for task in range(len(tasks_of(dataset))):
            findings = examine(Subset(dataset, LOOKED_AT), task=task)
            problems += len(findings.problems)
            print(*findings.lines(), sep="\n")
    if net is None or batch is None:
        print("loss at start: not computed, as training needs more memory than there is")
        return 1 if problems else 0
    value = float(objective.loss(net, batch)[0])
    classes = [len(task.classes) for task in tasks_of(train)]
    pixels = objective.group.sum(np.array([int((target != IGNORE).sum()) for target in batch.targets]))
    counted = [max(1, int(count) / batch.of) for count in pixels]
    if objective.reduction == "mean":
        counted = [1.0] * len(classes)
    knowing_nothing = sum(n * math.log(count) for n, count in zip(counted, classes, strict=True)) / counted[0]
    print(
        f"loss at start: {value / counted[0]:.4f} a pixel (total {value:.4g}); "
        f"a net that knows nothing of {' and '.join(map(str, classes))} classes has "
        f"{' + '.join(f'log {count}' for count in classes)} = {knowing_nothing:.4f}"
    )
    return 1 if problems else 0


def _size(count: float) -> str:
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"
