"""The loss of some cells: which pixels are theirs, and that its gradient is that of training on their patches."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from minifcn import models, ops
from minifcn.config import TrainConfig
from minifcn.data import Batch
from minifcn.data.transforms import Mirror, RandomCrop, Scale, Translate
from minifcn.errors import ConfigError
from minifcn.models.presets import Preset
from minifcn.train import main
from minifcn.training import session
from minifcn.training.objective import Objective
from minifcn.training.sampling import Cells, Sampling, cells_of, choose, patch, sample
from minifcn.training.sets import augmentation, open_sets

CLASSES = 3


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """VGG16 with so few channels that pictures larger than its receptive field take no time."""
    with pytest.MonkeyPatch.context() as patch:
        widths = Preset((2, 3, 4, 4, 4), fc=8, dropout=0.0, input_padding="same", input_scale=1.0)
        patch.setitem(models.presets_of("fcn8s"), "narrow", widths)
        patch.setitem(models.presets_of("fcn8s"), "narrow100", widths._replace(input_padding=100))
        yield


def net_of(name: str, preset: str) -> models.Net:
    """In float64, with scores that are not zero, so that all layers get a gradient."""
    rng = np.random.default_rng(3)
    net = models.build(name, CLASSES, preset, rng=rng).astype(np.float64)
    for key, param in net.params.items():
        if key.startswith("score"):
            param.data = rng.standard_normal(param.data.shape)
    net.training = False
    return net


def gradients(net, x, labels, mask=None) -> dict[str, np.ndarray]:
    net.zero_grads()
    scores = net.forward(x)
    net.backward(*ops.softmax_cross_entropy_backward(1.0, ops.softmax_cross_entropy(scores, labels, mask=mask)[1]))
    return {name: param.grad for name, param in net.params.items() if param.learns}


@pytest.mark.parametrize("name", ["fcn32s", "fcn8s", "fcn-alexnet", "fcn-googlenet-16s"])
@pytest.mark.parametrize(("height", "width"), [(96, 75), (31, 130)])
def test_a_pixel_belongs_to_the_cell_that_lies_nearest(name, height, width):
    net = models.build(name, CLASSES, "tiny")
    cells, place = cells_of(net, height, width), net.coords("score_fr")
    shape = net.shapes((1, 3, height, width))["score_fr"][2:]
    for owners, axis, size in ((cells.rows, place.y, shape[0]), (cells.columns, place.x, shape[1])):
        centres = float(axis.shift) + 32 * np.arange(size)
        distances = np.abs(np.arange(len(owners))[:, None] - centres)
        first = np.argmin(distances[0])  # cells without pixels, over the padding, are not counted
        own = np.take_along_axis(distances, owners[:, None] + first, axis=1)[:, 0]
        np.testing.assert_array_equal(own, distances.min(axis=1))
    assert cells.shape == (cells.rows[-1] + 1, cells.columns[-1] + 1)
    assert set(np.bincount(cells.columns)[1:-1]) <= {32}


def test_a_mask_is_made_of_whole_cells():
    cells = Cells(np.array([0, 0, 1]), np.array([0, 1, 1, 1]))
    kept = np.array([[[True, False], [False, False]], [[False, True], [True, True]]])
    np.testing.assert_array_equal(
        cells.mask(kept).astype(int),
        [[[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], [[0, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]]],
    )


def test_cells_are_drawn_as_often_as_was_asked_for(rng):
    assert abs(sample(rng, (4, 100, 100), 0.25).mean() - 0.25) < 0.01
    kept = choose(rng, (200, 4, 5), 3)
    assert (kept.sum(axis=(1, 2)) == 3).all()
    assert kept.any(axis=0).all() and len(np.unique(kept.reshape(200, -1), axis=0)) > 100
    assert choose(rng, (2, 2, 2), 9).all()


@pytest.mark.parametrize(("name", "preset"), [("fcn8s", "narrow"), ("fcn32s", "narrow100"), ("fcn-alexnet", "tiny")])
def test_patchwise_training_is_a_mask(rng, name, preset):
    """The gradient with the loss of three cells alone is the sum of theirs on patches as large as what they see."""
    net = net_of(name, preset)
    height, width = 704, 650
    x, labels = rng.standard_normal((1, 3, height, width)), rng.integers(0, CLASSES, (1, height, width))
    cells = cells_of(net, height, width)
    h, w = cells.shape
    chosen = [(0, w - 1), (h // 2, w // 2), (h // 2, w // 2 + 1)]  # a corner, and two whose patches overlap
    kept = np.zeros((1, h, w), bool)
    total: dict[str, np.ndarray] = {}
    for row, column in chosen:
        kept[0, row, column] = True
        alone = np.zeros((1, h, w), bool)
        alone[0, row, column] = True
        here = (slice(None), *patch(net, cells, row, column))
        view = np.s_[:, :, here[1], here[2]]
        assert x[view].size < 0.75 * x.size, "a patch, not the picture"
        for key, grad in gradients(net, x[view], labels[here], cells.mask(alone)[here]).items():
            total[key] = total.get(key, 0) + grad
    dense = gradients(net, x, labels, cells.mask(kept))
    for key, grad in dense.items():
        np.testing.assert_allclose(total[key], grad, rtol=1e-6, atol=1e-9 * np.abs(grad).max(), err_msg=key)
        assert np.abs(grad).max() > 0, key


def test_a_smaller_patch_would_not_do(rng):
    net = net_of("fcn8s", "narrow")
    x, labels = rng.standard_normal((1, 3, 640, 640)), rng.integers(0, CLASSES, (1, 640, 640))
    cells = cells_of(net, 640, 640)
    kept = np.zeros((1, *cells.shape), bool)
    kept[0, 10, 10] = True
    mask = cells.mask(kept)
    rows, columns = patch(net, cells, 10, 10)
    whole = gradients(net, x, labels, mask)["conv1_1.weight"]
    rows = slice(rows.start + 128, rows.stop)
    part = gradients(net, x[:, :, rows, columns], labels[:, rows, columns], mask[:, rows, columns])["conv1_1.weight"]
    assert np.abs(part - whole).max() > 1e-4 * np.abs(whole).max()


def batch(rng, step: int, size: int = 96) -> Batch:
    labels = rng.integers(0, 7, (2, size, size), np.uint8)
    return Batch(rng.standard_normal((2, 3, size, size), np.float32), labels, ("a", "b"), step)


def test_what_is_drawn_depends_on_the_seed_and_the_batch_alone(rng):
    net, one = models.build("fcn8s", 7, "tiny"), batch(rng, 5, 160)
    mask = Sampling(3, 0.5).mask(net, one)
    np.testing.assert_array_equal(mask, Sampling(3, 0.5).mask(net, batch(rng, 5, 160)))
    assert (mask != Sampling(4, 0.5).mask(net, one)).any()
    assert (mask != Sampling(3, 0.5).mask(net, batch(rng, 6, 160))).any()
    assert (mask[0] != mask[1]).any()
    assert Sampling(3).mask(net, one) is None
    assert Sampling(3, patches=2).mask(net, one).sum() == 2 * 2 * 32 * 32


@pytest.mark.parametrize("settings", [{"loss_sampling": 0.5}, {"patches": 2}])
def test_pixels_of_other_cells_do_not_count(rng, settings):
    config = TrainConfig(data="shapes:size=32,train=2", **settings)
    net, one = models.build("fcn8s", 7, "tiny", rng=rng), batch(rng, 1)
    objective = Objective(config, open_sets(config)[0])
    mask = Sampling.of(config).mask(net, one)
    assert 0 < mask.sum() < mask.size
    value, (dscores,) = objective.loss(net, one)
    assert float(value) == pytest.approx(np.log(7), rel=1e-6)  # scores start at zero; the mean is over what counts
    np.testing.assert_array_equal(np.abs(dscores).sum(axis=1) > 0, mask)


def weights_of(run) -> bytes:
    return (run / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("flag", [["--loss-sampling", "0.5"], ["--patches", "1"]])
def test_a_run_that_samples_goes_on_as_if_never_stopped(tmp_path, monkeypatch, flag):
    for name in ("curves", "samples"):  # pictures take most of the time of such a run
        monkeypatch.setattr(session.plots, name, lambda *_: None)
    flags = ["--data", "shapes:size=64,train=4,val=1", "--preset", "narrow", "--batch-size", "2", "--iter-size", "2"]
    flags += ["--lr-policy", "fixed"]
    whole, parts, dense = tmp_path / "whole", tmp_path / "parts", tmp_path / "dense"
    assert main([*flags, *flag, "--iterations", "3", "--out", str(whole)]) == 0
    assert main([*flags, *flag, "--iterations", "1", "--out", str(parts)]) == 0
    assert main(["--resume", str(parts), "--iterations", "3"]) == 0
    assert weights_of(whole) == weights_of(parts)
    assert main([*flags, "--iterations", "3", "--out", str(dense)]) == 0
    assert weights_of(whole) != weights_of(dense)
    with open(whole / "log.csv", newline="") as file:
        assert len({row["loss"] for row in csv.DictReader(file)}) == 3


def test_samples_of_all_or_nothing_are_warned_of(rng):
    net, one = models.build("fcn8s", 7, "tiny"), batch(rng, 1)  # two pictures of 3x3 cells
    assert Sampling().warnings(net, one) == Sampling(patches=8).warnings(net, one) == []
    assert Sampling(p=0.1).warnings(net, one) == []
    assert "have 3x3 cells, so that all of them count" in Sampling(patches=9).warnings(net, one)[0]
    assert "3x3 cells a picture make 0.9 that count in a batch" in Sampling(p=0.05).warnings(net, one)[0]


def test_a_first_sample_of_nothing_is_no_error(tmp_path, capsys):
    flags = ["--data", "shapes:size=32,train=2,val=1", "--batch-size", "1", "--iterations", "2"]
    assert main([*flags, "--loss-sampling", "1e-9", "--out", str(tmp_path / "run")]) == 0
    assert "warning: loss_sampling 1e-09" in capsys.readouterr().out


def test_one_way_of_sampling_at_a_time(capsys):
    with pytest.raises(ConfigError, match="two ways"):
        Sampling.of(TrainConfig(loss_sampling=0.5, patches=3))
    assert main(["--loss-sampling", "0"]) == 2
    assert "--loss-sampling expects a number above 0 and of at most 1, got 0" in capsys.readouterr().err


def test_mirror_jitter_and_class_weights_are_used_as_the_settings_say():
    """The paper's other variations of training (section 4.3)."""
    config = TrainConfig(mirror=True, jitter=32, scale=1.5, crop=64, class_weights="sqrt-inverse",
                         data="shapes:size=32,train=3")  # fmt: skip
    assert augmentation(config) == [Mirror(), Scale(1 / 1.5, 1.5), Translate(32), RandomCrop(64, 64)]
    assert augmentation(TrainConfig()) == []
    (weights,) = Objective(config, open_sets(config)[0]).class_weights
    assert weights.shape == (7,) and weights[0] < 1 < weights[1:].max() <= 4
    assert Objective(TrainConfig(), open_sets(config)[0]).class_weights == [None]
