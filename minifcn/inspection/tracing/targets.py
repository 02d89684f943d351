"""Which score a backward pass starts from: a class and a pixel, by default deep inside the regions that a net finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn.errors import ConfigError, did_you_mean


class Target(NamedTuple):
    """One score: of the output number `task` the class `label` at row y, column x."""

    task: int
    label: int
    y: int
    x: int


def salient(labels: Sequence[np.ndarray], classes: Sequence[Sequence[str]], count: int) -> list[Target]:
    """A target in each of the largest regions of different classes: the pixel that is farthest from its border.

    labels: for each task the class of each pixel (H, W); classes: the names of its classes. `count` targets for each
    task at most. A class called "background" comes last.
    """
    found = []
    for task, (label, names) in enumerate(zip(labels, classes, strict=True)):
        areas = np.bincount(label.reshape(-1), minlength=len(names))
        order = sorted(np.flatnonzero(areas).tolist(), key=lambda k: (names[k] == "background", -areas[k], k))
        found += [Target(task, k, *deepest(label == k)) for k in order[:count]]
    return found


def asked(
    names: Sequence[str],
    pixels: Sequence[tuple[int, int]],
    labels: Sequence[np.ndarray],
    classes: Sequence[Sequence[str]],
    tasks: Sequence[str],
) -> list[Target]:
    """The targets that a user asks for; `names` and `pixels` go together in their order, and one of them may be empty.

    A class without a pixel gets the one deepest in its region, a pixel without a class the class predicted there. A
    name may be a class's number, and with several tasks TASK:CLASS. Raises ConfigError for a class that is not there
    or a pixel outside the picture.
    """
    if names and pixels and len(names) != len(pixels):
        raise ConfigError(
            f"--class stands there {len(names)} times, --pixel {len(pixels)} times; expected a pixel for each class, "
            "or only one of the two flags"
        )
    height, width = labels[0].shape
    for y, x in pixels:
        if not (0 <= y < height and 0 <= x < width):
            raise ConfigError(
                f"--pixel {y},{x}: outside the picture, which the net sees {height} high and {width} wide; expected "
                f"Y in 0..{height - 1} and X in 0..{width - 1}"
            )
    if not names:
        return [Target(task, int(label[y, x]), y, x) for y, x in pixels for task, label in enumerate(labels)]
    found = []
    for n, name in enumerate(names):
        task, label = class_of(name, classes, tasks)
        if not pixels and not (labels[task] == label).any():
            raise ConfigError(
                f"--class {name}: no pixel of the picture is taken for {classes[task][label]}, so none is the one to "
                f"start from; say --pixel Y,X. What is there: {_there(labels[task], classes[task])}"
            )
        found.append(Target(task, label, *(pixels[n] if pixels else deepest(labels[task] == label))))
    return found


def class_of(name: str, classes: Sequence[Sequence[str]], tasks: Sequence[str]) -> tuple[int, int]:
    """(task, class) of a class's name or number, with several tasks of TASK:CLASS. ConfigError if there is none."""
    task, colon, rest = name.partition(":")
    searched = range(len(tasks))
    if colon and task in tasks:
        searched, name = range(tasks.index(task), tasks.index(task) + 1), rest
    found = [(k, classes[k].index(name)) for k in searched if name in classes[k]]
    if not found and name.isascii() and name.isdigit():
        found = [(k, int(name)) for k in searched if int(name) < len(classes[k])]
    if len(found) > 1:
        raise ConfigError(f"--class {name}: several tasks have it; say which, as in {tasks[found[0][0]]}:{name}")
    if not found:
        known = [each for k in searched for each in classes[k]]
        raise ConfigError(
            f"--class {name}: the net has no such class{did_you_mean(name, known)}; expected a name, or a number in "
            f"0..{max(len(classes[k]) for k in searched) - 1}"
        )
    return found[0]


def deepest(region: np.ndarray) -> tuple[int, int]:
    """The place (y, x) of a region, bool (H, W), that is farthest from its border, in steps along rows and columns.

    The picture's border is the region's, too. The first in reading order wins a tie.
    """
    away = np.where(np.pad(region, 1), sum(region.shape) + 2, 0)
    for axis in (0, 1):
        steps = np.arange(away.shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
        there = np.minimum.accumulate(away - steps, axis) + steps
        back = np.flip(np.minimum.accumulate(np.flip(away + steps, axis), axis), axis) - steps
        away = np.minimum(there, back)
    y, x = np.unravel_index(away[1:-1, 1:-1].argmax(), region.shape)
    return int(y), int(x)


def _there(label: np.ndarray, classes: Sequence[str]) -> str:
    return ", ".join(classes[k] for k in np.unique(label).tolist())
