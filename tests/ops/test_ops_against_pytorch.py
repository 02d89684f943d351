"""Every operation, forward and backward, on every ragged case: PyTorch must agree."""

import numpy as np
import oracle
import pytest

from minifcn import ops
from minifcn.backend import to_numpy
from minifcn.gradcheck.cases import CASES

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


def assert_close(ours, theirs, tolerance):
    """Within `tolerance` of the largest value."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    size = np.abs(theirs).max(initial=0)
    assert np.abs(ours - theirs).max(initial=0) <= tolerance * max(size, 1e-3)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda t: t.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_backward_agree(case, dtype, xp, rng):
    arrays = {key: None if a is None else a.astype(dtype) for key, a in case.arrays(rng).items()}
    moved = [None if a is None else xp.asarray(a) for a in arrays.values()]
    y, cache = case.function(xp)(*moved)
    dy = np.asarray(rng.normal(size=y.shape), to_numpy(y).dtype)
    gradients = getattr(ops, f"{case.op}_backward")(xp.asarray(dy), cache)
    expected_y, expected = oracle.run(case, arrays, dy)

    is_loss = case.op == "softmax_cross_entropy"
    assert y.dtype == (np.float64 if is_loss else dtype)  # the loss is summed in float64
    assert_close(to_numpy(y), expected_y, TOLERANCE[dtype])
    assert len(gradients) == len(expected)
    for key, gradient, theirs in zip(arrays, gradients, expected, strict=True):
        if theirs is None:
            assert gradient is None, key
            continue
        assert gradient.dtype == dtype, key
        assert_close(to_numpy(gradient), theirs, TOLERANCE[dtype])
