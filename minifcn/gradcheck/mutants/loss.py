"""Wrong backward passes of the pixelwise softmax cross-entropy."""

from __future__ import annotations

from minifcn import ops
from minifcn.backend import Array, xp_of
from minifcn.gradcheck.mutants.mutant import Mutant, of
from minifcn.ops.loss import LossCache


def mean_for_sum(dy: Array, cache: LossCache) -> tuple[Array]:
    """Always divided by the number of pixels."""
    return ops.softmax_cross_entropy_backward(dy / cache.labels.size, cache)


def divided_by_all_pixels(dy: Array, cache: LossCache) -> tuple[Array]:
    """The mean over all pixels, where those that do not count should not be counted."""
    if isinstance(cache.normaliser, float):  # a sum
        return ops.softmax_cross_entropy_backward(dy, cache)
    return ops.softmax_cross_entropy_backward(dy, cache._replace(normaliser=float(cache.labels.size)))


def ignored_pixels_counted(dy: Array, cache: LossCache) -> tuple[Array]:
    """Every pixel pulls towards its label, ignored ones towards class 0."""
    weights = xp_of(dy).where(cache.weights == 0, cache.weights.dtype.type(1), cache.weights)
    return ops.softmax_cross_entropy_backward(dy, cache._replace(weights=weights))


def class_weights_forgotten(dy: Array, cache: LossCache) -> tuple[Array]:
    """A pixel counts or does not; how much is forgotten."""
    counted = (cache.weights > 0).astype(cache.weights.dtype)
    return ops.softmax_cross_entropy_backward(dy, cache._replace(weights=counted))


def dy_ignored(dy: Array, cache: LossCache) -> tuple[Array]:
    """The loss taken for the end of the line: right as long as dy is 1."""
    return ops.softmax_cross_entropy_backward(1.0, cache)


def label_not_subtracted(dy: Array, cache: LossCache) -> tuple[Array]:
    """softmax alone, without the one-hot label."""
    factor = (cache.weights * (dy / cache.normaliser))[:, None]
    return (cache.probabilities * factor,)


def softmax_differentiated_twice(dy: Array, cache: LossCache) -> tuple[Array]:
    """p * (1 - p) on top: the derivative of softmax is in (p - one hot) already."""
    (dscores,) = ops.softmax_cross_entropy_backward(dy, cache)
    return (dscores * cache.probabilities * (1 - cache.probabilities),)


MUTANTS: tuple[Mutant, ...] = of(
    "softmax_cross_entropy",
    mean_for_sum,
    divided_by_all_pixels,
    ignored_pixels_counted,
    class_weights_forgotten,
    dy_ignored,
    label_not_subtracted,
    softmax_differentiated_twice,
)
