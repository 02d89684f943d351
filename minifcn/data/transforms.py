"""Augmentation: functions (image, label, rng) -> (image, label) that a loader applies one after the other.

image: uint8 (H, W, 3) RGB; label: uint8 (H, W). The input is never changed, and all chance comes from `rng`. Pixels
that come from nowhere get the mean colour, which is 0 in the blob, and label 255, which the loss ignores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from minifcn.data.pictures import IGNORE
from minifcn.data.preprocess import MEAN_COLOUR
from minifcn.errors import DataError

Both: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Transform: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8], Generator], Both]


def shift(image: NDArray[np.uint8], label: NDArray[np.uint8], down: int, right: int, height: int, width: int) -> Both:
    """A view port of height x width onto the picture, which lies `down` and `right` of its upper left corner."""
    out_image = np.empty((height, width, 3), np.uint8)
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

    def __call__(self, image: NDArray[np.uint8], label: NDArray[np.uint8], rng: Generator) -> Both:
        if rng.random() >= self.p:
            return image, label
        return image[:, ::-1], label[:, ::-1]


@dataclass(frozen=True)
class Translate:
    """Moved by up to `pixels` in each direction: the jitter of the FCN paper (section 4.3, "up to 32 pixels")."""

    pixels: int = 32

    def __post_init__(self) -> None:
        _need(self.pixels >= 0, self)

    def __call__(self, image: NDArray[np.uint8], label: NDArray[np.uint8], rng: Generator) -> Both:
        down, right = rng.integers(-self.pixels, self.pixels + 1, 2)
        return shift(image, label, int(down), int(right), *label.shape)


@dataclass(frozen=True)
class Scale:
    """Both sides times one factor between `low` and `high`, even on a log scale; classes are never blended."""

    low: float = 0.75
    high: float = 1.5

    def __post_init__(self) -> None:
        _need(0 < self.low <= self.high, self)

    def __call__(self, image: NDArray[np.uint8], label: NDArray[np.uint8], rng: Generator) -> Both:
        factor = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        height, width = (max(1, round(side * factor)) for side in label.shape)
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(resized), np.asarray(Image.fromarray(label).resize((width, height), Image.Resampling.NEAREST))


@dataclass(frozen=True)
class RandomCrop:
    """A window of exactly height x width; a picture smaller than that lies somewhere within it."""

    height: int
    width: int

    def __post_init__(self) -> None:
        _need(min(self.height, self.width) >= 1, self)

    def __call__(self, image: NDArray[np.uint8], label: NDArray[np.uint8], rng: Generator) -> Both:
        down, right = (
            int(rng.integers(min(0, room), max(0, room) + 1))
            for room in (self.height - label.shape[0], self.width - label.shape[1])
        )
        return shift(image, label, down, right, self.height, self.width)
