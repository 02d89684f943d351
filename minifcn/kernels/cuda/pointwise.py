"""Element by element on the GPU, each in one pass: the twins of `ops.relu_backward` and of `MomentumSGD`'s update."""

from __future__ import annotations

from minifcn.backend import Array, xp_of
from minifcn.kernels.cuda.launch import launch


def relu_backward(dy: Array, y: Array) -> Array:
    """dx of `ops.relu`: dy where the output y was positive, 0 elsewhere."""
    xp = xp_of(dy, y)
    dx = xp.empty(dy.shape, dy.dtype)
    arrays = xp.ascontiguousarray(dy), xp.ascontiguousarray(y), dx
    launch(xp, "pointwise", "relu_backward", dy.dtype, dx.size, *arrays, dx.size)
    return dx


def sgd_update(w: Array, g: Array, v: Array, momentum: float, scale: float, decay: float) -> None:
    """v <- momentum v + scale g + decay w, then w <- w - v: in place. w and v must be C-contiguous."""
    xp = xp_of(w, g, v)
    arrays = w, xp.ascontiguousarray(g), v
    launch(xp, "pointwise", "sgd", w.dtype, w.size, *arrays, momentum, scale, decay, w.size)
