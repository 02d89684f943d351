"""What a run would need and start from, without a step of it: the plan, the memory, the data, the first loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn import limits, models
from minifcn.backend import Namespace
from minifcn.command import memory_budget
from minifcn.config import TrainConfig
from minifcn.data import IGNORE, Batch
from minifcn.data.check import examine
from minifcn.data.dataset import Dataset, tasks_of
from minifcn.distributed import Group
from minifcn.errors import ConfigError, MemoryLimitError
from minifcn.layers import Shape
from minifcn.net import Net
from minifcn.training.objective import Objective
from minifcn.training.sets import Subset
from minifcn.training.sizes import LOOKED_AT, Sized

HALF = 0.5  # of what a step needs: if threads take more, they are what is too many


class Largest(NamedTuple):
    """The largest pictures of both sets of a run, as of `sizes.largest`."""

    train: Sequence[Sized]
    val: Sequence[Sized]


def fits(
    config: TrainConfig, nets: Sequence[Net], largest: Largest, available: int, processes: int = 1, ask: bool = False
) -> bool:
    """Prints what training and evaluating the nets of all stages take of the memory, and whether training fits.

    Raises MemoryLimitError, which names the pictures, if anything does not; with `ask` it only warns.
    """
    shape = batch_shape(config, largest.train, processes)
    plans = [memory(net, shape, available) for net in nets]
    warnings = crop_warnings(config, largest.train)
    if ask:
        warnings += evaluation_warnings(nets, available, largest.val)
    for line in (*(line for _, lines in plans for line in lines), *warnings):
        print(line, flush=True)
    if ask and not all(enough for enough, _ in plans):
        return False
    for net in nets:
        check(net, shape, available, config, largest.train)
        check_evaluation(net, available, largest.val)
    return True


def batch_shape(config: TrainConfig, largest: Sequence[Sized], processes: int = 1) -> tuple[int, int, int, int]:
    """(N, 3, H, W) of the largest batch, before one is made: of crops, or of pictures at their largest under --scale.

    The tallest picture and the widest may come together, and all of a batch are padded to the largest of it; a batch of
    one is the picture itself. largest: as of `sizes.largest`. N: the largest share that one of the processes has.
    """
    pictures = -(-config.batch_size // processes)
    if config.crop and not config.overfit:
        return pictures, 3, config.crop, config.crop
    sides = [(sized.height, sized.width) for sized in largest]
    if config.batch_size == 1:
        sides = [max(sides, key=math.prod)]
    height, width = (_scaled(config, max(lengths)) for lengths in zip(*sides, strict=True))
    return pictures, 3, height, width


def available(limit: int | None, xp: Namespace, group: Group) -> int:
    """Bytes that a process may take: of `limit`, or of the memory that is free, which those of a machine share.

    The least of all processes: they go on, or do not, together. Raises ConfigError, as of `memory_budget`, where it has
    none, once it has said so to the others.
    """
    refused = None
    try:
        free = memory_budget(limit, xp)
    except ConfigError as error:
        free, refused = 0, error
    (least,) = group.most(-(free if limit is not None or xp is not np else free // group.local_size))
    if refused is not None:
        raise refused
    return -least


def crop_warnings(config: TrainConfig, largest: Sequence[Sized]) -> list[str]:
    """A line if crops are larger than pictures ever become."""
    if not config.crop or config.overfit:
        return []
    width, height = (_scaled(config, side) for side in (largest[-1].width, largest[0].height))
    if config.crop <= max(height, width):
        return []
    return [
        f"warning: crop {config.crop}: pictures have at most {width}x{height} pixels; what a crop has beyond "
        "is ignored, and takes time and memory"
    ]


def _scaled(config: TrainConfig, side: int) -> int:
    """The most pixels that a side becomes."""
    return round(side * (1 if config.overfit else config.scale))


def check(net: Net, shape: tuple[int, ...], available: int, config: TrainConfig, largest: Sequence[Sized]) -> None:
    """MemoryLimitError if training on batches of this shape does not fit; it names the pictures that make them large.

    largest: the training set's largest pictures.
    """
    try:
        net.plan(*net.input_shapes(shape), limit=available)
    except MemoryLimitError as error:
        if (config.crop and not config.overfit) or not largest[0].name:
            raise
        if config.batch_size == 1:
            names = str(max(largest, key=lambda sized: sized.height * sized.width))
        else:
            names = " and ".join(dict.fromkeys(map(str, (largest[0], largest[-1]))))
        raise MemoryLimitError(f"{error}. The largest: {names}; --crop takes pieces of pictures") from error


def check_evaluation(net: Net, available: int, largest: Sequence[Sized]) -> None:
    """MemoryLimitError, naming the picture, if evaluating it amid the training does not fit: velocities stay there.

    largest: the evaluation set's largest pictures.
    """

    def need(shapes: tuple[Shape, ...]) -> int:
        plan = net.plan(*shapes)
        return plan.inference_bytes + 4 * plan.parameters

    for sized in largest:
        shapes = net.input_shapes((1, 3, sized.height, sized.width))
        try:
            limits.check(need, tuple(shapes), available, f"evaluating {net.spec['name']} while it is trained")
        except MemoryLimitError as error:
            if not sized.name:
                raise
            raise MemoryLimitError(
                f"{error}. It is {sized}: make it smaller, or evaluate on others (--val-split, --val-limit)"
            ) from error


def evaluation_warnings(nets: Sequence[Net], available: int, largest: Sequence[Sized]) -> list[str]:
    """A line for each net whose evaluation would not fit, as `check_evaluation` says it."""
    lines = []
    for net in nets:
        try:
            check_evaluation(net, available, largest)
        except MemoryLimitError as error:
            lines.append(f"warning: {error}")
    return lines


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
        lines.append(f"warning: training needs more memory than there is; {_less(net, shape, plan.peak_bytes)} less")
    return fits, lines


def _less(net: Net, shape: tuple[int, ...], bytes_now: int) -> str:
    """The settings that make a step need less than it does now, and their verb."""
    family, padding, settings = models.family(net.spec["name"]), net.spec["input_padding"], []
    if _of_threads(net, shape) > HALF * bytes_now:
        settings.append("fewer --threads")
    if shape[0] > 1:
        settings.append("smaller --batch-size (and larger --iter-size)")
    settings.append("a smaller --crop")
    if padding != "same" and padding > family.least_padding:
        settings.append(f"--input-padding {family.least_padding}")
    others = (models.build(**{**net.spec, "preset": preset}) for preset in family.presets)
    if any(_parameters(other) < _parameters(net) for other in others):
        settings.append("a narrower --preset")
    return f"{', '.join(settings[:-1])}, or {settings[-1]} need" if len(settings) > 1 else f"{settings[0]} needs"


def _of_threads(net: Net, shape: tuple[int, ...]) -> int:
    """What all threads but one take: of a part of the batch, as plans of large ones take long, and it hardly grows."""
    part = net.input_shapes((1, shape[1], *(min(side, 256) for side in shape[2:])))
    return net.plan(*part).peak_bytes - net.plan(*part, threads=1).peak_bytes


def _parameters(net: Net) -> int:
    return sum(param.data.size for param in net.params.values())


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
