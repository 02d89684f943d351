"""A label map in colours with its classes' names written into it: told apart in grey, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minifcn.data.dataset import Dataset

#: Shares of the picture below which a class is not named: there is no room for it.
NAMED = 0.012


def label_map(axes: Axes, label: np.ndarray, dataset: Dataset, title: str = "") -> None:
    """Draw a label map (H, W) into `axes`, each class in its colour and under its name; what is ignored is white."""
    from minifcn.inspection import canvas  # Pillow is slow to import

    axes.imshow(canvas.colourise(label, dataset.palette, dataset.ignore_index))
    for c in np.unique(label):
        here = label == c
        if c == dataset.ignore_index or here.mean() < NAMED:
            continue
        y, x = _inside(here)
        name = dataset.classes[c]
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        width = label.shape[1]
        side = "left" if x < 0.2 * width else "right" if x > 0.8 * width else "center"
        axes.text(x, y, name, ha=side, va="center", fontsize=7, color="black", bbox=box, clip_on=True)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


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
