"""Operations that work on each element, or each position, alone: ReLU, dropout, scale, sum, crop, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn import parallel
from minifcn.backend import Array, xp_of
from minifcn.errors import ShapeError
from minifcn.kernels import cuda
from minifcn.window import Pair


def relu(x: Array) -> tuple[Array, Array]:
    """max(x, 0). Returns y, and y again as the cache: y > 0 exactly where the gradient passes."""
    xp = xp_of(x)
    y = xp.empty(x.shape, x.dtype)
    parallel.elementwise(xp, lambda a, b: xp.maximum(a, 0, out=b), x, y)
    return y, y


def relu_backward(dy: Array, cache: Array) -> tuple[Array]:
    """Gradient (dx,) of `relu`: dy where the output was positive, 0 elsewhere (and at 0 itself, as Caffe has it)."""
    xp = xp_of(dy, cache)
    check_gradient("relu_backward", dy, cache.shape, cache.dtype)
    if cuda.serves(xp, dy.dtype):
        return (cuda.relu_backward(dy, cache),)
    dx = xp.empty(dy.shape, dy.dtype)
    parallel.elementwise(xp, lambda d, y, out: xp.multiply(d, y > 0, out=out), dy, cache, dx)
    return (dx,)


class DropoutCache(NamedTuple):
    """Which elements were kept (one byte each; None: all), and the factor 1/(1-p) that they were scaled by."""

    kept: Array | None
    factor: float


def dropout(
    x: Array, p: float, rng: np.random.Generator | None, part: tuple[int, int] | None = None
) -> tuple[Array, DropoutCache]:
    """Zero each element with probability p and scale the others by 1/(1-p), so that the mean stays (inverted dropout).

    The mask is drawn on the host from `rng`, so NumPy and CuPy drop the same elements. With p = 0 or rng None, x itself
    is returned. part: (first, whole), where x is the pictures from `first` on of a batch of `whole`: the mask is that
    batch's, and `rng` goes on as after it. Raises ShapeError unless 0 <= p < 1, and x is within the whole.
    """
    if not 0 <= p < 1:
        raise ShapeError(f"dropout: expected 0 <= p < 1, got {p}")
    first, whole = part or (0, len(x))
    if not 0 <= first <= first + len(x) <= whole:
        raise ShapeError(f"dropout: {len(x)} pictures from number {first} on are no part of a batch of {whole}")
    if p == 0 or rng is None:
        return x, DropoutCache(None, 1.0)
    xp = xp_of(x)
    kept = xp.asarray(_drawn(rng, x.shape, first, whole) >= p)
    cache = DropoutCache(kept, 1 / (1 - p))
    return _masked(x, cache), cache


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], first: int, whole: int) -> np.ndarray:
    """The numbers of the pictures from `first` on, of those that `rng` draws for all `whole` of them."""
    if shape[0] == whole:
        return rng.random(shape, dtype=np.float32)
    drawn = np.empty(shape, np.float32)
    other = np.empty(shape[1:], np.float32)  # of pictures that are not here, one after the other
    for n in range(whole):
        rng.random(dtype=np.float32, out=drawn[n - first] if 0 <= n - first < len(drawn) else other)
    return drawn


def dropout_backward(dy: Array, cache: DropoutCache) -> tuple[Array]:
    """Gradient (dx,) of `dropout`: dy through the same mask and factor."""
    return (dy if cache.kept is None else _masked(dy, cache),)


def _masked(x: Array, cache: DropoutCache) -> Array:
    xp = xp_of(x, cache.kept)
    y = xp.empty(x.shape, x.dtype)

    def work(part: Array, kept: Array, out: Array) -> None:
        xp.multiply(part, kept, out=out)
        xp.multiply(out, cache.factor, out=out)

    parallel.elementwise(xp, work, x, cache.kept, y)
    return y


def scale(x: Array, factor: float) -> tuple[Array, float]:
    """x times a constant (Caffe's fixed scale layer of FCN-8s at-once: 0.01 and 0.0001)."""
    return x * float(factor), float(factor)


def scale_backward(dy: Array, cache: float) -> tuple[Array]:
    """Gradient (dx,) of `scale`."""
    return (dy * cache,)


def add(*xs: Array, coefficients: Sequence[float] | None = None) -> tuple[Array, tuple[float, ...]]:
    """The sum of equally shaped arrays, each times its coefficient (1 if none are given): Caffe's Eltwise SUM.

    Raises ShapeError when shapes differ, or when there are not as many coefficients as arrays.
    """
    xp = xp_of(*xs)
    check_same_shape("add", *(tuple(x.shape) for x in xs))
    _check_same_dtype("add", *xs)
    weights = (1.0,) * len(xs) if coefficients is None else tuple(map(float, coefficients))
    if len(weights) != len(xs):
        raise ShapeError(f"add: {len(xs)} arrays but {len(weights)} coefficients")
    terms = [x if c == 1 else x * c for x, c in zip(xs, weights, strict=True)]
    y = terms[0].copy() if len(terms) == 1 else xp.add(terms[0], terms[1])
    for term in terms[2:]:
        y += term
    return y, weights


def add_backward(dy: Array, cache: tuple[float, ...]) -> tuple[Array, ...]:
    """Gradients of `add`, one for each input: dy times its coefficient."""
    return tuple(dy if c == 1 else dy * c for c in cache)


def concat(*xs: Array) -> tuple[Array, tuple[int, ...]]:
    """The channels of all inputs, one after another: axis 1. Raises ShapeError when other axes differ."""
    xp = xp_of(*xs)
    check_same_shape("concat", *((x.shape[0], *x.shape[2:]) for x in xs))
    _check_same_dtype("concat", *xs)
    return xp.concatenate(xs, axis=1), tuple(x.shape[1] for x in xs)


def concat_backward(dy: Array, cache: tuple[int, ...]) -> tuple[Array, ...]:
    """Gradients of `concat`: each input's own channels of dy."""
    check_gradient("concat_backward", dy, (dy.shape[0], sum(cache), *dy.shape[2:]), dy.dtype)
    parts, start = [], 0
    for channels in cache:
        parts.append(dy[:, start : start + channels])
        start += channels
    return tuple(parts)


class CropCache(NamedTuple):
    """The shape and dtype of what was cropped, where, and how much was taken."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: Pair
    size: Pair


def crop(x: Array, offset: Pair, size: Pair) -> tuple[Array, CropCache]:
    """The (height, width) `size` of x that starts at `offset`: Caffe's Crop on the two spatial axes. A copy.

    Raises ShapeError when that window leaves x.
    """
    check_crop("crop", x.shape, offset, size)
    (top, left), (height, width) = offset, size
    y = x[:, :, top : top + height, left : left + width].copy()
    return y, CropCache(x.shape, x.dtype, offset, size)


def crop_backward(dy: Array, cache: CropCache) -> tuple[Array]:
    """Gradient (dx,) of `crop`: dy where it was taken from, 0 elsewhere."""
    xp = xp_of(dy)
    (top, left), (height, width) = cache.offset, cache.size
    check_gradient("crop_backward", dy, (*cache.shape[:2], height, width), cache.dtype)
    dx = xp.zeros(cache.shape, dy.dtype)
    dx[:, :, top : top + height, left : left + width] = dy
    return (dx,)


def check_gradient(op: str, dy: Array, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise ShapeError unless dy has the output's shape and dtype."""
    if tuple(dy.shape) != tuple(shape) or dy.dtype != dtype:
        raise ShapeError(
            f"{op}: expected dy of {tuple(shape)} {dtype}, got {tuple(dy.shape)} {dy.dtype}: "
            "it must have the shape and dtype of the output"
        )


def _check_same_dtype(op: str, *xs: Array) -> None:
    """Raise ShapeError unless all arrays share one dtype: one float64 would turn all that follows into float64."""
    if len({x.dtype for x in xs}) > 1:
        raise ShapeError(f"{op}: the inputs must share one dtype, got {', '.join(str(x.dtype) for x in xs)}")


def check_same_shape(op: str, *shapes: tuple[int, ...]) -> None:
    """Raise ShapeError unless all shapes are one."""
    if len(set(map(tuple, shapes))) > 1:
        listed = ", ".join(str(tuple(s)) for s in shapes)
        raise ShapeError(f"{op}: the inputs must agree in shape, got {listed}")


def check_crop(op: str, shape: tuple[int, ...], offset: Pair, size: Pair) -> None:
    """Raise ShapeError unless the window of `size` at `offset` lies within the last two axes of `shape`."""
    for name, have, start, length in zip(("rows", "columns"), shape[2:], offset, size, strict=True):
        if start < 0 or length < 1 or start + length > have:
            raise ShapeError(
                f"{op}: cannot take {length} {name} from {start} on: the blob has {have} "
                f"({start} + {length} > {have}); a net of floor pooling, or too little padding, ends up too small"
            )
