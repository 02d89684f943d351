"""Training steps on a device: as on the CPU, and without a wait in the middle."""

import fakegpu
import numpy as np
import pytest

from minifcn import backend, data, models
from minifcn.config import TrainConfig
from minifcn.optim import MomentumSGD, clip_gradients
from minifcn.training.objective import Objective


def steps(xp, monkeypatch, count=2, **settings):
    """The losses and weights of a few steps on an array library."""
    config = TrainConfig(batch_size=2, **settings)
    train = data.open_dataset("shapes:48,train=6", "train")
    monkeypatch.setattr(backend, "for_device", lambda device: xp)
    objective = Objective(config, train)
    net = models.build("fcn8s", 7, preset="tiny", rng=np.random.default_rng(0)).to(xp)
    sgd = MomentumSGD(net.params, lr=1e-4, momentum=0.9, weight_decay=5e-4)
    losses = []
    with data.Loader(train, config.batch_size, 0, xp=xp) as loader:
        fakegpu.transfers.reset()
        for _ in range(count):
            net.zero_grads()
            losses.append(objective.accumulate(net, loader, count=2))
            clip_gradients(net.params, 100.0)
            sgd.step()
        crossings = fakegpu.transfers.to_device, fakegpu.transfers.to_host, fakegpu.transfers.ahead
    return [float(backend.to_numpy(loss)) for loss in losses], net.state_dict(), crossings


@pytest.mark.parametrize("settings", [{}, {"loss": "mean"}], ids=str)
def test_steps_are_as_on_the_cpu(settings, device, monkeypatch):
    expected, weights, _ = steps(np, monkeypatch, **settings)
    losses, there, _ = steps(device, monkeypatch, **settings)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(there[name], value, rtol=0, atol=1e-4 * max(np.abs(value).max(), 1e-2))


def test_two_runs_have_the_same_bits(device, monkeypatch):
    losses, weights, _ = steps(device, monkeypatch)
    again, once_more, _ = steps(device, monkeypatch)
    assert losses == again
    for name, value in weights.items():
        np.testing.assert_array_equal(once_more[name], value)


def test_a_step_reads_nothing_back_and_finds_its_batch_there(monkeypatch):
    _, _, (to_device, to_host, ahead) = steps(fakegpu, monkeypatch)
    assert to_host == 0  # nothing of the step is waited for
    assert ahead >= 2 * 4  # pictures and labels, four batches
    assert to_device <= 2 * 4  # numbers
