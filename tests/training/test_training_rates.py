"""The trunk's learning rate: what it multiplies, and that a frozen trunk is neither changed nor computed backward."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import models, weights
from minifcn.config import TrainConfig
from minifcn.errors import WeightsError
from minifcn.optim import MomentumSGD
from minifcn.train import build, main
from minifcn.training import checks, rates

SMALL = ["--data", "shapes:size=32,train=4,val=2", "--batch-size", "2", "--iterations", "3"]


def small(**settings):
    return build(TrainConfig(preset="small", **settings), num_classes=7, initialise=True)


def test_the_trunk_s_factor_multiplies_what_the_net_has():
    usual, slow = small(), small(trunk_lr=0.25)
    for name, param in slow.params.items():
        factor = 1 if name.startswith(("score", "upscore")) else 0.25
        assert param.lr_mult == factor * usual.params[name].lr_mult, name
    assert slow.params["conv1_1.bias"].lr_mult == 0.5 and slow.params["score_fr.bias"].lr_mult == 2


@pytest.mark.parametrize("name", models.FCNS)
def test_of_a_frozen_net_only_the_scores_learn(name):
    preset = next(key for key in models.presets_of(name) if key == "tiny")
    net = models.build(name, 7, preset)
    rates.set_rates(net, freeze="trunk")
    learning = {key for key, param in net.params.items() if param.learns}
    assert learning == {key for key in net.params if key.startswith("score_")} != set()


def test_no_gradient_is_computed_below_what_learns(rng):
    net = small(freeze="trunk")
    y = net.forward(rng.standard_normal((1, 3, 32, 32), np.float32))
    ran = [step.name for step in net.back_steps(np.ones_like(y))]
    assert "score_fr" in ran and not any(name.startswith(("conv", "relu", "fc", "pool", "drop")) for name in ran)
    assert all((param.grad is not None) == key.startswith("score_") for key, param in net.params.items())


def test_the_step_of_the_trunk_is_as_many_times_shorter(rng):
    x, steps = rng.standard_normal((1, 3, 32, 32), np.float32), []
    for factor in (1.0, 0.125):
        net = small(trunk_lr=factor).astype(np.float64)
        net.training = False
        net.params["score_fr.weight"].data[...] = 0.1
        before = {name: param.data.copy() for name, param in net.params.items()}
        net.forward(x.astype(np.float64))
        net.backward(np.random.default_rng(5).standard_normal((1, 7, 32, 32)))
        MomentumSGD(net.params, lr=1e-3).step()
        steps.append({name: param.data - before[name] for name, param in net.params.items()})
    for name, step in steps[0].items():
        factor = 0.125 if rates.in_trunk(name) else 1
        np.testing.assert_allclose(steps[1][name], factor * step, rtol=1e-6, atol=1e-12)
    assert np.abs(steps[0]["conv1_1.weight"]).max() > 0


def test_a_run_with_a_frozen_trunk_leaves_its_bits(tmp_path, capsys):
    run = tmp_path / "run"
    flags = [*SMALL, "--preset", "small", "--freeze", "trunk"]
    assert main([*flags, "--out", str(run), "--iterations", "2"]) == 0
    told = capsys.readouterr().out
    assert "trunk frozen: 3,381 parameters learn, those of the scores; " in told
    assert "warning: the frozen trunk is random" in told
    assert 'freeze = "trunk" (recipe tiny: "none")' in told
    assert main(["--resume", str(run), "--iterations", "3"]) == 0
    before, after = small(), weights.open_net(run / "weights.safetensors")[0]
    for name, param in after.params.items():
        assert np.array_equal(param.data, before.params[name].data) == (not name.startswith("score_")), name


def test_a_frozen_trunk_with_weights_needs_no_warning():
    assert len(rates.lines(small(), TrainConfig(freeze="trunk", init="trunk.npz"))) == 1


def test_a_resume_keeps_the_rates(tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*SMALL, "--trunk-lr", "0.5", "--out", str(run)]) == 0
    assert "parameters at 0.5 times the learning rate of the scores" in capsys.readouterr().out
    assert main(["--resume", str(run), "--trunk-lr", "1"]) == 2
    assert "trunk_lr was 0.5 and is now 1.0" in capsys.readouterr().err
    assert main(["--resume", str(run), "--freeze", "trunk"]) == 2
    assert "freeze was 'none' and is now 'trunk'" in capsys.readouterr().err


def test_a_frozen_trunk_of_zeros_is_found_too():
    net = models.build("fcn8s", 7, "tiny")
    rates.set_rates(net, freeze="trunk")
    with pytest.raises(WeightsError, match=r"conv1_1\.weight"):
        checks.trunk(net)


def test_what_cannot_be(capsys):
    for flags, message in (
        (["--trunk-lr", "0"], "--trunk-lr expects a number above 0"),
        (["--freeze", "all"], "--freeze cannot be 'all'"),
    ):
        assert main(flags) == 2
        assert message in capsys.readouterr().err
