"""Caffe's momentum against numbers worked out by hand, and clipping of the norm."""

from __future__ import annotations

import fakegpu
import numpy as np
import pytest

from minifcn import backend, parallel
from minifcn.errors import CheckpointError, ConfigError
from minifcn.layers import Param
from minifcn.optim import MomentumSGD, clip_gradients


def param(xp, values, dtype=np.float64, grad=None, **multipliers) -> Param:
    made = Param(xp.asarray(np.array(values, dtype)), **multipliers)
    if grad is not None:
        made.grad = xp.asarray(np.array(grad, dtype))
    return made


def test_three_steps_by_hand_with_a_learning_rate_that_falls(xp):
    """V <- 0.9 V + lr (g + 0.1 w), w <- w - V; the bias has lr_mult 2 and decay_mult 0."""
    w, b = param(xp, [1.0]), param(xp, [1.0], lr_mult=2.0, decay_mult=0.0)
    sgd = MomentumSGD({"w": w, "b": b}, lr=0.1, momentum=0.9, weight_decay=0.1)
    by_hand = [
        # lr, g,  V of w, w,                V of b, b
        (0.1, 0.5, 0.06, 0.94, 0.1, 0.9),  # 0.1 (0.5 + 0.1);            0.2 0.5
        (0.1, 0.2, 0.0834, 0.8566, 0.13, 0.77),  # 0.054 + 0.1 (0.2 + 0.094);  0.09 + 0.2 0.2
        # lr falls: PyTorch, with lr outside V, would go to 0.8582374 here
        (0.01, -1.0, 0.0659166, 0.7906834, 0.097, 0.673),  # 0.07506 + 0.01 (-1 + 0.08566);  0.117 - 0.02
    ]
    for lr, g, v_w, after_w, v_b, after_b in by_hand:
        sgd.lr = lr
        w.grad, b.grad = xp.asarray(np.array([g])), xp.asarray(np.array([g]))
        sgd.step()
        velocity = sgd.state_dict()
        got = [velocity["w"][0], backend.to_numpy(w.data)[0], velocity["b"][0], backend.to_numpy(b.data)[0]]
        np.testing.assert_allclose(got, [v_w, after_w, v_b, after_b], rtol=1e-14)


def test_what_is_fixed_or_has_no_gradient_stays(xp):
    fixed, waiting = param(xp, [1.0], grad=[5.0], lr_mult=0.0), param(xp, [1.0])
    sgd = MomentumSGD({"fixed": fixed, "waiting": waiting}, lr=0.1, weight_decay=0.5)
    sgd.step()
    assert list(sgd.velocity) == ["waiting"]
    assert [float(fixed.data[0]), float(waiting.data[0])] == [1.0, 1.0]


def test_accumulated_batches_count_as_their_mean(xp):
    one, four = param(xp, [1.0, 2.0], grad=[0.25, -0.5]), param(xp, [1.0, 2.0], grad=[1.0, -2.0])
    MomentumSGD({"w": one}, lr=0.1, weight_decay=0.1).step()
    MomentumSGD({"w": four}, lr=0.1, weight_decay=0.1, iter_size=4).step()
    np.testing.assert_array_equal(backend.to_numpy(one.data), backend.to_numpy(four.data))


def test_float32_stays_float32_and_the_arrays_stay_in_place(xp):
    w = param(xp, [1.0, 2.0], np.float32, grad=[0.5, 0.5])
    data, grad = w.data, backend.to_numpy(w.grad).copy()
    sgd = MomentumSGD({"w": w}, lr=np.float64(0.1), momentum=np.float64(0.9), weight_decay=np.float64(5e-4))
    sgd.step()
    assert w.data is data and w.data.dtype == np.float32 and sgd.velocity["w"].dtype == np.float32
    np.testing.assert_array_equal(backend.to_numpy(w.grad), grad)


def test_same_bits_on_any_number_of_threads(rng):
    start, gradient = rng.standard_normal((2, 300_000), np.float32)  # several parts
    results = []
    for threads in (1, 4):
        parallel.set_threads(threads)
        w = param(np, start, np.float32, grad=gradient)
        norm = clip_gradients({"w": w}, 1.0)
        MomentumSGD({"w": w}, lr=0.1, weight_decay=0.1).step()
        results.append((norm.tobytes(), w.grad.tobytes(), w.data.tobytes()))
    assert results[0] == results[1]


def test_velocity_is_carried_over(xp):
    def run(steps, velocity=None, start=(1.0,)):
        w = param(xp, start)
        sgd = MomentumSGD({"w": w}, lr=0.1)
        if velocity:
            sgd.load_state_dict(velocity)
        for _ in range(steps):
            w.grad = xp.asarray(np.array([0.3]))
            sgd.step()
        return backend.to_numpy(w.data), sgd.state_dict()

    whole, _ = run(5)
    half, velocity = run(2)
    rest, _ = run(3, velocity, half)
    np.testing.assert_array_equal(whole, rest)


@pytest.mark.parametrize(
    "state", [{}, {"w": np.zeros(3)}, {"w": np.zeros(1, np.float32)}, {"w": np.zeros(1), "other": np.zeros(1)}]
)
def test_velocity_that_does_not_fit_is_refused(state):
    sgd = MomentumSGD({"w": param(np, [1.0])}, lr=0.1)
    with pytest.raises(CheckpointError, match="velocity of"):
        sgd.load_state_dict(state)


def test_clipping_shortens_all_gradients_together(xp):
    params = {
        "a": param(xp, [0.0, 0.0], np.float32, grad=[3.0, 0.0]),
        "b": param(xp, [0.0], np.float32, grad=[-4.0]),
        "fixed": param(xp, [0.0], np.float32, grad=[100.0], lr_mult=0.0),
        "none": param(xp, [0.0], np.float32),
    }
    norm = clip_gradients(params, 1.0)
    assert float(norm) == 5.0 and norm.dtype == np.float64
    got = np.concatenate([backend.to_numpy(params[name].grad) for name in ("a", "b", "fixed")])
    np.testing.assert_allclose(got, np.array([0.6, 0.0, -0.8, 100.0], np.float32), rtol=1e-7)
    assert params["a"].grad.dtype == np.float32


@pytest.mark.parametrize("gradient", [[3.0, 4.0], [0.0, 0.0]])
def test_short_gradients_keep_their_bits(xp, gradient):
    params = {"w": param(xp, [0.0, 0.0], np.float32, grad=gradient)}
    clip_gradients(params, 5.0)
    np.testing.assert_array_equal(backend.to_numpy(params["w"].grad), np.array(gradient, np.float32))


def test_norm_is_summed_in_float64():
    values = np.full(3_000_000, 1e-3, np.float32)
    norm = clip_gradients({"w": param(np, values, np.float32, grad=values)}, 1e9)
    assert float(norm) == pytest.approx(float(np.float64(values[0])) * 3_000_000**0.5, rel=1e-12)


def test_a_step_does_not_wait_for_the_device():
    params = {"w": param(fakegpu, [1.0, 2.0], np.float32, grad=[3.0, 4.0])}
    sgd = MomentumSGD(params, lr=0.1, weight_decay=0.1)
    fakegpu.transfers.reset()
    clip_gradients(params, 1.0)
    sgd.step()
    assert (fakegpu.transfers.to_host, fakegpu.transfers.to_device) == (0, 0)


@pytest.mark.parametrize(
    "wrong", [{"lr": -1}, {"lr": float("nan")}, {"momentum": -0.1}, {"weight_decay": -1}, {"iter_size": 0}]
)
def test_rates_that_go_uphill_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"expected {name} of at least"):
        MomentumSGD({}, **{"lr": 0.1, **wrong})
