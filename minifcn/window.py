"""The only stride and padding arithmetic: output sizes, the taps of a sliding window, im2col, col2im, row bands.

Everything here speaks of one window: output index `o` looks, through tap `i` of the kernel, at input index
`stride * o + dilation * i - padding`. Indices outside the input are padding. Padding may be negative, which crops.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from minifcn import parallel
from minifcn.backend import Array, Namespace, xp_of
from minifcn.errors import ShapeError

Pair = tuple[int, int]

#: Bytes of columns that one band may build on the CPU. Smaller ones stay in a core's own cache, but every call of NumPy
#: hands the GIL back and forth: measured over all nets here, on two cores, 4 MiB is best. A GPU wants few large bands.
CPU_BAND_BYTES = 1 << 22
GPU_BAND_BYTES = 1 << 28

#: Below this many bytes of columns, cutting them in two to occupy a second core does not pay.
_WORTH_CUTTING = 1 << 20


def pair(value: int | tuple[int, int], name: str, least: int = 1) -> Pair:
    """`value` for (height, width): an int counts for both. Raises ShapeError for anything else, or below `least`."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) and v >= least for v in both):
        raise ShapeError(f"{name}: expected an integer or a pair of integers, at least {least}, got {value!r}")
    return both


def conv_size(n: int, k: int, s: int, p: int, d: int = 1) -> int:
    """Output size of a convolution: floor((n + 2p - d(k-1) - 1) / s) + 1; below 1 where the kernel does not fit."""
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


def pool_size(n: int, k: int, s: int, p: int, ceil_mode: bool, d: int = 1, overhang: int = 0) -> int:
    """Output size of a pooling layer.

    Caffe rounds up (`ceil_mode`), and then drops a last window that would start in the padding: pooling_layer.cpp.
    By up to `overhang` pixels the last windows may stick out beyond the padding.
    """
    span = n + 2 * p + overhang - d * (k - 1) - 1
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

    All taps are copied at once, out of one view that shows each input pixel as often as windows cover it.
    """
    xp = xp_of(x, out)
    count = rows.stop - rows.start
    height = stride[0] * (count - 1) + dilation[0] * (kernel[0] - 1) + 1
    width = stride[1] * (out_width - 1) + dilation[1] * (kernel[1] - 1) + 1
    frame = _frame(xp, x, stride[0] * rows.start - padding[0], -padding[1], height, width)
    channel, image, down, right = frame.strides
    steps = (channel, dilation[0] * down, dilation[1] * right, image, stride[0] * down, stride[1] * right)
    out[...] = xp.lib.stride_tricks.as_strided(frame, out.shape, steps)
    return out


def _frame(xp: Namespace, x: Array, top: int, left: int, height: int, width: int) -> Array:
    """The part (C, N, height, width) of x that starts at (top, left), 0 outside x; a view where it lies within x."""
    rows = slice(min(max(top, 0), x.shape[2]), min(max(top + height, 0), x.shape[2]))
    columns = slice(min(max(left, 0), x.shape[3]), min(max(left + width, 0), x.shape[3]))
    inside = x[:, :, rows, columns]
    if inside.shape[2:] == (height, width):
        return inside
    frame = parallel.workspace(xp, "frame", (*x.shape[:2], height, width), x.dtype)
    frame[...] = 0  # all of it: the four borders alone would be four calls, and four times the interpreter's lock
    frame[:, :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inside
    return frame


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


def band_bytes(xp: Namespace) -> int:
    """How many bytes of columns to build at a time."""
    return CPU_BAND_BYTES if xp.__name__ == "numpy" else GPU_BAND_BYTES


class Band(NamedTuple):
    """A part of a batch's output: some rows of one image, or all rows of a few."""

    images: slice
    rows: slice


def bands(
    xp: Namespace, images: int, rows: int, width: int, bytes_per_column: int, least_columns: int = 256
) -> list[Band]:
    """Cut a batch's output of `images` x `rows` x `width` into bands whose columns fit a budget, by shape alone.

    A band has at least about `least_columns` columns, whatever they cost: each band reads the whole weight once. On the
    CPU there are as many as two cores finish soonest, so that neither waits long for the other's last one.
    """
    on_cpu = xp.__name__ == "numpy"
    budget = max(band_bytes(xp), least_columns * bytes_per_column) if on_cpu else band_bytes(xp)
    image_bytes = rows * width * bytes_per_column
    count = -(-images * image_bytes // budget)
    if on_cpu and images * image_bytes > _WORTH_CUTTING:
        count += count % 2
    if count <= images:
        if (
            on_cpu
        ):  # 8 images in 6 bands would be bands of 1 and of 2 images: 6 turns of one image, where 8 bands take 4
            count = min(range(count, images + 1), key=lambda n: -(-images // n) * -(-n // 2))
        return [Band(part, slice(0, rows)) for part in parallel.slices(images, count)]
    each = min(rows, -(-count // images))
    return [Band(slice(n, n + 1), part) for n in range(images) for part in parallel.slices(rows, each)]


def offsets(kernel: Pair) -> Iterator[tuple[int, int, int]]:
    """(t, i, j) for every tap of a kernel in scan order, t its number."""
    for t in range(kernel[0] * kernel[1]):
        yield t, t // kernel[1], t % kernel[1]
