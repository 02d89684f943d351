"""Convolution on the GPU: the three pieces of `minifcn.ops.conv`, columns by kernels, products by cuBLAS.

A band's columns, and its product, take `window.GPU_BAND_BYTES`, rounded up to a row; the memory pool hands the same to
the next band and the next layer.
"""

from __future__ import annotations

import math
from typing import Any

from minifcn import window
from minifcn.backend import Array, Namespace, xp_of
from minifcn.kernels.cuda.columns import col2im, correlate_each, epilogue, im2col, scatter_each
from minifcn.window import Band


def correlate(x: Array, w: Array, b: Array | None, geometry: Any, y: Array, rectify: bool = False) -> None:
    """Fill y: (N, O, OH, OW) with the correlation of x: (N, C, H, W) and w: (groups, O/groups, C/groups * kh * kw).

    Plus b, and rectified if so wished.
    """
    xp = xp_of(x, w, b, y)
    groups, outputs, taps_in = w.shape
    if outputs == 1 and groups == x.shape[1] > 1:
        return correlate_each(x, w, b, geometry, y, rectify)
    x = xp.ascontiguousarray(x)
    images, channels, height, width = y.shape
    column_bytes = (groups * taps_in + channels) * x.dtype.itemsize
    for band in window.bands(xp, images, height, width, column_bytes):
        columns = _columns(xp, x, geometry, band, width)  # (groups, C/groups * kh * kw, P), P = n*R*OW
        alone = band.images.stop - band.images.start == 1 and band.rows == slice(0, height)
        if alone and b is None and not rectify:
            _product(xp, w, columns, y[band.images].reshape(groups, outputs, -1))  # straight into its place
        else:
            product = xp.empty((groups, outputs, columns.shape[2]), y.dtype)
            epilogue(_product(xp, w, columns, product), b, y, band, rectify)
            del product
        del columns  # before the next band's are made


def scatter(x: Array, w: Array, b: Array | None, geometry: Any, y: Array) -> None:
    """Fill y: (N, O, OH, OW) with the stamps of x: (N, C, H, W) through w: (C, O/groups, kh, kw), plus b.

    By columns that `col2im` collects, or at stride 1 as a correlation with the rotated kernel: whose columns are fewer.
    """
    kernel, stride, padding, dilation, groups = geometry
    inputs, group_outputs = w.shape[0] // groups, w.shape[1]
    if inputs == group_outputs == 1 < groups:
        return scatter_each(x, w, b, geometry, y)
    by_group = w.reshape(groups, inputs, group_outputs, *kernel)
    if stride == (1, 1) and inputs * math.prod(y.shape[2:]) <= group_outputs * math.prod(x.shape[2:]):
        rotated = by_group.swapaxes(1, 2)[..., ::-1, ::-1].reshape(groups, group_outputs, -1)  # (g, o, c * kh * kw)
        around = tuple(d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True))
        correlate(x, rotated, b, geometry._replace(padding=around), y)
        return

    xp = xp_of(x, w, b, y)
    stamps = by_group.reshape(groups, inputs, -1).swapaxes(1, 2)  # (g, O/groups * kh * kw, C/groups)
    taps, area = math.prod(kernel), math.prod(x.shape[2:])
    images, channels = _shares(len(x), y.shape[1], group_outputs if groups > 1 else 1, taps * area * x.dtype.itemsize)
    for here in images:
        part = x[here]
        seen = part.swapaxes(0, 1).reshape(groups, inputs, -1)  # (g, C/groups, n * H * W)
        for some in channels:
            if groups > 1:
                which = slice(some.start // group_outputs, some.stop // group_outputs)
                left, right = stamps[which], seen[which]
            else:
                left, right = stamps[:, some.start * taps : some.stop * taps], seen
            columns = xp.empty((len(left), left.shape[1], right.shape[2]), x.dtype)
            _product(xp, left, right, columns)
            laid_out = columns.reshape(some.stop - some.start, *kernel, len(part), *x.shape[2:])
            col2im(laid_out, y[here], stride, padding, dilation, b, some.start)
            del columns, laid_out


def correlate_weight(x: Array, dy: Array, geometry: Any) -> Array:
    """dw: (groups, O/groups, C/groups * kh * kw), dy: (N, O, OH, OW) times x's columns, summed over all positions."""
    xp = xp_of(x, dy)
    x, groups = xp.ascontiguousarray(x), geometry.groups
    images, channels, height, width = dy.shape
    taps_in = x.shape[1] // groups * math.prod(geometry.kernel)
    dw = xp.empty((groups, channels // groups, taps_in), x.dtype)
    bands = window.bands(xp, images, height, width, (groups * taps_in + channels) * x.dtype.itemsize)
    for k, band in enumerate(bands):
        columns = _columns(xp, x, geometry, band, width)
        part = dy[band.images, :, band.rows].swapaxes(0, 1).reshape(groups, channels // groups, -1)
        if k == 0:
            _product(xp, part, columns.swapaxes(1, 2), dw)
        else:
            dw += _product(xp, part, columns.swapaxes(1, 2), xp.empty(dw.shape, dw.dtype))
        del columns, part
    return dw


def _columns(xp: Namespace, x: Array, geometry: Any, band: Band, out_width: int) -> Array:
    """The columns of a band, a matrix for each group: (groups, C/groups * kh * kw, n * R * out_width)."""
    kernel, stride, padding, dilation, groups = geometry
    images = x[band.images]
    if (kernel, stride, padding, len(images)) == ((1, 1), (1, 1), (0, 0), 1):  # the picture itself
        return images[:, :, band.rows].reshape(groups, x.shape[1] // groups, -1)
    columns = im2col(x, kernel, stride, padding, dilation, band, out_width)
    return columns.reshape(groups, x.shape[1] // groups * math.prod(kernel), -1)


def _product(xp: Namespace, a: Array, b: Array, out: Array) -> Array:
    """out[g] = a[g] @ b[g]. One group is a product of two matrices, whose transposes CuPy multiplies without a copy."""
    if len(a) == 1:
        xp.matmul(a[0], b[0], out=out[0])
    else:
        xp.matmul(a, b, out=out)
    return out


def _shares(images: int, channels: int, together: int, channel_bytes: int) -> tuple[list[slice], list[slice]]:
    """Images, and channels (in steps of `together`), of which a band may have the columns at once."""
    budget = max(1, window.GPU_BAND_BYTES // channel_bytes)  # channels of one image
    if budget >= channels:
        return _steps(images, budget // channels), [slice(0, channels)]
    return _steps(images, 1), _steps(channels, max(together, budget // together * together))


def _steps(length: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
