"""What Winograd's kernels need of memory, told by the same code that cuts their work, before anything is taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minifcn.kernels import winograd
from minifcn.kernels.winograd import POINTS, SPAN, TILE
from minifcn.workspace import Workspace, after_another

Shape = tuple[int, ...]


def workspaces(x: Shape, y: Shape, itemsize: int) -> list[Workspace]:
    """What a convolution of x: (N, C, H, W) to y: (N, O, OH, OW) and its gradients dx and dw need of memory."""
    return [_workspace(y, x[1], y[1], itemsize), _workspace(x, y[1], x[1], itemsize), _weight_workspace(x, y, itemsize)]


def _workspace(y: Shape, channels: int, outputs: int, itemsize: int) -> Workspace:
    """Of `_correlate`, with the filters."""
    bands = winograd._bands(_stand_in(y, itemsize), channels + outputs, winograd.BAND_BYTES)
    sizes = [_of_inputs(y, band, channels) | {"winograd.products": POINTS * band.tiles * outputs} for band in bands]
    sizes += [_of_outputs(y, band, outputs) for band in bands]
    buffers = _largest(sizes, itemsize, len(bands))
    buffers["winograd.filters"] = POINTS * channels * outputs * itemsize, 1
    return Workspace(0, buffers)


def _weight_workspace(x: Shape, dy: Shape, itemsize: int) -> Workspace:
    """Of `correlate_weight`."""
    outputs, channels = dy[1], x[1]
    pairs = outputs * channels
    by_lane = winograd.LANES * POINTS * pairs * itemsize <= winograd.LANE_BYTES
    bands = winograd._bands(
        _stand_in(dy, itemsize), channels + outputs, winograd.BAND_BYTES if by_lane else winograd.SUM_BYTES
    )
    lanes = min(winograd.LANES, len(bands)) if by_lane else 1
    pieces = (
        bands if by_lane else [piece for band in bands for piece, _ in winograd._parts(band, _stand_in(dy, itemsize))]
    )
    tasks = lanes if by_lane else len(pieces)
    buffers = _largest([_of_inputs(dy, piece, channels) for piece in pieces], itemsize, tasks)
    gradients = _largest([_of_gradients(dy, piece, outputs) for piece in pieces], itemsize, tasks)
    buffers = dict(after_another(Workspace(0, buffers), Workspace(0, gradients)).buffers)
    tiles = max(band.tiles for band in bands)
    for name, deep in (("winograd.inputs", channels), ("winograd.products", outputs)):
        buffers[name] = POINTS * tiles * deep * itemsize, tasks if by_lane else 1
    buffers["winograd.sums"] = lanes * POINTS * pairs * itemsize, 1
    if by_lane:
        buffers["product"] = POINTS * pairs * itemsize, lanes
    elif len(bands) > 1:
        buffers["product"] = pairs * itemsize, POINTS
    return Workspace(9 * pairs * itemsize, buffers)


def _of_inputs(y: Shape, band: winograd._Band, channels: int) -> dict[str, int]:
    """Numbers that `_inputs` holds, for outputs of y's width."""
    n, high, wide = _extent(y, band)
    step = max(n * high * TILE * (wide + 1), SPAN * n * high * wide) * channels
    return {
        "winograd.inputs": POINTS * band.tiles * channels,
        "winograd.tiles": n * (TILE * high + 2) * TILE * (wide + 1) * channels,
        "winograd.half": SPAN * n * high * TILE * (wide + 1) * channels,
        "winograd.even": step,
        "winograd.odd": step,
    }


def _of_outputs(y: Shape, band: winograd._Band, outputs: int) -> dict[str, int]:
    """Numbers that `_outputs` holds."""
    each = band.tiles * outputs
    return {
        "winograd.half": TILE * SPAN * each,
        "winograd.tiles": TILE * TILE * each,
        "winograd.even": SPAN * each,
        "winograd.odd": SPAN * each,
    }


def _of_gradients(dy: Shape, band: winograd._Band, outputs: int) -> dict[str, int]:
    """Numbers that `_gradients` holds."""
    each = band.tiles * outputs
    return {
        "winograd.tiles": TILE * TILE * each,
        "winograd.half": SPAN * TILE * each,
        "winograd.even": SPAN * each,
        "winograd.odd": SPAN * each,
    }


def _largest(sizes: Sequence[dict[str, int]], itemsize: int, tasks: int) -> dict[str, tuple[int, int]]:
    """The most of each name, in bytes, for threads that share so many tasks."""
    names = {name for each in sizes for name in each}
    return {name: (max(each.get(name, 0) for each in sizes) * itemsize, tasks) for name in names}


def _extent(y: Shape, band: winograd._Band) -> tuple[int, int, int]:
    """How many images, rows of tiles and columns of tiles a band has."""
    return band.images.stop - band.images.start, band.rows.stop - band.rows.start, winograd.tiles_along(y[3])


def _stand_in(shape: Shape, itemsize: int) -> np.ndarray:
    """An array of that shape which takes no memory."""
    return np.broadcast_to(np.zeros((), f"f{itemsize}"), shape)
