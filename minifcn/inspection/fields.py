"""The receptive field of one output, outlined on the picture: `minifcn.coords`, made visible.

Behind a transposed convolution it is an upper bound: which inputs an output sees depends on where it lies between them,
and the map, which is one for all outputs, has to hold for each.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minifcn.errors import ShapeError
from minifcn.inspection.notebook import new_figure
from minifcn.layers import ConvTranspose2d, Crop
from minifcn.net import Net

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Field(NamedTuple):
    """Input pixels that an output sees at most: rows top..bottom and columns left..right, both ends included.

    They may lie outside the picture: that is padding. Of blobs that are not in `bounded` they are exact.
    """

    top: int
    left: int
    bottom: int
    right: int


def bounded(net: Net) -> set[str]:
    """The blobs whose receptive fields are upper bounds: of transposed convolutions, and behind them."""
    found: set[str] = set()
    for node in net.nodes:
        feeds = node.inputs[:1] if isinstance(node.layer, Crop) else node.inputs  # its second gives a size alone
        if isinstance(node.layer, ConvTranspose2d) or any(net.nodes[i].name in found for i in feeds):
            found.add(node.name)
    return found


def field_of(net: Net, blob: str, y: int, x: int) -> Field:
    """The input pixels that position (y, x) of a blob sees; of a `bounded` blob, sees at most."""
    place = net.coords(blob)
    return Field(
        floor(place.y.scale * y + place.y.low),
        floor(place.x.scale * x + place.x.low),
        ceil(place.y.scale * y + place.y.high),
        ceil(place.x.scale * x + place.x.high),
    )


def receptive_field(
    net: Net, blob: str, y: int, x: int, image: np.ndarray | None = None, axes: Axes | None = None
) -> Figure:
    """The picture with the receptive field of position (y, x) of a blob outlined, and a cross where its centre is.

    image: uint8 (H, W, 3), what the net sees; without it, the first picture of the net's input, if the last forward
    pass was told to keep it. Behind a transposed convolution the outline is an upper bound. What lies outside the
    picture is padding, and dark. axes: where to draw; None: a new figure. Raises ShapeError if the blob has no such
    position.
    """
    from minifcn.data import from_blob  # Pillow is slow to import
    from minifcn.inspection.plots import VERMILION

    if image is None:
        image = from_blob(net.blobs[next(iter(net.inputs))][0, :3])
    height, width = image.shape[:2]
    shape = net.shapes(*net.input_shapes((1, next(iter(net.inputs.values())), height, width)))[blob]
    if not (0 <= y < shape[2] and 0 <= x < shape[3]):
        raise ShapeError(f"receptive_field: {blob} has {shape[2]}x{shape[3]} positions, so none at ({y}, {x})")
    field, place = field_of(net, blob, y, x), net.coords(blob)
    if axes is None:
        axes = new_figure(4, 4).subplots()
    axes.imshow(image)
    axes.set_facecolor("#444444")
    rows, columns = field.bottom - field.top + 1, field.right - field.left + 1
    for colour, line, thick in (("white", "-", 3.5), (VERMILION, "--", 1.8)):  # seen on bright and on dark
        axes.plot(*_outline(field), color=colour, linestyle=line, linewidth=thick)
    centre = float(place.x.scale * x + place.x.shift), float(place.y.scale * y + place.y.shift)
    axes.plot(*centre, "+", color="white", markersize=13, markeredgewidth=3.5)
    axes.plot(*centre, "+", color=VERMILION, markersize=11, markeredgewidth=1.8)
    axes.set_xlim(min(0, field.left) - 1, max(width - 1, field.right) + 1)
    axes.set_ylim(max(height - 1, field.bottom) + 1, min(0, field.top) - 1)
    axes.set_title(f"{blob} ({y}, {x}) sees{' at most' * (blob in bounded(net))} {rows}x{columns} pixels", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.figure  # type: ignore[return-value]


def _outline(field: Field) -> tuple[list[float], list[float]]:
    """x and y of the corners, around the pixels and back to the first."""
    left, right, top, bottom = field.left - 0.5, field.right + 0.5, field.top - 0.5, field.bottom + 0.5
    return [left, right, right, left, left], [top, top, bottom, bottom, top]
