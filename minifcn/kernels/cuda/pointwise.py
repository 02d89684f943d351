"""Element by element on the GPU, each in one pass: the twins of ReLU's gradient and of `MomentumSGD`'s update."""

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


def positive_bits(y: Array) -> Array:
    """The bits of `ops.bits.positive_bits`: eight elements of y a byte."""
    xp = xp_of(y)
    bits = xp.empty(-(-y.size // 8), xp.uint8)
    launch(xp, "pointwise", "positive_bits", y.dtype, bits.size, xp.ascontiguousarray(y), bits, y.size, bits.size)
    return bits


def relu_backward_of_bits(dy: Array, bits: Array) -> Array:
    """dx of `ops.relu`: dy where the bit of the output says that it was positive, 0 elsewhere."""
    xp = xp_of(dy, bits)
    dx = xp.empty(dy.shape, dy.dtype)
    launch(xp, "pointwise", "relu_backward_of_bits", dy.dtype, dx.size, xp.ascontiguousarray(dy), bits, dx, dx.size)
    return dx


def sgd_update(w: Array, g: Array, v: Array, momentum: float, scale: float, decay: float) -> None:
    """v <- momentum v + scale g + decay w, then w <- w - v: in place. w and v must be C-contiguous."""
    xp = xp_of(w, g, v)
    arrays = w, xp.ascontiguousarray(g), v
    launch(xp, "pointwise", "sgd", w.dtype, w.size, *arrays, momentum, scale, decay, w.size)
