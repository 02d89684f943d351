"""One array as another layer's parameter, exactly: a dense layer is a convolution, and so on."""

from __future__ import annotations

import numpy as np


def fitted(array: np.ndarray, shape: tuple[int, ...], flat: str = "CHW") -> np.ndarray | None:
    """`array` as a parameter of `shape`, or None if it is none.

    A dense layer (out, C*kh*kw) becomes the convolution (out, C, kh, kw) that it is, its columns being in the order
    `flat`. A dense transposed convolution (C, C, k, k) that keeps classes apart becomes a depthwise one (C, 1, k, k),
    and the other way round.
    """
    if array.shape == shape:
        return array
    if len(shape) != 4:
        return None
    out, channels, height, width = shape
    if array.ndim == 2 and array.shape == (out, channels * height * width):
        if flat == "CHW":
            return array.reshape(shape)
        return array.reshape(out, height, width, channels).transpose(0, 3, 1, 2)
    if channels == 1 and array.shape == (out, out, height, width) and not mixes(array):
        return array[range(out), range(out)][:, None]
    if out == channels and array.shape == (out, 1, height, width):
        full = np.zeros(shape, array.dtype)
        full[range(out), range(out)] = array[:, 0]
        return full
    return None


def mixes(weight: np.ndarray) -> bool:
    """Whether a transposed convolution (C, C, k, k) brings one class's scores into another's."""
    off = weight.copy()
    off[range(len(off)), range(len(off))] = 0
    return bool(off.any())


def expanded(array: np.ndarray, initial: np.ndarray, sees_classes: bool = False) -> np.ndarray | None:
    """A layer of fewer classes as the first rows of `initial`, whose other rows stay; None if it does not fit.

    sees_classes: upsampling, in which every class may see all. Then the old classes are the first columns, too, and
    neither they nor the new ones see the others, provided that `initial` keeps classes apart.
    """
    old, shape = len(array), list(initial.shape)
    shape[0] = old
    if sees_classes and initial.ndim == 4 and initial.shape[1] == len(initial):
        shape[1] = old
    first = fitted(array, tuple(shape)) if old <= len(initial) else None
    if first is None:
        return None
    made = initial.copy()
    made[tuple(map(slice, shape))] = first
    return made


def with_depth(weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """A first layer's weight for a net with `shape`: the same, or of one that sees three channels for one of four.

    The filter of the fourth channel is the mean of the others. So the reference's RGB-D nets begin
    (nyud-fcn32s-color-d). None if the shapes are not these.
    """
    if weight.shape == shape:
        return weight
    if shape != (len(weight), 4, *weight.shape[2:]) or weight.shape[1] != 3:
        return None
    return np.concatenate([weight, weight.mean(axis=1, keepdims=True)], axis=1)
