"""The only stride and padding arithmetic: output sizes, the taps of a sliding window, im2col, col2im, row bands.

Everything here speaks of one window: output index `o` looks, through tap `i` of the kernel, at input index
`stride * o + dilation * i - padding`. Indices outside the input are padding. Padding may be negative, which crops.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from minifcn.backend import Array, Namespace
from minifcn.errors import ShapeError

Pair = tuple[int, int]

#: Bytes of columns that one band may build on the CPU: they should stay in the core's own cache, between the copy that
#: writes them and the product that reads them. A GPU wants few large bands instead.
CPU_BAND_BYTES = 1 << 20
GPU_BAND_BYTES = 1 << 28


def pair(value: int | tuple[int, int], name: str, least: int = 1) -> Pair:
    """`value` for (height, width): an int counts for both. Raises ShapeError for anything else, or below `least`."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) and v >= least for v in both):
        raise ShapeError(f"{name}: expected an integer or a pair of integers, at least {least}, got {value!r}")
    return both


def conv_size(n: int, k: int, s: int, p: int, d: int = 1) -> int:
    """Output size of a convolution: floor((n + 2p - d(k-1) - 1) / s) + 1; below 1 where the kernel does not fit."""
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


def pool_size(n: int, k: int, s: int, p: int, ceil_mode: bool) -> int:
    """Output size of a pooling layer.

    Caffe rounds up (`ceil_mode`), and then drops a last window that would start in the padding: pooling_layer.cpp.
    """
    span = n + 2 * p - k
    out = (-(-span // s) if ceil_mode else span // s) + 1
    if ceil_mode and (out - 1) * s >= n + p:
        out -= 1
    return out


def conv_transpose_size(n: int, k: int, s: int, p: int, output_padding: int = 0, d: int = 1) -> int:
    """Output size of a transposed convolution: (n - 1)s + d(k-1) + 1 - 2p + output_padding."""
    return (n - 1) * s + d * (k - 1) + 1 - 2 * p + output_padding


class Tap(NamedTuple):
    """One kernel position along one axis: the outputs that see input through it, and the input that they see."""

    out: slice
    into: slice


def taps(n: int, k: int, s: int, p: int, d: int, start: int, stop: int) -> list[Tap]:
    """The k taps of a window along one axis of size n, for outputs start..stop-1.

    `out` counts from `start`. Outputs not in a tap's `out` see padding there. Either slice may be empty.
    """
    result = []
    for i in range(k):
        shift = d * i - p
        first = max(start, -(shift // s))  # the first o with s*o + shift >= 0
        last = min(stop, (n - 1 - shift) // s + 1)  # one past the last o with s*o + shift <= n-1
        last = max(first, last)
        into = slice(s * first + shift, s * (last - 1) + shift + 1, s) if last > first else slice(0, 0)
        result.append(Tap(slice(first - start, last - start), into))
    return result


def im2col(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, rows: slice, out_width: int, out: Array
) -> Array:
    """Lay the windows of a band of output rows side by side, so that a convolution becomes one matrix product.

    x: (C, N, H, W), a transposed view of the images. out: (C, kh, kw, N, R, out_width), filled and returned, with R the
    number of output rows in `rows`: out[c, i, j, n, r, q] is what output (rows.start + r, q) of image n sees of
    channel c through tap (i, j), 0 in the padding. The adjoint is `col2im`.
    """
    height, width = x.shape[2:]
    count = rows.stop - rows.start
    vertical = taps(height, kernel[0], stride[0], padding[0], dilation[0], rows.start, rows.stop)
    horizontal = taps(width, kernel[1], stride[1], padding[1], dilation[1], 0, out_width)
    for i, v in enumerate(vertical):
        for j, h in enumerate(horizontal):
            target = out[:, i, j]  # (C, N, R, out_width)
            target[:, :, v.out, h.out] = x[:, :, v.into, h.into]
            _zero_outside(target, v.out, h.out, count, out_width)
    return out


def col2im(cols: Array, x: Array, stride: Pair, padding: Pair, dilation: Pair, rows: slice) -> None:
    """Add a band's columns back to where `im2col` took them: kh * kw strided additions into x, in a fixed order.

    cols: (C, kh, kw, N, R, out_width). x: (C, N, H, W), added to in place. Columns that stand for padding are dropped.
    """
    height, width = x.shape[2:]
    kernel = cols.shape[1:3]
    vertical = taps(height, kernel[0], stride[0], padding[0], dilation[0], rows.start, rows.stop)
    horizontal = taps(width, kernel[1], stride[1], padding[1], dilation[1], 0, cols.shape[5])
    for i, v in enumerate(vertical):
        for j, h in enumerate(horizontal):
            x[:, :, v.into, h.into] += cols[:, i, j, :, v.out, h.out]


def _zero_outside(target: Array, rows: slice, columns: slice, height: int, width: int) -> None:
    """Zero the frame of target (..., height, width) around the block [rows, columns]."""
    if rows.start > 0:
        target[..., : rows.start, :] = 0
    if rows.stop < height:
        target[..., rows.stop :, :] = 0
    if columns.start > 0:
        target[..., rows, : columns.start] = 0
    if columns.stop < width:
        target[..., rows, columns.stop :] = 0


class Band(NamedTuple):
    """A part of a batch's output: some rows of one image, or all rows of a few."""

    images: slice
    rows: slice


def bands(
    xp: Namespace, images: int, rows: int, width: int, bytes_per_column: int, least_columns: int = 256
) -> list[Band]:
    """Cut a batch's output of `images` x `rows` x `width` into bands whose columns fit a budget, by shape alone.

    A band has at least about `least_columns` columns, whatever they cost: each band reads the whole weight once.
    """
    budget = GPU_BAND_BYTES
    if xp.__name__ == "numpy":
        budget = max(CPU_BAND_BYTES, least_columns * bytes_per_column)
    step = max(1, budget // (bytes_per_column * width))
    if step >= rows:
        together = step // rows
        return [Band(slice(n, min(n + together, images)), slice(0, rows)) for n in range(0, images, together)]
    count = -(-rows // step)
    edges = [rows * b // count for b in range(count + 1)]  # equal heights: no thread waits for one long band
    return [Band(slice(n, n + 1), slice(a, b)) for n in range(images) for a, b in pairwise(edges)]


def offsets(kernel: Pair) -> Iterator[tuple[int, int, int]]:
    """(t, i, j) for every tap of a kernel in scan order, t its number."""
    for t in range(kernel[0] * kernel[1]):
        yield t, t // kernel[1], t % kernel[1]
