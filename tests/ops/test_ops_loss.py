"""The loss on pixels that do not count, on hopeless scores, and by hand."""

import fakegpu
import numpy as np
import pytest

from minifcn import ops
from minifcn.backend import to_numpy
from minifcn.errors import DataError
from minifcn.gradcheck.cases import CASES

LABELS = np.array([[[0, 1, 2], [255, 1, 0]]], np.uint8)


def run(xp, scores, labels=LABELS, dy=1.0, **options):
    loss, cache = ops.softmax_cross_entropy(xp.asarray(scores), xp.asarray(labels), **options)
    (dscores,) = ops.softmax_cross_entropy_backward(dy, cache)
    return float(loss), to_numpy(dscores)


def test_equal_scores_cost_log_c_a_pixel(xp):
    loss, dscores = run(xp, np.zeros((1, 3, 2, 3)))
    assert loss == pytest.approx(5 * np.log(3))
    np.testing.assert_allclose(dscores[0, :, 0, 1], [1 / 3, 1 / 3 - 1, 1 / 3])
    assert run(xp, np.zeros((1, 3, 2, 3)), reduction="mean")[0] == pytest.approx(np.log(3))


def test_class_weights_weigh_and_the_mean_divides_by_their_sum(xp):
    weights = xp.asarray(np.array([1.0, 10.0, 0.0]))  # labels 0, 1, 2, 1, 0 weigh 1 + 10 + 0 + 10 + 1 = 22
    assert run(xp, np.zeros((1, 3, 2, 3)), class_weights=weights)[0] == pytest.approx(22 * np.log(3))
    assert run(xp, np.zeros((1, 3, 2, 3)), class_weights=weights, reduction="mean")[0] == pytest.approx(np.log(3))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_picture_that_is_all_ignored_costs_nothing(xp, reduction, rng):
    loss, dscores = run(xp, rng.normal(size=(1, 3, 2, 3)), np.full((1, 2, 3), 255, np.uint8), reduction=reduction)
    assert loss == 0
    assert not dscores.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_what_stands_in_an_ignored_pixel_does_not_leak(xp, bad, reduction, rng):
    scores = rng.normal(size=(1, 3, 2, 3))
    expected = run(xp, scores, reduction=reduction)
    scores[0, 1, 1, 0] = bad  # the pixel labelled 255
    loss, dscores = run(xp, scores, reduction=reduction)
    assert loss == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(dscores, expected[1], rtol=1e-14)
    assert not dscores[0, :, 1, 0].any()


def test_a_nan_in_a_pixel_that_counts_is_not_hidden(xp):
    scores = np.zeros((1, 3, 2, 3))
    scores[0, 0, 0, 0] = np.nan
    assert np.isnan(run(xp, scores)[0])


def test_scores_of_thousands_neither_overflow_nor_lose_the_loss(xp):
    scores = np.zeros((1, 3, 2, 3), np.float32)
    scores[:, 2] = 5000
    loss, dscores = run(xp, scores)
    assert loss == pytest.approx(4 * 5000)  # four pixels count and want another class
    assert np.isfinite(dscores).all()


def test_a_float32_loss_over_many_pixels_is_summed_in_float64():
    """A quarter of a million equal terms: a running float32 sum would be off in the fifth digit."""
    scores, labels = np.zeros((1, 3, 500, 500), np.float32), np.zeros((1, 500, 500), np.uint8)
    assert run(np, scores, labels)[0] == pytest.approx(250_000 * float(np.log(np.float32(3))), rel=1e-7)


@pytest.mark.parametrize("spread", [0.0, 1.0, 20.0, 1e4])
@pytest.mark.parametrize("lead", [0, 10, 20])
def test_a_float32_loss_is_that_of_float64_however_sure_the_scores_are(xp, spread, lead, rng):
    """Over 250,000 pixels, to 1e-6. A sure pixel's loss is the sum of tiny terms beside a 1, which float32 forgets."""
    scores = rng.normal(0, spread, (1, 3, 500, 500)).astype(np.float32)
    labels = rng.integers(0, 3, (1, 500, 500)).astype(np.uint8)
    np.put_along_axis(scores, labels[:, None], scores.max(axis=1, keepdims=True) + np.float32(lead), axis=1)
    expected = run(np, scores.astype(np.float64), labels)[0]
    assert run(xp, scores, labels)[0] == pytest.approx(float(expected), rel=1e-6)


def test_scores_as_large_as_float32_has_them(xp):
    scores = np.zeros((1, 3, 2, 3), np.float32)
    scores[:, 0], scores[:, 1] = np.finfo(np.float32).max, -np.finfo(np.float32).max
    loss, dscores = run(xp, scores, np.zeros((1, 2, 3), np.uint8))
    assert loss == 0 and not dscores.any()
    loss, dscores = run(xp, scores, np.ones((1, 2, 3), np.uint8))
    assert loss == pytest.approx(6 * 2 * float(np.finfo(np.float32).max)) and np.abs(dscores).max() == 1


def test_nothing_waits_for_the_device_but_the_check_of_the_labels(rng):
    """A transfer to the host inside a step would stall a GPU."""
    for case in CASES:
        arrays = [None if a is None else fakegpu.asarray(a) for a in case.arrays(rng).values()]
        function = case.function(fakegpu)
        fakegpu.transfers.reset()
        y, cache = function(*arrays)
        getattr(ops, f"{case.op}_backward")(fakegpu.ones(y.shape, y.dtype), cache)
        looks = 2 if case.op == "softmax_cross_entropy" else 0  # at the labels, and at class weights if there are any
        assert fakegpu.transfers.to_host <= looks, str(case)
    scores, labels = fakegpu.zeros((1, 3, 2, 3)), fakegpu.asarray(LABELS)
    fakegpu.transfers.reset()
    ops.softmax_cross_entropy(scores, labels, check_labels=False)
    assert fakegpu.transfers.to_host == 0


def test_dropout_draws_the_same_elements_on_every_backend_and_keeps_the_mean(xp):
    x = np.ones((4, 5, 40, 50), np.float32)
    y = to_numpy(ops.dropout(xp.asarray(x), 0.25, np.random.default_rng(1))[0])
    kept = np.random.default_rng(1).random(x.shape, dtype=np.float32) >= 0.25
    np.testing.assert_array_equal(y, kept * np.float32(1 / 0.75))
    assert y.dtype == np.float32
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_dropout_without_a_generator_passes_everything(xp):
    x = xp.asarray(np.arange(6.0).reshape(1, 1, 2, 3))
    y, cache = ops.dropout(x, 0.5, None)
    assert y is x
    assert ops.dropout_backward(x, cache)[0] is x


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_class_weights_below_zero_or_nan_are_refused(bad):
    """They would count as 'not at all', and the loss would be a silent 0."""
    with pytest.raises(DataError, match="class weights must be 0 or more"):
        ops.softmax_cross_entropy(np.zeros((1, 3, 2, 2)), np.zeros((1, 2, 2), int), class_weights=np.full(3, bad))
