"""3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) on the GPU: transforms by kernels, products by cuBLAS.

The twin of `ops.conv2d` and of both its gradients, as `kernels.winograd` is on the CPU; here the tiles come last, where
neighbouring threads write neighbouring numbers. A band of tiles takes `window.GPU_BAND_BYTES` at most.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from minifcn import window
from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch
from minifcn.window import Pair

#: What is multiplied for each tile, and its number of outputs along an axis.
PRODUCTS, TILE = 36, 4


def correlate(x: Array, w: Array, b: Array | None, padding: Pair, y: Array, rectify: bool = False) -> None:
    """Fill y: (N, O, OH, OW) with the correlation of x: (N, C, H, W) and w: (O, C, 3, 3), plus b; perhaps rectified."""
    u = _filters(w, len(w), w.shape[1], 9 * w.shape[1], 9, rotate=False)
    _transformed(x, u, b, padding, y, rectify)


def correlate_adjoint(dy: Array, w: Array, padding: Pair, dx: Array) -> None:
    """Fill dx: (N, C, H, W), the gradient of `correlate`'s x, from dy: (N, O, OH, OW) and w: (O, C, 3, 3)."""
    u = _filters(w, w.shape[1], len(w), 9, 9 * w.shape[1], rotate=True)
    _transformed(dy, u, None, (2 - padding[0], 2 - padding[1]), dx)


def correlate_weight(x: Array, dy: Array, padding: Pair) -> Array:
    """dw: (O, C, 3, 3), from x: (N, C, H, W) and dy: (N, O, OH, OW)."""
    xp = xp_of(x, dy)
    x, dy = xp.ascontiguousarray(x), xp.ascontiguousarray(dy)
    inputs, outputs = x.shape[1], dy.shape[1]
    du = xp.empty((PRODUCTS, outputs, inputs), x.dtype)
    for k, band in enumerate(_bands(dy.shape, inputs + outputs, x.dtype.itemsize)):
        v = _inputs(x, padding, band, channels_last=True)  # (36, T, C)
        m = xp.empty((PRODUCTS, outputs, band.tiles), x.dtype)
        scalars = *dy.shape[1:], *band, outputs * band.tiles
        launch(xp, "winograd", "winograd_output_backward", x.dtype, outputs * band.tiles, dy, m, *scalars)
        if k == 0:
            xp.matmul(m, v, out=du)
        else:
            du += xp.matmul(m, v)
        del v, m  # before the next band's are made
    dw = xp.empty((outputs, inputs, 3, 3), x.dtype)
    launch(xp, "winograd", "winograd_filter_backward", x.dtype, outputs * inputs, du, dw, outputs * inputs)
    return dw


class _Tiles(NamedTuple):
    """Some tiles of a batch's output: the grid of an image, and which of all tiles."""

    down: int
    across: int
    first: int
    tiles: int


def _bands(shape: tuple[int, ...], channels: int, itemsize: int) -> list[_Tiles]:
    """The tiles of an output of `shape` in equal parts, whose transforms in `channels` channels fit the budget."""
    down, across = (-(-size // TILE) for size in shape[2:])
    tiles = shape[0] * down * across
    parts = min(tiles, -(-tiles * channels * PRODUCTS * itemsize // window.GPU_BAND_BYTES))
    ends = [tiles * k // parts for k in range(parts + 1)]
    return [_Tiles(down, across, start, stop - start) for start, stop in pairwise(ends)]


def _transformed(x: Array, u: Array, b: Array | None, padding: Pair, y: Array, rectify: bool = False) -> None:
    """Fill y with the correlation of x with filters that are transformed already: (36, O, C)."""
    xp = xp_of(x, u, y)
    x, outputs = xp.ascontiguousarray(x), u.shape[1]
    for band in _bands(y.shape, u.shape[2] + outputs, x.dtype.itemsize):
        v = _inputs(x, padding, band, channels_last=False)  # (36, C, T)
        m = xp.matmul(u, v)  # (36, O, T)
        scalars = *y.shape[1:], *band, b is not None, rectify, outputs * band.tiles
        launch(xp, "winograd", "winograd_output", x.dtype, outputs * band.tiles, m, u if b is None else b, y, *scalars)
        del v, m


def _filters(w: Array, outputs: int, inputs: int, out_step: int, in_step: int, rotate: bool) -> Array:
    """(36, outputs, inputs), the filter for (o, c) starting at o * out_step + c * in_step of w."""
    xp = xp_of(w)
    u = xp.empty((PRODUCTS, outputs, inputs), w.dtype)
    scalars = inputs, out_step, in_step, rotate, outputs * inputs
    launch(xp, "winograd", "winograd_filter", w.dtype, outputs * inputs, xp.ascontiguousarray(w), u, *scalars)
    return u


def _inputs(x: Array, padding: Pair, band: _Tiles, channels_last: bool) -> Array:
    """(36, C, T) or (36, T, C) of the 6x6 pixels that each tile of the output sees."""
    xp = xp_of(x)
    channels = x.shape[1]
    v = xp.empty((PRODUCTS, *((band.tiles, channels) if channels_last else (channels, band.tiles))), x.dtype)
    scalars = *x.shape[1:], *padding, *band, channels_last, channels * band.tiles
    launch(xp, "winograd", "winograd_input", x.dtype, channels * band.tiles, x, v, *scalars)
    return v
