"""The stand-in for CuPy's RawModule finds what a GPU would pass over in silence."""

from __future__ import annotations

import fakecuda
import fakegpu
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not fakecuda.COMPILER, reason="no g++ to compile CUDA C as C++")

SOURCE = """
extern "C" __global__ void copy(const float* from, float* to, int count, int shift) {
  int n = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (n < count) to[n + shift] = from[n];
}
extern "C" __global__ void look(const float* from, float* to, int where) { to[threadIdx.x] = from[where]; }
extern "C" __global__ void race(float* to, int by) { to[0] = to[0] * (float)by + (float)threadIdx.x; }
"""


@pytest.fixture(scope="module")
def module():
    return fakegpu.RawModule(code=SOURCE, options=("-std=c++14",))


def vector(count):
    return fakegpu.asarray(np.arange(count, dtype=np.float32))


def test_a_kernel_runs_in_every_thread_of_every_block(module):
    to = fakegpu.empty(10, np.float32)
    module.get_function("copy")((3,), (4,), (vector(10), to, np.int32(10), np.int32(0)))
    assert to.get().tolist() == list(range(10))
    to = fakegpu.zeros(10, np.float32)
    module.get_function("copy")((1,), (4,), (vector(10), to, np.int32(10), np.int32(0)))
    assert to.get().tolist() == [0, 1, 2, 3, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("shift", [-1, 1])
def test_writing_outside_is_found(module, shift):
    with pytest.raises(AssertionError, match=r"copy wrote outside an array of \(8,\)"):
        module.get_function("copy")((1,), (8,), (vector(8), vector(8), np.int32(8), np.int32(shift)))


@pytest.mark.parametrize("where", [-1, 8])
def test_reading_outside_gives_nan(module, where):
    to = vector(2)
    module.get_function("look")((1,), (2,), (vector(8), to, np.int32(where)))
    assert np.isnan(to.get()).all()


def test_what_depends_on_the_order_of_threads_shows(module, monkeypatch):
    found = []
    for backwards in (False, True):
        monkeypatch.setattr(fakecuda, "backwards", backwards)
        to = vector(1)
        module.get_function("race")((1,), (3,), (to, np.int32(10)))
        found.append(to.get().item())
    assert found == [12, 210]


WRONG = {
    "int64 for int": (np.int64(8), vector, TypeError, "argument 2 is int64"),
    "a Python int": (8, vector, TypeError, "argument 2 is int, the parameter int32"),
    "float64": (np.int32(8), lambda n: fakegpu.zeros(n), TypeError, "argument 0 is float64"),
    "gaps": (np.int32(4), lambda n: vector(2 * n)[::2], TypeError, "argument 0 is float32, strides"),
}


@pytest.mark.parametrize("what", WRONG)
def test_arguments_that_do_not_fit_are_refused(module, what):
    count, make, error, told = WRONG[what]
    with pytest.raises(error, match=told):
        module.get_function("copy")((1,), (8,), (make(8), vector(8), count, np.int32(0)))


def test_arrays_that_overlap_are_refused(module):
    whole = vector(12)
    with pytest.raises(ValueError, match="argument 1 overlaps"):
        module.get_function("copy")((1,), (8,), (whole[:8], whole[4:], np.int32(8), np.int32(0)))


@pytest.mark.parametrize(("grid", "block"), [(0, 32), (1, 2048), (1 << 31, 1)])
def test_a_grid_that_no_device_takes_is_refused(module, grid, block):
    with pytest.raises(ValueError, match="a grid of"):
        module.get_function("copy")((grid,), (block,), (vector(8), vector(8), np.int32(8), np.int32(0)))


def test_a_source_that_does_not_compile_says_why():
    with pytest.raises(RuntimeError, match="undeclared"):
        fakegpu.RawModule(code='extern "C" __global__ void wrong(float* to) { to[0] = undeclared; }')
