"""What a ReLU's backward pass needs of its output, in one bit an element: whether it is positive.

For a ReLU whose output nobody else keeps, since a pool reads it, say: after FCN-8s's conv1_2, at 500x500, that are 119
MiB. The same gradient as `ops.relu_backward`, which reads the output itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn import parallel
from minifcn.backend import Array, Namespace, xp_of
from minifcn.kernels import cuda
from minifcn.ops.pointwise import check_gradient


class PositiveBits(NamedTuple):
    """Eight elements a byte, in C order, the first in the highest bit; and the shape and dtype of what they tell of."""

    bits: Array
    shape: tuple[int, ...]
    dtype: np.dtype


def positive_bits(y: Array) -> PositiveBits:
    """Which elements of y are above 0."""
    xp = xp_of(y)
    if cuda.serves(xp, y.dtype):
        return PositiveBits(cuda.positive_bits(y), tuple(y.shape), y.dtype)
    bits = xp.empty(-(-y.size // 8), xp.uint8)
    flat = y.reshape(-1)

    def work(part: slice) -> None:
        bits[part.start // 8 : -(-part.stop // 8)] = xp.packbits(flat[part] > 0)

    parallel.run(xp, work, _parts(xp, y))
    return PositiveBits(bits, tuple(y.shape), y.dtype)


def relu_backward_of_bits(dy: Array, cache: PositiveBits) -> tuple[Array]:
    """Gradient (dx,) of `ops.relu`: dy where the output was positive, 0 elsewhere."""
    bits, shape, dtype = cache
    xp = xp_of(dy, bits)
    check_gradient("relu_backward", dy, shape, dtype)
    if cuda.serves(xp, dtype):
        return (cuda.relu_backward_of_bits(dy, bits),)
    dx = xp.empty(shape, dtype)
    upstream, target = dy.reshape(-1), dx.reshape(-1)

    def work(part: slice) -> None:
        passes = xp.unpackbits(bits[part.start // 8 : -(-part.stop // 8)])[: part.stop - part.start]
        xp.multiply(upstream[part], passes.view(xp.bool_), out=target[part])

    parallel.run(xp, work, _parts(xp, dx))
    return (dx,)


def _parts(xp: Namespace, array: Array) -> list[slice]:
    """Parts of the flat array that begin at whole bytes of bits: a core's cache each; all at once on a GPU."""
    if xp is not np:
        return [slice(0, array.size)]
    return parallel.split(array.size, array.itemsize, 4 * parallel.SMALL)
