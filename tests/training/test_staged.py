"""Staged training: what a stage starts from, what a run of stages leaves, and that it resumes bit for bit anywhere."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal

import fakegpu
import numpy as np
import pytest
from PIL import Image

from minifcn import backend, checkpoint, models, weights
from minifcn.config import TrainConfig, overrides, resolve
from minifcn.errors import ConfigError
from minifcn.models.presets import Preset
from minifcn.optim import MomentumSGD
from minifcn.train import main
from minifcn.training import session
from minifcn.training.session import Session
from minifcn.training.stages import Stage, stages_of
from minifcn.weights import tensors

#: Dropout, augmentation, and steps, checkpoints and evaluations that fall on the ends of stages, and within them.
FLAGS = [
    "--data", "shapes:size=32,train=4,val=1", "--preset", "minute", "--batch-size", "1", "--jitter", "4",
    "--stages", "32s,16s,8s", "--stage-iterations", "3,2,2", "--stage-lrs", "0.02,0.01,0.005",
    "--checkpoint-every", "2", "--eval-every", "2",
]  # fmt: skip


class Killed(BaseException):
    pass


@pytest.fixture(scope="module", autouse=True)
def minute():
    """A preset that takes no time, but has dropout."""
    with pytest.MonkeyPatch.context() as patch:
        preset = Preset((4, 4, 4, 8, 8), fc=16, dropout=0.5, input_padding="same", input_scale=1 / 64)
        patch.setitem(models.presets_of("fcn8s"), "minute", preset)
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Without pictures, which take most of the time of such a run."""
    for name in ("curves", "samples", "stages"):
        monkeypatch.setattr(session.plots, name, lambda *_: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main([*FLAGS, "--out", str(out)]) == 0
    return out


def rows_of(run) -> list[dict[str, str]]:
    with open(run / "log.csv", newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def same(one, other) -> bool:
    files = ("weights-fcn32s.safetensors", "weights-fcn16s.safetensors", "weights.safetensors")
    same_bytes = all((one / name).read_bytes() == (other / name).read_bytes() for name in files)
    return same_bytes and rows_of(one) == rows_of(other)


def killed_in(monkeypatch, owner, name: str, call: int, after: bool = False) -> None:
    """Ends the run, as losing power would, at the beginning or the end of a certain call."""
    original, calls = getattr(owner, name), iter(range(1, 1000))

    def wrapped(*args, **kwargs):
        last = next(calls) == call
        if last and not after:
            raise Killed
        result = original(*args, **kwargs)
        if last:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, wrapped)


def test_a_run_of_stages_leaves_everything_of_each(whole):
    assert {path.name for path in whole.iterdir()} == {
        "config.toml", "log.csv", "curves.png", "samples.png", "checkpoint.safetensors",
        "weights-fcn32s.safetensors", "weights-fcn16s.safetensors", "weights.safetensors",
    }  # fmt: skip
    rows = rows_of(whole)
    assert [row["stage"] for row in rows] == ["fcn32s"] * 3 + ["fcn16s"] * 2 + ["fcn8s"] * 2
    assert [float(row["lr"]) for row in rows[:4:3]] == [0.02, 0.01]
    assert [bool(row["mean_iu"]) for row in rows] == [False, True, True, True, True, True, True]
    for name, net in (("-fcn32s", "fcn32s"), ("-fcn16s", "fcn16s"), ("", "fcn8s")):
        assert weights.open_net(whole / f"weights{name}.safetensors")[0].spec["name"] == net
    with Image.open(whole / "samples.png") as sheet:
        assert sheet.width == 16 + 5 * (260 + 16), "picture, three predictions and the truth"


def test_the_end_of_every_stage_is_told(undrawn, tmp_path, capsys):
    assert main([*FLAGS, "--out", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "stage 2: fcn16s, steps 4 to 5, lr 0.01" in told
    assert re.search(r"fcn16s from .*arrays taken\n +left at their initial value: .*score_pool4\.weight", told)
    rows = rows_of(tmp_path / "run")
    for net, row in (("fcn32s", rows[2]), ("fcn16s", rows[4]), ("fcn8s", rows[6])):
        (line,) = re.findall(rf"^{net} +[23] .*", told, re.MULTILINE)
        assert f"{float(row['mean_iu']):.4f}" in line and f"{float(row['pixel_accuracy']):.4f}" in line


@pytest.mark.parametrize(
    ("owner", "name", "call", "after"),
    [
        (MomentumSGD, "step", 2, False),  # within the first stage
        (MomentumSGD, "step", 3, True),  # its last step: no checkpoint has it
        (checkpoint, "save", 3, False),  # the first stage's last
        (checkpoint, "save", 3, True),  # ... is written, but not its weights
        (weights, "save", 1, True),  # which are written, but the second stage has not begun
        (Session, "begin", 2, True),  # has begun, but no checkpoint says so
        (checkpoint, "save", 4, True),  # has begun
        (MomentumSGD, "step", 4, True),
        (MomentumSGD, "step", 6, False),  # the first of the last stage
        (weights, "save", 3, False),  # all is done but the last weights
    ],
)
def test_killed_anywhere_and_resumed_is_as_if_never_killed(
    whole, undrawn, tmp_path, monkeypatch, owner, name, call, after
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        killed_in(patch, owner, name, call, after)
        with pytest.raises(Killed):
            main([*FLAGS, "--out", str(run)])
    assert main(["--resume", str(run)]) == 0
    assert same(whole, run)


@pytest.mark.parametrize(
    ("owner", "name", "call", "steps"),
    [
        (MomentumSGD, "step", 1, 1),
        (MomentumSGD, "step", 3, 3),
        (session, "evaluate", 2, 3),
        (weights, "save", 1, 3),
    ],
)
def test_stopped_at_the_end_of_a_stage_it_goes_on(
    whole, undrawn, tmp_path, monkeypatch, capsys, owner, name, call, steps
):
    run = tmp_path / "run"
    original, calls = getattr(owner, name), iter(range(1, 100))

    def wrapped(*args, **kwargs):
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, wrapped)
        assert main([*FLAGS, "--out", str(run)]) == 130
    assert f"stopped after step {steps}; " in capsys.readouterr().out
    assert main(["--resume", str(run)]) == 0
    assert same(whole, run)


def test_the_last_stage_can_be_made_longer_but_not_the_past(undrawn, tmp_path, capsys):
    short, long = tmp_path / "short", tmp_path / "long"
    fixed = [*FLAGS, "--lr-policy", "fixed", "--eval-every", "0", "--stages", "32s,16s", "--stage-lrs", "0.02,0.01"]
    assert main([*fixed, "--stage-iterations", "1,1", "--out", str(short)]) == 0
    assert main([*fixed, "--stage-iterations", "1,2", "--out", str(long)]) == 0
    assert main(["--resume", str(short), "--stage-iterations", "2,1"]) == 2
    assert "has made 2 steps already, of stage fcn16s: only its end and later" in capsys.readouterr().err
    assert main(["--resume", str(short), "--stage-iterations", "1,2"]) == 0
    assert (short / "weights.safetensors").read_bytes() == (long / "weights.safetensors").read_bytes()
    assert main(["--resume", str(short), "--stages", "32s,8s"]) == 2
    assert "stages was '32s,16s' and is now '32s,8s'" in capsys.readouterr().err


def test_stages_on_a_device(whole, undrawn, tmp_path, monkeypatch):
    """On the stand-in for a GPU the same is learned, within rounding, and a resume within a stage changes no bit."""
    monkeypatch.setitem(backend._DEVICES, "gpu", fakegpu)
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*FLAGS, "--device", "gpu", "--out", str(one)]) == 0
    losses = [np.array([row["loss"] for row in rows_of(run)], float) for run in (whole, one)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    with monkeypatch.context() as patch:
        killed_in(patch, MomentumSGD, "step", 5)
        with pytest.raises(Killed):
            main([*FLAGS, "--device", "gpu", "--out", str(two)])
    assert main(["--resume", str(two)]) == 0
    assert same(one, two)


def test_later_stages_can_start_from_a_file(whole, undrawn, tmp_path, capsys):
    flags = ["--stages", "16s,8s", "--stage-iterations", "1,1", "--stage-lrs", "1e-9,1e-9", "--strict"]
    start = whole / "weights-fcn32s.safetensors"
    assert main([*FLAGS, *flags, "--init", str(start), "--out", str(tmp_path / "run")]) == 0
    before, after = weights.open_net(start)[0], weights.open_net(tmp_path / "run" / "weights.safetensors")[0]
    np.testing.assert_allclose(after.params["fc7.weight"].data, before.params["fc7.weight"].data, atol=1e-6)
    assert weights.open_net(tmp_path / "run" / "weights.safetensors")[1]["init"]["file"] == start.name


def test_a_checkpoint_of_a_stage_that_is_not_in_the_run(undrawn, whole, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    arrays, about = tensors.read(run / "checkpoint.safetensors")
    about["state"]["stage"] = "fcn4s"
    tensors.write(run / "checkpoint.safetensors", arrays, about)
    assert main(["--resume", str(run)]) == 2
    assert "checkpoint.safetensors: was made in a stage 'fcn4s', which the run has not" in capsys.readouterr().err


def trained(name: str) -> models.Net:
    """A net whose score layers are not zero, as after training."""
    net = models.build(name, 5, "tiny", rng=np.random.default_rng(3))
    rng = np.random.default_rng(4)
    for key, param in net.params.items():
        if key.startswith("score"):
            param.data = rng.standard_normal(param.data.shape, np.float32)
    return net


@pytest.mark.parametrize(
    ("before", "after", "skip"), [("fcn32s", "fcn16s", "pool4"), ("fcn-googlenet", "fcn-googlenet-16s", "4e")]
)
def test_a_new_skip_changes_nothing_at_first(rng, before, after, skip):
    """The golden relation: FCN-16s begins as upscore16(upscore2(score_fr)), bit for bit.

    That is FCN-32s itself only where the kernels interpolate at the cells (GoogLeNet's are odd), not between them.
    """
    coarse, fine = trained(before), models.build(after, 5, "tiny", rng=np.random.default_rng(9))
    weights.transplant(fine, coarse)
    x = rng.standard_normal((1, 3, 75, 64), np.float32)
    with fine.inference(), coarse.inference():
        y = fine.forward(x, keep="all")
        old = coarse.forward(x, keep=["score_fr"])
        h = fine.layers["upscore2"].forward(coarse.blobs["score_fr"])
        h = fine.layers["upscore2c"].forward(h, fine.blobs[f"score_{skip}"])
        h = fine.layers["score"].forward(fine.layers["upscore16"].forward(h), x)
    np.testing.assert_array_equal(y, h)
    difference = np.abs(y - old).max()
    assert difference > 0.01 if before == "fcn32s" else difference < 1e-5 < np.abs(y).max()


def test_the_next_skip_changes_nothing_either(rng):
    """FCN-8s begins as FCN-16s with its last step of 16 made in two, of 2 and 8."""
    coarse, fine = trained("fcn16s"), models.build("fcn8s", 5, "tiny", rng=np.random.default_rng(9))
    weights.transplant(fine, coarse)
    assert not fine.params["score_pool3.weight"].data.any()
    x = rng.standard_normal((1, 3, 64, 75), np.float32)
    with fine.inference(), coarse.inference():
        y = fine.forward(x, keep="all")
        coarse.forward(x, keep=["fuse_pool4"])
    np.testing.assert_array_equal(coarse.blobs["fuse_pool4"], fine.blobs["fuse_pool4"])
    cropped = fine.blobs.get("upscore_pool4c", fine.blobs["upscore_pool4"])
    np.testing.assert_array_equal(fine.blobs["fuse_pool3"], cropped)
    assert np.abs(y).max() > 0


def test_each_stage_learns_as_the_recipe_s_solver_says():
    config = resolve({}, {"recipe": "heavy2016", "stages": "32s,16s,8s"})
    assert [stage.net for stage in stages_of(config)] == ["fcn32s", "fcn16s", "fcn8s"]
    assert [stage.lr for stage in stages_of(config)] == pytest.approx([1e-10, 1e-12, 1e-14], rel=1e-12)
    assert [stage.start for stage in stages_of(config)] == [0, 100_000, 200_000]
    later = resolve({}, {"recipe": "heavy2016", "net": "fcn8s", "stages": "16s,8s"})
    assert [stage.lr for stage in stages_of(later)] == pytest.approx([1e-12, 1e-14], rel=1e-12)


def test_lists_say_what_each_stage_does():
    config = TrainConfig(net="fcn-googlenet", stages="32s, 8s", stage_lrs="0.1,1e-3", stage_iterations="7,8")
    assert stages_of(config) == [
        Stage("fcn-googlenet", 0.1, 7, 0, 0),
        Stage("fcn-googlenet-8s", 1e-3, 8, 7, 1),
    ]
    factor = TrainConfig(stages="32s,16s", lr=0.5, stage_lr_factor=0.25, iterations=4)
    assert [(stage.lr, stage.iterations) for stage in stages_of(factor)] == [(0.5, 4), (0.125, 4)]
    assert stages_of(TrainConfig(net="fcn16s", lr=0.5, iterations=4)) == [Stage("fcn16s", 0.5, 4)]


def test_a_single_stage_is_told_to_be_a_plain_run(capsys):
    assert main(["--stages", "16s", "--data", "shapes:size=32,train=2,val=1", "--dry-run"]) == 0
    assert "one stage only, the same as --net fcn16s" in capsys.readouterr().out
    assert main(["--data", "shapes:size=32,train=2,val=1", "--dry-run", "--crop", "48"]) == 0
    told = capsys.readouterr().out
    assert "one stage" not in told
    assert "warning: crop 48: pictures have at most 32x32 pixels" in told
    assert main(["--data", "shapes:size=32,train=2,val=1", "--dry-run", "--crop", "48", "--scale", "1.5"]) == 0
    assert "warning: crop" not in capsys.readouterr().out


def test_tiny_in_stages_is_told_as_a_recipe():
    config = resolve({}, {"stages": "32s,16s,8s"})
    assert overrides(config) == ['stages = "32s,16s,8s" (recipe tiny: "")']
    assert config.iterations < resolve({}, {}).iterations


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": "32,16"}, "stages expects strides, coarsest first, say 32s,16s,8s, got '32,16'"),
        ({"stages": "8s,16s"}, "from coarse to fine"),
        ({"stages": "16s,16s"}, "from coarse to fine"),
        ({"stages": "32s,4s"}, "stages 32s,4s: there is no net of stride 4 like fcn8s"),
        ({"stages": "32s,16s", "net": "fcn-alexnet"}, "there is no net of stride 16 like fcn-alexnet"),
        ({"stages": "32s,16s,8s", "net": "fcn8s-atonce"}, "there is no net of stride 32 like fcn8s-atonce"),
        ({"stages": "32s", "net": "vgg16"}, "unknown FCN 'vgg16'"),
        ({"stage_lrs": "1,2"}, "stage_lrs is for staged training"),
        ({"stages": "32s,16s", "stage_lrs": "1"}, "stage_lrs expects 2 numbers above 0"),
        ({"stages": "32s,16s", "stage_lrs": "1,nan"}, "stage_lrs expects 2 numbers above 0"),
        ({"stages": "32s,16s", "stage_iterations": "1,0"}, "expects 2 integers of at least 1, one for each stage"),
        ({"stages": "32s,16s", "stage_iterations": "1,1.5"}, "got '1,1.5'"),
    ],
)
def test_stages_that_cannot_be(settings, message):
    with pytest.raises(ConfigError) as error:
        stages_of(resolve({}, settings))
    assert message in str(error.value)


def test_a_dry_run_tells_the_memory_of_every_stage(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*FLAGS, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert [name for name in re.findall(r"^(fcn\d+s): ", told, re.MULTILINE)] == ["fcn32s", "fcn16s", "fcn8s"]
    assert list(tmp_path.iterdir()) == []
