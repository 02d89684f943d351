"""Floor 1, mathematics: pure functions, one file an operation.

`op(...) -> (y, cache)` and `op_backward(dy, cache) -> tuple of gradients`, one for each array input. No state, no
classes, no device: the arrays bring their own namespace. This is the floor that students read and write.
"""

from minifcn.ops.conv import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward

__all__ = ["conv2d", "conv2d_backward", "conv_transpose2d", "conv_transpose2d_backward"]
