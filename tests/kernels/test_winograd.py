"""Winograd's convolution against the op it must agree with, in float64, where that op does every product."""

import itertools

import numpy as np
import pytest

from minifcn import ops, parallel
from minifcn.backend import to_numpy
from minifcn.errors import ShapeError
from minifcn.kernels import winograd
from minifcn.ops.algorithm import choose
from minifcn.ops.geometry import conv_geometry

#: Ragged sizes: (N, C, H, W), output channels, padding. Tiles whole and cut on either side, one output, one channel,
#: pictures that lie within one tile, padding that a tile drowns in.
RAGGED = (
    ((1, 3, 13, 9), 5, (1, 1)),
    ((2, 5, 7, 12), 3, (0, 2)),
    ((3, 4, 4, 4), 2, (1, 1)),
    ((1, 2, 3, 3), 4, (0, 0)),
    ((2, 1, 30, 41), 7, (5, 3)),
    ((2, 3, 5, 6), 1, (9, 12)),
    ((5, 6, 8, 8), 6, (2, 0)),
    ((1, 2, 1, 11), 3, (1, 1)),
)
#: One layer of VGG16's deepest kind; (64, 64) is the smallest that "auto" gives to Winograd.
DEEP = ((1, 64, 30, 36), 64, (1, 1)), ((2, 160, 13, 17), 96, (1, 1))


def problem(rng, shape, outputs, padding):
    """x, w, b and dy in float32."""
    n, channels, height, width = shape
    x = rng.standard_normal(shape, dtype=np.float32)
    w = rng.standard_normal((outputs, channels, 3, 3), dtype=np.float32)
    b = rng.standard_normal(outputs, dtype=np.float32)
    dy = rng.standard_normal((n, outputs, height + 2 * padding[0] - 2, width + 2 * padding[1] - 2), dtype=np.float32)
    return x, w, b, dy


def results(algorithm, dtype, padding, x, w, b, dy, xp=np):
    """y, dx, dw and db by one algorithm, in one dtype."""
    x, w, b, dy = (xp.asarray(a.astype(dtype)) for a in (x, w, b, dy))
    y, cache = ops.conv2d(x, w, b, padding=padding, algorithm=algorithm)
    return [to_numpy(a) for a in (y, *ops.conv2d_backward(dy, cache))]


def largest_error(found, exact):
    """Of the largest value."""
    assert found.dtype == np.float32 and found.shape == exact.shape
    return np.abs(found - exact).max() / np.abs(exact).max()


@pytest.mark.parametrize("shape, outputs, padding", RAGGED + DEEP, ids=str)
def test_it_agrees_with_the_op(shape, outputs, padding, rng, xp):
    arrays = problem(rng, shape, outputs, padding)
    exact = results("im2col", np.float64, padding, *arrays)
    plain = results("im2col", np.float32, padding, *arrays)
    quick = results("winograd", np.float32, padding, *arrays, xp=xp)
    for name, e, p, q in zip(("y", "dx", "dw", "db"), exact, plain, quick, strict=True):
        print(f"{name}: of the largest value, im2col is off by {largest_error(p, e):.1e}, ", end="")
        print(f"Winograd by {largest_error(q, e):.1e}")
        assert largest_error(q, e) < 2e-5


@pytest.mark.parametrize("shape, outputs, padding", RAGGED, ids=str)
def test_wherever_bands_are_cut_the_result_is_the_same(shape, outputs, padding, rng, monkeypatch):
    """One row of tiles a band, one lane or the sums by point: all that large nets do, on small pictures."""
    arrays = problem(rng, shape, outputs, padding)
    exact = results("im2col", np.float64, padding, *arrays)
    for least, lane_bytes in itertools.product((1, 7), (0, 1 << 25)):
        monkeypatch.setattr(winograd, "BAND_BYTES", 1)
        monkeypatch.setattr(winograd, "SUM_BYTES", 1)
        monkeypatch.setattr(winograd, "LEAST_TILES", least)
        monkeypatch.setattr(winograd, "LANE_BYTES", lane_bytes)
        for found, expected in zip(results("winograd", np.float32, padding, *arrays), exact, strict=True):
            assert largest_error(found, expected) < 2e-5


def test_the_bands_are_all_tiles_once():
    for n, high, wide, budget in itertools.product((1, 2, 5), (1, 3, 9), (1, 4), (1, 20_000, 1 << 22)):
        y = np.empty((n, 2, 4 * high - 1, 4 * wide), np.float32)
        seen = np.zeros((n, high), int)
        for band in winograd._bands(y, 64, budget):
            seen[band.images, band.rows] += 1
            assert band.tiles == seen[band.images, band.rows].size * wide
        assert (seen == 1).all()


@pytest.mark.parametrize("lane_bytes", [0, 1 << 25])
def test_bits_do_not_depend_on_threads(rng, monkeypatch, lane_bytes):
    monkeypatch.setattr(winograd, "LANE_BYTES", lane_bytes)
    monkeypatch.setattr(winograd, "BAND_BYTES", 1 << 16)
    monkeypatch.setattr(winograd, "LEAST_TILES", 8)
    arrays = problem(rng, (2, 9, 45, 31), 7, (1, 1))
    before = None
    for threads in (1, 2, 5):
        parallel.set_threads(threads)
        found = results("winograd", np.float32, (1, 1), *arrays)
        before = before or found
        for a, b in zip(found, before, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_rectified_convolution_is_relu_of_it(rng, xp):
    x, w, b, _ = problem(rng, (2, 5, 11, 14), 6, (1, 1))
    x[0, 0, 0, 0] = np.nan  # stays one
    x, w, b = (xp.asarray(a) for a in (x, w, b))
    y = to_numpy(ops.conv2d(x, w, b, padding=1, algorithm="winograd")[0])
    assert np.isnan(y).any()
    rectified, _ = ops.conv2d(x, w, b, padding=1, algorithm="winograd", rectify=True)
    np.testing.assert_array_equal(to_numpy(rectified), np.maximum(y, 0))


def test_without_a_bias(rng):
    x, w, b, _ = problem(rng, (1, 5, 11, 14), 6, (1, 1))
    y, _ = ops.conv2d(x, w, None, padding=1, algorithm="winograd")
    biased, _ = ops.conv2d(x, w, b, padding=1, algorithm="winograd")
    np.testing.assert_allclose(biased - y, np.broadcast_to(b[:, None, None], y.shape[1:])[None], rtol=0, atol=1e-4)


def test_a_nan_reaches_the_outputs_that_see_it_and_not_other_tiles(rng):
    x, w, b, _ = problem(rng, (1, 2, 20, 20), 3, (1, 1))
    x[0, 1, 9, 9] = np.nan
    plain, _ = ops.conv2d(x, w, b, padding=1, algorithm="im2col")
    quick, _ = ops.conv2d(x, w, b, padding=1, algorithm="winograd")
    assert np.isnan(quick[np.isnan(plain)]).all()
    assert not np.isnan(quick[..., 12:, :]).any() and not np.isnan(quick[..., :4, :]).any()


# --- which one is taken -----------------------------------------------------------------------------------------------


def chosen(channels, outputs, size, kernel=3, wanted="auto", images=1, dtype=np.float32, **window):
    options = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1, **window}
    geometry = conv_geometry("conv2d", kernel, *options.values())
    return choose(wanted, images, channels, outputs, size, geometry, np.dtype(dtype))


def test_large_layers_go_to_winograd():
    assert chosen(64, 64, (698, 698)) == chosen(512, 512, (44, 44)) == "winograd"


@pytest.mark.parametrize(
    "what",
    [
        {"channels": 3, "outputs": 64, "size": (698, 698)},  # too few channels
        {"channels": 512, "outputs": 21, "size": (64, 64)},
        {"channels": 512, "outputs": 512, "size": (14, 14)},  # too few tiles
        {"channels": 64, "outputs": 64, "size": (99, 99), "wanted": "im2col"},
        {"channels": 64, "outputs": 64, "size": (99, 99), "dtype": np.float64},
        {"channels": 64, "outputs": 64, "size": (99, 99), "kernel": 5, "wanted": "winograd"},
        {"channels": 64, "outputs": 64, "size": (99, 99), "stride": 2, "wanted": "winograd"},
        {"channels": 64, "outputs": 64, "size": (99, 99), "dilation": 2, "wanted": "winograd"},
        {"channels": 64, "outputs": 64, "size": (99, 99), "groups": 2, "wanted": "winograd"},
    ],
    ids=str,
)
def test_im2col_where_winograd_cannot_or_does_not_pay(what):
    assert chosen(**what) == "im2col"


def test_winograd_wherever_it_can_when_asked_for():
    assert chosen(3, 8, (5, 5), wanted="winograd") == "winograd"


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ShapeError, match="auto, im2col, winograd, got 'fft'"):
        chosen(3, 8, (5, 5), wanted="fft")
