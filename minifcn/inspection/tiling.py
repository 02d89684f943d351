"""Arrays as small pictures, with their numbers where there is room for them: what the notebooks step through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minifcn.backend import Array, to_numpy
from minifcn.errors import ShapeError
from minifcn.inspection.notebook import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: From dark to bright in grey as well; the middle is 0 where there are negative values.
COLOURS = "cividis"
#: Arrays of up to so many rows and columns have their numbers written into their cells.
WRITTEN = 12


def tiles(
    arrays: Mapping[str, Array],
    *,
    columns: int = 6,
    inches: float = 2.2,
    height: float | None = None,
    same_scale: bool = False,
) -> Figure:
    """A figure of named 2-D arrays side by side: brighter is more, and the numbers stand in the cells of small ones.

    Each is `inches` wide and high, unless another height is given, and has its own scale unless `same_scale`; where
    there are negative values, the middle of the scale is 0. NaN is left white. Raises ShapeError unless there are two
    axes.
    """
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = new_figure(inches * columns, ((inches if height is None else height) + 0.35) * rows)
    every = np.atleast_1d(figure.subplots(rows, columns)).reshape(-1)
    for axes in every[len(arrays) :]:
        axes.axis("off")
    limits = limits_of(np.concatenate([to_numpy(a).ravel() for a in arrays.values()])) if same_scale else None
    for axes, (name, array) in zip(every, arrays.items(), strict=False):
        draw(axes, array, name, limits)
    return figure


def draw(
    axes: Axes, array: Array, title: str = "", limits: tuple[float, float] | None = None, written: int = WRITTEN
) -> None:
    """One 2-D array into `axes`; limits: the values of black and white; written: as WRITTEN."""
    values = to_numpy(array).astype(np.float64)
    if values.ndim != 2:
        raise ShapeError(f"tiles: {title}: expected an array of two axes, got {values.shape}; choose a channel of it")
    low, high = limits or limits_of(values)
    axes.imshow(values, cmap=COLOURS, vmin=low, vmax=high)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if max(values.shape) <= written:
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                bright = (value - low) / (high - low) > 0.55
                size = 9 if max(values.shape) <= 5 else 7
                colour = "black" if bright else "white"
                axes.text(j, i, short(value), ha="center", va="center", fontsize=size, color=colour)


def short(value: float) -> str:
    """Two digits, three of whole numbers, and no more characters than needed: 255, -1.5, .25, 1e-05."""
    text = f"{value:.0f}" if value == round(value) and abs(value) < 1000 else f"{value:.2g}"
    text = "0" if text == "-0" else text
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def limits_of(values: np.ndarray) -> tuple[float, float]:
    """What black and white stand for: the least and the largest, or as far from 0 to both sides if any are negative."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low < 0:
        high = max(-low, high)
        low = -high
    return (low, high) if high > low else (low - 1, high + 1)
