"""A label map in colours with its classes' names written into it: told apart in grey, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minifcn.data.dataset import Dataset

#: Shares of the picture below which a class is not named: there is no room for it.
NAMED = 0.012
#: Points: how large names are written, and the white around them.
SIZE, PADDING = 7, 1.5


class Name(NamedTuple):
    """A name's box: its middle, and half its height and width, in pixels of the label map."""

    y: int
    x: int
    half_height: float
    half_width: float


def label_map(axes: Axes, label: np.ndarray, dataset: Dataset, title: str = "") -> None:
    """Draw a label map (H, W) into `axes`, each class in its colour and under its name; what is ignored is white.

    No name lies on another. One that finds no room on its class stands beside it, with a line to it.
    """
    from minifcn.inspection import canvas  # Pillow is slow to import

    axes.imshow(canvas.colourise(label, dataset.palette, dataset.ignore_index))
    scale = _points_of_a_pixel(axes, label.shape)
    masks = {int(c): label == c for c in np.unique(label) if c != dataset.ignore_index}
    shares = {c: float(mask.mean()) for c, mask in masks.items() if mask.mean() >= NAMED}
    written: list[Name] = []
    for c in sorted(shares, key=shares.__getitem__):  # large classes have other places to choose from
        y, x = _inside(masks[c])
        height, width = _size_of(dataset.classes[c])
        name = _free_place(masks[c], (y, x), (height / scale / 2, width / scale / 2), written)
        written.append(name)
        beside = abs(name.y - y) > name.half_height or abs(name.x - x) > name.half_width
        axes.annotate(
            dataset.classes[c],
            (x, y),
            (name.x, name.y),
            ha="center",
            va="center",
            fontsize=SIZE,
            color="black",
            bbox={"boxstyle": f"square,pad={PADDING / SIZE}", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.8} if beside else None,
        )
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def _points_of_a_pixel(axes: Axes, shape: tuple[int, ...]) -> float:
    """How large a pixel of the picture will be, in points: not less, where the layout still makes room for titles."""
    box = axes.bbox  # in dots
    return 72 / axes.figure.dpi * min(box.height / shape[0], box.width / shape[1])


def _size_of(name: str) -> tuple[float, float]:
    """Height and width of a written name with the white around it, in points."""
    from matplotlib.textpath import TextPath

    return 1.2 * SIZE + 2 * PADDING, TextPath((0, 0), name, size=SIZE).get_extents().x1 + 2 * PADDING


def _free_place(mask: np.ndarray, wanted: tuple[int, int], half: tuple[float, float], written: list[Name]) -> Name:
    """Where a name lies on no other, in the picture, near `wanted`, and on its class (the mask) if that can be."""
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    far = np.hypot(y - wanted[0], x - wanted[1])
    cost = far + np.where(mask, 0, 0.1 * max(mask.shape))
    for places, size, middle in ((y, mask.shape[0], half[0]), (x, mask.shape[1], half[1])):
        cost = cost + 1e3 * np.maximum(0, middle - np.minimum(places + 0.5, size - 0.5 - places))  # sticks out
    for other in written:
        over = (abs(y - other.y) < half[0] + other.half_height) & (abs(x - other.x) < half[1] + other.half_width)
        cost = cost + 1e6 * over
    best = np.unravel_index(cost.argmin(), cost.shape)
    return Name(int(best[0]), int(best[1]), *half)


def _inside(mask: np.ndarray) -> tuple[int, int]:
    """A pixel deep inside a mask: of those that remain when its border is taken off again and again, the middle one."""
    inner = mask
    while True:
        padded = np.pad(inner, 1)
        fewer = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        if not fewer.any():
            break
        inner = fewer
    places = np.argwhere(inner)
    y, x = places[len(places) // 2]
    return int(y), int(x)
