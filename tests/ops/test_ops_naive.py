"""Convolution and pooling against loops that spell out their definitions, and the relations between the operations."""

import doctest
import importlib
import itertools

import numpy as np
import pytest

from minifcn import ops, window
from minifcn.backend import to_numpy
from minifcn.gradcheck import cases
from minifcn.layers import Add
from minifcn.ops import conv
from minifcn.ops.conv import ConvCache


def small(op):
    return [case for case in cases.of(op) if all(s is None or np.prod(s) <= 400 for s in case.shapes.values())]


def pairs(options, *names):
    """Options as (vertical, horizontal) pairs."""
    return [window.pair(options.get(name, default), name, least=0) for name, default in names]


def windows(shape, out, kernel, stride, padding, dilation=(1, 1)):
    """(output row, column, tap row, column, input row, column) for every tap that lies inside the picture."""
    for p, q, i, j in itertools.product(*map(range, (*out, *kernel))):
        u = stride[0] * p + dilation[0] * i - padding[0]
        v = stride[1] * q + dilation[1] * j - padding[1]
        if 0 <= u < shape[2] and 0 <= v < shape[3]:
            yield p, q, i, j, u, v


@pytest.mark.parametrize("case", small("conv2d"), ids=str)
def test_conv2d_is_its_definition(case, rng):
    x, w, b = case.arrays(rng).values()
    y, _ = case.function(np)(x, w, b)
    stride, padding, dilation = pairs(case.options, ("stride", 1), ("padding", 0), ("dilation", 1))
    groups = case.options.get("groups", 1)
    expected = np.zeros(y.shape) + (0 if b is None else b[:, None, None])
    for o in range(w.shape[0]):
        first = o // (w.shape[0] // groups) * w.shape[1]  # of the group's input channels
        for p, q, i, j, u, v in windows(x.shape, y.shape[2:], w.shape[2:], stride, padding, dilation):
            for c in range(w.shape[1]):
                expected[:, o, p, q] += w[o, c, i, j] * x[:, first + c, u, v]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", small("conv_transpose2d"), ids=str)
def test_conv_transpose2d_stamps_its_kernel(case, rng):
    x, w, b = case.arrays(rng).values()
    y, _ = case.function(np)(x, w, b)
    stride, padding = pairs(case.options, ("stride", 1), ("padding", 0))
    groups = case.options.get("groups", 1)
    expected = np.zeros(y.shape) + (0 if b is None else b[:, None, None])
    for c in range(x.shape[1]):
        first = c // (x.shape[1] // groups) * w.shape[1]  # of the group's output channels
        for u, v, i, j, p, q in windows(y.shape, x.shape[2:], w.shape[2:], stride, padding):
            for o in range(w.shape[1]):
                expected[:, first + o, p, q] += w[c, o, i, j] * x[:, c, u, v]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
def test_pooling_is_its_definition(op, rng):
    for case in small(op):
        (x,) = case.arrays(rng).values()
        y, _ = case.function(np)(x)
        kernel, stride, padding, dilation = pairs(
            case.options, ("kernel_size", 1), ("stride", case.options["kernel_size"]), ("padding", 0), ("dilation", 1)
        )
        outside = -np.inf if op == "max_pool2d" else 0
        padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)), constant_values=outside)
        for p, q in itertools.product(*map(range, y.shape[2:])):
            u, v = stride[0] * p, stride[1] * q
            reach = u + dilation[0] * kernel[0], v + dilation[1] * kernel[1]
            seen = padded[:, :, u : reach[0] : dilation[0], v : reach[1] : dilation[1]]  # numpy clips what sticks out
            expected = seen.max(axis=(2, 3)) if op == "max_pool2d" else seen.mean(axis=(2, 3))
            np.testing.assert_allclose(y[:, :, p, q], expected, rtol=0, atol=1e-14, err_msg=str(case))


def test_caffe_rounds_up_and_drops_a_window_that_starts_in_the_padding():
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    assert ops.max_pool2d(x, 2)[0][0, 0].tolist() == [[6, 8], [16, 18]]
    assert ops.max_pool2d(x, 2, ceil_mode=True)[0][0, 0].tolist() == [[6, 8, 9], [16, 18, 19], [21, 23, 24]]
    # n = 3, k = 2, s = 2, p = 1: ceil(3 / 2) + 1 = 3 windows, the third at 4 - 1 = 3 = n, in the padding: 2 remain.
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    assert ops.max_pool2d(x, 2, padding=1, ceil_mode=True)[0][0, 0].tolist() == [[0, 2], [6, 8]]
    # The same windows, averaged: the corner window holds one pixel and three zeros of padding.
    assert ops.avg_pool2d(x, 2, padding=1, ceil_mode=True)[0][0, 0].tolist() == [[0, 0.75], [2.25, 6]]


def test_max_pool_of_negative_numbers_does_not_see_zeros_in_the_padding():
    y, cache = ops.max_pool2d(-np.ones((1, 1, 3, 3)), 3, stride=1, padding=1)
    assert (y == -1).all()
    (dx,) = ops.max_pool2d_backward(np.ones_like(y), cache)
    assert dx.sum() == y.size  # no gradient is lost in the padding


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_a_window_without_a_number_gives_its_gradient_to_its_first_pixel_not_to_the_padding(xp, value):
    _, cache = ops.max_pool2d(xp.asarray(np.full((1, 1, 4, 5), value)), (2, 3), stride=(2, 2), padding=1)
    dy = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)  # (3, 3) windows, from row -1, 1, 3 and column -1, 1, 3
    (dx,) = ops.max_pool2d_backward(xp.asarray(dy), cache)
    expected = [[1, 2, 0, 3, 0], [4, 5, 0, 6, 0], [0, 0, 0, 0, 0], [7, 8, 0, 9, 0]]
    assert to_numpy(dx)[0, 0].tolist() == expected


@pytest.mark.parametrize("coefficients", [(2.0, -1.0), [2, -1], np.array([2.0, -1.0])])
def test_coefficients_of_a_sum_may_be_any_sequence(coefficients):
    x = np.ones((1, 2, 3, 4), np.float32)
    y, cache = ops.add(x, 3 * x, coefficients=coefficients)
    assert (y == -1).all() and y.dtype == np.float32  # a NumPy scalar of float64 would have made it float64
    layer = Add(coefficients=coefficients)
    assert layer.out_shape(x.shape, x.shape) == x.shape and layer.describe() == "2 -1"
    assert (layer.forward(x, 3 * x) == y).all()
    assert [float(dx[0, 0, 0, 0]) for dx in ops.add_backward(x, cache)] == [2, -1]


def test_of_equal_values_the_first_in_scan_order_wins(xp):
    _, cache = ops.max_pool2d(xp.asarray(np.ones((1, 1, 2, 4))), 2)
    (dx,) = ops.max_pool2d_backward(xp.asarray(np.array([[[[3.0, 5.0]]]])), cache)
    assert to_numpy(dx)[0, 0].tolist() == [[3, 0, 5, 0], [0, 0, 0, 0]]


def test_max_pool_passes_a_nan_on(xp):
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = np.nan
    y = to_numpy(ops.max_pool2d(xp.asarray(x), 2)[0])[0, 0]
    assert np.isnan(y[0, 0])
    assert y[1].tolist() == [13, 15]


def test_relu_has_no_gradient_at_zero_and_passes_a_nan_on(xp):
    y, cache = ops.relu(xp.asarray(np.array([-1.0, -0.0, 0.0, 2.0, np.nan])))
    np.testing.assert_array_equal(to_numpy(y), [0, 0, 0, 2, np.nan])
    (dx,) = ops.relu_backward(xp.asarray(np.full(5, 3.0)), cache)
    assert to_numpy(dx)[:4].tolist() == [0, 0, 0, 3]


# --- adjoints: <A x, y> = <x, A* y> for every x and y -----------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in cases.of("conv_transpose2d") if c.shapes["b"] is None], ids=str)
def test_conv_transpose2d_is_the_adjoint_of_conv2d(case, xp, rng):
    x, w, _ = case.arrays(rng).values()
    up, _ = case.function(xp)(xp.asarray(x), xp.asarray(w))
    z = rng.normal(size=up.shape)
    options = {key: v for key, v in case.options.items() if key != "output_padding"}
    down, _ = ops.conv2d(xp.asarray(z), xp.asarray(w), **options)
    left, right = (to_numpy(up) * z).sum(), (x * to_numpy(down)).sum()
    assert left == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("case", cases.of("conv2d"), ids=str)
def test_the_input_gradient_is_col2im_of_the_weights_times_dy(case, rng):
    """`_scatter` gathers by phases of the stride; the textbook multiplies and adds columns back. They agree."""
    x, w, b = case.arrays(rng).values()
    y, cache = case.function(np)(x, w, b)
    dy = rng.normal(size=y.shape)
    dx, _, _ = ops.conv2d_backward(dy, cache)
    kernel, stride, padding, dilation, groups = cache.geometry
    expected = np.zeros(x.shape)
    inputs, outputs = x.shape[1] // groups, w.shape[0] // groups
    for g in range(groups):
        weights = w[g * outputs : (g + 1) * outputs].reshape(outputs, -1)
        upstream = dy[:, g * outputs : (g + 1) * outputs].swapaxes(0, 1).reshape(outputs, -1)  # (O, N * OH * OW)
        cols = (weights.T @ upstream).reshape(inputs, *kernel, x.shape[0], *y.shape[2:])
        target = expected[:, g * inputs : (g + 1) * inputs].swapaxes(0, 1)
        window.col2im(cols, target, stride, padding, dilation, slice(0, y.shape[2]))
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-11)


def test_average_pooling_is_a_depthwise_convolution(xp, rng):
    x = xp.asarray(rng.normal(size=(2, 3, 7, 9)))
    ours, _ = ops.avg_pool2d(x, (3, 2), stride=2, padding=1)
    same, _ = ops.conv2d(x, xp.asarray(np.full((3, 1, 3, 2), 1 / 6)), stride=2, padding=1, groups=3)
    np.testing.assert_allclose(to_numpy(ours), to_numpy(same), atol=1e-14)


def test_a_group_is_a_convolution_of_its_own_channels(xp, rng):
    x, w = rng.normal(size=(2, 6, 5, 7)), rng.normal(size=(4, 3, 3, 3))
    whole, _ = ops.conv2d(xp.asarray(x), xp.asarray(w), padding=1, groups=2)
    for g in range(2):
        part, _ = ops.conv2d(xp.asarray(x[:, 3 * g : 3 * g + 3]), xp.asarray(w[2 * g : 2 * g + 2]), padding=1)
        np.testing.assert_array_equal(to_numpy(whole)[:, 2 * g : 2 * g + 2], to_numpy(part))


# --- what callers may hand over ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("needs", list(itertools.product([True, False], repeat=3)), ids=str)
@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d"])
def test_only_the_gradients_that_are_needed_are_computed(op, needs, xp, rng):
    x, w, b = (xp.asarray(rng.normal(size=s)) for s in ((2, 3, 5, 7), (3, 3, 2, 2), (3,)))
    y, cache = getattr(ops, op)(x, w, b, stride=2)
    dy = xp.asarray(rng.normal(size=y.shape))
    backward = getattr(ops, f"{op}_backward")
    for needed, some, all_of_them in zip(needs, backward(dy, cache, needs), backward(dy, cache), strict=True):
        if needed:
            np.testing.assert_array_equal(to_numpy(some), to_numpy(all_of_them))
        else:
            assert some is None


@pytest.mark.parametrize("case", [c for c in cases.CASES if "larger" not in c.name], ids=str)
def test_views_are_as_good_as_copies_and_nothing_is_written_into(case, rng):
    """Inputs and upstream gradients with strides of every kind give the same bits; inputs stay as they were."""
    arrays = case.arrays(rng)
    copies = list(arrays.values())
    views = [None if a is None else np.stack([a.T, a.T])[1].T for a in copies]  # Fortran order, inside a larger array
    y, cache = case.function(np)(*copies)
    again, cache_of_views = case.function(np)(*views)
    np.testing.assert_array_equal(y, again)
    dy = np.asarray(rng.normal(size=y.shape))
    frozen = dy.copy()
    backward = getattr(ops, f"{case.op}_backward")
    straight, strided = backward(dy, cache), backward(np.stack([dy.T, dy.T])[1].T, cache_of_views)
    for a, b in zip(straight, strided, strict=True):
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(a).max()))
    np.testing.assert_array_equal(dy, frozen)
    for before, after, view in zip(case.arrays(np.random.default_rng(20150608)).values(), copies, views, strict=True):
        if before is not None:
            np.testing.assert_array_equal(before, after)
            np.testing.assert_array_equal(before, view)


def test_outputs_are_copies_of_what_they_were_taken_from():
    """An op whose output shares memory with its input would let a later step change what a cache holds."""
    x = np.ones((1, 2, 4, 4))
    for y in (ops.crop(x, (1, 1), (2, 2))[0], ops.add(x)[0], ops.scale(x, 1.0)[0], ops.concat(x)[0], ops.relu(x)[0]):
        assert not np.shares_memory(x, y)


@pytest.mark.parametrize("name", ["conv", "pool", "pointwise", "norm", "loss"])
def test_the_examples_run(name):
    assert doctest.testmod(importlib.import_module(f"minifcn.ops.{name}")).failed == 0


def test_a_cache_serves_more_than_one_backward_pass(rng):
    for case in cases.CONV[:4] + cases.LOSS[:2] + cases.POINTWISE:
        y, cache = case.function(np)(*case.arrays(rng).values())
        dy = np.asarray(rng.normal(size=y.shape))
        backward = getattr(ops, f"{case.op}_backward")
        for a, b in zip(backward(dy, cache), backward(dy, cache), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(case))


def test_the_cache_of_a_convolution_holds_its_input_and_no_columns(rng):
    x, w = rng.normal(size=(1, 3, 8, 9)), rng.normal(size=(4, 3, 3, 3))
    _, cache = ops.conv2d(x, w)
    assert isinstance(cache, ConvCache)
    assert cache.x is x and cache.w is w


@pytest.mark.parametrize("case", cases.of("conv2d"), ids=str)
def test_a_rectified_convolution_is_relu_of_it(case, rng, xp):
    arrays = case.arrays(rng)
    arrays["x"].flat[0] = np.nan  # stays one
    arrays = [None if a is None else xp.asarray(a) for a in arrays.values()]
    plain, _ = case.function(xp)(*arrays)
    rectified, _ = ops.conv2d(*arrays, **case.options, rectify=True)
    np.testing.assert_array_equal(to_numpy(rectified), np.maximum(to_numpy(plain), 0))


@pytest.mark.parametrize("options", [{"stride": 1}, {"stride": 2}, {"dilation": 2}], ids=str)
def test_stamping_agrees_with_gathering(options, rng, monkeypatch):
    """Two ways to the input gradient: which one is taken follows from how large the kernel is beside the picture."""
    x, w = rng.normal(size=(2, 5, 9, 8)), rng.normal(size=(4, 5, 4, 3))
    y, cache = ops.conv2d(x, w, **options)
    dy = rng.normal(size=y.shape)
    taken = []
    stamp = conv._stamp
    monkeypatch.setattr(conv, "_stamp", lambda *args: taken.append(1) or stamp(*args))
    dx, _, _ = ops.conv2d_backward(dy, cache)
    assert taken
    monkeypatch.setattr(conv, "prod", lambda values: 10**9)  # never
    gathered, _, _ = ops.conv2d_backward(dy, cache)
    assert len(taken) == 1
    np.testing.assert_allclose(dx, gathered, rtol=0, atol=1e-12)
