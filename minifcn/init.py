"""Initial values: He's for layers that are trained from nothing, bilinear filters for upsampling.

Random numbers are drawn on the host in float32 from a passed generator, so a net starts with the same bits everywhere.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from minifcn.errors import ShapeError


def he(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normal values of variance 2 / fan-in, for layers that a ReLU follows (He et al. 2015, equation 10).

    shape: (out, in/groups, kh, kw), the fan-in being in/groups * kh * kw.
    """
    fan_in = int(np.prod(shape[1:]))
    weights = rng.standard_normal(shape, dtype=np.float32)
    weights *= sqrt(2 / fan_in)
    return weights


def bilinear_filter(size: int) -> np.ndarray:
    """The (size, size) float32 filter with which a transposed convolution interpolates bilinearly.

    w[i, j] = (1 - |i - c| / f) (1 - |j - c| / f), f = (size + 1) // 2 being the upsampling factor that the filter fits
    and c its centre: surgery.py's upsample_filt.
    """
    if size < 1:
        raise ShapeError(f"bilinear_filter: expected a size of at least 1, got {size}")
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    ramp = 1 - np.abs(np.arange(size) - centre) / factor
    return np.outer(ramp, ramp).astype(np.float32)


def bilinear_depthwise(channels: int, size: int) -> np.ndarray:
    """The weight (channels, 1, size, size) of a transposed convolution that upsamples each channel alone."""
    return np.repeat(bilinear_filter(size)[None, None], channels, axis=0)


def bilinear_dense(channels: int, size: int) -> np.ndarray:
    """The same as a dense weight (channels, channels, size, size): the filter on the diagonal, 0 elsewhere."""
    weight = np.zeros((channels, channels, size, size), np.float32)
    weight[range(channels), range(channels)] = bilinear_filter(size)
    return weight
