"""Sums on the GPU in an order that the length alone decides: two runs give the same bits."""

from __future__ import annotations

from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch

#: Values that one thread adds up in a round.
_FOLD = 256


def total(values: Array) -> Array:
    """The sum of float64 values, an array of shape ()."""
    return _folded(values, "fold")


def sum_of_squares(values: Array) -> Array:
    """The sum of the squares of float32 or float64 values, in float64: an array of shape ()."""
    return _folded(values, "fold_squares")


def _folded(values: Array, first: str) -> Array:
    xp = xp_of(values)
    values, name = xp.ascontiguousarray(values).reshape(-1), first
    while True:
        sums = -(-values.size // _FOLD)
        partial = xp.empty(sums, xp.float64)
        launch(xp, "sum", name, values.dtype, sums, values, partial, values.size, sums)
        if sums == 1:
            return partial.reshape(())
        values, name = partial, "fold"
