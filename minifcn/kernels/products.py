"""Matrix products in pieces that BLAS multiplies at once. The twin of `xp.matmul`, for the products of `ops.conv`.

Before a product, OpenBLAS copies both matrices into an order that suits the processor. That pays when each number is
used often; of 8 output channels, say, it takes longer than the product itself. Up to a million multiplications it
leaves the copying out: (8, 72) x (72, 9216) in six pieces takes a third of the time that it takes whole.
"""

from __future__ import annotations

from minifcn.backend import Array, Namespace

#: The most multiplications of a product that OpenBLAS does without copying (its "small matrix" kernels).
SMALL = 10**6
#: Columns below which a piece is not worth it.
LEAST = 48
#: Length of a sum below which a piece of it is not worth it.
LEAST_SUM = 800


def multiply(xp: Namespace, a: Array, b: Array, out: Array) -> None:
    """Fill out: (G, M, N) with a: (G, M, K) times b: (G, K, N); how b's columns are cut follows from shapes alone."""
    groups, rows, taps = a.shape
    columns = b.shape[2]
    step = SMALL // (rows * taps) // 16 * 16  # whole vectors of the processor's
    pieces = columns // step if xp.__name__ == "numpy" and step >= LEAST else 0
    if pieces < 2 or groups > 1:
        xp.matmul(a, b, out=out)
        return
    whole = pieces * step
    b_pieces = b[0, :, :whole].reshape(taps, pieces, step).swapaxes(0, 1)  # (pieces, K, step), a view
    out_pieces = out[0, :, :whole].reshape(rows, pieces, step).swapaxes(0, 1)  # (pieces, M, step)
    xp.matmul(a, b_pieces, out=out_pieces)
    if whole < columns:
        xp.matmul(a, b[:, :, whole:], out=out[:, :, whole:])


def multiply_long(xp: Namespace, a: Array, b: Array, out: Array) -> None:
    """Fill out: (G, M, N) with a: (G, M, K) times b: (G, K, N), where K is long and M and N may be small.

    The sums are cut, not the columns. However long they are, NumPy's matmul keeps the interpreter's lock if its results
    are 500 numbers or fewer, and another thread waits; its dot does not.
    """
    groups, rows, taps = a.shape
    columns = b.shape[2]
    step = SMALL // (rows * columns) // 16 * 16
    pieces = taps // step if xp.__name__ == "numpy" and groups == 1 and step >= LEAST_SUM else 0
    if pieces < 2:
        if groups == 1 and out.flags.c_contiguous:
            xp.dot(a[0], b[0], out=out[0])
        else:
            xp.matmul(a, b, out=out)
        return
    whole = pieces * step
    a_pieces = a[0, :, :whole].reshape(rows, pieces, step).swapaxes(0, 1)  # (pieces, M, step), a view
    b_pieces = b[0, :whole].reshape(pieces, step, columns)
    xp.matmul(a_pieces, b_pieces).sum(axis=0, out=out[0])
    if whole < taps:
        out[0] += xp.dot(a[0, :, whole:], b[0, whole:])
