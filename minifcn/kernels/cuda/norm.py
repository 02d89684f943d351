"""Local response normalisation on the GPU: the twin of `minifcn.ops.norm`."""

from __future__ import annotations

import math

from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch


def local_response_norm(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """(y, scale) of `ops.local_response_norm`."""
    xp = xp_of(x)
    x = xp.ascontiguousarray(x)
    y, scale = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)
    shape = x.shape[1], math.prod(x.shape[2:])
    floats = alpha / size, float(beta), float(k)
    launch(xp, "norm", "lrn", x.dtype, x.size, x, y, scale, *shape, size // 2, *floats, x.size)
    return y, scale


def local_response_norm_backward(dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """dx of `ops.local_response_norm`."""
    xp = xp_of(dy, x, scale)
    dx = xp.empty(x.shape, x.dtype)
    arrays = xp.ascontiguousarray(dy), xp.ascontiguousarray(x), scale, dx
    shape = x.shape[1], math.prod(x.shape[2:])
    floats = 2 * alpha * beta / size, float(beta)
    launch(xp, "norm", "lrn_backward", x.dtype, x.size, *arrays, *shape, size // 2, *floats, x.size)
    return dx
