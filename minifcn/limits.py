"""What would fit, where a pass over a net needs more memory than it may take."""

from __future__ import annotations

from collections.abc import Callable

from minifcn.errors import MemoryLimitError, MinifcnError, ShapeError, counted
from minifcn.layers import Shape

Need = Callable[[tuple[Shape, ...]], int]


def check(
    need: Need,
    shapes: tuple[Shape, ...],
    limit: int,
    what: str,
    threads: int = 1,
    with_threads: Callable[[int], int] | None = None,
) -> None:
    """MemoryLimitError if a pass over inputs of `shapes` needs more than `limit` bytes; it says what needs less.

    need: the bytes for inputs of given shapes; it may raise ShapeError for those that are too small.
    with_threads: the bytes for `shapes` on other numbers of threads than the `threads` that there are.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise MinifcnError(f"limit: expected a whole number of bytes, got {limit!r}")
    needed = need(shapes)
    if needed <= limit:
        return
    n, _, height, width = shapes[0]
    fitting = []
    fewer = largest(threads, limit, with_threads) if with_threads else 0
    if fewer:
        fitting.append(counted(fewer, "thread"))
    batch = largest(n, limit, lambda count: need(tuple((count, *shape[1:]) for shape in shapes)))
    if batch:
        fitting.append(f"a batch of {batch}")
    longer = max(height, width)

    def of_side(side: int) -> int:
        size = tuple(max(1, round(length * side / longer)) for length in (height, width))
        return need(tuple((*shape[:2], *size) for shape in shapes))

    side = largest(longer, limit, of_side)
    if side:
        size = "x".join(str(max(1, round(length * side / longer))) for length in (width, height))
        fitting.append(f"pictures of {size}")
    raise MemoryLimitError(
        f"{what} on {n} x {width}x{height} pixels needs {mebibytes(needed)} of memory, and may take "
        f"{mebibytes(limit)}; {' or '.join(fitting) + ' would fit' if fitting else 'nothing smaller would fit'}"
    )


def mebibytes(count: int) -> str:
    """Bytes as "97.7 MiB"."""
    return f"{count / (1 << 20):.1f} MiB"


def largest(top: int, limit: int, need: Callable[[int], int]) -> int:
    """The largest number below `top` that needs no more than `limit`; 0 if there is none. `need` is as of `check`."""
    fits, below, too_large, middle = 0, 0, top, 1
    while too_large - below > 1:  # upwards in strides at first: what is far too large takes long to plan
        try:
            needed = need(middle)
        except ShapeError:  # too small for the net
            needed = 0
        else:
            fits = middle if needed <= limit else fits
        below, too_large = (middle, too_large) if needed <= limit else (below, middle)
        middle = 2 * below if 0 < 2 * below < too_large else (below + too_large) // 2
    return fits
