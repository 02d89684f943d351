"""im2col, col2im and the end of a convolution on the GPU: the twins of `minifcn.window`'s, as gathers."""

from __future__ import annotations

import math
from typing import Any

from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch
from minifcn.window import Band, Pair


def im2col(x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, band: Band, out_width: int) -> Array:
    """The columns of a band of x: (N, C, H, W), as `window.im2col` lays them: (C, kh, kw, n, R, out_width)."""
    xp = xp_of(x)
    part = x[band.images]
    n, channels = part.shape[:2]
    rows = band.rows.stop - band.rows.start
    columns = xp.empty((channels, *kernel, n, rows, out_width), x.dtype)
    positions = rows * out_width
    place = *part.shape[1:], *kernel, *stride, *padding, *dilation, band.rows.start, rows, out_width
    count = n * channels * positions
    launch(xp, "columns", "im2col", x.dtype, count, part, columns, *place, positions, n * positions, count)
    return columns


def col2im(
    columns: Array,
    x: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    bias: Array | None = None,
    first_channel: int = 0,
) -> None:
    """Fill channels of x: (N, C, H, W) with the sums of their columns (c, kh, kw, N, OH, OW), plus their bias.

    `window.col2im` on top of the bias. The c channels stand in x from `first_channel` on; other channels stay.
    """
    xp = xp_of(columns, x)
    channels, *kernel, images, out_height, out_width = columns.shape
    place = channels, first_channel, *x.shape[1:], *kernel, *stride, *padding, *dilation, out_height, out_width
    positions = out_height * out_width
    count = images * channels * math.prod(x.shape[2:])
    scalars = *place, positions, images * positions, bias is not None, count
    launch(xp, "columns", "col2im", x.dtype, count, columns, x if bias is None else bias, x, *scalars)


def epilogue(product: Array, bias: Array | None, y: Array, band: Band, rectify: bool) -> None:
    """Put a band's product (O, n, R * OW) into its place in y: (N, O, OH, OW), plus the bias; perhaps rectified."""
    xp = xp_of(product, y)
    part = y[band.images]
    n, channels, height, width = part.shape
    positions = (band.rows.stop - band.rows.start) * width
    place = channels, n, positions, band.rows.start * width, height * width
    scalars = *place, bias is not None, rectify, product.size
    launch(xp, "columns", "epilogue", y.dtype, product.size, product, part if bias is None else bias, part, *scalars)


def correlate_each(x: Array, w: Array, bias: Array | None, geometry: Any, y: Array, rectify: bool) -> None:
    """Fill y: (N, C, OH, OW) with the correlation of each channel of x: (N, C, H, W) with its own filter of w."""
    xp = xp_of(x, w, y)
    arrays = xp.ascontiguousarray(x), xp.ascontiguousarray(w), y if bias is None else bias, y
    scalars = *_sizes(x, y, geometry), bias is not None, rectify, y.size
    launch(xp, "columns", "correlate_each", y.dtype, y.size, *arrays, *scalars)


def scatter_each(x: Array, w: Array, bias: Array | None, geometry: Any, y: Array) -> None:
    """Fill y: (N, C, OH, OW) with the stamps of each channel of x: (N, C, H, W) through its own filter of w."""
    xp = xp_of(x, w, y)
    arrays = xp.ascontiguousarray(x), xp.ascontiguousarray(w), y if bias is None else bias, y
    scalars = *_sizes(y, x, geometry), bias is not None, y.size
    launch(xp, "columns", "scatter_each", y.dtype, y.size, *arrays, *scalars)


def _sizes(large: Array, small: Array, geometry: Any) -> tuple[int, ...]:
    """Channels, both sizes and the window."""
    kernel, stride, padding, dilation, _ = geometry
    return (*large.shape[1:], *small.shape[2:], *kernel, *stride, *padding, *dilation)
