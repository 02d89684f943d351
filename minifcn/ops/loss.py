"""Softmax cross-entropy for every pixel, with ignored pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn import parallel
from minifcn.backend import Array, Namespace, to_numpy, xp_of
from minifcn.errors import DataError, ShapeError
from minifcn.kernels import cuda


class LossCache(NamedTuple):
    """Class probabilities (N, C, H, W), labels, the weight of each pixel (0: not counted), and the normaliser."""

    probabilities: Array
    labels: Array
    weights: Array
    normaliser: Array | float


def softmax_cross_entropy(
    scores: Array,
    labels: Array,
    ignore_index: int = 255,
    reduction: str = "sum",
    class_weights: Array | None = None,
    mask: Array | None = None,
    check_labels: bool = True,
) -> tuple[Array, LossCache]:
    """- sum over pixels of weight * log softmax(scores)[label]: the loss of the paper and of the released nets.

    scores: (N, C, H, W); labels: (N, H, W) integers in 0..C-1, or `ignore_index` where a pixel does not count.
    class_weights: (C,), the weight of a pixel of each class. mask: (N, H, W) of booleans, the pixels that count at all
    (the paper's section 4.3 samples the loss so). reduction "sum" is the reference's `normalize: false`; "mean" divides
    by the sum of the weights, which without class weights is the number of pixels that count. A picture with no such
    pixel gives 0. The loss is summed, over classes and over pixels, in float64 whatever the dtype of the scores.

    Returns the loss, a float64 array of shape (), and the cache. Raises DataError for a label outside 0..C-1, unless
    `check_labels` is off (a caller who has checked them on the host saves a GPU the wait), ShapeError for shapes.
    """
    xp = xp_of(scores, labels, class_weights, mask)
    _check(scores, labels, reduction, class_weights, mask)
    classes = scores.shape[1]
    counted = labels != ignore_index
    if mask is not None:
        counted &= mask
    if check_labels:
        _check_weights(class_weights)
        _check_labels(labels, counted, classes, ignore_index)
    if cuda.serves(xp, scores.dtype):
        return _reduced(reduction, *cuda.softmax_loss(scores, labels, ignore_index, class_weights, mask))
    labels = xp.where(counted, labels, 0).astype(xp.int32)
    weights = counted.astype(scores.dtype)
    if class_weights is not None:
        weights *= class_weights.astype(scores.dtype)[labels]

    probabilities = xp.empty(scores.shape, scores.dtype)
    parts = _parts(xp, scores)

    def work(part: tuple[slice, slice]) -> Array:
        here = scores[part[0], :, part[1]]  # (n, C, r, W)
        largest = here.max(axis=1, keepdims=True)
        # inf - inf: not worth a warning where ignored, a NaN in the loss where not. An overflow to -inf: e to it is 0.
        with np.errstate(invalid="ignore", over="ignore"):
            shifted = here - largest
            picked = xp.take_along_axis(here, labels[part][:, None], axis=1).astype(xp.float64) - largest
        xp.exp(shifted, out=shifted)
        probabilities[part[0], :, part[1]] = shifted / shifted.sum(axis=1)[:, None]
        # The largest term is 1: beside it, those that make the loss of a sure pixel would be lost in float32.
        pixel_loss = xp.log(shifted.sum(axis=1, dtype=xp.float64)) - picked[:, 0]
        # A pixel that does not count must not count even where its scores are infinite.
        return xp.where(weights[part] > 0, pixel_loss * weights[part], 0.0).sum()

    loss = sum(parallel.run(xp, work, parts), xp.zeros((), xp.float64))
    return _reduced(reduction, xp.asarray(loss), probabilities, labels, weights)


def _reduced(
    reduction: str, loss: Array, probabilities: Array, labels: Array, weights: Array
) -> tuple[Array, LossCache]:
    """The loss, a sum so far, and the cache."""
    xp = xp_of(loss)
    normaliser: Array | float = 1.0
    if reduction == "mean":
        normaliser = weights.sum(dtype=xp.float64)
        normaliser = xp.where(normaliser > 0, normaliser, 1.0)
        loss = loss / normaliser
    return xp.asarray(loss), LossCache(probabilities, labels, weights, normaliser)


def softmax_cross_entropy_backward(dy: Array | float, cache: LossCache) -> tuple[Array]:
    """Gradient (dscores,) of `softmax_cross_entropy`: (softmax - one hot) * weight / normaliser, times dy, a number."""
    probabilities, labels, weights, normaliser = cache
    xp = xp_of(probabilities)
    factor = xp.asarray(dy / normaliser, dtype=probabilities.dtype)
    if cuda.serves(xp, probabilities.dtype):
        return (cuda.softmax_loss_backward(probabilities, labels, weights, factor),)
    dscores = xp.empty(probabilities.shape, probabilities.dtype)

    def work(part: tuple[slice, slice]) -> None:
        target, label = dscores[part[0], :, part[1]], labels[part]
        pixel = weights[part] * factor
        xp.multiply(probabilities[part[0], :, part[1]], pixel[:, None], out=target)
        for c in range(probabilities.shape[1]):
            target[:, c] -= pixel * (label == c)
        # As in forward: not even 0 * NaN may leak out of a pixel that does not count.
        xp.copyto(target, target.dtype.type(0), where=(weights[part] == 0)[:, None])

    parallel.run(xp, work, _parts(xp, probabilities))
    return (dscores,)


def _check(scores: Array, labels: Array, reduction: str, class_weights: Array | None, mask: Array | None) -> None:
    if scores.ndim != 4 or scores.dtype.kind != "f":
        raise ShapeError(
            f"softmax_cross_entropy: expected floating scores (N, C, H, W), got {scores.shape} {scores.dtype}"
        )
    n, classes, height, width = scores.shape
    if tuple(labels.shape) != (n, height, width) or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"softmax_cross_entropy: expected integer labels of {(n, height, width)} for scores of "
            f"{tuple(scores.shape)}, got {tuple(labels.shape)} {labels.dtype}"
        )
    if reduction not in ("sum", "mean"):
        raise ShapeError(f"softmax_cross_entropy: reduction must be 'sum' or 'mean', got {reduction!r}")
    if class_weights is not None and tuple(class_weights.shape) != (classes,):
        raise ShapeError(
            f"softmax_cross_entropy: expected {classes} class weights, got shape {tuple(class_weights.shape)}"
        )
    if mask is not None and (tuple(mask.shape) != tuple(labels.shape) or mask.dtype.kind != "b"):
        raise ShapeError(
            f"softmax_cross_entropy: expected a boolean mask of {tuple(labels.shape)}, got "
            f"{tuple(mask.shape)} {mask.dtype}"
        )


def _check_weights(class_weights: Array | None) -> None:
    if class_weights is not None and not bool((class_weights >= 0).all()):  # written so that NaN is refused
        raise DataError(f"softmax_cross_entropy: class weights must be 0 or more, got {to_numpy(class_weights)}")


def _check_labels(labels: Array, counted: Array, classes: int, ignore_index: int) -> None:
    wrong = counted & ((labels < 0) | (labels >= classes))
    if bool(wrong.any()):
        host = to_numpy(labels)[to_numpy(wrong)]
        values = ", ".join(map(str, np.unique(host)[:5]))
        raise DataError(
            f"softmax_cross_entropy: {host.size} pixels have labels outside 0..{classes - 1}: {values}; "
            f"map them to a class or to {ignore_index} (ignored), or build the net with more classes"
        )


def _parts(xp: Namespace, scores: Array) -> list[tuple[slice, slice]]:
    """(images, rows) of about a core's cache each; on other backends all at once."""
    n, classes, height, width = scores.shape
    if xp.__name__ != "numpy":
        return [(slice(0, n), slice(0, height))]
    row_bytes = classes * width * scores.itemsize
    if height * row_bytes <= parallel.PART:
        return [(images, slice(0, height)) for images in parallel.cut(n, height * row_bytes)]
    return [(slice(k, k + 1), rows) for k in range(n) for rows in parallel.cut(height, row_bytes)]
