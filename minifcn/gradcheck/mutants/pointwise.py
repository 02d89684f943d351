"""Wrong backward passes of ReLU, dropout, scale, sum, concatenation and crop."""

from __future__ import annotations

from minifcn import ops
from minifcn.backend import Array, xp_of
from minifcn.gradcheck.mutants.mutant import Mutant, of
from minifcn.ops.pointwise import CropCache, DropoutCache


def mask_from_dy(dy: Array, cache: Array) -> tuple[Array]:
    """dy passes where dy is positive, not where the output was ("guided" backpropagation)."""
    return (dy * (dy > 0),)


def mask_forgotten(dy: Array, cache: Array) -> tuple[Array]:
    """dy passes everywhere, where the output was 0 as well."""
    return (dy.copy(),)


def sign_for_mask(dy: Array, cache: Array) -> tuple[Array]:
    """The gradient of |x|: negative inputs pass -dy, not 0."""
    return (xp_of(dy).where(cache > 0, dy, -dy),)


def factor_forgotten(dy: Array, cache: DropoutCache) -> tuple[Array]:
    """The mask without 1/(1-p)."""
    return (dy if cache.kept is None else dy * cache.kept,)


def kept_taken_for_dropped(dy: Array, cache: DropoutCache) -> tuple[Array]:
    """The mask the wrong way round."""
    return ops.dropout_backward(dy, cache._replace(kept=None if cache.kept is None else ~cache.kept))


def constant_forgotten(dy: Array, cache: float) -> tuple[Array]:
    """dy as it is, as if the factor were 1."""
    return (dy,)


def constant_inverted(dy: Array, cache: float) -> tuple[Array]:
    """dy divided by the factor: undoing the layer is not differentiating it."""
    return (dy / cache,)


def coefficients_forgotten(dy: Array, cache: tuple[float, ...]) -> tuple[Array, ...]:
    """dy as it is to every input, as if all coefficients were 1."""
    return (dy,) * len(cache)


def dy_shared_out(dy: Array, cache: tuple[float, ...]) -> tuple[Array, ...]:
    """dy divided among the inputs: a sum passes all of it to each."""
    return tuple(part / len(cache) for part in ops.add_backward(dy, cache))


def order_swapped(dy: Array, cache: tuple[int, ...]) -> tuple[Array, ...]:
    """The parts of dy are taken from the last input to the first."""
    return tuple(reversed(ops.concat_backward(dy, tuple(reversed(cache)))))


def offset_zero(dy: Array, cache: CropCache) -> tuple[Array]:
    """dy lands in the top left corner, wherever it was cut."""
    return ops.crop_backward(dy, cache._replace(offset=(0, 0)))


def centred(dy: Array, cache: CropCache) -> tuple[Array]:
    """dy lands in the middle: FCN's crops start at an offset and are not centred."""
    offset = (cache.shape[2] - dy.shape[2]) // 2, (cache.shape[3] - dy.shape[3]) // 2
    return ops.crop_backward(dy, cache._replace(offset=offset))


MUTANTS: tuple[Mutant, ...] = (
    of("relu", mask_from_dy, mask_forgotten, sign_for_mask)
    + of("dropout", factor_forgotten, kept_taken_for_dropped)
    + of("scale", constant_forgotten, constant_inverted)
    + of("add", coefficients_forgotten, dy_shared_out)
    + of("concat", order_swapped)
    + of("crop", offset_zero, centred)
)
