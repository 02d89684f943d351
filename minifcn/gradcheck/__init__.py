"""Gradient checks, for those who write a backward pass as much as for the tests.

>>> import numpy as np
>>> from minifcn import gradcheck, ops
>>> x = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
>>> report = gradcheck.check(ops.local_response_norm, ops.local_response_norm_backward, {"x": x})
>>> report.passed
True
>>> print(gradcheck.check(ops.relu, lambda dy, y: (dy,), {"x": x}, name="relu without its mask").passed)
False
"""

from minifcn.gradcheck.check import check
from minifcn.gradcheck.modules import check_layer, check_net
from minifcn.gradcheck.report import Report, Row

__all__ = ["Report", "Row", "check", "check_layer", "check_net"]
