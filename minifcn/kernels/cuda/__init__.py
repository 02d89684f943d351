"""Kernels in CUDA C for arrays of CuPy, compiled when first used: the `.cu` files here, and what launches them.

`serves` says whether an array can be worked on; the rest are twins of operations, by the same names.
"""

from minifcn.kernels.cuda import winograd
from minifcn.kernels.cuda.conv import correlate, correlate_weight, scatter
from minifcn.kernels.cuda.launch import serves
from minifcn.kernels.cuda.loss import softmax_loss, softmax_loss_backward
from minifcn.kernels.cuda.norm import local_response_norm, local_response_norm_backward
from minifcn.kernels.cuda.pointwise import positive_bits, relu_backward, relu_backward_of_bits, sgd_update
from minifcn.kernels.cuda.pool import avg_pool, avg_pool_backward, max_pool, max_pool_backward
from minifcn.kernels.cuda.sum import sum_of_squares

__all__ = [
    "avg_pool",
    "avg_pool_backward",
    "correlate",
    "correlate_weight",
    "local_response_norm",
    "local_response_norm_backward",
    "max_pool",
    "max_pool_backward",
    "positive_bits",
    "relu_backward",
    "relu_backward_of_bits",
    "scatter",
    "serves",
    "sgd_update",
    "softmax_loss",
    "softmax_loss_backward",
    "sum_of_squares",
    "winograd",
]
