"""Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution of stride 1 with a quarter of the multiplications.

A tile of 4x4 outputs reads 6x6 inputs d. Inputs and kernel g are polynomials; multiplied at six points along each axis
(0, 1, -1, 2, -2 and infinity) they need 36 products instead of 144:

    y = A' [(G g G') * (B' d B)] A          * element by element, ' transposed: Lavin & Gray 2015, arXiv:1509.09308

Summed over input channels, and for all tiles of a band, each of the 36 products is one matrix product:
(tiles, C) x (C, O). The three transforms are sums of neighbours; inside, channels come last, so that each of those
sums runs over long contiguous rows, whatever the size of the picture.

The twin of `ops.conv2d` and `ops.conv2d_backward` for float32. In its transforms small differences of large numbers
cost about two digits (tests/kernels prints the error of both), an infinity or a NaN spoils the tiles that see it, and
numbers near float32's largest overflow. The input gradient is the same convolution of dy with the kernel rotated and
its channels swapped; the weight gradient is the adjoint in g:

    dg = G' [(A dy A') * (B' d B)] G        summed over all tiles
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn import parallel
from minifcn.backend import Array, Namespace, xp_of
from minifcn.window import Pair

TILE = 4  # outputs along each axis
SPAN = 6  # inputs that they read
POINTS = SPAN * SPAN

#: G of the formula: a row of three kernel values at the six points.
FILTER = np.array(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
     [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
)  # fmt: skip
#: The same along both axes at once: (36, 9).
FILTER_2D = np.kron(FILTER, FILTER).astype(np.float32)

#: What a band may hold of transformed inputs and products, but for the tiles that repay reading all weights.
BAND_BYTES = 1 << 22
LEAST_TILES = 128
#: The weight gradient of few channels is summed in as many lanes, if their sums fit; else in bands of so many bytes.
LANES, LANE_BYTES = 8, 1 << 25
SUM_BYTES = 1 << 25
#: OpenBLAS multiplies matrices of up to so many products without copying them first: half as fast again.
SMALL_PRODUCT = 10**6


class _Band(NamedTuple):
    """Some rows of tiles of one image, or all of a few images, and how many tiles these are."""

    images: slice
    rows: slice
    tiles: int


def correlate(x: Array, w: Array, b: Array | None, padding: Pair, y: Array, rectify: bool = False) -> None:
    """Fill y: (N, O, OH, OW) with the correlation of x: (N, C, H, W) and w: (O, C, 3, 3), plus b, perhaps rectified."""
    xp = xp_of(x, w)
    taps = w.reshape(*w.shape[:2], 9).transpose(2, 1, 0)  # (9, C, O)
    _correlate(xp, x, _filters(xp, taps, FILTER_2D), b, padding, y, rectify)


def correlate_adjoint(dy: Array, w: Array, padding: Pair, dx: Array) -> None:
    """Fill dx: (N, C, H, W) with the adjoint of `correlate` in x, of dy: (N, O, OH, OW)."""
    xp = xp_of(dy, w)
    taps = w.reshape(*w.shape[:2], 9).transpose(2, 0, 1)  # (9, O, C)
    rotated = np.ascontiguousarray(FILTER_2D[:, ::-1])  # the last tap first: the kernel turned by 180 degrees
    _correlate(xp, dy, _filters(xp, taps, rotated), None, (2 - padding[0], 2 - padding[1]), dx, False)


def correlate_weight(x: Array, dy: Array, padding: Pair) -> Array:
    """dw: (O, C, 3, 3), the adjoint of `correlate` in w, of dy: (N, O, OH, OW)."""
    xp = xp_of(x, dy)
    outputs, channels = dy.shape[1], x.shape[1]
    sum_bytes = POINTS * outputs * channels * x.dtype.itemsize
    if LANES * sum_bytes <= LANE_BYTES:
        sums = _sums_by_lane(xp, x, dy, padding)
    else:
        sums = _sums_by_point(xp, x, dy, padding)
    with parallel.at_work():
        dw = xp.asarray(FILTER_2D.T) @ sums.reshape(POINTS, -1)  # (9, O * C)
    return xp.ascontiguousarray(dw.T).reshape(outputs, channels, 3, 3)


def _sums_by_lane(xp: Namespace, x: Array, dy: Array, padding: Pair) -> Array:
    """The 36 sums (36, O, C) of few channels and many tiles: bands dealt to lanes, each with its own sums."""
    outputs, channels = dy.shape[1], x.shape[1]
    bands = _bands(dy, channels + outputs, BAND_BYTES)
    lanes = min(LANES, len(bands))
    sums = parallel.workspace(xp, "winograd.sums", (lanes, POINTS, outputs, channels), x.dtype)

    def work(lane: int) -> None:
        product = parallel.workspace(xp, "product", sums.shape[1:], x.dtype)
        for k, band in enumerate(bands[lane::lanes]):
            v = parallel.workspace(xp, "winograd.inputs", (POINTS, band.tiles, channels), x.dtype)
            g = parallel.workspace(xp, "winograd.products", (POINTS, band.tiles, outputs), x.dtype)
            _inputs(xp, x, padding, band, dy.shape[3], v)
            _gradients(xp, dy, band, g)
            xp.matmul(g.swapaxes(1, 2), v, out=product if k else sums[lane])
            if k:
                sums[lane] += product

    parallel.run(xp, work, range(lanes))
    for lane in range(1, lanes):
        sums[0] += sums[lane]
    return sums[0]


def _sums_by_point(xp: Namespace, x: Array, dy: Array, padding: Pair) -> Array:
    """The 36 sums (36, O, C) of many channels and few tiles: one for all threads, each at some of its points."""
    outputs, channels = dy.shape[1], x.shape[1]
    sums = parallel.workspace(xp, "winograd.sums", (POINTS, outputs, channels), x.dtype)
    for k, band in enumerate(_bands(dy, channels + outputs, SUM_BYTES)):
        v = parallel.workspace(xp, "winograd.inputs", (POINTS, band.tiles, channels), x.dtype)
        g = parallel.workspace(xp, "winograd.products", (POINTS, band.tiles, outputs), x.dtype)

        def transform(part: tuple[_Band, slice], v: Array = v, g: Array = g) -> None:
            piece, tiles = part
            _inputs(xp, x, padding, piece, dy.shape[3], v[:, tiles])
            _gradients(xp, dy, piece, g[:, tiles])

        def multiply(point: int, v: Array = v, g: Array = g, first: bool = k == 0) -> None:
            product = sums[point] if first else parallel.workspace(xp, "product", sums.shape[1:], x.dtype)
            xp.matmul(g[point].T, v[point], out=product)
            if not first:
                sums[point] += product

        parallel.run(xp, transform, _parts(band, dy))
        parallel.run(xp, multiply, range(POINTS))
    return sums


def tiles_along(length: int) -> int:
    """How many tiles cover so many outputs."""
    return -(-length // TILE)


def _correlate(xp: Namespace, x: Array, u: Array, b: Array | None, padding: Pair, y: Array, rectify: bool) -> None:
    channels, outputs = u.shape[1:]
    wide = tiles_along(y.shape[3])

    def work(band: _Band) -> None:
        v = parallel.workspace(xp, "winograd.inputs", (POINTS, band.tiles, channels), x.dtype)
        m = parallel.workspace(xp, "winograd.products", (POINTS, band.tiles, outputs), x.dtype)
        _inputs(xp, x, padding, band, y.shape[3], v)
        step = SMALL_PRODUCT // (channels * outputs)
        for part in parallel.slices(band.tiles, -(-band.tiles // step) if step >= 96 else 1):
            xp.matmul(v[:, part], u, out=m[:, part])
        if b is not None:
            m[SPAN + 1] += b  # the point (1, 1) reaches every output of a tile with weight 1
        _outputs(xp, m.reshape(SPAN, SPAN, -1, band.rows.stop - band.rows.start, wide, outputs), band, y, rectify)

    parallel.run(xp, work, _bands(y, channels + outputs, BAND_BYTES))


# --- the transforms ---------------------------------------------------------------------------------------------------


def _filters(xp: Namespace, taps: Array, transform: np.ndarray) -> Array:
    """G g G' for every pair of channels: (36, A, B) of the nine taps (9, A, B)."""
    _, rows, columns = taps.shape
    u = parallel.workspace(xp, "winograd.filters", (POINTS, rows, columns), taps.dtype)
    matrix = xp.asarray(transform)

    def work(block: slice) -> None:
        part = xp.ascontiguousarray(taps[:, block]).reshape(9, -1)
        xp.matmul(matrix, part, out=u[:, block].reshape(POINTS, -1))

    parallel.run(xp, work, parallel.split(rows, POINTS * columns * taps.dtype.itemsize, 1 << 21))
    return u


def _inputs(xp: Namespace, x: Array, padding: Pair, band: _Band, out_width: int, v: Array) -> None:
    """Fill v: (36, tiles, C) with B' d B of the band's tiles."""
    channels, wide, high = x.shape[1], tiles_along(out_width), band.rows.stop - band.rows.start
    top, left = TILE * band.rows.start - padding[0], -padding[1]
    d = _channels_last(xp, x[band.images], (top, left), TILE * high + 2, wide + 1)  # (n, rows, 4, wide + 1, C)
    n = len(d)
    p = parallel.workspace(xp, "winograd.half", (SPAN, n, high, TILE, wide + 1, channels), x.dtype)
    _to_points(xp, [d[:, i : i + TILE * high - 3 : TILE] for i in range(SPAN)], list(p))
    v = v.reshape(SPAN, SPAN, n, high, wide, channels)
    # Columns 4 and 5 of a tile are columns 0 and 1 of the next.
    columns = [p[:, :, :, j % TILE, j // TILE : j // TILE + wide] for j in range(SPAN)]
    _to_points(xp, columns, [v[:, j] for j in range(SPAN)])


def _gradients(xp: Namespace, dy: Array, band: _Band, g: Array) -> None:
    """Fill g: (36, tiles, O) with A dy A' of the band's tiles."""
    outputs, wide, high = dy.shape[1], tiles_along(dy.shape[3]), band.rows.stop - band.rows.start
    d = _channels_last(xp, dy[band.images], (TILE * band.rows.start, 0), TILE * high, wide)
    n = len(d)
    p = parallel.workspace(xp, "winograd.half", (SPAN, n, high, TILE, wide, outputs), dy.dtype)
    d = d.reshape(n, high, TILE, TILE, wide, outputs)
    _to_points_of_outputs(xp, [d[:, :, i] for i in range(TILE)], list(p))
    g = g.reshape(SPAN, SPAN, n, high, wide, outputs)
    _to_points_of_outputs(xp, [p[:, :, :, j] for j in range(TILE)], [g[:, j] for j in range(SPAN)])


def _outputs(xp: Namespace, m: Array, band: _Band, y: Array, rectify: bool) -> None:
    """Fill the band's part of y with A' m A of its tiles, m: (6, 6, n, rows, wide, O)."""
    n, high, wide, outputs = m.shape[2:]
    p = parallel.workspace(xp, "winograd.half", (TILE, SPAN, n, high, wide, outputs), m.dtype)
    _from_points(xp, list(m), list(p))
    q = parallel.workspace(xp, "winograd.tiles", (TILE, TILE, n, high, wide, outputs), m.dtype)  # by column, by row
    _from_points(xp, [p[:, j] for j in range(SPAN)], list(q))
    if rectify:
        xp.maximum(q, 0, out=q)
    target = y[band.images, :, TILE * band.rows.start : TILE * band.rows.stop]
    for i in range(TILE):
        for j in range(TILE):
            there = target[:, :, i::TILE, j::TILE]
            there[...] = q[j, i, :, : there.shape[2], : there.shape[3]].transpose(0, 3, 1, 2)


def _to_points(xp: Namespace, d: Sequence[Array], out: Sequence[Array]) -> None:
    """B' along one axis: six inputs at the six points."""
    d0, d1, d2, d3, d4, d5 = d
    even, odd = (parallel.workspace(xp, name, d0.shape, d0.dtype) for name in ("winograd.even", "winograd.odd"))
    xp.multiply(d2, 4, out=even)
    xp.subtract(d4, even, out=even)  # d4 - 4 d2
    xp.multiply(d1, 4, out=odd)
    xp.subtract(d3, odd, out=odd)  # d3 - 4 d1
    xp.add(even, odd, out=out[1])
    xp.subtract(even, odd, out=out[2])
    xp.subtract(d4, d2, out=even)  # d4 - d2
    xp.subtract(d3, d1, out=odd)
    xp.add(odd, odd, out=odd)  # 2 d3 - 2 d1
    xp.add(even, odd, out=out[3])
    xp.subtract(even, odd, out=out[4])
    xp.subtract(d0, d2, out=out[0])
    xp.multiply(out[0], 4, out=out[0])
    xp.add(out[0], even, out=out[0])  # 4 d0 - 5 d2 + d4
    xp.subtract(d5, d3, out=out[5])
    xp.add(odd, odd, out=odd)
    xp.subtract(out[5], odd, out=out[5])  # 4 d1 - 5 d3 + d5


def _to_points_of_outputs(xp: Namespace, d: Sequence[Array], out: Sequence[Array]) -> None:
    """A along one axis: four outputs' gradients at the six points, the adjoint of `_from_points`."""
    d0, d1, d2, d3 = d
    even, odd = (parallel.workspace(xp, name, d0.shape, d0.dtype) for name in ("winograd.even", "winograd.odd"))
    xp.add(d0, d2, out=even)
    xp.add(d1, d3, out=odd)
    xp.add(even, odd, out=out[1])
    xp.subtract(even, odd, out=out[2])
    xp.multiply(d2, 4, out=even)
    xp.add(even, d0, out=even)  # d0 + 4 d2
    xp.multiply(d3, 4, out=odd)
    xp.add(odd, d1, out=odd)
    xp.add(odd, odd, out=odd)  # 2 d1 + 8 d3
    xp.add(even, odd, out=out[3])
    xp.subtract(even, odd, out=out[4])
    out[0][...] = d0
    out[5][...] = d3


def _from_points(xp: Namespace, m: Sequence[Array], out: Sequence[Array]) -> None:
    """A' along one axis: four outputs from what is at the six points. Uses up m[1] to m[4]."""
    m0, m1, m2, m3, m4, m5 = m
    odd = parallel.workspace(xp, "winograd.odd", m0.shape, m0.dtype)
    far = parallel.workspace(xp, "winograd.even", m0.shape, m0.dtype)
    xp.subtract(m1, m2, out=odd)
    xp.add(m1, m2, out=m1)
    xp.subtract(m3, m4, out=far)
    xp.add(far, far, out=far)  # 2 m3 - 2 m4
    xp.add(m3, m4, out=m3)
    xp.add(m0, m1, out=out[0])
    xp.add(out[0], m3, out=out[0])
    xp.add(odd, far, out=out[1])
    xp.multiply(m3, 4, out=m3)
    xp.add(m1, m3, out=out[2])
    xp.multiply(far, 4, out=far)
    xp.add(odd, far, out=out[3])
    xp.add(out[3], m5, out=out[3])


def _channels_last(xp: Namespace, images: Array, corner: Pair, rows: int, wide: int) -> Array:
    """The part of `images` (n, C, H, W) that begins at `corner`, 0 outside, as (n, rows, 4, wide, C).

    Column 4t + p is at [p, t]: what the transforms add are neighbours, each a long contiguous row.
    """
    n, channels, height, width = images.shape
    d = parallel.workspace(xp, "winograd.tiles", (n, rows, TILE, wide, channels), images.dtype)
    top, left = corner
    inside = slice(max(0, -top), max(0, min(rows, height - top)))
    if inside.stop <= inside.start:
        d[...] = 0
        return d
    d[:, : inside.start] = 0
    d[:, inside.stop :] = 0
    seen = images[:, :, top + inside.start : top + inside.stop]
    for p in range(TILE):
        shift = left + p  # column TILE * t + shift of the image goes to tile t
        first = min(wide, max(0, -(shift // TILE)))
        last = max(first, min(wide, (width - 1 - shift) // TILE + 1))
        there = d[:, inside, p]  # (n, rows, wide, C)
        there[:, :, :first] = 0
        there[:, :, last:] = 0
        if last > first:
            columns = slice(TILE * first + shift, TILE * (last - 1) + shift + 1, TILE)
            there[:, :, first:last] = seen[..., columns].transpose(0, 2, 3, 1)
    return d


# --- how the work is cut ----------------------------------------------------------------------------------------------


def _bands(y: Array, channels: int, budget: int) -> list[_Band]:
    """Cut the tiles of y: (N, O, OH, OW) into bands, by shape alone; a tile costs `channels` numbers at each point."""
    images, high, wide = y.shape[0], tiles_along(y.shape[2]), tiles_along(y.shape[3])
    most = max(LEAST_TILES, budget // (POINTS * channels * y.dtype.itemsize))
    count = -(-images * high * wide // most)
    count += count % 2  # no core waits for another's last one
    if count <= images:
        return [
            _Band(part, slice(0, high), (part.stop - part.start) * high * wide)
            for part in parallel.slices(images, count)
        ]
    each = min(high, -(-count // images))
    parts = [(n, rows) for n in range(images) for rows in parallel.slices(high, each)]
    return [_Band(slice(n, n + 1), rows, (rows.stop - rows.start) * wide) for n, rows in parts]


def _parts(band: _Band, y: Array) -> list[tuple[_Band, slice]]:
    """A band of the weight gradient in pieces for the threads to transform, and where their tiles lie in it."""
    wide = tiles_along(y.shape[3])
    rows = band.rows.stop - band.rows.start
    parts, start = [], 0
    for n in range(band.images.start, band.images.stop):
        for piece in parallel.slices(rows, min(rows, 8)):
            moved = slice(band.rows.start + piece.start, band.rows.start + piece.stop)
            tiles = (piece.stop - piece.start) * wide
            parts.append((_Band(slice(n, n + 1), moved, tiles), slice(start, start + tiles)))
            start += tiles
    return parts
