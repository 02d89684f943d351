"""Convolution and transposed convolution, forward and backward, by matrix products over bands of im2col columns.

One sum describes them all (cross-correlation, as every framework and Caffe compute it):

    y[n, o, p, q] = b[o] + sum over c, i, j of  w[o, c, i, j] * x[n, c, s*p + d*i - pad, s*q + d*j - pad]

Its three pieces are the three helpers at the end of this file:

* `_correlate`        this sum, from x and w to y;
* `_scatter`          the adjoint in x, from y-like to x-like: the input gradient of `conv2d`, and the forward pass of
                      `conv_transpose2d`, which is nothing but a convolution run backwards;
* `_correlate_weight` the adjoint in w, from x and dy to dw.

Where it pays, `conv2d` and its gradients leave the three to their faster twins in `kernels.winograd`.

A full column matrix is never held: FCN-8s at 500x500 would need 1.05 GiB of it for conv1_2 alone. Each band builds the
columns of some output rows in a small buffer, multiplies, and forgets them; the backward pass builds them again.
"""

from __future__ import annotations

from math import gcd, prod
from types import ModuleType
from typing import NamedTuple

from minifcn import parallel, window
from minifcn.backend import Array, Namespace, xp_of
from minifcn.errors import ShapeError
from minifcn.kernels import cuda, winograd
from minifcn.kernels.products import multiply, multiply_long
from minifcn.ops import jobs
from minifcn.ops.algorithm import choose
from minifcn.ops.geometry import (
    Geometry,
    IntOrPair,
    by,
    check_channels,
    conv2d_size,
    conv_transpose2d_size,
    geometry_of,
)
from minifcn.ops.pointwise import check_gradient
from minifcn.window import Pair


class ConvCache(NamedTuple):
    """What backward needs: the input, the weight, whether there was a bias, the window, the output's size, and how."""

    x: Array
    w: Array
    has_bias: bool
    geometry: Geometry
    size: Pair
    algorithm: str = "im2col"


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    algorithm: str = "auto",
    rectify: bool = False,
) -> tuple[Array, ConvCache]:
    """2-D convolution (cross-correlation) of a batch of images.

    x: (N, C, H, W); w: (O, C/groups, kh, kw); b: (O,) or None. Returns y: (N, O, OH, OW) with
    OH = floor((H + 2*padding - dilation*(kh-1) - 1) / stride) + 1, and the cache for `conv2d_backward`.
    With `rectify`, y is max(y, 0), the ReLU that follows taken along while a part of y is still in the processor's
    cache; `conv2d_backward` then wants the gradient before that ReLU, which `relu_backward` gives.
    `algorithm`: how it is computed, see `ops.algorithm`.
    Raises ShapeError when shapes or dtypes do not fit, or when the kernel is larger than the padded image.

    >>> import numpy as np
    >>> y, cache = conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)
    >>> y[0, 0].tolist()
    [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    xp = xp_of(x, w, b)
    geometry = geometry_of("conv2d", x, w, stride, padding, dilation, groups)
    out_channels, group_channels = w.shape[:2]
    check_channels("conv2d", x.shape[1], group_channels * groups, out_channels, groups, b, out_channels)
    size = conv2d_size(x.shape[2:], geometry)
    if min(size) < 1:
        raise ShapeError(
            f"conv2d: a {by(geometry.kernel)} kernel (dilation {by(geometry.dilation)}) does not fit an image of "
            f"{by(x.shape[2:])} with padding {by(geometry.padding)}: the output would be {by(size)}; "
            "enlarge the image or the padding"
        )
    y = xp.empty((x.shape[0], out_channels, *size), x.dtype)
    how = choose(algorithm, x.shape[0], x.shape[1], out_channels, size, geometry, x.dtype)
    if how == "winograd":
        _winograd(xp, x).correlate(x, w, b, geometry.padding, y, rectify)
    else:
        _correlate(xp, x, _by_group(w, groups), b, geometry, y, rectify=rectify)
    return y, ConvCache(x, w, b is not None, geometry, size, how)


def conv2d_backward(
    dy: Array, cache: ConvCache, needs: tuple[bool, bool, bool] = (True, True, True)
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients (dx, dw, db) of `conv2d`, from dy: (N, O, OH, OW).

    dx is dy scattered through the weights, dw the correlation of x with dy, db the sum of dy. A gradient that `needs`
    does not ask for is None, and so is db when there was no bias.
    """
    x, w, has_bias, geometry, size, how = cache
    xp = xp_of(dy, x, w)
    check_gradient("conv2d_backward", dy, (x.shape[0], w.shape[0], *size), x.dtype)
    dx = dw = db = None
    if needs[0]:
        dx = xp.empty(x.shape, x.dtype)
        if how == "winograd":
            _winograd(xp, x).correlate_adjoint(dy, w, geometry.padding, dx)
        else:
            _scatter(xp, dy, w, None, geometry, dx)
    if needs[1]:
        if how == "winograd":
            dw = _winograd(xp, x).correlate_weight(x, dy, geometry.padding)
        else:
            dw = _correlate_weight(xp, x, dy, geometry).reshape(w.shape)
    if needs[2] and has_bias:
        db = _sum_channels(xp, dy)
    return dx, dw, db


def conv_transpose2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
) -> tuple[Array, ConvCache]:
    """2-D transposed convolution ("deconvolution", the paper's section 3.3): the adjoint of `conv2d` in x.

    x: (N, C, H, W); w: (C, O/groups, kh, kw); b: (O,) or None. Returns y: (N, O, OH, OW) with
    OH = (H - 1)*stride + kh - 2*padding + output_padding, and the cache for `conv_transpose2d_backward`.
    Every input pixel stamps its kernel, scaled by its value, onto the output at stride steps; stamps add up.
    With groups equal to the channels each channel is upsampled alone, as FCN's fixed bilinear filters do.
    Raises ShapeError when shapes or dtypes do not fit, or when nothing would be left of the output.
    """
    xp = xp_of(x, w, b)
    geometry = geometry_of("conv_transpose2d", x, w, stride, padding, 1, groups)
    extra = window.pair(output_padding, "conv_transpose2d: output_padding", least=0)
    out_channels = w.shape[1] * groups
    check_channels("conv_transpose2d", x.shape[1], w.shape[0], x.shape[1], groups, b, out_channels)
    size = conv_transpose2d_size(x.shape[2:], geometry, extra)
    y = xp.empty((x.shape[0], out_channels, *size), x.dtype)
    _scatter(xp, x, w, b, geometry, y)
    return y, ConvCache(x, w, b is not None, geometry, size)


def conv_transpose2d_backward(
    dy: Array, cache: ConvCache, needs: tuple[bool, bool, bool] = (True, True, True)
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients (dx, dw, db) of `conv_transpose2d`, from dy: (N, O, OH, OW). `needs` as in `conv2d_backward`.

    Forward and backward have changed places: dx is the plain convolution of dy with the same weights.
    """
    x, w, has_bias, geometry, size, _ = cache
    xp = xp_of(dy, x, w)
    check_gradient("conv_transpose2d_backward", dy, (x.shape[0], w.shape[1] * geometry.groups, *size), x.dtype)
    dx = dw = db = None
    if needs[0]:
        dx = xp.empty(x.shape, x.dtype)
        _correlate(xp, dy, _by_group(w, geometry.groups), None, geometry, dx)
    if needs[1]:
        dw = _correlate_weight(xp, dy, x, geometry).reshape(w.shape)
    if needs[2] and has_bias:
        db = _sum_channels(xp, dy)
    return dx, dw, db


# --- the three pieces -------------------------------------------------------------------------------------------------


def _correlate(
    xp: Namespace,
    x: Array,
    w: Array,
    b: Array | None,
    geometry: Geometry,
    y: Array,
    phases: Pair = (1, 1),
    rectify: bool = False,
) -> None:
    """Fill y with the correlation of x: (N, C, H, W) and w: (groups, O, C/groups * kh * kw), plus b, perhaps rectified.

    y: (N, groups * O, OH, OW). With `phases` (sy, sx), w holds sy * sx rows for each output channel, and their results
    interleave in y: (N, groups * O, OH * sy, OW * sx).
    """
    if cuda.serves(xp, x.dtype):
        return cuda.correlate(x, w, b, geometry, y, rectify)
    (sy, sx), groups = phases, geometry.groups
    outputs, height, width = w.shape[1] // (sy * sx), y.shape[2] // sy, y.shape[3] // sx
    target = y.reshape(y.shape[0], groups, outputs, height, sy, width, sx)
    bias = None if b is None else b.reshape(groups, outputs)

    def work(job: jobs.Job) -> None:
        cols = _columns(xp, x, geometry, job.band, width)  # (groups, C/groups * kh * kw, P), P = n*R*OW
        weights = w[:, job.outputs.start * sy * sx : job.outputs.stop * sy * sx]
        part = target[job.band.images, :, job.outputs, job.band.rows]  # (n, groups, o, R, sy, OW, sx)
        n, _, o, r = part.shape[:4]
        in_place = n * sy * sx == 1  # a view of y takes the product; else it waits to be dealt out
        shape = (groups, o * sy * sx, n * r * width)
        product = part.reshape(shape) if in_place else parallel.workspace(xp, "product", shape, y.dtype)
        multiply(xp, weights, cols, out=product)
        dealt = product.reshape(groups, o, sy, sx, n, r, width).transpose(4, 0, 1, 5, 2, 6, 3)
        if bias is not None:
            xp.add(dealt, bias[:, job.outputs, None, None, None, None], out=part)
        elif not in_place:
            part[...] = dealt
        if rectify:
            xp.maximum(part, 0, out=part)

    parallel.run(xp, work, jobs.correlation(xp, y.shape[0], height, width, w, sy * sx, y.dtype.itemsize))


def _scatter(xp: Namespace, x: Array, w: Array, b: Array | None, geometry: Geometry, y: Array) -> None:
    """Fill y: (N, O, OH, OW) with the stamps of x: (N, C, H, W) through w: (C, O/groups, kh, kw), plus b.

    Written as a gather, so that bands of y are independent. Output row u = s*m + phase (counted without padding) is
    reached by input row m - a // s through every tap a whose remainder a % s is `phase`. So each of the s*s phases is
    an ordinary stride-1 correlation of x with its own few taps, and their outputs interleave. At stride 1 there is
    one phase: the correlation with the rotated kernel.

    Where the kernel is large beside x (fc6), most of what a gather sees is padding: see `_stamp`.
    """
    if cuda.serves(xp, x.dtype):
        return cuda.scatter(x, w, b, geometry, y)
    if geometry.groups == 1 and 4 * x.shape[2] * x.shape[3] * prod(geometry.stride) <= 3 * y.shape[2] * y.shape[3]:
        return _stamp(xp, x, w, b, geometry, y)
    rows, columns = map(_phases, geometry.kernel, geometry.stride, geometry.dilation)
    sy, sx = geometry.stride
    groups = geometry.groups
    in_channels, group_outputs = w.shape[0] // groups, w.shape[1]

    # The taps sorted by phase: (groups, O/groups, sy, sx, C/groups, qy, qx), rotated because u looks back at m - q.
    by_group = w.reshape(groups, in_channels, group_outputs, *geometry.kernel).swapaxes(1, 2)  # (g, o, c, kh, kw)
    if geometry.kernel == geometry.stride == (1, 1):
        sorted_w = by_group[..., 0, 0]  # one tap needs no sorting, nor a copy
    else:
        sorted_w = xp.zeros((groups, group_outputs, sy, sx, in_channels, rows.taps, columns.taps), w.dtype)
        for py, i, qy in rows.members:
            for px, j, qx in columns.members:
                sorted_w[:, :, py, px, :, qy, qx] = by_group[..., i, j]
        sorted_w = sorted_w.reshape(groups, group_outputs * sy * sx, -1)

    # y is cut out of a grid of whole phases: rows s*first ... of the uncropped output.
    (top, left), (height, width) = geometry.padding, y.shape[2:]
    first = top // sy, left // sx
    coarse = (top + height - 1) // sy - first[0] + 1, (left + width - 1) // sx - first[1] + 1
    gather = Geometry(
        (rows.taps, columns.taps),
        (1, 1),
        ((rows.taps - 1) * rows.step - first[0], (columns.taps - 1) * columns.step - first[1]),
        (rows.step, columns.step),
        groups,
    )
    size = coarse[0] * sy, coarse[1] * sx
    grid = y if size == (height, width) else xp.empty((*y.shape[:2], *size), y.dtype)
    _correlate(xp, x, sorted_w, b, gather, grid, (sy, sx))
    if grid is not y:
        above, before = top - sy * first[0], left - sx * first[1]
        y[...] = grid[:, :, above : above + height, before : before + width]


def _stamp(xp: Namespace, x: Array, w: Array, b: Array | None, geometry: Geometry, y: Array) -> None:
    """`_scatter` as it is told, for one group: all stamps as columns, then col2im. Blocks of channels are independent.

    The product has one column for each pixel of x; that of a gather has one for each pixel of y.
    """
    matrix = w.reshape(w.shape[0], -1)  # (C, O * kh * kw)
    taps, positions = prod(geometry.kernel), x.shape[2] * x.shape[3]
    _, stride, padding, dilation, _ = geometry

    def work(block: slice) -> None:
        weights = matrix[:, block.start * taps : block.stop * taps].T
        shape = (block.stop - block.start, *geometry.kernel, 1, *x.shape[2:])
        cols = parallel.workspace(xp, "columns", (len(weights), positions), x.dtype)
        y[:, block] = 0 if b is None else b[block, None, None]
        for n in range(x.shape[0]):
            xp.matmul(weights, x[n].reshape(-1, positions), out=cols)
            window.col2im(cols.reshape(shape), y[n, block, None], stride, padding, dilation, slice(0, x.shape[2]))

    parallel.run(xp, work, parallel.split(w.shape[1], taps * positions * x.dtype.itemsize, window.band_bytes(xp) // 4))


def _correlate_weight(xp: Namespace, x: Array, dy: Array, geometry: Geometry) -> Array:
    """dw: (groups, O/groups, C/groups * kh * kw), the sum over all positions of dy: (N, O, OH, OW) times x's columns.

    Bands are dealt to a few lanes, each with its own sum, and the lanes are added in order: the bits depend on the
    shapes alone. Where dw is so large that lanes would cost too much memory (fc6), its rows are shared out instead.
    """
    if cuda.serves(xp, x.dtype):
        return cuda.correlate_weight(x, dy, geometry)
    groups = geometry.groups
    outputs, taps_in = dy.shape[1] // groups, (x.shape[1] // groups) * geometry.kernel[0] * geometry.kernel[1]
    column_bytes, weight_bytes = (groups * k * x.dtype.itemsize for k in (taps_in, outputs * taps_in))
    bands = jobs.weight_bands(xp, dy.shape[0], dy.shape[2], dy.shape[3], column_bytes, weight_bytes)
    lanes = max(1, min(len(bands), jobs.LANES, jobs.LANE_BYTES // weight_bytes))
    blocks = jobs.channel_blocks(outputs, jobs.DEEP_BLOCKS if lanes == 1 and xp.__name__ == "numpy" else 1)
    by_group = dy.reshape(dy.shape[0], groups, outputs, *dy.shape[2:])
    # An array each: the first becomes the gradient, and must not keep the others' memory for as long as that lives.
    sums = [xp.empty((groups, outputs, taps_in), x.dtype) for _ in range(lanes)]
    flipped = outputs <= 64  # BLAS prefers the long side of a narrow product first: up to twice as fast

    def work(task: tuple[int, slice]) -> None:
        lane, block = task
        total = sums[lane][:, block]
        for k, band in enumerate(bands[lane::lanes]):
            cols = _columns(xp, x, geometry, band, dy.shape[3])
            part = by_group[band.images, :, block, band.rows].transpose(1, 2, 0, 3, 4)  # (groups, o, n, R, OW)
            part = part.reshape(groups, part.shape[1], -1)
            if flipped:
                product = parallel.workspace(xp, "product", (groups, taps_in, total.shape[1]), x.dtype)
                multiply_long(xp, cols, part.swapaxes(1, 2), out=product)
                product = product.swapaxes(1, 2)
            elif k == 0:  # straight into its place: fc6's weights alone are 0.4 GiB
                multiply_long(xp, part, cols.swapaxes(1, 2), out=total)
                continue
            else:
                product = parallel.workspace(xp, "product", total.shape, x.dtype)
                multiply_long(xp, part, cols.swapaxes(1, 2), out=product)
            if k == 0:
                total[...] = product
            else:
                total += product

    parallel.run(xp, work, [(lane, block) for lane in range(lanes) for block in blocks])
    for lane in range(1, lanes):
        sums[0] += sums[lane]
    return sums[0]


# --- how the work is cut ----------------------------------------------------------------------------------------------


class _Phases(NamedTuple):
    """How the taps of one axis of a transposed convolution fall into the phases of its stride."""

    taps: int  # places for taps in a phase
    step: int  # input rows from one place to the next
    members: list[tuple[int, slice, slice]]  # (phase, the kernel's taps in it, last first, and their places)


def _phases(kernel: int, stride: int, dilation: int) -> _Phases:
    """Tap i reaches output row stride * m + dilation * i, which is row m + q of phase r: (q, r) by division."""
    if stride == 1:  # one phase that holds every tap, as far apart as before
        return _Phases(kernel, dilation, [(0, slice(None, None, -1), slice(None))])
    places = dilation * (kernel - 1) // stride + 1
    period = stride // gcd(stride, dilation)  # taps this far apart share a phase
    members = []
    for first in range(min(period, kernel)):
        last = first + (kernel - 1 - first) // period * period
        where = [places - 1 - dilation * i // stride for i in (last, first)]  # rotated: the last tap comes first
        taps = slice(last, None, -period)  # down to `first`, which is below one period
        members.append((dilation * first % stride, taps, slice(where[0], where[1] + 1, dilation * period // stride)))
    return _Phases(places, 1, members)


def _columns(xp: Namespace, x: Array, geometry: Geometry, band: window.Band, out_width: int) -> Array:
    """The im2col columns of a band, a matrix for each group: (groups, C/groups * kh * kw, n * R * out_width)."""
    kernel, stride, padding, dilation, groups = geometry
    inside = band.rows.stop <= x.shape[2] and out_width == x.shape[3]  # the gather of a stride looks beyond x
    if kernel == stride == (1, 1) and padding == (0, 0) and inside and band.images.stop - band.images.start == 1:
        rows = x[band.images.start, :, band.rows]  # (C, R, W): the columns of a 1x1 kernel are the picture, uncopied
        return rows.reshape(groups, rows.shape[0] // groups, -1)
    images = x[band.images].swapaxes(0, 1)  # (C, n, H, W)
    shape = (len(images), *kernel, images.shape[1], band.rows.stop - band.rows.start, out_width)
    out = parallel.workspace(xp, "columns", shape, x.dtype)
    window.im2col(images, kernel, stride, padding, dilation, band.rows, out_width, out)
    return out.reshape(groups, len(images) // groups * kernel[0] * kernel[1], -1)


def _winograd(xp: Namespace, x: Array) -> ModuleType:
    """The twin for x's device."""
    return cuda.winograd if cuda.serves(xp, x.dtype) else winograd


def _by_group(w: Array, groups: int) -> Array:
    """A weight (O, C/groups, kh, kw) as one matrix for each group: (groups, O/groups, C/groups * kh * kw)."""
    return w.reshape(groups, w.shape[0] // groups, -1)


def _sum_channels(xp: Namespace, dy: Array) -> Array:
    """db: (O,), dy summed over images and positions, images in order."""
    n, outputs, height, width = dy.shape
    flat = dy.reshape(n, outputs, height * width)
    db = xp.empty(outputs, dy.dtype)

    def work(block: slice) -> None:
        flat[:, block].sum(axis=2).sum(axis=0, out=db[block])

    parallel.run(xp, work, parallel.cut(outputs, n * height * width * dy.itemsize, 4 * parallel.PART))
    return db
