"""Checkpoints: all comes back bit for bit; a full disk leaves the one before whole; what does not fit is refused."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest

from minifcn import checkpoint, models, weights
from minifcn.errors import CheckpointError
from minifcn.files import append
from minifcn.optim import MomentumSGD
from minifcn.weights import tensors

STATE = {"step": 1, "seconds": 0.5, "evaluated": True, "init": None, "config": {}}


def make(seed: int):
    """A net with dropout and its optimizer, with velocities that are not zero."""
    rng = np.random.default_rng(seed)
    net = models.build("fcn32s", num_classes=2, preset="small", rng=rng)
    sgd = MomentumSGD(net.params, lr=0.1)
    for name, param in sgd.params.items():
        param.data = rng.standard_normal(param.data.shape, np.float32)
        sgd.velocity[name][...] = rng.standard_normal(param.data.shape, np.float32)
    return net, sgd


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def test_everything_comes_back(path):
    net, sgd = make(1)
    state = {"step": 7, "seconds": 0.1 + 0.2, "evaluated": True, "init": None, "config": {"net": "fcn32s", "lr": 1e-10}}
    checkpoint.save(path, net, sgd, state)
    next_draws = [generator.random() for generator in net.generators()]

    other, other_sgd = make(2)
    saved = checkpoint.load(path)
    checkpoint.restore(saved, other, other_sgd)
    assert saved.state == state
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(other.params[name].data, array)
    for name, array in sgd.state_dict().items():
        np.testing.assert_array_equal(other_sgd.velocity[name], array)
    assert next_draws and [generator.random() for generator in other.generators()] == next_draws


@pytest.fixture
def small_disk():
    """No file may grow beyond 1 MB meanwhile, which fails the way a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_checkpoint_before_whole(path, request):
    net, sgd = make(1)
    checkpoint.save(path, net, sgd, STATE)
    before = path.read_bytes()
    assert len(before) > 1_000_000
    request.getfixturevalue("small_disk")
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: cannot be written"):
        checkpoint.save(path, net, sgd, {**STATE, "step": 2})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_takes_no_part_of_a_row(path, small_disk):
    log = path.with_name("log.csv")
    log.write_bytes(b"step\n" + b"1" * 999_000)
    before = log.read_bytes()
    with pytest.raises(OSError, match="File too large"):
        append(log, b"2" * 2_000)  # of which 995 bytes would fit
    assert log.read_bytes() == before


def test_ruined_weights_do_not_replace_good_ones(path):
    net, sgd = make(1)
    checkpoint.save(path, net, sgd, STATE)
    before = path.read_bytes()
    net.params["fc7.weight"].data[0] = np.nan
    with pytest.raises(CheckpointError, match=r"not written, weights/fc7\.weight holds NaN"):
        checkpoint.save(path, net, sgd, {**STATE, "step": 2})
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["weights/fc7.weight", "velocity/conv1_1.bias"])
def test_numbers_that_are_never_saved_are_damage(path, name):
    net, sgd = make(1)
    checkpoint.save(path, net, sgd, STATE)
    arrays, about = tensors.read(path)
    arrays[name] = np.full_like(arrays[name], np.nan)
    tensors.write(path, arrays, about)
    with pytest.raises(
        CheckpointError, match=rf"damaged: {name} holds NaN or Inf, which is never saved; put back a copy"
    ):
        checkpoint.load(path)
    sgd.velocity["conv1_1.bias"][0] = np.inf
    with pytest.raises(CheckpointError, match=r"not written, velocity/conv1_1\.bias holds NaN or Inf"):
        checkpoint.save(path, net, sgd, STATE)


def test_truncated_or_other_files_are_refused(path):
    net, sgd = make(1)
    checkpoint.save(path, net, sgd, STATE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.load(path)
    weights.save(path, net)
    with pytest.raises(CheckpointError, match="expected a minifcn checkpoint of version 1, got 'minifcn' 1"):
        checkpoint.load(path)


def test_a_checkpoint_of_another_net_is_refused(path):
    net, sgd = make(1)
    checkpoint.save(path, net, sgd, STATE)
    other = models.build("fcn32s", num_classes=3, preset="small", rng=np.random.default_rng(0))
    with pytest.raises(CheckpointError, match=r"\.safetensors: belongs to another net"):
        checkpoint.restore(checkpoint.load(path), other, MomentumSGD(other.params, lr=0.1))
    bare = models.build("fcn32s", num_classes=2, preset="small")  # draws nothing
    with pytest.raises(CheckpointError, match=r"\.safetensors: .*generators"):
        checkpoint.restore(checkpoint.load(path), bare, MomentumSGD(bare.params, lr=0.1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"state": None}, "expected the state of a run, got None"),
        ({"generators": [1]}, r"list of generators' states, got \[1\]"),
        ({"state": {**STATE, "step": "x"}}, "its step is 'x', expected a whole number"),
        ({"state": {**STATE, "step": -5}}, "its step is -5"),
        ({"state": {**STATE, "step": True}}, "its step is True"),
        ({"state": {**STATE, "stage": 1}}, "its stage is 1, expected nothing, or the name"),
        ({"state": {**STATE, "seconds": None}}, "its seconds is None"),
        ({"state": {"step": 1, "seconds": 0}}, "its evaluated is None"),
        ({"state": {**STATE, "config": "lr"}}, "its config is 'lr'"),
    ],
)
def test_damaged_metadata_is_told_with_the_file(path, damage, message):
    about = {"format": checkpoint.FORMAT, "version": checkpoint.VERSION, "generators": [], "state": STATE}
    tensors.write(path, {}, about)
    assert checkpoint.load(path).state == STATE
    tensors.write(path, {}, {**about, **damage})
    with pytest.raises(CheckpointError, match=rf"checkpoint\.safetensors: damaged: .*{message}"):
        checkpoint.load(path)


def test_saving_takes_no_copies(tmp_path, monkeypatch):
    """Of FCN-8s, weights and velocities are 1 GiB."""
    net = models.build("fcn8s", preset="tiny", rng=np.random.default_rng(0))
    sgd = MomentumSGD(net.params, lr=0.1)
    written = {}
    monkeypatch.setattr(checkpoint.tensors, "write", lambda path, arrays, metadata: written.update(arrays))
    checkpoint.save(tmp_path / "c", net, sgd, {})
    for name, param in net.params.items():
        assert written[f"weights/{name}"] is param.data
    for name, velocity in sgd.velocity.items():
        assert written[f"velocity/{name}"] is velocity
