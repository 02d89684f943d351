"""Net surgery: what fits is taken and computes what it computed before; what became of everything is told."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import models, weights
from minifcn.errors import WeightsError
from minifcn.layers import Add, Conv2d, ReLU, Scale
from minifcn.net import Net
from minifcn.weights import layouts, surgery, writers


def filled(net, rng):
    for param in net.params.values():
        param.data = rng.standard_normal(param.data.shape, np.float32)
    return net


def test_a_classifier_becomes_a_trunk(rng):
    """Its dense layers are convolutions already; fc8 has no place, and the scores start at zero as built."""
    classifier = filled(models.build("vgg16", 7, "tiny"), rng)
    net = models.build("fcn32s", 5, "tiny")
    report = weights.transplant(net, classifier)
    for name in ("conv1_1.weight", "conv5_3.bias", "fc6.weight", "fc7.bias"):
        np.testing.assert_array_equal(net.params[name].data, classifier.params[name].data)
    assert report.left == ["score_fr.weight", "score_fr.bias", "upscore.weight"]
    assert report.unused == ["fc8.weight", "fc8.bias"]
    assert len(report.taken) == 30 and not report.reshaped and not report.warnings
    text = str(report)
    assert "30 arrays taken" in text and "left at their initial value: score_fr.weight" in text
    assert "not used: fc8.weight, fc8.bias" in text


def test_a_googlenet_becomes_a_trunk(rng, tmp_path):
    classifier = filled(models.build("googlenet", 7, "tiny"), rng)
    weights.save(tmp_path / "a.safetensors", classifier, {"mean": [104.0, 117.0, 123.0]})
    net = models.build("fcn-googlenet-8s", 5, "tiny")
    report = weights.transplant(net, tmp_path / "a.safetensors")
    assert {*report.unused} == {"loss3/classifier.weight", "loss3/classifier.bias"}
    assert report.mean == [104, 117, 123]
    assert all(name.startswith(("score", "upscore")) for name in report.left)


def test_from_32s_to_16s_only_the_new_skip_is_left(rng):
    coarse = filled(models.build("fcn32s", 5, "tiny"), rng)
    fine = models.build("fcn16s", 5, "tiny")
    report = weights.transplant(fine, coarse)
    assert report.left == ["upscore2.weight", "score_pool4.weight", "score_pool4.bias", "upscore16.weight"]
    assert not fine.params["score_pool4.weight"].data.any()
    np.testing.assert_array_equal(fine.params["score_fr.weight"].data, coarse.params["score_fr.weight"].data)


def test_scores_of_another_number_of_classes_are_left_and_reported(rng):
    net = models.build("fcn8s", 9, "tiny")
    report = weights.transplant(net, filled(models.build("fcn8s", 5, "tiny"), rng))
    assert not net.params["score_fr.weight"].data.any()
    assert "score_fr.weight (5, 128, 1, 1) does not fit the net's (9, 128, 1, 1), and is not used" in str(report)
    assert "score_fr.weight" in report.left and "score_fr.weight" in report.unused and not report.warnings


def test_expand_score_keeps_the_old_classes_and_gives_the_new_ones_zero(rng):
    old = filled(models.build("fcn8s", 5, "tiny"), rng)
    net = models.build("fcn8s", 9, "tiny")
    bilinear = net.params["upscore8.weight"].data.copy()
    report = weights.expand_score(net, old)
    assert {"score_fr.weight", "score_pool3.bias"} <= {*report.reshaped}
    x = rng.standard_normal((1, 3, 40, 33), np.float32)
    found, expected = net.forward(x), old.forward(x)
    np.testing.assert_allclose(found[:, :5], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert not found[:, 5:].any()
    np.testing.assert_array_equal(net.params["upscore8.weight"].data[5:], bilinear[5:])


def test_expand_score_takes_upsampling_in_full(rng, tmp_path):
    path = tmp_path / "a.caffemodel"
    old = filled(models.build("fcn8s", 5, "tiny"), rng)
    writers.caffemodel(path, layouts.caffe(layouts.in_framework(old, False)))
    net = models.build("fcn8s", 9, "tiny")
    weights.expand_score(net, path)
    np.testing.assert_array_equal(net.params["upscore8.weight"].data[:5], old.params["upscore8.weight"].data)


@pytest.mark.parametrize("kind", ["dense", "nonlinear"])
def test_expand_score_keeps_classes_whose_upsampling_sees_all(kind, rng):
    old = filled(models.build("fcn16s", 3, "tiny", upsampling=kind), rng)
    net = models.build("fcn16s", 5, "tiny", upsampling=kind)
    weights.expand_score(net, old)
    x = rng.standard_normal((1, 3, 40, 33), np.float32)
    found, expected = net.forward(x), old.forward(x)
    np.testing.assert_allclose(found[:, :3], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    untrained = models.build("fcn16s", 5, "tiny", upsampling=kind).forward(x)
    np.testing.assert_array_equal(found[:, 3:], untrained[:, 3:])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (5, 3, r"score_fr\.weight \(5, 128, 1, 1\) cannot be the first classes of \(3, 128, 1, 1\)"),
        ({"sem": 4, "geo": 3}, 9, r"keeps the old classes, but the net has no place for score_fr_sem\.weight"),
        (4, {"sem": 4, "geo": 3}, r"keeps the old classes, but the net has no place for score_fr\.weight"),
    ],
)
def test_expand_score_never_drops_classes(old, new, message, rng):
    net = models.build("fcn8s", new, "tiny")
    with pytest.raises(WeightsError, match=message):
        weights.expand_score(net, filled(models.build("fcn8s", old, "tiny"), rng))
    assert not net.params["fc7.weight"].data.any()


def test_expand_score_never_drops_upsampling_that_mixes_classes(rng):
    old = filled(models.build("fcn8s", 3, "tiny", upsampling="dense"), rng)
    with pytest.raises(WeightsError, match=r"upscore2\.weight .* cannot be the first classes"):
        weights.expand_score(models.build("fcn8s", 5, "tiny"), old)


def small(channels, names, factor=1.0):
    """A net of one convolution for each name, side by side."""
    net = Net()
    x = net.input("data", channels)
    if factor != 1:
        x = net.add("scale_data", Scale(factor), x)
    tops = [net.add(f"relu_{name}", ReLU(), net.add(name, Conv2d(channels, 4, 3), x)) for name in names]
    if len(tops) > 1:
        net.add("sum", Add(), *tops)
    return net


@pytest.mark.parametrize("name", ["conv1_1", "conv1_1_bgrd"])
def test_depth_is_seen_as_the_mean_of_the_colours(name, rng):
    colour = filled(small(3, ["conv1_1"]), rng)
    net = small(4, [name])
    report = weights.transplant(net, colour)
    weight = net.params[f"{name}.weight"].data
    np.testing.assert_array_equal(weight[:, :3], colour.params["conv1_1.weight"].data)
    np.testing.assert_allclose(weight[:, 3], colour.params["conv1_1.weight"].data.mean(axis=1), rtol=1e-6)
    assert report.reshaped == [f"{name}.weight"] and report.taken == [f"{name}.bias"]
    x = rng.standard_normal((1, 4, 6, 6), np.float32)
    x[:, 3] = 0  # without depth, what it was
    np.testing.assert_allclose(net.forward(x), colour.forward(x[:, :3]), rtol=1e-5, atol=1e-6)


def test_one_trunk_serves_two(rng):
    one = filled(small(3, ["conv1_1"]), rng)
    both = small(3, ["conv1_1color", "conv1_1hha"])
    report = weights.transplant(both, one)
    for name in ("conv1_1color", "conv1_1hha"):
        np.testing.assert_array_equal(both.params[f"{name}.weight"].data, one.params["conv1_1.weight"].data)
    assert len(report.taken) == 4 and not report.unused
    x = rng.standard_normal((1, 3, 6, 6), np.float32)
    np.testing.assert_allclose(both.forward(x), 2 * one.forward(x), rtol=1e-6)


@pytest.mark.parametrize(("name", "taken"), [("fcn32s-late", 60), ("fcn16s-rgbd", 30)])
def test_nets_of_two_modalities_start_from_a_classifier(name, taken, rng):
    classifier = filled(models.build("vgg16", 7, "tiny"), rng)
    net = models.build(name, 5, "tiny")
    report = weights.transplant(net, classifier)
    assert len(report.taken) + len(report.reshaped) == taken
    assert all(key.startswith(("score", "upscore")) for key in report.left)
    first = classifier.params["conv1_1.weight"].data
    if name == "fcn32s-late":
        np.testing.assert_array_equal(net.params["conv1_1hha.weight"].data, first)
        np.testing.assert_array_equal(net.params["fc7color.bias"].data, classifier.params["fc7.bias"].data)
    else:  # the small net scales colours by 1/64, and depth not at all
        found = net.params["conv1_1_bgrd.weight"].data
        np.testing.assert_array_equal(found[:, :3], first)
        np.testing.assert_allclose(found[:, 3], first.mean(axis=1) / 64, rtol=1e-6)


def test_a_net_of_two_modalities_comes_back(rng, tmp_path):
    net = filled(models.build("fcn16s-rgbd", 5, "tiny"), rng)
    weights.save(tmp_path / "a.safetensors", net)
    other = models.build("fcn16s-rgbd", 5, "tiny")
    weights.transplant(other, tmp_path / "a.safetensors")
    for name, param in net.params.items():
        np.testing.assert_allclose(other.params[name].data, param.data, rtol=1e-6)


def test_a_net_of_two_tasks_comes_back(rng, tmp_path):
    net = filled(models.build("fcn8s", {"sem": 4, "geo": 3}, "tiny"), rng)
    weights.save(tmp_path / "a.safetensors", net)
    found, _ = weights.open_net(tmp_path / "a.safetensors")
    assert found.spec == net.spec
    one = models.build("fcn8s", 4, "tiny")
    report = weights.transplant(one, net)
    assert "score_fr.weight" in report.left and "fc7.weight" in report.taken


def test_what_the_nets_multiply_their_input_by_is_made_up_for(rng):
    one, other = filled(small(3, ["conv1_1"], 1 / 64), rng), small(3, ["conv1_1"], 0.5)
    weights.transplant(other, one)
    x = rng.standard_normal((1, 3, 6, 6), np.float32) * 64
    np.testing.assert_allclose(other.forward(x), one.forward(x), rtol=1e-5, atol=1e-5)


def test_a_trunk_that_stays_untrained_is_warned_of(rng):
    source = filled(small(3, ["conv1_1"]), rng)
    net = models.build("fcn32s", 5, "tiny", rng=rng)
    source.params["conv1_1.weight"].data = rng.standard_normal((8, 3, 3, 3), np.float32)
    source.params["conv1_1.bias"].data = rng.standard_normal(8, np.float32)
    report = weights.transplant(net, source)
    assert "warning: only 1 of the trunk's 15 layers were taken: most of it starts untrained" in str(report)


def test_narrower_layers_are_left(rng, tmp_path):
    """The published trunk under a net with fewer channels in fc6, say."""
    state = filled(models.build("vgg16", 5, "tiny"), rng).state_dict()
    np.savez(tmp_path / "a.npz", **{key: array for key, array in state.items() if not key.startswith("fc7")} | {
        "fc6.weight": np.zeros((9, 64, 7, 7), np.float32), "fc6.bias": np.zeros(9, np.float32)})  # fmt: skip
    net = models.build("fcn32s", 5, "tiny", rng=rng)
    before = net.params["fc6.weight"].data.copy()
    report = weights.transplant(net, tmp_path / "a.npz")
    np.testing.assert_array_equal(net.params["fc6.weight"].data, before)
    assert {"fc6.weight", "fc7.weight"} <= {*report.left} and report.warnings == ["left untrained: fc6, fc7"]


def test_a_layer_of_another_width_is_told(rng):
    source = weights.open_source(filled(models.build("vgg16", 7, "tiny"), rng))
    source.arrays["conv1_1.weight"] = np.zeros((9, 3, 3, 3), np.float32)
    report = surgery.transplanted(models.build("fcn32s", 5, "tiny"), source)
    assert report.untrained == ["conv1_1"]
    assert report.warnings == ["left untrained: conv1_1; its conv1_1 is 9 wide, preset tiny's 8"]


def test_the_source_s_own_padding_is_told(rng):
    old = filled(models.build("fcn32s", 5, "tiny", 100), rng)
    report = weights.transplant(models.build("fcn16s", 5, "tiny"), old)
    assert report.warnings == ["trained with an input padding of 100, the net has same"]
    assert not weights.transplant(models.build("fcn16s", 5, "tiny", 100), old).warnings


def test_a_source_with_nothing_for_the_net_changes_nothing(rng, tmp_path):
    net = filled(models.build("fcn32s", 5, "tiny"), rng)
    before = net.state_dict()
    np.savez(tmp_path / "a.npz", **{"other.weight": np.zeros(3), "other.bias": np.zeros(3)})
    with pytest.raises(WeightsError, match=r"a\.npz: nothing in it is for this net; it has other\.weight"):
        weights.transplant(net, tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", **{"conv1_1.weight": np.ones((64, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match=r"for this net; its conv1_1 is 64 wide, preset tiny's 8; --preset vgg16"):
        weights.transplant(net, tmp_path / "a.npz")
    for name, array in before.items():
        np.testing.assert_array_equal(net.params[name].data, array)


def test_native_weights_of_rgb_pictures_are_refused(rng, tmp_path):
    weights.save(tmp_path / "a.safetensors", models.build("fcn32s", 5, "tiny"), {"channels": "RGB"})
    with pytest.raises(WeightsError, match="made for RGB pictures; expected BGR"):
        weights.transplant(models.build("fcn32s", 5, "tiny"), tmp_path / "a.safetensors")
