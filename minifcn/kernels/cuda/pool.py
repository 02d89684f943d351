"""Pooling on the GPU: the twins of `minifcn.ops.pool`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch
from minifcn.window import Pair


def max_pool(x: Array, geometry: Any, size: Pair) -> tuple[Array, Array]:
    """(y, winner) of `ops.max_pool2d`: (N, C, *size), and which tap won, uint8 or (more than 256 taps) int32."""
    xp = xp_of(x)
    x = xp.ascontiguousarray(x)
    y = xp.empty((*x.shape[:2], *size), x.dtype)
    flags = _flags(geometry)
    winner = xp.empty(y.shape, xp.int32 if flags else xp.uint8)
    scalars = (*_window(x.shape, size, geometry), y.size)
    launch(xp, "pool", "max_pool", x.dtype, y.size, x, y, winner, *scalars, flags=flags)
    return y, winner


def max_pool_backward(dy: Array, winner: Array, shape: tuple[int, ...], geometry: Any) -> Array:
    """dx of `ops.max_pool2d`."""
    xp = xp_of(dy, winner)
    dx = xp.empty(shape, dy.dtype)
    scalars = (*_window(shape, dy.shape[2:], geometry), dx.size)
    arrays = xp.ascontiguousarray(dy), winner, dx
    launch(xp, "pool", "max_pool_backward", dy.dtype, dx.size, *arrays, *scalars, flags=_flags(geometry))
    return dx


def avg_pool(x: Array, geometry: Any, size: Pair) -> Array:
    """y of `ops.avg_pool2d`: (N, C, *size)."""
    xp = xp_of(x)
    x = xp.ascontiguousarray(x)
    y = xp.empty((*x.shape[:2], *size), x.dtype)
    launch(xp, "pool", "avg_pool", x.dtype, y.size, x, y, *_window(x.shape, size, geometry), y.size)
    return y


def avg_pool_backward(dy: Array, shape: tuple[int, ...], geometry: Any) -> Array:
    """dx of `ops.avg_pool2d`."""
    xp = xp_of(dy)
    dx = xp.empty(shape, dy.dtype)
    scalars = (*_window(shape, dy.shape[2:], geometry), dx.size)
    launch(xp, "pool", "avg_pool_backward", dy.dtype, dx.size, xp.ascontiguousarray(dy), dx, *scalars)
    return dx


def _window(shape: tuple[int, ...], size: tuple[int, ...], geometry: Any) -> tuple[int, ...]:
    return (*shape[2:], *size, *geometry.kernel, *geometry.stride, *geometry.padding, *geometry.dilation)


def _flags(geometry: Any) -> tuple[str, ...]:
    return ("MANY_TAPS",) if int(np.prod(geometry.kernel)) > 256 else ()
