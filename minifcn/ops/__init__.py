"""Floor 1, mathematics: pure functions, one file a subject.

`op(...) -> (y, cache)` and `op_backward(dy, cache) -> tuple of gradients`, one for each array input. No state, no
device: the arrays bring their own namespace. This is the floor that students read and write.
"""

from minifcn.ops.conv import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward
from minifcn.ops.loss import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.ops.norm import local_response_norm, local_response_norm_backward
from minifcn.ops.pointwise import (
    add,
    add_backward,
    concat,
    concat_backward,
    crop,
    crop_backward,
    dropout,
    dropout_backward,
    relu,
    relu_backward,
    scale,
    scale_backward,
)
from minifcn.ops.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

__all__ = [
    "add",
    "add_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "concat",
    "concat_backward",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "crop",
    "crop_backward",
    "dropout",
    "dropout_backward",
    "local_response_norm",
    "local_response_norm_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "scale",
    "scale_backward",
    "softmax_cross_entropy",
    "softmax_cross_entropy_backward",
]
