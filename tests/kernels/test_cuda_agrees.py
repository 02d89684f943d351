"""The CUDA kernels agree with the operations that they are twins of: on a GPU, and compiled as C++ on the CPU."""

from __future__ import annotations

import weakref

import fakecuda
import fakegpu
import numpy as np
import pytest
import test_winograd

from minifcn import backend, ops, window
from minifcn.gradcheck import cases
from minifcn.kernels import cuda
from minifcn.kernels.cuda import columns, conv, launch
from minifcn.kernels.cuda import sum as sums
from minifcn.layers import Param
from minifcn.ops import bits
from minifcn.optim import MomentumSGD

#: What a kernel's own order of operations, and a GPU's fused multiply-add, may change, beside the largest value.
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-13}


def results(case, xp, dtype, seed=0):
    """y, or the loss, and the gradients of a case, on the host."""
    rng = np.random.default_rng(seed)
    arrays = [None if a is None else xp.asarray(a.astype(dtype)) for a in case.arrays(rng).values()]
    y, cache = case.function(xp)(*arrays)
    dy = xp.asarray(rng.normal(size=y.shape).astype(y.dtype))
    gradients = getattr(ops, f"{case.op}_backward")(dy, cache)
    return [backend.to_numpy(a) for a in (y, *gradients) if a is not None]


def assert_agree(found, expected, tolerance):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max(initial=0) * max(1, b.size**0.25))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", cases.CASES, ids=str)
def test_every_case_is_as_on_the_cpu(case, dtype, device):
    assert cuda.serves(device, np.dtype(dtype))
    assert_agree(results(case, device, dtype), results(case, np, dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("case", cases.CASES, ids=str)
def test_a_library_without_kernels_is_served_by_the_operation_itself(case, monkeypatch):
    monkeypatch.delattr(fakegpu, "RawModule", raising=False)
    assert not cuda.serves(fakegpu, np.dtype(np.float64))
    assert_agree(results(case, fakegpu, np.float64), results(case, np, np.float64), TOLERANCE[np.float64])


@pytest.mark.parametrize("case", cases.CASES, ids=str)
def test_counting_in_64_bits_changes_nothing(case, device, monkeypatch):
    narrow = results(case, device, np.float32)
    monkeypatch.setattr(launch, "WIDE_FROM", 1)
    for a, b in zip(results(case, device, np.float32), narrow, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", cases.CASES, ids=str)
def test_the_order_of_the_threads_changes_nothing(case, device, monkeypatch):
    """On a GPU two runs have the same bits; on the CPU even with all threads in reverse."""
    first = results(case, device, np.float32)
    monkeypatch.setattr(fakecuda, "backwards", True)
    for a, b in zip(results(case, device, np.float32), first, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("parts", [3, 40])
@pytest.mark.parametrize("case", cases.CONV + cases.CONV_TRANSPOSE, ids=str)
def test_a_convolution_in_many_bands_is_the_same(case, parts, device, monkeypatch):
    """Of some images, of rows of one image, of blocks of channels; most of them do not divide evenly."""
    monkeypatch.setattr(window, "GPU_BAND_BYTES", 8 * int(np.prod(case.shapes["x"])) * 9 // parts)
    assert_agree(results(case, device, np.float64), results(case, np, np.float64), TOLERANCE[np.float64])


@pytest.fixture
def live(monkeypatch):
    """The bytes that arrays of the stand-in hold together, at most so far: {"now", "peak"}."""
    held, known, make = {"now": 0, "peak": 0}, set(), fakegpu.ndarray.__init__

    def forget(where, size):
        known.remove(where)
        held["now"] -= size

    def counted(self, host):
        make(self, host)
        if host.base is None and id(host) not in known:
            known.add(id(host))
            weakref.finalize(host, forget, id(host), host.nbytes)
            held["now"] += host.nbytes
            held["peak"] = max(held.values())

    monkeypatch.setattr(fakegpu.ndarray, "__init__", counted)
    return held


@pytest.mark.skipif(not fakecuda.COMPILER, reason="no g++ to compile the CUDA sources as C++")
@pytest.mark.parametrize("algorithm", ["im2col", "winograd"])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_convolution_s_workspace_is_bounded(kernel, algorithm, live, monkeypatch):
    budget = 1 << 17
    monkeypatch.setattr(window, "GPU_BAND_BYTES", budget)
    shape, w = (2, 8, 60, 70), fakegpu.ones((6, 8, kernel, kernel), np.float32)
    x, b = fakegpu.ones(shape, np.float32), fakegpu.ones(6, np.float32)
    assert 8 * kernel**2 * 60 * 70 * 4 > 4 * budget
    start = live["now"]
    y, cache = ops.conv2d(x, w, b, padding=1, algorithm=algorithm)
    live["peak"] -= start
    # Beside the output, a band, rounded up to a row; and the weights, of which Winograd makes 36 numbers from 9.
    budget += (8 * kernel**2 + 6) * 4 * y.shape[3]
    assert y.nbytes < live["peak"] <= y.nbytes + budget + 4 * w.nbytes
    dy, start = fakegpu.ones(y.shape, np.float32), live["now"]
    live["peak"] = 0
    dx, dw, db = ops.conv2d_backward(dy, cache)
    live["peak"] -= start
    assert dx.nbytes < live["peak"] <= dx.nbytes + budget + 2 * 4 * w.nbytes + dw.nbytes + 2 * db.nbytes  # dw is summed


@pytest.mark.parametrize("case", cases.CONV[:8], ids=str)
def test_a_relu_taken_along(case, device, rng):
    arrays = [None if a is None else device.asarray(a) for a in case.arrays(rng).values()]
    y, _ = ops.conv2d(*arrays, **case.options)
    rectified, _ = ops.conv2d(*arrays, **case.options, rectify=True)
    expected = np.maximum(backend.to_numpy(y), 0)
    assert (expected == 0).any() and (expected > 0).any()
    np.testing.assert_allclose(backend.to_numpy(rectified), expected, rtol=1e-12)


@pytest.mark.parametrize("budget", [1 << 10, 1 << 28])
@pytest.mark.parametrize("shape, outputs, padding", test_winograd.RAGGED, ids=str)
def test_winograd_is_exact_in_float64(shape, outputs, padding, budget, device, rng, monkeypatch):
    """Where rounding hides nothing: every product of every tile, in one band or in many."""
    monkeypatch.setattr(window, "GPU_BAND_BYTES", budget)
    x, w, b, dy = (a.astype(np.float64) for a in test_winograd.problem(rng, shape, outputs, padding))
    y, cache = ops.conv2d(x, w, b, padding=padding)
    expected = y, np.maximum(y, 0), *ops.conv2d_backward(dy, cache)[:2]
    x, w, b, dy = (device.asarray(a) for a in (x, w, b, dy))
    y, rectified, dx = device.empty(y.shape), device.empty(y.shape), device.empty(x.shape)
    cuda.winograd.correlate(x, w, b, padding, y)
    cuda.winograd.correlate(x, w, b, padding, rectified, rectify=True)
    cuda.winograd.correlate_adjoint(dy, w, padding, dx)
    found = y, rectified, dx, cuda.winograd.correlate_weight(x, dy, padding)
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(backend.to_numpy(a), e, rtol=0, atol=1e-13 * np.abs(e).max())


@pytest.mark.parametrize("change", ["wide", "backwards"])
@pytest.mark.parametrize("shape, outputs, padding", test_winograd.RAGGED[:5], ids=str)
def test_winograd_has_the_same_bits(shape, outputs, padding, change, device, rng, monkeypatch):
    arrays = test_winograd.problem(rng, shape, outputs, padding)
    first = test_winograd.results("winograd", np.float32, padding, *arrays, xp=device)
    monkeypatch.setattr(*((launch, "WIDE_FROM", 1) if change == "wide" else (fakecuda, "backwards", True)))
    for a, b in zip(test_winograd.results("winograd", np.float32, padding, *arrays, xp=device), first, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_bit_an_element(device, rng):
    y, dy = rng.normal(size=(2, 3, 5, 7)), rng.normal(size=(2, 3, 5, 7))  # 210: the last byte is not full
    expected = bits.positive_bits(y)
    found = bits.positive_bits(device.asarray(y))
    np.testing.assert_array_equal(backend.to_numpy(found.bits), expected.bits)
    (dx,) = bits.relu_backward_of_bits(device.asarray(dy), found)
    np.testing.assert_array_equal(backend.to_numpy(dx), dy * (y > 0))


DEPTHWISE = (
    ((2, 3, 7, 8), (3, 1, 3, 2), {"stride": (2, 3), "padding": (1, 0), "dilation": (2, 1)}),
    ((1, 5, 6, 9), (5, 1, 4, 4), {"stride": 2, "padding": 3}),
    ((2, 2, 5, 4), (2, 1, 1, 1), {}),
)


@pytest.mark.parametrize("x, w, options", DEPTHWISE, ids=str)
def test_channels_that_are_convolved_alone(x, w, options, device, monkeypatch):
    """Without columns; with a bias, rectified and not; the gradient of the input included."""
    case = cases.Case("conv2d", "depthwise", {"x": x, "w": w, "b": w[:1]}, {"groups": w[0], **options})
    relu = cases.Case("conv2d", "rectified", case.shapes, {**case.options, "rectify": True})
    expected = [results(each, np, np.float64) for each in (case, relu)]
    monkeypatch.setattr(conv, "im2col", None)
    monkeypatch.setattr(conv, "col2im", None)
    for each, e in zip((case, relu), expected, strict=True):
        rng = np.random.default_rng(0)
        arrays = [device.asarray(a) for a in each.arrays(rng).values()]
        y, cache = each.function(device)(*arrays)
        dx, *_ = ops.conv2d_backward(device.asarray(rng.normal(size=y.shape)), cache, (True, False, False))
        assert_agree([backend.to_numpy(y), backend.to_numpy(dx)], e[:2], TOLERANCE[np.float64])


@pytest.mark.parametrize(("decay_mult", "lr_mult"), [(1.0, 1.0), (0.0, 2.0)])
def test_sgd_is_as_on_the_cpu(decay_mult, lr_mult, device, rng):
    start, gradients = rng.normal(size=(5, 7)).astype(np.float32), rng.normal(size=(3, 5, 7)).astype(np.float32)
    found = []
    for xp in (np, device):
        w = Param(xp.asarray(start.copy()), lr_mult, decay_mult)
        sgd = MomentumSGD({"w": w}, lr=0.1, momentum=0.9, weight_decay=0.05, iter_size=2)
        for gradient in gradients:
            w.grad = xp.asarray(gradient)
            sgd.step()
        found.append([backend.to_numpy(w.data), *sgd.state_dict().values()])
    assert not np.allclose(found[0][0], start, rtol=0.05)
    assert_agree(found[1], found[0], TOLERANCE[np.float32])


def test_col2im_is_the_adjoint_that_window_has(device, rng):
    values, stride, padding, dilation = rng.normal(size=(3, 3, 2, 2, 4, 5)), (2, 3), (1, -1), (2, 1)
    expected = np.zeros((3, 2, 11, 18))
    window.col2im(values, expected, stride, padding, dilation, slice(0, 4))
    x = device.asarray(np.full((2, 5, 11, 18), 7.0))
    columns.col2im(device.asarray(values), x, stride, padding, dilation, device.asarray(np.arange(5.0)), 1)
    found = backend.to_numpy(x)
    assert (found[:, [0, 4]] == 7).all()
    bias = np.arange(1.0, 4.0)[:, None, None, None]
    np.testing.assert_allclose(found[:, 1:4].swapaxes(0, 1), expected + bias, rtol=1e-13)


def test_a_window_of_nothing_but_nan_or_infinity(device):
    """As in `max_pool2d`: NaN stays, and the gradient goes to the first pixel, or to what came before a NaN."""
    x = np.full((1, 1, 4, 6), -np.inf)
    x[0, 0, :2, 2:4] = [[1, np.nan], [5, 2]]
    x[0, 0, :2, 4:] = np.nan
    expected, expected_cache = ops.max_pool2d(x, 2)
    y, cache = ops.max_pool2d(device.asarray(x), 2)
    np.testing.assert_array_equal(backend.to_numpy(y), expected)
    np.testing.assert_array_equal(backend.to_numpy(cache.winner), expected_cache.winner)


def test_scores_that_are_huge_infinite_or_nan(device, rng):
    """Huge ones are no reason for NaN; a pixel that does not count is none, whatever its scores."""
    scores = (1e4 * rng.normal(size=(2, 3, 4, 5))).astype(np.float32)
    labels = rng.integers(0, 3, (2, 4, 5)).astype(np.uint8)
    scores[0, 1, 2, 3], scores[1, 0, 0, 0], scores[1, :, 1, 1] = np.inf, np.nan, -np.inf
    for ignored in (True, False):
        labels[0, 2, 3] = labels[1, 0, 0] = labels[1, 1, 1] = 255 if ignored else 0
        loss, cache = ops.softmax_cross_entropy(scores, labels)
        expected = [loss, *ops.softmax_cross_entropy_backward(0.5, cache)]
        loss, cache = ops.softmax_cross_entropy(device.asarray(scores), device.asarray(labels))
        found = [backend.to_numpy(a) for a in (loss, *ops.softmax_cross_entropy_backward(0.5, cache))]
        assert np.isfinite(found[0]) == np.isfinite(found[1]).all() == ignored
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 256, 70_001])
def test_sums_of_many_rounds(size, device, rng):
    values = rng.normal(size=size)
    found = backend.to_numpy(sums.total(device.asarray(values)))
    assert found.shape == () and found == pytest.approx(values.sum(), rel=1e-12)
    for dtype in TOLERANCE:
        found = backend.to_numpy(cuda.sum_of_squares(device.asarray(values.astype(dtype))))
        assert found.dtype == np.float64 and found == pytest.approx((values.astype(dtype) ** 2.0).sum(), rel=1e-6)


def test_other_dtypes_go_without_kernels(device):
    assert not cuda.serves(device, np.dtype(np.float16))
    assert not cuda.serves(np, np.dtype(np.float32))
    y, _ = ops.max_pool2d(device.asarray(np.arange(16, dtype=np.float16).reshape(1, 1, 4, 4)), 2)
    assert backend.to_numpy(y).ravel().tolist() == [5, 7, 13, 15]


def test_views_are_copied_before_a_kernel_sees_them(device, rng):
    """The parts of a concatenation's gradient are views with gaps."""
    whole = rng.normal(size=(2, 6, 4, 5))
    part = device.asarray(whole)[:, 1:4]
    for found, expected in zip(
        (ops.relu_backward(part, part)[0], ops.max_pool2d(part, 2)[0], ops.local_response_norm(part)[0]),
        (ops.relu_backward(whole[:, 1:4], whole[:, 1:4])[0], ops.max_pool2d(whole[:, 1:4], 2)[0],
         ops.local_response_norm(whole[:, 1:4])[0]),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(backend.to_numpy(found), expected, rtol=1e-12)
