"""What operations ask of memory, beside what `ops.workspaces` says that they will."""

from collections import defaultdict

import numpy as np
import pytest

from minifcn import ops, parallel
from minifcn.gradcheck import cases
from minifcn.ops import workspaces
from minifcn.ops.conv import ConvCache

pytestmark = pytest.mark.usefixtures("restore_threads")


@pytest.fixture
def asked(monkeypatch):
    """Name -> the largest buffer that a thread has asked for."""
    found = defaultdict(int)
    workspace = parallel.workspace

    def watched(xp, name, shape, dtype):
        found[name] = max(found[name], int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return workspace(xp, name, shape, dtype)

    monkeypatch.setattr(parallel, "workspace", watched)
    return found


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def check(told, asked):
    """Whether buffers of the same names are told and asked for, of the same size or told a little larger."""
    sizes = {name: size for name, (size, _) in told.buffers.items()}
    assert sizes.keys() == asked.keys()
    for name, size in sizes.items():
        assert asked[name] <= size <= 1.1 * asked[name] + 4096, f"{name}: told {size}, asked {asked[name]}"
    asked.clear()


CONVOLUTIONS = [
    ((1, 3, 60, 70), (16, 3, 3, 3), dict(padding=40)),
    ((2, 16, 60, 50), (24, 16, 5, 3), dict(stride=2, padding=1)),
    ((1, 96, 40, 41), (80, 96, 3, 3), dict(padding=1)),  # Winograd's from here on
    ((3, 96, 40, 41), (80, 96, 3, 3), dict(padding=1)),
    ((1, 64, 150, 140), (64, 64, 3, 3), dict(padding=1)),
    ((1, 300, 44, 44), (300, 300, 3, 3), dict(padding=1)),
    ((1, 256, 22, 22), (2048, 256, 7, 7), {}),  # fc6
    ((1, 32, 60, 60), (16, 32, 1, 1), {}),
    ((2, 32, 60, 60), (16, 16, 3, 3), dict(groups=2, dilation=2)),
    ((2, 128, 30, 30), (700, 128, 3, 3), dict(stride=2)),
]


@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS, ids=str)
def test_what_a_convolution_and_its_gradients_ask_for(x, w, options, asked):
    x, w = arrays(x, w)
    parallel.set_threads(1)
    y, cache = ops.conv2d(x, w, **options)
    forward, dx, dw = workspaces.conv2d(x.shape, w.shape, cache.geometry, cache.size, 4, cache.algorithm)
    check(forward, asked)
    ops.conv2d_backward(y, cache, (True, False, False))
    check(dx, asked)
    ops.conv2d_backward(y, cache, (False, True, False))
    check(dw, asked)


@pytest.mark.parametrize("case", cases.of("conv_transpose2d"), ids=str)
@pytest.mark.parametrize("scale", [1, 6])
def test_what_a_transposed_convolution_and_its_gradients_ask_for(case, scale, asked):
    x, w = arrays(case.shapes["x"], case.shapes["w"])
    x = np.tile(x, (1, 1, scale, scale))
    parallel.set_threads(1)
    y, cache = ops.conv_transpose2d(x, w, **case.options)
    assert isinstance(cache, ConvCache)
    forward, dx, dw = workspaces.conv_transpose2d(x.shape, w.shape, cache.geometry, cache.size, 4)
    check(forward, asked)
    ops.conv_transpose2d_backward(y, cache, (True, False, False))
    check(dx, asked)
    ops.conv_transpose2d_backward(y, cache, (False, True, False))
    check(dw, asked)
