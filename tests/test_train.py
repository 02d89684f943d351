"""Whole runs in miniature: what they leave, that they repeat and resume bit for bit, and how they refuse bad input."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import signal
import time
from types import SimpleNamespace

import fakegpu
import numpy as np
import pytest

from minifcn import backend, data, models, parallel, weights
from minifcn.__main__ import main as minifcn
from minifcn.config import TrainConfig
from minifcn.data import Batch
from minifcn.distributed import Group
from minifcn.errors import ConfigError, DataError, MemoryLimitError, MinifcnError, WeightsError
from minifcn.layers import Param
from minifcn.optim import MomentumSGD
from minifcn.train import _rates as rates_told
from minifcn.train import build, main
from minifcn.training import checks, dry_run, session, sizes
from minifcn.training.interrupt import Interrupt
from minifcn.training.objective import Objective
from minifcn.training.sets import augmentation, open_sets
from minifcn.weights import tensors

#: Dropout, augmentation, clipping and a falling rate: all that a resume could get wrong, on pictures of 32x32.
SMALL = [
    "--data", "shapes:size=32,train=6,val=2", "--preset", "small", "--batch-size", "2", "--iter-size", "2",
    "--iterations", "6", "--lr", "0.02", "--jitter", "4", "--scale", "1.2",
    "--class-weights", "sqrt-inverse", "--eval-every", "3",
]  # fmt: skip
FILES = {"config.toml", "log.csv", "curves.png", "samples.png", "weights.safetensors", "checkpoint.safetensors"}


def train(out, *flags: str) -> int:
    return main([*SMALL, "--out", str(out), *flags])


def log_of(run) -> list[tuple[str, ...]]:
    """Rows of log.csv as text, without the seconds, which no run repeats."""
    with open(run / "log.csv", newline="") as file:
        return [tuple(value for key, value in row.items() if key != "seconds") for row in csv.DictReader(file)]


def same(one, other) -> bool:
    return (
        log_of(one) == log_of(other)
        and (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert train(out) == 0
    return out


def test_a_run_leaves_everything_about_it(whole):
    assert {path.name for path in whole.iterdir()} == FILES
    rows = log_of(whole)
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [bool(row[3]) for row in rows] == [False, False, True, False, False, True]  # evaluated
    assert float(rows[0][1]) == pytest.approx(np.log(7), abs=1e-4)  # scores start at zero: a loss of log C
    net, about = weights.open_net(whole / "weights.safetensors")
    assert net.spec["preset"] == "small" and about["classes"][0] == "background" and len(about["palette"]) == 7


def test_its_config_repeats_it(whole, tmp_path, capsys):
    assert main(["--config", str(whole / "config.toml"), "--out", str(tmp_path / "again")]) == 0
    assert same(whole, tmp_path / "again")
    assert "batch_size = 2 (recipe tiny: " in capsys.readouterr().out


def test_threads_do_not_change_it(whole, tmp_path):
    assert train(tmp_path / "one", "--threads", "1") == 0
    assert same(whole, tmp_path / "one")


def test_another_seed_does_change_it(whole, tmp_path):
    assert train(tmp_path / "other", "--seed", "2") == 0
    assert not same(whole, tmp_path / "other")


def signalled_in(monkeypatch, owner, name: str, call: int, number: signal.Signals) -> None:
    """Sends this process a signal at the beginning of a certain call."""
    original, calls = getattr(owner, name), iter(range(1, 1000))

    def wrapped(*args, **kwargs):
        if next(calls) == call:
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapped)


@pytest.mark.parametrize(
    ("owner", "name", "call", "number", "steps"),
    [
        (MomentumSGD, "step", 2, signal.SIGINT, 2),
        (MomentumSGD, "step", 3, signal.SIGTERM, 3),  # an evaluation is due then, and left for later
        (session, "evaluate", 1, signal.SIGINT, 3),
        (session, "evaluate", 2, signal.SIGINT, 6),  # the last one: nothing but it is left to do
    ],
)
def test_stopped_and_resumed_is_as_if_never_stopped(
    whole, tmp_path, monkeypatch, capsys, owner, name, call, number, steps
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        signalled_in(patch, owner, name, call, number)
        assert train(run) == 130
    output = capsys.readouterr()
    assert f"stopped after step {steps}; go on with: minifcn train --resume {run}" in output.out
    assert len(log_of(run)) == steps and not (run / "weights.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    assert main(["--resume", str(run)]) == 0
    assert same(whole, run)
    assert {path.name for path in run.iterdir()} == FILES


def test_a_device_gives_the_same_and_is_not_waited_for(whole, tmp_path, monkeypatch):
    """On the stand-in for a GPU no step reads from the device; evaluations, checkpoints and looks at the loss do."""
    monkeypatch.setitem(backend._DEVICES, "gpu", fakegpu)
    reads, update = [], MomentumSGD.step

    def counted(self):
        update(self)
        reads.append(fakegpu.transfers.to_host)

    monkeypatch.setattr(MomentumSGD, "step", counted)
    assert train(tmp_path / "run", "--device", "gpu") == 0
    on_cpu, on_device = (np.array([row[1] for row in log_of(run)], float) for run in (whole, tmp_path / "run"))
    np.testing.assert_allclose(on_device, on_cpu, rtol=1e-4)
    assert reads[1] == reads[0] and reads[4] == reads[3], "nothing was read during steps 2 and 5"
    assert reads[3] > reads[1], "step 3 is evaluated"

    signalled_in(monkeypatch, MomentumSGD, "step", 2, signal.SIGINT)  # while two losses are still on the device
    assert train(tmp_path / "stopped", "--device", "gpu") == 130
    assert len(log_of(tmp_path / "stopped")) == 2
    assert main(["--resume", str(tmp_path / "stopped")]) == 0
    assert same(tmp_path / "run", tmp_path / "stopped")


def test_a_second_ctrl_c_stops_at_once():
    with Interrupt() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_killed_and_resumed_is_as_if_never_killed(whole, tmp_path, monkeypatch):
    """The log is ahead of the last checkpoint then; its rows must not come twice."""
    run = tmp_path / "run"

    class Killed(BaseException):
        pass

    def killed(self):
        raise Killed

    steps = iter([MomentumSGD.step] * 4 + [killed])
    with monkeypatch.context() as patch:
        patch.setattr(MomentumSGD, "step", lambda self: next(steps)(self))
        with pytest.raises(Killed):
            train(run, "--checkpoint-every", "2", "--log-every", "1")
    with open(run / "log.csv", "a") as file:
        file.write("5,0.1,0.1,1.0,,,,,fcn8s\n")
    assert main(["--resume", str(run)]) == 0
    assert same(whole, run)


def test_a_finished_run_can_be_made_longer(tmp_path, capsys):
    short, long = tmp_path / "short", tmp_path / "long"
    assert train(short, "--lr-policy", "fixed", "--iterations", "3") == 0
    assert train(long, "--lr-policy", "fixed") == 0
    assert main(["--resume", str(short), "--iterations", "6"]) == 0
    assert "changed: iterations = 6 (was 3)" in capsys.readouterr().out
    assert same(short, long)

    (short / "weights.safetensors").unlink()  # as if killed after its last checkpoint
    capsys.readouterr()
    assert main(["--resume", str(short)]) == 0
    assert same(short, long) and "mean IU" in capsys.readouterr().out


def refused(capsys, *argv: str) -> str:
    """The one message of a command that must end with status 2."""
    assert main(list(argv)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "Traceback" not in error
    return error


def test_what_a_resume_refuses(whole, tmp_path, capsys):
    assert "lr was 0.02 and is now 0.5" in refused(capsys, "--resume", str(whole), "--lr", "0.5")
    assert "has made 6 steps already" in refused(capsys, "--resume", str(whole), "--iterations", "5")
    assert "no --config, --out" in refused(capsys, "--resume", str(whole), "--out", "x")
    assert "not the folder of a run" in refused(capsys, "--resume", str(tmp_path))
    for name in ("config.toml", "log.csv"):
        shutil.copy(whole / name, tmp_path)
    assert "checkpoint.safetensors is gone, though log.csv tells of steps" in refused(capsys, "--resume", str(tmp_path))


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_once_more(whole, tmp_path, capsys):
    """Folder and settings are there, the log has its head at most, and what was being written lies beside it."""
    shutil.copy(whole / "config.toml", tmp_path)
    (tmp_path / "log.csv").write_text((whole / "log.csv").read_text().splitlines(keepends=True)[0])
    (tmp_path / ".checkpoint.999999999.part.safetensors").mkdir()
    (tmp_path / ".checkpoint.999999999.part.safetensors" / ".tmpXYZ").write_bytes(b"half")
    assert main(["--resume", str(tmp_path)]) == 0
    assert "it begins once more" in capsys.readouterr().out
    assert same(whole, tmp_path) and set(os.listdir(tmp_path)) == FILES


def test_a_folder_in_which_a_run_was_killed_at_once_can_be_used(whole, tmp_path):
    (tmp_path / ".config.999999999.part.toml").mkdir()
    assert train(tmp_path) == 0
    assert same(whole, tmp_path) and set(os.listdir(tmp_path)) == FILES


def test_a_row_cut_short_is_no_row(whole, tmp_path):
    """What losing power may leave of the log: here "1" of a row 17, which must not be taken for another row 1."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    with open(run / "log.csv", "a") as file:
        file.write("1")
    assert main(["--resume", str(run)]) == 0
    assert same(whole, run)


def test_what_a_start_refuses(whole, tmp_path, capsys):
    out = ["--out", str(tmp_path / "new")]
    assert f"go on with --resume {whole}" in refused(capsys, *SMALL, "--out", str(whole))
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "note.txt").touch()
    message = refused(capsys, *SMALL, "--out", str(tmp_path / "used"))
    assert "nothing is overwritten" in message and "--resume" not in message
    assert "did you mean '--batch-size'" in refused(capsys, "--batchsize", "3")
    assert "did you mean 'fcn8s'" in refused(capsys, *SMALL, *out, "--net", "fcn-8s")
    assert "a classifier cannot be trained on label maps" in refused(
        capsys, "--net", "vgg16", *out, "--data", "no such data"
    )
    assert "CuPy" in refused(capsys, *SMALL, *out, "--device", "gpu")
    assert "no such" in refused(capsys, *SMALL, *out, "--data", f"folder:{tmp_path / 'none'}").lower()
    assert "cannot be the folder of a run" in refused(capsys, *SMALL, "--out", str(whole / "log.csv"))
    assert not (tmp_path / "new").exists()


def test_a_loss_that_explodes_is_explained(tmp_path, capsys):
    message = refused(capsys, *SMALL, "--out", str(tmp_path / "run"), "--lr", "1e18", "--clip-norm", "0")
    assert "the loss is nan" in message or "the loss is inf" in message
    assert "Run again under strict checks: conv" in message or "NaN or infinite: the steps were too long" in message
    assert "Try --lr 1e+17 (now 1e+18), or --clip-norm 5" in message


def test_the_advice_for_a_loss_that_exploded_is_about_the_settings():
    net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(0))
    config = TrainConfig(lr=0.5, lr_policy="poly", clip_norm=3)
    message = str(checks.explain_loss(net, 900, float("nan"), 0.5, config, rerun=lambda: None))
    assert "Try --lr 0.05 (now 0.5); a loss" in message and "--clip-norm" not in message
    config = TrainConfig(stages="32s,16s,8s")
    message = str(checks.explain_loss(net, 900, float("nan"), 0.5, config, rerun=lambda: None))
    assert "Try --stage-lrs with 0.05 for fcn8s (now 0.5), or --clip-norm 5" in message


def test_a_run_whose_files_are_damaged_is_told_and_left_as_it_is(whole, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    config, log = (run / "config.toml").read_bytes(), (run / "log.csv").read_text()
    lines = log.splitlines(keepends=True)
    loss = lines[2].split(",")[1]
    for text, message in (
        (log.replace(loss, "abc"), "log.csv: cannot be continued: could not convert"),
        ("".join(lines[:2] + lines[3:]), "expected a row for each of the steps 1..6 without gaps, got 5"),
        (log.replace(loss, ""), "step 2 lacks or adds columns"),
        ("", "steps 1..6"),
    ):
        (run / "log.csv").write_text(text)
        assert message in refused(capsys, "--resume", str(run), "--iterations", "7")
        assert (run / "config.toml").read_bytes() == config and (run / "log.csv").read_text() == text


def test_a_run_of_before_there_were_stages_goes_on(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    text = (run / "log.csv").read_text()
    (run / "log.csv").write_text(re.sub(r",(stage|fcn8s)$", "", text, flags=re.MULTILINE))
    arrays, about = tensors.read(run / "checkpoint.safetensors")
    del about["state"]["stage"]
    tensors.write(run / "checkpoint.safetensors", arrays, about)
    assert main(["--resume", str(run), "--iterations", "7"]) == 0
    assert [row[-1] for row in log_of(run)] == [""] * 6 + ["fcn8s"]


def test_an_untrained_trunk_of_zeros_is_found_before_training(tmp_path, capsys):
    path = tmp_path / "zero.safetensors"
    weights.save(path, models.build("fcn8s", num_classes=7, preset="small"))
    message = refused(capsys, *SMALL, "--out", str(tmp_path / "run"), "--init", str(path))
    assert "conv1_1.weight" in message and "pretrained weights forgotten" in message


def test_init_takes_the_weights_of_a_file(whole, tmp_path, capsys):
    path = whole / "weights.safetensors"
    assert train(tmp_path / "run", "--init", str(path), "--iterations", "1", "--lr", "1e-12") == 0
    assert "arrays taken" in capsys.readouterr().out
    before, _ = weights.open_net(path)
    after, _ = weights.open_net(tmp_path / "run" / "weights.safetensors")
    np.testing.assert_allclose(after.params["fc6.weight"].data, before.params["fc6.weight"].data, atol=1e-6)


def test_the_weights_tell_which_file_they_started_from(whole, tmp_path):
    path = tmp_path / "start.safetensors"
    path.write_bytes((whole / "weights.safetensors").read_bytes())
    assert train(tmp_path / "run", "--init", str(path), "--iterations", "1", "--lr", "1e-12") == 0
    init = {"file": "start.safetensors", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert weights.open_net(tmp_path / "run" / "weights.safetensors")[1]["init"] == init
    path.unlink()  # a run that goes on does not need it
    assert main(["--resume", str(tmp_path / "run"), "--iterations", "2"]) == 0
    assert weights.open_net(tmp_path / "run" / "weights.safetensors")[1]["init"] == init
    assert "init" not in weights.open_net(whole / "weights.safetensors")[1]


@pytest.mark.parametrize(
    ("name", "padding", "said"),
    [("fcn8s", 100, "--crop, --input-padding 81, or a"), ("fcn-alexnet", 100, "--crop, --input-padding 85, or a"),
     ("fcn-alexnet", 85, "--crop, or a narrower --preset need"), ("fcn8s", "same", "--crop, or a narrower")],
)  # fmt: skip
def test_a_padding_is_recommended_that_the_net_takes_and_that_is_less(name, padding, said):
    net = models.build(name, 2, None, padding)
    fits, (*_, warning) = dry_run.memory(net, (1, 3, 40, 40), available=0)
    assert not fits and said in warning


def test_a_batch_without_a_counted_pixel_is_not_said_to_have_one():
    batch = SimpleNamespace(labels=np.full((1, 2, 2), 255, np.uint8), names=["a"])
    assert rates_told(TrainConfig(), 0.5, batch, Group()).endswith("; no pixel of the first batch is counted")


def test_only_what_needs_less_than_now_is_recommended(restore_threads):
    net = models.build("fcn8s", 2, "tiny")
    for threads, shape, said in (
        (1, (1, 3, 40, 40), "there is; a smaller --crop needs less"),
        (1, (2, 3, 40, 40), "there is; smaller --batch-size (and larger --iter-size), or a smaller --crop need"),
        (9999, (1, 3, 40, 40), "there is; fewer --threads, or a smaller --crop need less"),
    ):
        parallel.set_threads(threads)
        assert said in dry_run.memory(net, shape, available=0)[1][-1]


def test_fewer_threads_are_named_where_they_fit(restore_threads):
    net = models.build("fcn8s", 2, "tiny")
    limit = net.plan((1, 3, 40, 40), threads=3).peak_bytes
    parallel.set_threads(9999)
    with pytest.raises(MemoryLimitError, match=r"; 3 threads would fit"):
        net.plan((1, 3, 40, 40), limit=limit)
    with pytest.raises(MemoryLimitError, match=r"nothing smaller would fit"):
        net.plan((1, 3, 40, 40), limit=1 << 20)


def test_a_dry_run_tells_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "GMAC forward for 2x3x" in out and "memory: training" in out and "6 of 6 samples usable" in out
    assert "loss at start: 1.9459 a pixel" in out and "log 7 = 1.9459" in out
    assert "mean loss: lr 0.02" in out and "the same steps with the sum over" in out
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_the_memory_is_told_before_a_batch_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "Loader", None)
    assert main([*SMALL, "--dry-run", "--crop", "100000"]) == 0
    out = capsys.readouterr().out
    assert "GMAC forward for 2x3x100000x100000" in out and "warning: training needs more memory" in out
    assert "6 of 6 samples usable" in out and "loss at start: not computed" in out


def test_the_memory_is_told_for_pictures_as_large_as_they_may_become():
    for settings, side in (({}, 32), ({"scale": 1.5}, 48), ({"crop": 20}, 20), ({"crop": 20, "overfit": 2}, 32)):
        config = TrainConfig(data="shapes:size=32,train=2", batch_size=3, **settings)
        assert dry_run.batch_shape(config, sizes.largest(sizes.looked_at(open_sets(config)[0]))) == (3, 3, side, side)


def test_folders_are_named_after_date_net_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "--iterations", "1"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-fcn8s-shapes", run.name)


def test_a_file_where_the_folder_of_runs_should_be(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("mine")
    assert main([*SMALL, "--iterations", "1"]) == 2
    assert "runs: cannot be the folder of a run (File exists)" in capsys.readouterr().err


def test_two_pictures_are_learnt_by_heart(tmp_path, capsys):
    flags = ["--data", "shapes:size=32,train=4", "--preset", "tiny", "--overfit", "2", "--batch-size", "2"]
    assert main([*flags, "--iterations", "80", "--lr", "0.02", "--out", str(tmp_path / "run")]) == 0
    rows = log_of(tmp_path / "run")
    assert float(rows[-1][1]) < 0.25 * float(rows[0][1])  # loss
    assert float(rows[-1][3]) > 0.88, "pixel accuracy on the pictures it was trained on; background alone gives 0.83"
    assert "step 80/80" in capsys.readouterr().out


def test_overfit_changes_no_picture_and_evaluates_on_the_same():
    config = TrainConfig(data="shapes:size=32,train=9", overfit=3, mirror=True, jitter=5)
    train_set, val = open_sets(config)
    assert train_set is val and len(val) == 3 and augmentation(config) == []
    np.testing.assert_array_equal(val[2].image, open_sets(TrainConfig(data=config.data))[0][2].image)
    with pytest.raises(IndexError):
        val[3]
    for overfit in (0, 3):
        net = build(TrainConfig(preset="small", overfit=overfit), num_classes=7, initialise=True)
        assert net.training is not bool(overfit)  # dropout


def test_data_sets_with_other_classes_do_not_go_together(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    Image.new("L", (8, 8)).save(tmp_path / "labels" / "a.png")
    for name, text in (("classes.txt", "sky\nsea\n"), ("train.txt", "a\n"), ("val.txt", "a\n")):
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match="expected the 7 classes of shapes, got 2"):
        open_sets(TrainConfig(val_data=f"folder:{tmp_path}"))


def batch(labels: np.ndarray, rng: np.random.Generator) -> Batch:
    x = rng.standard_normal((len(labels), 3, *labels.shape[1:]), np.float32)
    return Batch(x, labels, tuple(f"picture {n}" for n in range(len(labels))), 0)


def test_the_sum_is_the_mean_times_the_counted_pixels_of_a_picture(rng):
    """With pictures that count equally many pixels; the reference's sum is divided by the number of pictures."""
    labels = rng.integers(0, 7, (2, 33, 32), np.uint8)
    labels[:, :5] = 255
    grads, losses = [], []
    for loss in ("sum", "mean"):
        config = TrainConfig(loss=loss, data="shapes:size=32,train=2")
        net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(0))
        objective = Objective(config, open_sets(config)[0])
        losses.append(float(objective.accumulate(net, iter([batch(labels, np.random.default_rng(3))]), 1)))
        grads.append(net.params["score_fr.weight"].grad)
    assert losses[0] == pytest.approx(28 * 32 * losses[1], rel=1e-6)
    np.testing.assert_allclose(grads[0], 28 * 32 * grads[1], rtol=1e-3, atol=1e-4 * np.abs(grads[0]).max())


def test_accumulated_batches_are_the_mean_of_their_losses_and_the_sum_of_their_gradients(rng):
    config = TrainConfig(data="shapes:size=32,train=2")
    objective = Objective(config, open_sets(config)[0])
    net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(0))
    one, two = (batch(rng.integers(0, 7, (1, 32, 32), np.uint8), rng) for _ in range(2))
    singles = []
    for single in (one, two):
        net.zero_grads()
        singles.append((float(objective.accumulate(net, iter([single]), 1)), net.params["score_fr.bias"].grad.copy()))
    net.zero_grads()
    both = float(objective.accumulate(net, iter([one, two]), 2))
    assert both == pytest.approx((singles[0][0] + singles[1][0]) / 2)
    np.testing.assert_allclose(net.params["score_fr.bias"].grad, singles[0][1] + singles[1][1], rtol=1e-5)


def test_a_label_out_of_range_names_the_picture_and_the_value(rng):
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 2, 3], labels[0, 0] = 9, 255
    with pytest.raises(DataError, match=r"picture 1: 1 pixels have labels outside 0\.\.6: 9"):
        checks.labels(batch(labels, rng), num_classes=7)
    labels[1, 2, 3] = 6
    checks.labels(batch(labels, rng), num_classes=7)


def stepped(lr: float, loss: str = "sum") -> list[str]:
    """What `checks.rounding` says after a step of weights around 0.01 whose gradients are around 1e4."""
    rng = np.random.default_rng(0)
    params = {"conv.weight": Param(rng.normal(0, 0.01, 1000).astype(np.float32))}
    params["conv.weight"].accumulate(rng.normal(0, 1e4, 1000).astype(np.float32))
    before = params["conv.weight"].data.copy()
    sgd = MomentumSGD(params, lr, momentum=0.99, weight_decay=5e-4)
    sgd.step()
    lines = checks.rounding(sgd, loss)
    moved = (params["conv.weight"].data != before).mean()
    assert bool(lines) == (moved < 0.5), "told if, and only if, it is so"
    return lines


def test_updates_take_effect_or_are_told_to_round_away():
    assert not stepped(1e-10) and not stepped(1e-12), "the paper's rates, and gradients of a sum"
    (line,) = stepped(1e-14)
    share, rate, wanted = re.search(r"(\d+)% of the weights .* a rate of (\S+) .*; at (\S+) half", line).groups()
    assert int(share) > 50 and float(rate) == 1e-14
    assert stepped(float(wanted) * 0.9) and not stepped(float(wanted) * 1.1), "the advice is right"
    assert "--loss sum" not in line and "--loss sum" in stepped(1e-14, "mean")[0]


def test_a_run_tells_of_updates_that_round_away(tmp_path, capsys):
    assert train(tmp_path / "run", "--lr", "1e-14", "--iterations", "4") == 0
    assert "of the weights do not move" in capsys.readouterr().out


def test_a_gradient_of_zero_is_found_after_the_first_step(rng):
    """Behind a trunk of zeros only the scores' biases get a gradient."""
    net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(0))
    config = TrainConfig(data="shapes:size=32,train=2")
    objective = Objective(config, open_sets(config)[0])
    first = batch(rng.integers(0, 7, (1, 32, 32), np.uint8), rng)
    objective.accumulate(net, iter([first]), 1)
    checks.gradients(net)  # the scores are zero, so the trunk has none yet: that is as it should be
    net.zero_grads()
    for name, param in net.params.items():
        if name.startswith("conv"):
            param.data[...] = 0
    objective.accumulate(net, iter([first]), 1)
    assert np.abs(net.params["score_fr.bias"].grad).max() > 0
    with pytest.raises(MinifcnError, match="gave every weight a gradient of zero"):
        checks.gradients(net)
    with pytest.raises(WeightsError, match=r"conv1_1\.weight, conv1_2\.weight"):
        checks.trunk(net)


def test_the_console_command_finds_its_modules(capsys):
    assert minifcn(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("train", "evaluate", "predict", "explain", "gradcheck", "data"):
        assert f"\n  {name} " in out
    assert minifcn(["trian"]) == 2
    assert "unknown command 'trian'; did you mean 'train'" in capsys.readouterr().err
    assert minifcn(["train", "--batchsize", "1"]) == 2
    assert "did you mean '--batch-size'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as leave:
        minifcn(["train", "--help"])
    assert leave.value.code == 0 and "--resume RUN" in capsys.readouterr().out
