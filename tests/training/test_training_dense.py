"""Upsampling that learns and pools that do not subsample, in training: from the flag to the resumed run."""

import numpy as np
import pytest

from minifcn import weights
from minifcn.config import TrainConfig
from minifcn.train import build, main
from minifcn.weights import tensors

SMALL = ["--data", "shapes:size=32,train=6,val=2", "--batch-size", "2", "--iterations", "4", "--eval-every", "0"]
CHANGED = ["--upsampling", "nonlinear", "--output-stride", "16"]


def changed(run, name: str, before: dict[str, np.ndarray]) -> bool:
    return not np.array_equal(tensors.read(run / "weights.safetensors")[0][name], before[name])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("dense") / "whole"
    assert main([*SMALL, *CHANGED, "--out", str(out)]) == 0
    return out


def test_the_stack_learns_and_the_file_says_what_it_is_of(whole):
    config = TrainConfig(net="fcn8s", upsampling="nonlinear", output_stride=16, seed=1)
    before = build(config, 7, initialise=True).state_dict()
    for name in ("upscore2.weight", "upscore8_by2.weight", "upscore8_by2.bias", "upscore8.weight", "fc6.weight"):
        assert changed(whole, name, before), name
    net, _ = weights.open_net(whole / "weights.safetensors")
    assert net.spec["upsampling"] == "nonlinear" and net.spec["output_stride"] == 16
    assert net.layers["fc6"].geometry.dilation == (2, 2)


def test_stopped_and_resumed_is_as_if_never_stopped(whole, tmp_path):
    run = tmp_path / "run"
    assert main([*SMALL, *CHANGED, "--iterations", "2", "--lr-policy", "fixed", "--out", str(run)]) == 0
    straight = tmp_path / "straight"
    assert main([*SMALL, *CHANGED, "--lr-policy", "fixed", "--out", str(straight)]) == 0
    assert main(["--resume", str(run), "--iterations", "4"]) == 0
    assert (run / "weights.safetensors").read_bytes() == (straight / "weights.safetensors").read_bytes()


def test_learned_upsampling_keeps_the_last_fixed(tmp_path):
    run = tmp_path / "run"
    assert main([*SMALL, "--upsampling", "learned", "--out", str(run)]) == 0
    before = build(TrainConfig(net="fcn8s", upsampling="learned", seed=1), 7, initialise=True).state_dict()
    assert changed(run, "upscore2.weight", before) and changed(run, "upscore_pool4.weight", before)
    assert not changed(run, "upscore8.weight", before)


def test_stages_carry_the_trunk_and_the_scores_over(tmp_path, capsys):
    run = tmp_path / "run"
    argv = [*SMALL, *CHANGED, "--stages", "32s,16s", "--stage-iterations", "3,1", "--net", "fcn16s", "--out", str(run)]
    assert main(argv) == 0
    net, _ = weights.open_net(run / "weights.safetensors")
    assert "upscore16_by8.bias" in net.params
    assert "fcn16s from" in capsys.readouterr().out


def test_a_published_net_s_weights_start_a_denser_one(whole, tmp_path, capsys):
    plain = tmp_path / "plain"
    assert main([*SMALL, "--out", str(plain)]) == 0
    argv = [*SMALL, "--output-stride", "8", "--init", str(plain / "weights.safetensors"), "--out", str(tmp_path / "d")]
    assert main(argv) == 0
    net, _ = weights.open_net(tmp_path / "d" / "weights.safetensors")
    assert net.coords("score_fr").x.scale == 8


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--output-stride", "4"], "output_stride of 8, 16 or 32, got 4"),
        (["--upsampling", "bilinear"], "--upsampling cannot be 'bilinear'"),
    ],
)
def test_what_cannot_be_is_refused(flags, told, tmp_path, capsys):
    assert main([*SMALL, *flags, "--out", str(tmp_path / "run")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
