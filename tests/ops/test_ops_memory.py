"""What operations keep for their backward pass, and what they leave behind."""

import numpy as np
import pytest

from minifcn import ops
from minifcn.backend import to_numpy
from minifcn.errors import ShapeError
from minifcn.ops.bits import positive_bits, relu_backward_of_bits


def test_a_weight_gradient_keeps_no_memory_but_its_own(rng):
    """Its bands are summed in several lanes; one that is a part of them all would keep them for as long as it lives."""
    x, w = (rng.standard_normal(shape, dtype=np.float32) for shape in ((1, 16, 100, 100), (16, 16, 3, 3)))
    y, cache = ops.conv2d(x, w, padding=1)
    _, dw, _ = ops.conv2d_backward(y, cache)
    while dw.base is not None:
        dw = dw.base
    assert dw.nbytes == w.nbytes


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (1, 4, 16, 8), (2, 5, 300, 301)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_relu_s_gradient_from_bits_is_the_one_from_its_output(shape, dtype, rng, xp):
    y = xp.asarray(np.maximum(rng.standard_normal(shape), 0).astype(dtype))
    dy = xp.asarray(rng.standard_normal(shape).astype(dtype))
    bits = positive_bits(y)
    assert bits.bits.nbytes == -(-y.size // 8)
    for upstream in (dy, dy[:, :, ::-1]):  # the second is not contiguous
        expected, got = ops.relu_backward(upstream, y)[0], relu_backward_of_bits(upstream, bits)[0]
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(to_numpy(got), to_numpy(expected))
    with pytest.raises(ShapeError, match="relu_backward: expected dy of"):
        relu_backward_of_bits(dy[:, :, :, 1:], bits)
