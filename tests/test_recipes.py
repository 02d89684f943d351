"""Recipes are valid settings with a source; sum and mean losses are converted so that they take the same steps."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import models, recipes
from minifcn.config import resolve
from minifcn.layers import Param
from minifcn.optim import MomentumSGD


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_is_a_configuration_with_a_source(name):
    config = resolve({}, {"recipe": name})
    assert config.recipe == name
    assert config.net in models.FCNS and config.preset in models.presets_of(config.net)
    assert len(recipes.RECIPES[name]["source"]) > 20
    for key, value in recipes.settings(name).items():
        assert getattr(config, key) == value


def test_heavy_learning_is_what_the_solvers_say():
    got = [recipes.settings("heavy2016", net) for net in ("fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce")]
    assert [settings["lr"] for settings in got] == [1e-10, 1e-12, 1e-14, 1e-10]
    first = got[0]
    assert (first["momentum"], first["weight_decay"], first["loss"], first["batch_size"]) == (0.99, 5e-4, "sum", 1)


def test_a_recipe_is_not_changed_by_its_use():
    settings = recipes.settings("heavy2016", "fcn8s")
    settings["momentum"] = 0.0
    assert recipes.settings("heavy2016")["momentum"] == 0.99
    assert isinstance(recipes.RECIPES["heavy2016"]["lr"], dict)


def test_poly_falls_from_lr_to_nearly_zero():
    rates = [recipes.learning_rate("poly", 0.02, step, 10) for step in range(10)]
    assert rates[0] == 0.02
    assert rates[5] == pytest.approx(0.02 * 0.5**0.9, rel=1e-14)
    assert rates == sorted(rates, reverse=True) and 0 < rates[9] < 0.003
    assert recipes.learning_rate("fixed", 0.02, 9, 10) == 0.02


def test_converted_rates_take_the_same_steps(rng):
    """A picture of 7 pixels: gradients of the sum are 7 times those of the mean."""
    pixels, start = 7, rng.standard_normal(5)
    gradients = rng.standard_normal((4, 5))  # of the mean
    by_sum, by_mean = Param(start.copy()), Param(start.copy())
    sgd_sum = MomentumSGD({"w": by_sum}, lr=1e-3, momentum=0.9, weight_decay=0.2)
    lr, decay = recipes.sum_to_mean(1e-3, 0.2, pixels)
    sgd_mean = MomentumSGD({"w": by_mean}, lr=lr, momentum=0.9, weight_decay=decay)
    for g in gradients:
        by_sum.grad, by_mean.grad = pixels * g, g.copy()
        sgd_sum.step()
        sgd_mean.step()
    np.testing.assert_allclose(by_mean.data, by_sum.data, rtol=1e-12)
    assert not np.allclose(by_mean.data, start, rtol=1e-3)
    assert recipes.mean_to_sum(lr, decay, pixels) == pytest.approx((1e-3, 0.2))


def test_heavy_learning_moves_the_weights_as_far_and_forgets_as_fast():
    k, lr, momentum = 20, 0.1, 0.9
    many = recipes.heavy(lr, momentum, k, 3)
    assert (many["batch_size"], many["iter_size"], many["iterations"]) == (1, 1, 60)
    batches, singles = Param(np.zeros(1)), Param(np.zeros(1))
    one = MomentumSGD({"w": batches}, lr, momentum)
    other = MomentumSGD({"w": singles}, many["lr"], many["momentum"])
    for step in range(60 * k):
        gradient = np.array([1.0 if step < k else 0.0])  # twenty pictures that pull, then none
        if step % k == 0:
            batches.grad = gradient
            one.step()
        singles.grad = gradient
        other.step()
        if step % k == k - 1:
            left = one.velocity["w"] / lr, other.velocity["w"] / (many["lr"] * (1 - momentum) / (1 - many["momentum"]))
            np.testing.assert_allclose(left[1], left[0], rtol=1e-9)
    np.testing.assert_allclose(singles.data, batches.data, rtol=1e-2)  # -1, but for what is still to come


def test_the_heavy_recipe_is_tiny_s_on_the_same_pictures():
    tiny, heavy = recipes.settings("tiny"), recipes.settings("tiny-heavy")
    found = recipes.heavy(tiny["lr"], tiny["momentum"], tiny["batch_size"] * tiny["iter_size"], tiny["iterations"])
    assert {key: heavy[key] for key in found} == pytest.approx(found, rel=1e-3)
    same = tiny.keys() - found.keys() - {"eval_every"}
    assert {key: heavy[key] for key in same} == {key: tiny[key] for key in same}


def test_class_weights_are_roots_of_inverse_shares():
    np.testing.assert_allclose(recipes.class_weights(np.array([5, 5])), [1, 1])
    # shares 0.9, 0.1, 0 of three classes: (1/3 / share) ** 0.5
    np.testing.assert_allclose(recipes.class_weights(np.array([90, 10, 0])), [0.6085806, 1.8257419, 4.0], rtol=1e-6)
