"""The softmax loss on the GPU: the twin of `minifcn.ops.loss`."""

from __future__ import annotations

from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch
from minifcn.kernels.cuda.sum import total


def softmax_loss(
    scores: Array, labels: Array, ignore_index: int, class_weights: Array | None, mask: Array | None
) -> tuple[Array, Array, Array, Array]:
    """(loss, probabilities, labels, weights) of `ops.softmax_cross_entropy`, its arguments checked before.

    The loss, a float64 array of shape (), is summed in an order that the shapes alone decide: two runs give one value.
    """
    xp = xp_of(scores, labels, class_weights, mask)
    classes, height, width = scores.shape[1:]
    scores = xp.ascontiguousarray(scores)
    given = xp.ascontiguousarray(labels.astype(xp.int32))
    counted = xp.ascontiguousarray(mask).view(xp.uint8) if mask is not None else xp.empty(1, xp.uint8)
    by_class = class_weights.astype(scores.dtype) if class_weights is not None else xp.empty(1, scores.dtype)
    probabilities = xp.empty(scores.shape, scores.dtype)
    clean, weights = xp.empty(labels.shape, xp.int32), xp.empty(labels.shape, scores.dtype)
    losses = xp.empty(labels.shape, xp.float64)
    inputs, outputs = (scores, given, counted, by_class), (probabilities, clean, weights, losses)
    options = ignore_index, mask is not None, class_weights is not None
    scalars = classes, height * width, *options, clean.size
    launch(xp, "loss", "softmax_loss", scores.dtype, clean.size, *inputs, *outputs, *scalars)
    return total(losses), probabilities, clean, weights


def softmax_loss_backward(probabilities: Array, labels: Array, weights: Array, factor: Array) -> Array:
    """dscores of `ops.softmax_cross_entropy`. factor: dy / normaliser, one number in an array of the scores' dtype."""
    xp = xp_of(probabilities, labels, weights, factor)
    dscores = xp.empty(probabilities.shape, probabilities.dtype)
    arrays = probabilities, labels, weights, factor, dscores
    area = labels.shape[1] * labels.shape[2]
    scalars = probabilities.shape[1], area, dscores.size
    launch(xp, "loss", "softmax_loss_backward", dscores.dtype, dscores.size, *arrays, *scalars)
    return dscores
