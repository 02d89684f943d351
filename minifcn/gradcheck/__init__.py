"""Gradient checks, for those who write a backward pass as much as for the tests.

>>> import numpy as np
>>> from minifcn import gradcheck, ops
>>> x = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
>>> report = gradcheck.check(ops.local_response_norm, ops.local_response_norm_backward, {"x": x})
>>> report.passed
True
"""

from minifcn.gradcheck.check import check
from minifcn.gradcheck.report import Report, Row

__all__ = ["Report", "Row", "check"]
