"""Every row of the table of published files: a small file of that layout becomes a net with the framework's output."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import convert, models, weights
from minifcn.errors import WeightsError
from minifcn.weights import inputs, layouts, opening, table
from minifcn.weights.layouts import LAYOUTS

IDS = [layout.published + layout.suffix for layout in LAYOUTS]
EXACT = 1e-5


def needs(layout):
    if layout.extra:
        pytest.importorskip(layout.extra, reason=f"{layout.extra} writes the file (extra `test`)")


@pytest.mark.parametrize("layout", LAYOUTS, ids=IDS)
def test_the_converted_net_does_what_the_framework_s_does(layout, rng):
    needs(layout)
    row = table.measure(layout, rng)
    assert row.net == layout.net
    assert row.error < EXACT


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x.suffix == ".pth"], ids=lambda x: x.published)
def test_the_same_of_files_that_pytorch_wrote(layout, zipped, rng):
    torch = pytest.importorskip("torch", reason="PyTorch writes the files")

    def write(path, arrays):
        state = {key: torch.tensor(array) for key, array in arrays.items()}
        if layout.net == "fcn8s":  # as a training script leaves it
            state = {"epoch": 3, "model_state_dict": {f"module.{key}": value for key, value in state.items()}}
        torch.save(state, path, _use_new_zipfile_serialization=zipped)

    assert table.measure(layout._replace(write=write), rng).error < EXACT


@pytest.mark.parametrize(
    ("published", "wrong"),
    [
        ("vgg16-397923af", {"pictures": inputs.VGG}),  # a standardised net fed with 0..255
        ("vgg16_features-amdegroot", {"pictures": inputs.VGG}),  # RGB taken for BGR
        ("vgg16", {"arrays": lambda state: layouts.tensorflow({k: _rolled(k, a) for k, a in state.items()})}),
        ("pascal-fcn8s-dag", {"pictures": inputs.FCN}),
    ],
)
def test_the_measure_tells_a_wrong_conversion(published, wrong, rng):
    layout = next(layout for layout in LAYOUTS if layout.published == published)
    needs(layout)
    assert table.measure(layout._replace(**wrong), rng).error > 100 * EXACT


def _rolled(key, array):
    """fc6 with its columns in another order."""
    return np.roll(array, 1, axis=1) if key == "fc6.weight" else array


def written(layout, path, rng):
    """A file of the layout, and the framework's net."""
    net = table.trained(layout, rng)
    layout.write(path, layout.arrays(layouts.in_framework(net, layout.net in models.CLASSIFIERS)))
    return net


def of(published, suffix=None):
    return next(x for x in LAYOUTS if x.published == published and suffix in (None, x.suffix))


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x.suffix == ".caffemodel"], ids=lambda x: x.published)
def test_a_caffemodel_tells_which_net_it_is_of(layout, tmp_path, rng):
    written(layout, tmp_path / "a.caffemodel", rng)
    net, about = weights.open_net(tmp_path / "a.caffemodel")
    assert net.spec["name"] == layout.net and net.spec["preset"] == "tiny" and net.spec["num_classes"] == layout.classes
    assert about["mean"] == layout.pictures.bgr_mean
    assert any(layout.net in line for line in about["assumed"])


def test_load_takes_what_a_file_of_another_framework_has(tmp_path, rng):
    theirs = written(of("VGG_ILSVRC_16_layers"), tmp_path / "a.caffemodel", rng)
    net = models.build("fcn32s", 3, "tiny")
    report = weights.load(net, tmp_path / "a.caffemodel")
    assert "score_fr.weight" in report.left and report.mean == inputs.VGG.bgr_mean
    np.testing.assert_array_equal(net.params["fc7.weight"].data, theirs.params["fc7.weight"].data)


def test_a_pth_does_not_tell_fcn8s_from_at_once(tmp_path, rng, capsys):
    written(of("fcn8s_from_caffe", ".pth"), tmp_path / "a.pth", rng)
    with pytest.raises(WeightsError, match=r"a\.pth: .* fit fcn8s and fcn8s-atonce; name it \(--net"):
        weights.open_net(tmp_path / "a.pth")
    assert convert.main([str(tmp_path / "a.pth"), str(tmp_path / "b.safetensors")]) == 2
    assert "name it (--to)" in capsys.readouterr().err
    assert weights.open_net(tmp_path / "a.pth", {"name": "fcn8s"})[0].spec["name"] == "fcn8s"


def test_at_once_scales_must_be_the_net_s(tmp_path, rng):
    layout = of("fcn8s-atonce-pascal")
    path = tmp_path / "a.caffemodel"
    written(layout, path, rng)
    with pytest.raises(WeightsError, match=r"scale_pool4 multiplies by 0\.01, the net by 1; .*--to fcn8s-atonce"):
        weights.open_net(path, {"name": "fcn8s"})
    other = {**layouts.caffe(layouts.in_framework(table.trained(layout, rng), False)), "scale_pool4.0": [0.5]}
    layout.write(path, {key: np.float32(array) for key, array in other.items()})
    with pytest.raises(WeightsError, match=r"multiplies by 0\.5, the net by 0\.01"):
        weights.open_net(path, {"name": "fcn8s-atonce"})


def test_the_cvpr_net_s_names_are_told_by_their_places(tmp_path, rng):
    written(of("CVPR's fcn-8s"), tmp_path / "a.caffemodel", rng)
    source = opening.open_source(tmp_path / "a.caffemodel")
    (line,) = [line for line in source.told if "by their places" in line]
    for said in ("score59 is score_fr", "upsample-fused-16 is upscore_pool4", "score-pool3 is score_pool3"):
        assert said in line
    assert "upscore2.weight" in source.arrays  # which kept its name


def mixing(path, rng):
    """FCN-8s whose upsampling was learned: the framework's net, and a file of it."""
    layout = of("CVPR's fcn-8s")
    net = models.build("fcn8s", 5, "tiny", rng=rng, upsampling="dense")
    for name, param in net.params.items():
        if name.startswith("score") or name in ("upscore2.weight", "upscore_pool4.weight"):
            param.data = param.data + 0.1 * rng.standard_normal(param.data.shape, np.float32)
    layout.write(path, layout.arrays(layouts.in_framework(net, False)))
    return net


def test_upsampling_that_mixes_classes_is_kept(tmp_path, rng):
    """So it is in the nets of the CVPR paper."""
    expected = mixing(tmp_path / "a.caffemodel", rng)
    net, about = weights.open_net(tmp_path / "a.caffemodel")
    assert net.spec["upsampling"] == "dense"
    assert "dense upsampling, since upscore2.weight mixes classes" in about["assumed"]
    x = rng.standard_normal((1, 3, 40, 40), np.float32) * 50
    with expected.inference(), net.inference():  # the small net scales its input, the file does not
        found, wanted = net.forward(x), expected.forward(x * 64)
    np.testing.assert_allclose(found, wanted, atol=EXACT * np.abs(wanted).max())


def test_upsampling_that_mixes_classes_needs_a_net_that_does(tmp_path, rng):
    mixing(tmp_path / "a.caffemodel", rng)
    with pytest.raises(
        WeightsError, match=r"a\.caffemodel: upscore2\.weight was .* mixes classes.* --upsampling dense"
    ):
        weights.transplant(models.build("fcn8s", 5, "tiny"), tmp_path / "a.caffemodel")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused(value, tmp_path, rng):
    layout = of("vgg16_from_caffe", ".npz")
    arrays = layouts.chainer(layouts.in_framework(table.trained(layout, rng), True))
    arrays["conv3_2/W"][0, 0, 0, 0] = value
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(WeightsError, match=r"a\.npz: conv3_2\.weight holds NaN, Inf"):
        weights.open_net(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("classifier.1.weight", "AlexNet"),
        ("inception3a.branch1.conv.weight", "GoogLeNet"),
        ("backbone.layer1.0.conv1.weight", "a ResNet"),
        ("features.1.running_mean", "batch normalisation"),
        ("features.11.weight", "features.11.weight is in no VGG16"),
    ],
)
def test_other_architectures_are_told(key, what, tmp_path):
    np.savez(tmp_path / "a.npz", **{key: np.zeros((2, 3, 3, 3), np.float32), "features.0.weight": np.float32([1])})
    with pytest.raises(WeightsError, match=rf"a\.npz: .*{what}"):
        weights.open_net(tmp_path / "a.npz")


def test_two_keys_of_one_layer_are_an_error(tmp_path):
    np.savez(tmp_path / "a.npz", **{"conv1_1.weight": np.zeros(3), "conv1_1/W": np.zeros(3)})
    with pytest.raises(WeightsError, match=r"conv1_1/W and conv1_1\.weight are both conv1_1\.weight"):
        opening.open_source(tmp_path / "a.npz")


def test_the_table_has_a_line_for_each_layout(monkeypatch):
    monkeypatch.setattr(table, "LAYOUTS", LAYOUTS[:1])
    heads, line, *legend = table.lines()
    assert heads.split()[:2] == ["file", "read"] and line.startswith("VGG_ILSVRC_16_layers.caffemodel  Caffe's blobs")
    assert float(line.split()[-1]) < EXACT and "largest" in " ".join(legend)
    monkeypatch.setattr(table, "LAYOUTS", [x._replace(extra="no_such_package") for x in LAYOUTS[:1]])
    assert "needs no_such_package to be tried: pip install no_such_package" in table.lines()[1]
