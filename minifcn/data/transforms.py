"""Augmentation: functions (image, label, rng) -> (image, label) that a loader applies one after the other.

image: uint8 (H, W, 3) RGB; label: uint8 (H, W). The input is never changed, and all chance comes from `rng`. Pixels
that come from nowhere get the mean colour, which is 0 in the blob, and label 255, which the loss ignores.

A sample with more arrays, of other modalities and tasks, goes through `transformed`: these move as the picture does.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL.Image import Resampling

from minifcn.data.dataset import Sample
from minifcn.data.pictures import IGNORE, resized
from minifcn.data.preprocess import MEAN_COLOUR
from minifcn.errors import DataError

Image = NDArray[Any]  # uint8 (H, W, 3), or another modality: float32 (H, W, C) less its mean
Both: TypeAlias = tuple[Image, NDArray[np.uint8]]
Transform: TypeAlias = Callable[[Image, NDArray[np.uint8], Generator], Both]


def transformed(transform: Transform, sample: Sample, rng: Generator) -> Sample:
    """A sample after one transform. Each further array goes through it with the very chance that the picture had."""
    before = deepcopy(rng) if sample.beside or sample.more_labels else rng
    image, label = transform(sample.image, sample.label, rng)
    beside = {name: transform(array, sample.label, deepcopy(before))[0] for name, array in sample.beside.items()}
    more = tuple(transform(sample.image, array, deepcopy(before))[1] for array in sample.more_labels)
    return Sample(sample.name, image, label, beside, more)


def shift(image: Image, label: NDArray[np.uint8], down: int, right: int, height: int, width: int) -> Both:
    """A view port of height x width onto the picture, which lies `down` and `right` of its upper left corner."""
    out_image = np.zeros((height, width, image.shape[2]), image.dtype)
    if image.dtype == np.uint8:
        out_image[:] = MEAN_COLOUR
    out_label = np.full((height, width), IGNORE, np.uint8)
    h, w = label.shape
    seen = np.s_[max(0, down) : max(0, down + h), max(0, right) : max(0, right + w)]
    rows, columns = out_label[seen].shape
    top, left = max(0, -down), max(0, -right)
    out_image[seen] = image[top : top + rows, left : left + columns]
    out_label[seen] = label[top : top + rows, left : left + columns]
    return out_image, out_label


def _need(sound: bool, transform: object) -> None:
    if not sound:
        raise DataError(f"{transform}: out of range; see `help({type(transform).__name__})`")


@dataclass(frozen=True)
class Mirror:
    """Left and right exchanged, with probability `p`."""

    p: float = 0.5

    def __post_init__(self) -> None:
        _need(0 <= self.p <= 1, self)

    def __call__(self, image: Image, label: NDArray[np.uint8], rng: Generator) -> Both:
        if rng.random() >= self.p:
            return image, label
        return image[:, ::-1], label[:, ::-1]


@dataclass(frozen=True)
class Translate:
    """Moved by up to `pixels` in each direction: the jitter of the FCN paper (section 4.3, "up to 32 pixels")."""

    pixels: int = 32

    def __post_init__(self) -> None:
        _need(self.pixels >= 0, self)

    def __call__(self, image: Image, label: NDArray[np.uint8], rng: Generator) -> Both:
        down, right = rng.integers(-self.pixels, self.pixels + 1, 2)
        return shift(image, label, int(down), int(right), *label.shape)


@dataclass(frozen=True)
class Scale:
    """Both sides times one factor between `low` and `high`, even on a log scale; classes are never blended."""

    low: float = 0.75
    high: float = 1.5

    def __post_init__(self) -> None:
        _need(0 < self.low <= self.high, self)

    def __call__(self, image: Image, label: NDArray[np.uint8], rng: Generator) -> Both:
        factor = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        height, width = (max(1, round(side * factor)) for side in label.shape)
        return resized(image, height, width, Resampling.BILINEAR), resized(label, height, width, Resampling.NEAREST)


@dataclass(frozen=True)
class RandomCrop:
    """A window of exactly height x width; a picture smaller than that lies somewhere within it."""

    height: int
    width: int

    def __post_init__(self) -> None:
        _need(min(self.height, self.width) >= 1, self)

    def __call__(self, image: Image, label: NDArray[np.uint8], rng: Generator) -> Both:
        down, right = (
            int(rng.integers(min(0, room), max(0, room) + 1))
            for room in (self.height - label.shape[0], self.width - label.shape[1])
        )
        return shift(image, label, down, right, self.height, self.width)
