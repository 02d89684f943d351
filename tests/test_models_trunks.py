"""AlexNet and GoogLeNet: what is published of them, that every size works, and PyTorch on the same weights."""

import numpy as np
import pytest

from minifcn import models
from minifcn.errors import ShapeError
from minifcn.layers import AvgPool2d, Conv2d, ConvTranspose2d, Crop
from minifcn.net import Net

GOOGLENETS = ["fcn-googlenet", "fcn-googlenet-16s", "fcn-googlenet-8s"]
NEW = ["fcn-alexnet", *GOOGLENETS]


def offsets(net: Net) -> dict[str, int]:
    return {name: layer.offset[0] for name, layer in net.layers.items() if isinstance(layer, Crop)}


def kernels(net: Net) -> dict[str, int]:
    return {name: layer.geometry.kernel[0] for name, layer in net.layers.items() if isinstance(layer, ConvTranspose2d)}


def picture(height: int, width: int, n: int = 1) -> np.ndarray:
    return 40 * np.random.default_rng(7).standard_normal((n, 3, height, width), dtype=np.float32)


def filled(net: Net) -> Net:
    """`net` with random scores and biases too: at their initial zeros they would hide mistakes."""
    rng = np.random.default_rng(5)
    for key, param in net.params.items():
        if key.startswith("score") or key.endswith("bias"):
            param.data = 0.1 * rng.standard_normal(param.data.shape, dtype=np.float32)
    return net


# --- what is published ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected", "upsampling"),
    [
        ("fcn-alexnet", {"score": 18}, {"upscore": 63}),  # voc-fcn-alexnet/net.py
        ("fcn-googlenet", {"score": 33}, {"upscore": 63}),
        ("fcn-googlenet-16s", {"upscore2c": 0, "score": 33}, {"upscore2": 3, "upscore16": 31}),
        (
            "fcn-googlenet-8s",
            {"upscore2c": 0, "upscore_4ec": 0, "score": 33},
            {"upscore2": 3, "upscore_4e": 3, "upscore8": 15},
        ),
    ],
)
def test_offsets_and_kernels(name, expected, upsampling):
    net = models.build(name)
    assert offsets(net) == expected
    assert kernels(net) == upsampling


@pytest.mark.parametrize(
    ("name", "field", "millions"), [("fcn32s", 404, 134), ("fcn-alexnet", 355, 57), ("fcn-googlenet", 715, 6)]
)
def test_table_1_of_the_paper(name, field, millions):
    """The paper says 907 of GoogLeNet: that counts the average pooling, which the same paper drops."""
    net = models.build(name)
    place = net.coords("score_fr")
    assert (place.x.receptive_field, place.y.receptive_field, place.x.scale) == (field, field, 32)
    assert round(net.plan((1, 3, 500, 500)).parameters / 1e6) == millions


def test_receptive_field_of_googlenet_with_its_average_pooling_is_the_paper_s_907():
    assert models.build("googlenet").coords("loss3/classifier").x.receptive_field == 907


@pytest.mark.parametrize(
    ("name", "side", "parameters"),
    [("alexnet", 227, 60_965_224), ("googlenet", 224, 6_998_552)],  # Caffe's bvlc_reference_caffenet, bvlc_googlenet
)
def test_classifiers_score_one_picture_of_their_own_size_once(name, side, parameters):
    plan = models.build(name, 1000).plan((1, 3, side, side))
    assert plan.output_shape == (1, 1000, 1, 1)
    assert plan.parameters == parameters


def test_multipliers_are_the_reference_s():
    """voc-fcn-alexnet/net.py gives none to conv1 ... fc7; all others have biases at twice the rate, without decay."""
    for name in (*NEW, "alexnet", "googlenet"):
        for key, param in models.build(name, preset="tiny").params.items():
            if key.startswith("up"):
                assert param.lr_mult == 0
            elif key.endswith("weight") or ("alexnet" in name and not key.startswith(("score", "fc8"))):
                assert (param.lr_mult, param.decay_mult) == (1, 1), key
            else:
                assert (param.lr_mult, param.decay_mult) == (2, 0), key


def test_caffe_s_names_and_order():
    alexnet = list(models.build("alexnet").layers)
    assert alexnet[1:9] == ["conv1", "relu1", "pool1", "norm1", "conv2", "relu2", "pool2", "norm2"]
    googlenet = models.build("googlenet").layers
    assert list(googlenet)[3:6] == ["pool1/3x3_s2", "pool1/norm1", "conv2/3x3_reduce"]
    assert "inception_4e/5x5_reduce" in googlenet and "inception_5b/output" in googlenet
    assert isinstance(googlenet["pool5/7x7_s1"], AvgPool2d)
    groups = {k: layer.geometry.groups for k, layer in models.build("alexnet").layers.items() if k.startswith("conv")}
    assert groups == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2}


# --- every size -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["tiny", None])
@pytest.mark.parametrize("name", NEW)
def test_the_output_has_the_size_of_the_input_for_every_size(name, preset):
    net = models.build(name, preset=preset)
    for n in range(1, 601):
        assert net.shapes((1, 3, n, 601 - n))["score"] == (1, 21, n, 601 - n)


@pytest.mark.parametrize("name", GOOGLENETS)
def test_googlenet_padded_as_it_was_trained_needs_31_pixels(name):
    net = models.build(name, input_padding="same")
    assert offsets(net)["score"] == 1
    for n in range(31, 601):
        assert net.shapes((1, 3, n, 631 - n))["score"] == (1, 21, n, 631 - n)
    with pytest.raises(ShapeError, match=r"does not fit|cannot take"):
        net.shapes((1, 3, 30, 31))


@pytest.mark.parametrize("name", NEW)
def test_the_least_padding_crops_what_conv1_may_leave_out_at_the_end(name):
    least = models.family(name).least_padding
    left_out = {"fcn-alexnet": 4}.get(name, 2) - 1  # its stride less 1
    assert offsets(models.build(name, input_padding=least))["score"] == left_out
    assert offsets(models.build(name, input_padding=least + 7))["score"] == left_out + 7
    with pytest.raises(ShapeError, match=f"of {least} to 4096, got {least - 1}: with less, the scores begin or end in"):
        models.build(name, input_padding=least - 1)


PADDED = [(name, stride) for name in ("fcn32s", "fcn16s", "fcn8s", *NEW) for stride in (32, 16, 8)]
#: All strides divide 32, so a picture 32 larger has maps of whole cells more: what fails, fails at one of these sizes.
EVERY_REMAINDER = range(101, 133)


def sizes_without_scores(net: Net) -> list[int]:
    """Those sizes that the net does not take."""
    failing = []
    for n in EVERY_REMAINDER:
        try:
            assert net.shapes((1, 3, n, n + 32))["score"][2:] == (n, n + 32)
        except ShapeError:
            failing.append(n)
    return failing


@pytest.mark.parametrize(("name", "stride"), PADDED)
def test_from_the_least_padding_on_every_size_has_scores(name, stride):
    least = models.family(name).least_padding
    for padding in (least, least + 1, least + 2, least + 5):
        assert sizes_without_scores(models.build(name, 2, "tiny", padding, output_stride=stride)) == [], padding


@pytest.mark.parametrize(("name", "stride"), [(name, stride) for name, stride in PADDED if name in ("fcn32s", *NEW)])
def test_with_less_than_the_least_padding_some_have_none(name, stride, monkeypatch):
    """So that the least is the least. FCN-32s then has no offset at all, the others lack rows at the end."""
    family, stem = models.family(name), {"fcn-alexnet": "alexnet"}.get(name, "googlenet" if "goog" in name else "vgg16")
    monkeypatch.setitem(models.FAMILIES, stem, family._replace(least_padding=0))
    try:
        net = models.build(name, 2, "tiny", family.least_padding - 1, output_stride=stride)
    except ShapeError as error:
        assert "begins 1 pixels inside" in str(error) and stem == "vgg16"
    else:
        assert sizes_without_scores(net)


# --- whole nets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("size", [(1, 1), (37, 70)])
def test_tiny_nets_learn_in_every_layer(name, size):
    """Nothing is cut off: each weight that learns has a gradient somewhere."""
    net = filled(models.build(name, 4, "tiny", rng=np.random.default_rng(0)))
    y = net.forward(picture(*size))
    assert y.shape == (1, 4, *size) and np.isfinite(y).all()
    net.backward(np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32))
    for key, param in net.params.items():
        if param.learns:
            assert param.grad is not None, key
            assert size == (1, 1) or param.grad.any(), key


@pytest.mark.parametrize("name", GOOGLENETS[1:])
def test_googlenet_with_new_skips_is_googlenet_without(name):
    """Scores start at zero; and kernels of 2f - 1 keep the positions they start from, so x2 and x16 are x32 exactly.

    VGG16's even kernels do not: there this holds on ramps only. Near the border the maps end at different places.
    """
    x = picture(90, 100)
    rough = models.build("fcn-googlenet", 4, "tiny", rng=np.random.default_rng(0))
    fine = models.build(name, 4, "tiny", rng=np.random.default_rng(0))
    assert not rough.forward(x).any()
    weight = np.random.default_rng(1).standard_normal((4, 128, 1, 1), dtype=np.float32)
    for net in (rough, fine):
        net.params["score_fr.weight"].data = weight
    with rough.inference(), fine.inference():
        a, b = rough.forward(x), fine.forward(x)
    assert np.abs(a).max() > 0
    np.testing.assert_allclose(b[..., :62, :94], a[..., :62, :94], atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("name", ["alexnet", "googlenet", *NEW])
def test_agrees_with_pytorch(name):
    """The layers one by one in PyTorch, wired as `net.nodes` says; kernels and offsets above are checked apart."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here: pip install torch")
    net = filled(models.build(name, 5, "tiny", rng=np.random.default_rng(0)))
    x = picture(240, 233)
    with net.inference():
        ours = net.forward(x)
    with torch.no_grad():
        theirs = in_pytorch(torch, net, x)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def in_pytorch(torch, net: Net, x: np.ndarray) -> np.ndarray:
    F = torch.nn.functional
    blobs: list = []
    for node in net.nodes:
        layer, xs = node.layer, [blobs[k] for k in node.inputs]
        w = {key: torch.from_numpy(param.data) for key, param in layer.params.items()}
        if layer.kind == "Input":
            y = torch.from_numpy(x)
        elif isinstance(layer, Conv2d):
            _, stride, padding, dilation, groups = layer.geometry
            y = F.conv2d(xs[0], w["weight"], w["bias"], stride, padding, dilation, groups)
        elif isinstance(layer, ConvTranspose2d):
            y = F.conv_transpose2d(xs[0], w["weight"], stride=layer.geometry.stride, groups=layer.geometry.groups)
        elif layer.kind in ("MaxPool2d", "AvgPool2d"):
            kernel, stride, padding, ceil, _, _ = layer.geometry
            pool = F.max_pool2d if layer.kind == "MaxPool2d" else F.avg_pool2d
            y = pool(xs[0], kernel, stride, padding, ceil_mode=ceil)
        elif layer.kind == "LocalResponseNorm":
            y = F.local_response_norm(xs[0], 5, 1e-4, 0.75, 1.0)
        elif layer.kind == "Crop":
            (top, left), (height, width) = layer.offset, xs[1].shape[2:]
            y = xs[0][:, :, top : top + height, left : left + width]
        else:
            y = {
                "ReLU": lambda: F.relu(xs[0]),  # noqa: B023
                "Dropout": lambda: xs[0],  # noqa: B023
                "Scale": lambda: xs[0] * layer.factor,  # noqa: B023
                "Concat": lambda: torch.cat(xs, 1),  # noqa: B023
                "Add": lambda: xs[0] + xs[1],  # noqa: B023
            }[layer.kind]()
        blobs.append(y)
    return blobs[-1].numpy()
