"""`shapes`: a small VOC that is drawn, not downloaded.

Textured objects lie on textured ground, later ones over earlier ones, each with an "ignore" border as VOC's. The class
is the *form* of an object. Forms have a favourite colour, but wear it only half of the time, so colour hints and does
not tell. Rings have holes, crosses and combs thin arms, a few pixels wide: what FCN-32s must miss, FCN-16s blurs and
FCN-8s finds.

Picture i of a split is a pure function of (seed, split, i): the set needs no memory and no download, and is the same
wherever it is drawn.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from minifcn.data.dataset import Sample, check_index
from minifcn.data.pictures import IGNORE, VOC_PALETTE
from minifcn.errors import DataError, did_you_mean

Field: TypeAlias = NDArray[np.floating]  # a value for each pixel of a patch, (h, w), float32

SPLITS = ("train", "val")

# Forms: the signed distance to the outline, below 0 inside. u, v: object coordinates; r: radius; t: thickness.


def disc(u: Field, v: Field, r: float, t: float) -> Field:
    """A filled circle of radius r."""
    return np.hypot(u, v) - r


def square(u: Field, v: Field, r: float, t: float) -> Field:
    """A filled square, half a side 0.85 r."""
    return np.maximum(abs(u), abs(v)) - 0.85 * r


def triangle(u: Field, v: Field, r: float, t: float) -> Field:
    """A filled triangle of equal sides, its inner circle 0.6 r."""
    slope = 0.75**0.5 * abs(u)  # the two slanted sides mirror each other
    return np.maximum(slope + 0.5 * v, -v) - 0.6 * r


def ring(u: Field, v: Field, r: float, t: float) -> Field:
    """A circle of radius r with a hole; t thick."""
    return abs(np.hypot(u, v) - (r - t / 2)) - t / 2


def cross(u: Field, v: Field, r: float, t: float) -> Field:
    """Two bars, 2 r long and t thick."""
    u, v = abs(u), abs(v)
    return np.maximum(np.minimum(u, v) - t / 2, np.maximum(u, v) - r)


def comb(u: Field, v: Field, r: float, t: float) -> Field:
    """A spine with three teeth, like an E; all t thick."""
    pitch = 0.9 * r - t / 2
    teeth = np.maximum(abs(abs(abs(v) - pitch / 2) - pitch / 2) - t / 2, abs(u) - 0.8 * r)
    spine = np.maximum(abs(u + 0.8 * r - t / 2) - t / 2, abs(v) - 0.9 * r)
    return np.minimum(teeth, spine)


FORMS: tuple[Callable[[Field, Field, float, float], Field], ...] = (disc, square, triangle, ring, cross, comb)
CLASSES = ["background", *(form.__name__ for form in FORMS)]

# Looks: colours and patterns.


def _colour(hue: float, saturation: float, value: float) -> Field:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32) * 255


def _waves(u: Field, v: Field, rng: Generator) -> Field:
    """Soft clouds in 0..1: three long waves."""
    total = np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)
    for wavelength in (90.0, 50.0, 23.0):
        angle, phase = rng.uniform(0, 2 * pi, 2)
        total += np.sin((cos(angle) * u + sin(angle) * v) * (2 * pi / wavelength) + phase, dtype=np.float32)
    return total / 6 + 0.5


def _pattern(u: Field, v: Field, rng: Generator) -> Field:
    """The second colour's weight, 0..1: plain shading, stripes, checks or dots."""
    kind = rng.integers(4)
    k = 2 * pi / rng.uniform(5, 10)
    if kind == 0:
        return 0.5 + 0.02 * (u + v)
    if kind == 1:
        return 0.5 + 0.5 * np.sign(np.sin(k * u + 0 * v))
    waves = np.sin(k * u) * np.sin(k * v)
    return (waves > 0.35 if kind == 3 else waves > 0).astype(np.float32)


def _blend(first: Field, second: Field, weight: Field) -> Field:
    """Two colours mixed: (3, h, w), each of them a plane, for NumPy is slow along an axis of three."""
    return first[:, None, None] + (second - first)[:, None, None] * weight.clip(0, 1)


def _draw(seed: list[int], height: int, width: int, tint: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    unit = min(height, width) / 96
    ys, xs = np.ogrid[:height, :width]
    ys, xs = ys.astype(np.float32), xs.astype(np.float32)

    hue, value = rng.uniform(0, 1), rng.uniform(0.25, 0.75)
    canvas = _blend(
        _colour(hue, 0.25, value),
        _colour(hue + rng.uniform(-0.2, 0.2), 0.35, value + 0.2),
        _waves(xs / unit, ys / unit, rng),
    )  # (3, H, W)
    label = np.zeros((height, width), np.uint8)

    placed: list[tuple[float, float, float]] = []
    wanted = rng.integers(2, 6)
    for _ in range(12):  # tries: an object that would hide another is dropped
        form = int(rng.integers(len(FORMS)))
        r = unit * rng.uniform(15, 24)
        t = unit * rng.uniform(7, 9)
        cy, cx = rng.uniform(0.4 * r, height - 0.4 * r), rng.uniform(0.4 * r, width - 0.4 * r)
        if any((cy - y) ** 2 + (cx - x) ** 2 < (0.75 * (r + other)) ** 2 for y, x, other in placed):
            continue
        _paint(canvas, label, form, (cy, cx, r, t), tint, rng)
        placed.append((cy, cx, r))
        if len(placed) == wanted:
            break
    canvas += rng.normal(0, 7, (height, width)).astype(np.float32)  # the camera's grain
    return np.ascontiguousarray(canvas.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)), label


def _paint(
    canvas: Field,
    label: NDArray[np.uint8],
    form: int,
    place: tuple[float, float, float, float],
    tint: float,
    rng: Generator,
) -> None:
    """Draw one object into `canvas` and `label`, on the patch around it only."""
    cy, cx, r, t = place
    reach = 1.4 * r + 2
    top, left = max(0, int(cy - reach)), max(0, int(cx - reach))
    patch = np.s_[top : int(cy + reach) + 1, left : int(cx + reach) + 1]
    height, width = label[patch].shape
    y = (np.arange(height, dtype=np.float32) + np.float32(top - cy))[:, None]
    x = np.arange(width, dtype=np.float32) + np.float32(left - cx)
    angle = rng.uniform(0, 2 * pi)
    u, v = cos(angle) * x + sin(angle) * y, cos(angle) * y - sin(angle) * x  # (h, w)

    distance = FORMS[form](u, v, r, t)
    hue = rng.normal(form / len(FORMS), 0.03) if rng.random() < tint else rng.uniform()
    value = rng.uniform(0.7, 1)
    look = _blend(
        _colour(hue, rng.uniform(0.6, 0.95), value), _colour(hue + 0.06, 0.5, 0.72 * value), _pattern(u, v, rng)
    )
    look *= 1 - 0.25 * (x + y) / (2 * r)  # lit from the upper left
    np.copyto(canvas[(slice(None), *patch)], look, where=distance < 0)
    np.copyto(label[patch], np.uint8(IGNORE), where=abs(distance) < 1)
    np.copyto(label[patch], np.uint8(form + 1), where=distance <= -1)


@dataclass(frozen=True)
class Shapes:
    """The generated set; `count` pictures of height x width."""

    split: str = "train"
    count: int = 2048
    height: int = 96
    width: int = 96
    seed: int = 0
    tint: float = 0.5  # how often an object wears the colour of its form
    classes: list[str] = field(default_factory=lambda: list(CLASSES))
    palette: NDArray[np.uint8] = field(default_factory=lambda: VOC_PALETTE, repr=False, compare=False)
    ignore_index: int = IGNORE

    @property
    def name(self) -> str:
        return f"shapes {self.split}"

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> Sample:
        check_index(self, i)
        image, label = _draw([self.seed, SPLITS.index(self.split), i], self.height, self.width, self.tint)
        return Sample(f"{self.split}_{i:05d}", image, label)


#: What `shapes:key=value,...` takes, and what holds without it.
OPTIONS = {"size": "96", "train": "2048", "val": "64", "seed": "0", "tint": "0.5"}


def open_shapes(options: str, split: str) -> Shapes:
    """`shapes:SIZE` or `shapes:key=value,...`; SIZE is 96, or 128x96 for width x height."""
    if split not in SPLITS:
        raise DataError(f"shapes: no split {split!r}{did_you_mean(split, SPLITS)}")
    given = dict(word.partition("=")[::2] if "=" in word else ("size", word) for word in options.split(",") if word)
    for key in given.keys() - OPTIONS.keys():
        raise DataError(f"shapes:{options}: unknown option {key!r}{did_you_mean(key, OPTIONS)}")
    values = OPTIONS | given
    try:
        width, _, height = values["size"].partition("x")
        made = Shapes(
            split, int(values[split]), int(height or width), int(width), int(values["seed"]), float(values["tint"])
        )
    except ValueError as error:
        raise DataError(
            f"shapes:{options}: {error}; every option is a number, as in shapes:size=128,train=1000"
        ) from error
    small, large = min(made.height, made.width), max(made.height, made.width)
    if made.count < 1 or small < 32 or large > 4096 or made.seed < 0 or not 0 <= made.tint <= 1:
        raise DataError(
            f"shapes:{options}: out of range; expected train and val of at least 1, "
            "size 32 to 4096, seed at least 0, tint 0 to 1"
        )
    return made
