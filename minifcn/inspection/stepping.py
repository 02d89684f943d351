"""One step of a net as a small figure: what went in, the weights, what came out; backward the same in gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from minifcn.backend import Array, to_numpy
from minifcn.inspection.notebook import new_figure
from minifcn.inspection.tiling import draw, limits_of, short
from minifcn.net import Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Channels of a blob, or filters of a weight, that are shown side by side.
SHOWN = 6
SIDE = 1.35  # inches
WRITTEN = 4  # rows and columns of arrays whose numbers are shown: kernels


def show(step: Step, channels: int = SHOWN) -> Figure:
    """A figure of one `Step` of `net.steps` or `net.back_steps`: a row for each array, its first channels side by side.

    Forward these are the inputs, the parameters and the output; backward dy, the parameters' gradients, added up so
    far, and the gradients dx that go on to the inputs. Of a batch the first picture is shown. Brighter is more; where a
    row has negative values, the middle grey is 0. In a notebook it is shown as the last line of a cell, or by
    `display(inspection.show(step))`.
    """
    rows = [(name, array.shape, _maps(name, array)[:channels]) for name, array in _arrays(step)]
    count = max(len(maps) for _, _, maps in rows)
    heights = [0.3 if len(shape) == 1 else 1 for _, shape, _ in rows]  # a bias is but a line
    figure = new_figure(1.5 + SIDE * count, 0.4 + (SIDE + 0.1) * sum(heights))
    every = figure.subplots(len(rows), count, squeeze=False, height_ratios=heights)
    for axes_row, (name, shape, maps) in zip(every, rows, strict=True):
        limits = limits_of(np.concatenate([each.ravel() for each in maps]))
        for axes, values in zip(axes_row, maps, strict=False):
            draw(axes, values, limits=limits, written=WRITTEN)
        for axes in axes_row[len(maps) :]:
            axes.axis("off")
        low, high = min(each.min() for each in maps), max(each.max() for each in maps)
        told = f"{name}\n{'x'.join(map(str, shape))}\n{short(low)} ... {short(high)}"
        axes_row[0].set_ylabel(told, rotation=0, ha="right", va="center", fontsize=9)
    settings = step.layer.describe()
    direction = "" if step.dy is None else ", backward"
    figure.suptitle(f"{step.name}: {step.layer.kind}{' ' * bool(settings)}{settings}{direction}", fontsize=10)
    return figure


def _arrays(step: Step) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays of a step, in the order of the work."""
    for name, array in _named(step):
        if array is not None:
            yield name, to_numpy(array)


def _named(step: Step) -> Iterator[tuple[str, Array | None]]:
    params = step.layer.params.items()
    if step.dy is None:
        yield from _numbered("x", step.inputs)
        yield from ((name, param.data) for name, param in params)
        yield "y", step.output
    else:
        yield "dy", step.dy
        yield from ((f"d {name}", param.grad) for name, param in params)
        yield from _numbered("dx", step.dxs)


def _numbered(name: str, arrays: tuple[Array | None, ...]) -> Iterator[tuple[str, Array | None]]:
    yield from ((name if len(arrays) == 1 else f"{name}{k}", array) for k, array in enumerate(arrays))


def _maps(name: str, array: np.ndarray) -> list[np.ndarray]:
    """The 2-D maps of an array: of a blob (N, C, H, W) the channels of its first picture, of a weight (O, C, kh, kw)
    what each filter has for its first channel (of a single filter, for all), of a bias (O,) its numbers in a row."""
    if array.ndim == 1:
        return [array[None]]
    if name.endswith("weight") and len(array) > 1:
        return list(array[:, 0])
    return list(array[0])
