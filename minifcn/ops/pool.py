"""Max and average pooling over sliding windows, floor and Caffe's ceil mode."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn import parallel, window
from minifcn.backend import Array, Namespace, xp_of
from minifcn.errors import ShapeError
from minifcn.kernels import cuda
from minifcn.ops.pointwise import check_gradient
from minifcn.window import Pair

IntOrPair = int | Pair


class PoolGeometry(NamedTuple):
    """The window of a pooling layer: (height, width) each."""

    kernel: Pair
    stride: Pair
    padding: Pair
    ceil_mode: bool
    dilation: Pair = (1, 1)
    overhang: Pair = (0, 0)


class MaxPoolCache(NamedTuple):
    """The input's shape and dtype and, for every output, which tap won: one byte an element."""

    shape: tuple[int, ...]
    dtype: np.dtype
    winner: Array
    geometry: PoolGeometry


class AvgPoolCache(NamedTuple):
    """The input's shape and dtype; the average is linear and needs no values."""

    shape: tuple[int, ...]
    dtype: np.dtype
    geometry: PoolGeometry


def max_pool2d(
    x: Array,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    dilation: IntOrPair = 1,
    overhang: IntOrPair = 0,
) -> tuple[Array, MaxPoolCache]:
    """The largest value of each window; padding counts as -inf and windows are clipped at the border.

    x: (N, C, H, W). `stride` defaults to the kernel size. With `ceil_mode` the output size is rounded up, as Caffe does
    always (pooling_layer.cpp) and as every FCN needs: with floor, 1127 of the 3000 smallest image sizes come out too
    small to be cropped. `dilation` is the distance between a window's pixels; `overhang` lets the last windows stick
    out by so many pixels, as `ceil_mode` does for a stride that is now 1 (models/rarefaction.py). Of equal values the
    first in scan order wins. Returns y: (N, C, OH, OW) and the cache. Raises ShapeError when the window does not fit.

    >>> import numpy as np
    >>> y, cache = max_pool2d(np.arange(9.0).reshape(1, 1, 3, 3), 2, ceil_mode=True)
    >>> y[0, 0].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    """
    xp = xp_of(x)
    geometry = pool_geometry("max_pool2d", kernel_size, stride, padding, ceil_mode, dilation, overhang)
    size = _check_size("max_pool2d", x, geometry)
    if cuda.serves(xp, x.dtype):
        y, winner = cuda.max_pool(x, geometry, size)
        return y, MaxPoolCache(x.shape, x.dtype, winner, geometry)
    y = xp.empty((*x.shape[:2], *size), x.dtype)
    taps = geometry.kernel[0] * geometry.kernel[1]
    winner = xp.empty(y.shape, xp.uint8 if taps <= 256 else xp.int32)
    vertical, horizontal = _taps(x.shape, geometry, size)
    first = _first_taps(xp, geometry, size).astype(winner.dtype)

    def work(planes: slice) -> None:
        seen, best, won = _planes(x)[planes], _planes(y)[planes], _planes(winner)[planes]
        best[...] = -xp.inf
        won[...] = first  # what a window of nothing but -inf or NaN goes to
        for t, i, j in window.offsets(geometry.kernel):
            v, h = vertical[i], horizontal[j]
            value, top = seen[:, v.into, h.into], best[:, v.out, h.out]
            # A later tap that wins has the larger number, so the maximum replaces (and is four times as fast as) a
            # masked copy.
            won_here = won[:, v.out, h.out]
            xp.maximum(won_here, (value > top) * won.dtype.type(t), out=won_here)
            xp.maximum(top, value, out=top)  # a NaN stays a NaN

    _over_planes(xp, work, x)
    return y, MaxPoolCache(x.shape, x.dtype, winner, geometry)


def max_pool2d_backward(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """Gradient (dx,) of `max_pool2d`: each dy goes to the tap that won; where windows overlap, gradients add up."""
    shape, dtype, winner, geometry = cache
    xp = xp_of(dy, winner)
    check_gradient("max_pool2d_backward", dy, winner.shape, dtype)
    if cuda.serves(xp, dtype):
        return (cuda.max_pool_backward(dy, winner, shape, geometry),)
    dx = xp.empty(shape, dy.dtype)
    vertical, horizontal = _taps(shape, geometry, dy.shape[2:])
    # No pixel is in two windows.
    apart = geometry.dilation == (1, 1) and all(s >= k for s, k in zip(geometry.stride, geometry.kernel, strict=True))

    def work(planes: slice) -> None:
        target, upstream, won = _planes(dx)[planes], _planes(dy)[planes], _planes(winner)[planes]
        shares = parallel.workspace(xp, "pool.shares", upstream.shape, dy.dtype)
        target[...] = 0
        for t, i, j in window.offsets(geometry.kernel):
            v, h = vertical[i], horizontal[j]
            source = target[:, v.into, h.into]
            if apart:
                xp.multiply(upstream[:, v.out, h.out], won[:, v.out, h.out] == t, out=source)
            else:  # the product of whole planes: NumPy is fastest where nothing lies between the numbers
                share = xp.multiply(upstream, won == t, out=shares)
                source += share[:, v.out, h.out]

    _over_planes(xp, work, dx)
    return (dx,)


def avg_pool2d(
    x: Array,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    dilation: IntOrPair = 1,
    overhang: IntOrPair = 0,
) -> tuple[Array, AvgPoolCache]:
    """The mean of each window. Padding counts as zeros; what lies beyond the padding does not count (Caffe, PyTorch).

    Arguments, sizes and errors as for `max_pool2d`.
    """
    xp = xp_of(x)
    geometry = pool_geometry("avg_pool2d", kernel_size, stride, padding, ceil_mode, dilation, overhang)
    size = _check_size("avg_pool2d", x, geometry)
    if cuda.serves(xp, x.dtype):
        return cuda.avg_pool(x, geometry, size), AvgPoolCache(x.shape, x.dtype, geometry)
    y = xp.empty((*x.shape[:2], *size), x.dtype)
    vertical, horizontal = _taps(x.shape, geometry, size)
    weights = xp.asarray(_one_over_area(x.shape, geometry, size), dtype=x.dtype)

    def work(planes: slice) -> None:
        seen, mean = _planes(x)[planes], _planes(y)[planes]
        columns = parallel.workspace(xp, "pool.columns", (len(seen), size[0], x.shape[3]), x.dtype)
        columns[...] = mean[...] = 0
        for v in vertical:  # first down, then across: 7 + 7 sums for a window of 7x7, and not 49
            columns[:, v.out] += seen[:, v.into]
        for h in horizontal:
            mean[:, :, h.out] += columns[:, :, h.into]
        mean *= weights

    _over_planes(xp, work, x)
    return y, AvgPoolCache(x.shape, x.dtype, geometry)


def avg_pool2d_backward(dy: Array, cache: AvgPoolCache) -> tuple[Array]:
    """Gradient (dx,) of `avg_pool2d`: each dy, divided by its window's area, goes to every pixel of the window."""
    shape, dtype, geometry = cache
    xp = xp_of(dy)
    check_gradient("avg_pool2d_backward", dy, (*shape[:2], *pool2d_size(shape[2:], geometry)), dtype)
    if cuda.serves(xp, dtype):
        return (cuda.avg_pool_backward(dy, shape, geometry),)
    dx = xp.empty(shape, dy.dtype)
    vertical, horizontal = _taps(shape, geometry, dy.shape[2:])
    weights = xp.asarray(_one_over_area(shape, geometry, dy.shape[2:]), dtype=dy.dtype)

    def work(planes: slice) -> None:
        target, share = _planes(dx)[planes], _planes(dy)[planes] * weights
        columns = parallel.workspace(xp, "pool.columns", (len(target), dy.shape[2], shape[3]), dy.dtype)
        columns[...] = target[...] = 0
        for h in horizontal:
            columns[:, :, h.into] += share[:, :, h.out]
        for v in vertical:
            target[:, v.into] += columns[:, v.out]

    _over_planes(xp, work, dx)
    return (dx,)


def pool_geometry(
    op: str,
    kernel_size: IntOrPair,
    stride: IntOrPair | None,
    padding: IntOrPair,
    ceil_mode: bool,
    dilation: IntOrPair = 1,
    overhang: IntOrPair = 0,
) -> PoolGeometry:
    """The checked window of a pooling layer; raises ShapeError if a whole window could lie outside the picture."""
    kernel = window.pair(kernel_size, f"{op}: kernel_size")
    pad = window.pair(padding, f"{op}: padding", least=0)
    apart = window.pair(dilation, f"{op}: dilation")
    out = window.pair(overhang, f"{op}: overhang", least=0)
    reach = tuple(d * (k - 1) + 1 for d, k in zip(apart, kernel, strict=True))
    if any(p >= r for p, r in zip(pad, reach, strict=True)):
        raise ShapeError(f"{op}: padding {pad} must be smaller than the kernel {reach}, or windows see padding alone")
    if any(o and o + p >= r for o, p, r in zip(out, pad, reach, strict=True)):
        raise ShapeError(f"{op}: padding {pad} and overhang {out} together must be smaller than the kernel {reach}")
    if ceil_mode and out != (0, 0):
        raise ShapeError(f"{op}: ceil_mode is an overhang itself, of stride - 1; give one of them")
    steps = kernel if stride is None else window.pair(stride, f"{op}: stride")
    return PoolGeometry(kernel, steps, pad, bool(ceil_mode), apart, out)


def pool2d_size(size: tuple[int, ...], geometry: PoolGeometry) -> Pair:
    """Output (height, width) of a pooling layer over an image of `size`."""
    kernel, stride, padding, ceil_mode, dilation, overhang = geometry
    axes = zip(size, kernel, stride, padding, dilation, overhang, strict=True)
    height, width = (window.pool_size(n, k, s, p, ceil_mode, d, o) for n, k, s, p, d, o in axes)
    return height, width


def _check_size(op: str, x: Array, geometry: PoolGeometry) -> Pair:
    if x.ndim != 4 or x.dtype.kind != "f":
        raise ShapeError(f"{op}: expected floating x of (N, C, H, W), got {tuple(x.shape)} {x.dtype}")
    size = pool2d_size(x.shape[2:], geometry)
    if min(size) < 1:
        raise ShapeError(
            f"{op}: a window of {geometry.kernel} does not fit an image of {tuple(x.shape[2:])} "
            f"(padding {geometry.padding}, ceil_mode {geometry.ceil_mode}); enlarge the image"
        )
    if geometry.dilation != (1, 1):
        for axis, seen in enumerate(_taps(x.shape, geometry, size)):
            outputs = {o for tap in seen for o in range(tap.out.start, tap.out.stop)}
            if len(outputs) < size[axis]:
                raise ShapeError(
                    f"{op}: with dilation {geometry.dilation} and padding {geometry.padding}, some windows step over "
                    f"an image of {tuple(x.shape[2:])}; a padding that is a multiple of the dilation avoids that"
                )
    return size


def _taps(shape: tuple[int, ...], geometry: PoolGeometry, size: Pair) -> tuple[list[window.Tap], list[window.Tap]]:
    kernel, stride, padding, _, dilation, _ = geometry
    vertical = window.taps(shape[2], kernel[0], stride[0], padding[0], dilation[0], 0, size[0])
    horizontal = window.taps(shape[3], kernel[1], stride[1], padding[1], dilation[1], 0, size[1])
    return vertical, horizontal


def _first_taps(xp: Namespace, geometry: PoolGeometry, size: Pair) -> Array:
    """For each window, the number of its first tap that is a pixel and no padding: (OH, OW)."""
    axes = zip(size, geometry.stride, geometry.padding, geometry.dilation, strict=True)
    rows, columns = (
        xp.maximum(-((s * xp.arange(n) - p) // d), 0) for n, s, p, d in axes
    )  # p - s o, over d, rounded up
    return rows[:, None] * geometry.kernel[1] + columns


def _one_over_area(shape: tuple[int, ...], geometry: PoolGeometry, size: Pair) -> list[list[float]]:
    """1 / (pixels of each window, padding included, that lie within the padded image): (OH, OW)."""
    kernel, stride, padding, _, dilation, _ = geometry

    def spans(axis: int) -> list[int]:
        n, k, s, p, d = shape[2 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis]
        return [min(k, -(-(n + 2 * p - o * s) // d)) for o in range(size[axis])]

    return [[1 / (height * width) for width in spans(1)] for height in spans(0)]


def _planes(array: Array) -> Array:
    """(N, C, H, W) as (N * C, H, W), a view."""
    return array.reshape(-1, *array.shape[2:])


def _over_planes(xp: Namespace, work, array: Array) -> None:
    """Call work(planes) for slices of the N * C planes of an (N, C, H, W) array, in parallel on the CPU."""
    planes = array.shape[0] * array.shape[1]
    if xp.__name__ == "numpy":
        parallel.run(xp, work, parallel.cut(planes, array.shape[2] * array.shape[3] * array.itemsize))
    else:
        work(slice(0, planes))
