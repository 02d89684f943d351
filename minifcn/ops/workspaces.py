"""The workspaces of convolutions, by the same code that cuts their work: from shapes alone, before anything is taken.

Of the CPU; on a GPU the bands are larger. `kernels.winograd_memory` tells of Winograd's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from minifcn import parallel, window
from minifcn.kernels import winograd_memory
from minifcn.ops import jobs
from minifcn.ops.conv import _phases as phases_of
from minifcn.ops.geometry import Geometry
from minifcn.window import Band, Pair
from minifcn.workspace import Workspace

Shape = tuple[int, ...]

#: Work of more than so many rows, images and bands of each layer is told by a part of it.
MANY_ROWS, MANY_IMAGES, MANY_BANDS = 2048, 256, 64


def conv2d(x: Shape, w: Shape, geometry: Geometry, size: Pair, itemsize: int, how: str) -> list[Workspace]:
    """Of `ops.conv2d`, and of its gradients dx and dw: x is (N, C, H, W), w (O, C/groups, kh, kw), y of `size`."""
    w_by_group = geometry.groups, w[0] // geometry.groups, prod(w[1:])

    def found(images: int, rows: int) -> list[Workspace]:
        part = images, x[1], x[2] - geometry.stride[0] * (size[0] - rows), x[3]
        y = images, w[0], rows, size[1]
        if how == "winograd":
            return winograd_memory.workspaces(part, y, itemsize)
        return [
            _correlate(part, w_by_group, geometry, y, itemsize),
            _scatter(y, w, geometry, part, itemsize),
            _correlate_weight(part, y, geometry, itemsize),
        ]

    return _of_part(found, x[0], size[0], size[1], x[1] * prod(geometry.kernel) * itemsize)


def conv_transpose2d(x: Shape, w: Shape, geometry: Geometry, size: Pair, itemsize: int) -> list[Workspace]:
    """Of `ops.conv_transpose2d`, and of dx and dw: x is (N, C, H, W), w (C, O/groups, kh, kw), y of `size`."""
    w_by_group = geometry.groups, w[0] // geometry.groups, prod(w[1:])

    def found(images: int, rows: int) -> list[Workspace]:
        part = images, x[1], rows, x[3]
        y = images, w[1] * geometry.groups, size[0] - geometry.stride[0] * (x[2] - rows), size[1]
        return [
            _scatter(part, w, geometry, y, itemsize),
            _correlate(y, w_by_group, geometry, part, itemsize),
            _correlate_weight(y, part, geometry, itemsize),
        ]

    return _of_part(found, x[0], x[2], x[3], w[1] * geometry.groups * prod(geometry.kernel) * itemsize)


def _of_part(
    found: Callable[[int, int], list[Workspace]], images: int, rows: int, width: int, column_bytes: int
) -> list[Workspace]:
    """What `found(images, rows)` gives; of very many images or rows told by so many of them that there are many bands.

    Bands are cut by their bytes, so that more work is more bands, not larger ones; what passes grows with the work.
    To count the bands of a picture of a million rows, or of as many pictures, would take minutes.
    """
    columns = MANY_BANDS * max(window.band_bytes(np) // column_bytes + 1, 256)
    r = _fewer(rows, max(MANY_ROWS, columns // width))
    n = _fewer(images, max(MANY_IMAGES, columns // (r * width)))
    most = found(n, r)
    if (n, r) == (images, rows):
        return most
    fewer = (n, r - r // 9 * 8) if r < rows else (-(-n // 8), r)
    told = zip(most, found(*fewer), strict=True)
    work, part, less = images * rows, n * r, prod(fewer)
    return [m._replace(passing=m.passing + (work - part) * (m.passing - f.passing) // (part - less)) for m, f in told]


def _fewer(count: int, most: int) -> int:
    """About `most` where there are more: cut into strips and tiles the last one is as wide."""
    return count if count <= most else most + (count - most) % 8


def _correlate(
    x: Shape,
    w: tuple[int, int, int],
    geometry: Geometry,
    y: Shape,
    itemsize: int,
    phases: int = 1,
    along: Pair = (1, 1),
) -> Workspace:
    groups = w[0]
    height, width = y[2] // along[0], y[3] // along[1]
    work = jobs.correlation(np, y[0], height, width, _stand_in(w, itemsize), phases, itemsize)
    columns = frame = product = 0
    for job in work:
        images, rows = _count(job.band)
        columns = max(columns, _columns(x, geometry, job.band, width, itemsize))
        frame = max(frame, _frame(x, geometry, job.band, width, itemsize))
        if images * phases > 1:
            outputs = (job.outputs.stop - job.outputs.start) * phases
            product = max(product, groups * outputs * images * rows * width * itemsize)
    return _of({"columns": columns, "frame": frame, "product": product}, len(work))


def _scatter(x: Shape, w: Shape, geometry: Geometry, y: Shape, itemsize: int) -> Workspace:
    (kernel, stride, padding, dilation, groups), taps = geometry, prod(geometry.kernel)
    if groups == 1 and 4 * x[2] * x[3] * prod(stride) <= 3 * y[2] * y[3]:
        column = taps * x[2] * x[3] * itemsize
        blocks = parallel.split(w[1], column, window.band_bytes(np) // 4)
        return _of({"columns": max(b.stop - b.start for b in blocks) * column}, len(blocks))
    rows, columns = map(phases_of, kernel, stride, dilation)
    (sy, sx), first = stride, (padding[0] // stride[0], padding[1] // stride[1])
    coarse = [(p + n - 1) // s - f + 1 for p, n, s, f in zip(padding, y[2:], stride, first, strict=True)]
    grid = y[0], y[1], coarse[0] * sy, coarse[1] * sx
    sorted_w = groups, w[1] * sy * sx, w[0] // groups * rows.taps * columns.taps
    gather = Geometry(
        (rows.taps, columns.taps),
        (1, 1),
        ((rows.taps - 1) * rows.step - first[0], (columns.taps - 1) * columns.step - first[1]),
        (rows.step, columns.step),
        groups,
    )
    copied = 0 if kernel == stride == (1, 1) else prod(sorted_w)
    passing = (copied + (prod(grid) if grid[2:] != y[2:] else 0)) * itemsize
    return _correlate(x, sorted_w, gather, grid, itemsize, sy * sx, stride)._replace(passing=passing)


def _correlate_weight(x: Shape, dy: Shape, geometry: Geometry, itemsize: int) -> Workspace:
    groups = geometry.groups
    outputs, taps_in = dy[1] // groups, x[1] // groups * prod(geometry.kernel)
    column_bytes, weight_bytes = groups * taps_in * itemsize, groups * outputs * taps_in * itemsize
    bands = jobs.weight_bands(np, dy[0], dy[2], dy[3], column_bytes, weight_bytes)
    lanes = max(1, min(len(bands), jobs.LANES, jobs.LANE_BYTES // weight_bytes))
    blocks = jobs.channel_blocks(outputs, jobs.DEEP_BLOCKS if lanes == 1 else 1)
    block = max(b.stop - b.start for b in blocks)
    columns = max(_columns(x, geometry, band, dy[3], itemsize) for band in bands)
    frame = max(_frame(x, geometry, band, dy[3], itemsize) for band in bands)
    product = groups * block * taps_in * itemsize if outputs <= 64 or len(bands) > lanes else 0
    found = _of({"columns": columns, "frame": frame, "product": product}, lanes * len(blocks))
    return found._replace(passing=(lanes - 1) * weight_bytes)


def _columns(x: Shape, geometry: Geometry, band: Band, width: int, itemsize: int) -> int:
    images, rows = _count(band)
    if geometry.kernel == geometry.stride == (1, 1) and geometry.padding == (0, 0) and images == 1:
        return 0  # the picture itself
    return x[1] * prod(geometry.kernel) * images * rows * width * itemsize


def _frame(x: Shape, geometry: Geometry, band: Band, width: int, itemsize: int) -> int:
    """The part of x that a band sees, copied where it is not all within x."""
    kernel, stride, padding, dilation, _ = geometry
    images, rows = _count(band)
    top, left = stride[0] * band.rows.start - padding[0], -padding[1]
    high, wide = (
        s * (n - 1) + d * (k - 1) + 1 for s, n, d, k in zip(stride, (rows, width), dilation, kernel, strict=True)
    )
    if top >= 0 and left >= 0 and top + high <= x[2] and left + wide <= x[3]:
        return 0
    return x[1] * images * high * wide * itemsize


def _count(band: Band) -> Pair:
    return band.images.stop - band.images.start, band.rows.stop - band.rows.start


def _of(sizes: dict[str, int], tasks: int) -> Workspace:
    return Workspace(0, {name: (size, tasks) for name, size in sizes.items() if size})


def _stand_in(shape: Shape, itemsize: int) -> np.ndarray:
    """An array of that shape which takes no memory."""
    return np.broadcast_to(np.zeros((), f"f{itemsize}"), shape)
