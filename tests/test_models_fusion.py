"""Nets that see more than colours, and nets with several tasks: as released, and made of the nets that they extend."""

import numpy as np
import pytest

from minifcn import models
from minifcn.errors import ShapeError
from minifcn.gradcheck.modules import check_net
from minifcn.layers import Crop

TWO = {"sem": 33, "geo": 3}
TRUNK = 14_714_688 + 102_764_544 + 16_781_312  # VGG16's convolutions, fc6, fc7
#: name, classes, learned parameters and crop offsets at full width
NETS = [
    ("fcn32s-hha", 40, TRUNK + 40 * 4097, [19]),
    ("fcn32s-rgbd", 40, TRUNK + 64 * 9 + 40 * 4097, [19]),
    ("fcn16s-rgbd", 40, TRUNK + 64 * 9 + 40 * (4097 + 513), [5, 27]),
    ("fcn8s-rgbd", 40, TRUNK + 64 * 9 + 40 * (4097 + 513 + 257), [5, 9, 31]),
    ("fcn32s-late", 40, 2 * (TRUNK + 40 * 4097), [19]),
    ("fcn16s-late", 40, 2 * (TRUNK + 40 * (4097 + 513)), [5, 27]),
    ("fcn32s", TWO, TRUNK + 36 * 4097, [19, 19]),
    ("fcn16s", TWO, TRUNK + 36 * (4097 + 513), [5, 27] * 2),
    ("fcn8s", TWO, TRUNK + 36 * (4097 + 513 + 257), [5, 9, 31] * 2),
    ("fcn32s", 60, TRUNK + 60 * 4097, [19]),  # PASCAL-Context
    ("fcn-alexnet", 21, 56_954_261, [18]),  # section 4.1's 57 M
    ("fcn-googlenet", 21, 5_995_077, [33]),  # and 6 M
]
NEW = ["fcn32s-hha", "fcn32s-rgbd", "fcn16s-rgbd", "fcn8s-rgbd", "fcn32s-late", "fcn16s-late"]


def filled(net, seed=3):
    """Random numbers in every parameter that starts at zero."""
    rng = np.random.default_rng(seed)
    for key, param in net.params.items():
        if key.startswith("score") or key.endswith("bias"):
            param.data = 0.1 * rng.standard_normal(param.data.shape, dtype=np.float32)
    return net


def tiny(name, classes=4, seed=0):
    return filled(models.build(name, classes, preset="tiny", rng=np.random.default_rng(seed)))


def pictures(net, n=2, height=21, width=34):
    rng = np.random.default_rng(1)
    shapes = net.input_shapes((n, 3, height, width))
    return [40 * rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def outputs(net, *xs):
    with net.inference():
        found = net.forward(*xs)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize(("name", "classes", "parameters", "offsets"), NETS)
def test_parameters_and_offsets(name, classes, parameters, offsets):
    net = models.build(name, classes)
    assert net.plan(*net.input_shapes((1, 3, 500, 500))).parameters == parameters
    assert [layer.offset[0] for layer in net.layers.values() if isinstance(layer, Crop)] == offsets


def weights(net):
    return {key.removesuffix(".weight") for key, param in net.params.items() if key.endswith("weight") and param.learns}


def test_names_are_the_released_ones():
    """nyud-fcn32s-color-d, -color-hha and siftflow-fcn8s of fcn.berkeleyvision.org, net.py."""
    plain = weights(models.build("fcn32s"))
    assert weights(models.build("fcn32s-rgbd")) == plain - {"conv1_1"} | {"conv1_1_bgrd"}
    late = models.build("fcn32s-late")
    assert weights(late) == {layer + end for layer in plain for end in ("color", "hha")}
    assert late.layers["score_fused"].coefficients == (0.5, 0.5) and "upscore" in late.layers
    assert list(late.inputs) == ["color", "hha"] and late.outputs == ["score"]
    eight = models.build("fcn8s", TWO)
    scores = {"score_fr", "score_pool4", "score_pool3"}
    expected = {f"{score}_{task}" for score in scores for task in TWO}
    assert weights(eight) - weights(models.build("fcn8s")) == expected
    layers = {"upscore2_sem", "score_pool4_semc", "fuse_pool4_sem", "upscore_pool4_geo", "upscore8_geo", "score_geo"}
    assert layers <= eight.layers.keys() and eight.outputs == ["score_sem", "score_geo"]
    assert {"upscore_sem", "upscore_geo"} <= models.build("fcn32s", TWO).layers.keys()


@pytest.mark.parametrize("preset", ["vgg16", "small", "tiny"])
@pytest.mark.parametrize(("name", "classes"), [*((name, 4) for name in NEW), ("fcn8s", TWO), ("fcn8s-atonce", TWO)])
def test_scores_have_the_size_of_the_picture(name, classes, preset):
    net = models.build(name, classes, preset=preset)
    for n in (*range(1, 40), 224, 375, 500):
        shapes = net.shapes(*net.input_shapes((1, 3, n, 501 - n)))
        assert [shapes[output] for output in net.outputs] == [
            (1, count, n, 501 - n) for count in models.tasks_of(net).values()
        ]


def test_early_fusion_without_depth_is_the_net_of_colours():
    net, plain = tiny("fcn8s-rgbd"), tiny("fcn8s")
    first = net.params["conv1_1_bgrd.weight"].data
    first[:, 3] = 0
    net.load_state_dict(
        {key.replace("conv1_1.", "conv1_1_bgrd."): value for key, value in plain.state_dict().items()}
        | {"conv1_1_bgrd.weight": np.concatenate([plain.params["conv1_1.weight"].data, first[:, 3:]], axis=1)}
    )
    color, depth = pictures(net)
    np.testing.assert_allclose(outputs(net, color, depth)[0], outputs(plain, color)[0], rtol=1e-4, atol=1e-4)
    first[:, 3] = 1
    assert abs(outputs(net, color, depth)[0] - outputs(plain, color)[0]).max() > 0.1


@pytest.mark.parametrize("stride", [32, 16])
def test_late_fusion_is_the_mean_of_two_nets(stride):
    net = tiny(f"fcn{stride}s-late")
    xs = pictures(net)
    alone = []
    for end, x in zip(("color", "hha"), xs, strict=True):
        one = models.build(f"fcn{stride}s", 4, preset="tiny")
        state = net.state_dict()
        one.load_state_dict({
            key: state.get(key.replace(".", f"{end}."), state.get(key)) for key in one.state_dict()
        })  # fmt: skip
        alone.append(outputs(one, x)[0])
    np.testing.assert_allclose(outputs(net, *xs)[0], (alone[0] + alone[1]) / 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["fcn32s", "fcn8s", "fcn8s-atonce"])
def test_each_task_is_a_net_of_its_own_on_one_trunk(name):
    net = tiny(name, {"sem": 5, "geo": 3})
    (x,) = pictures(net)
    for task, found in zip(("sem", "geo"), outputs(net, x), strict=True):
        alone = models.build(name, found.shape[1], preset="tiny")
        state = net.state_dict()
        alone.load_state_dict({
            key: state[key] if key in state else state[key.replace(".", f"_{task}.")] for key in alone.state_dict()
        })  # fmt: skip
        np.testing.assert_allclose(found, outputs(alone, x)[0], rtol=1e-5, atol=1e-5)


def test_narrow_presets_bring_all_inputs_to_about_unit_variance():
    """Bytes are divided by 64; the logarithm of a depth, which varies by about 1 as it is, would vanish so."""
    layers = models.build("fcn8s-rgbd", preset="tiny").layers
    assert layers["scale_color"].factor == 1 / 64 and "scale_depth" not in layers
    layers = models.build("fcn32s-late", preset="small").layers
    assert layers["scale_color"].factor == layers["scale_hha"].factor == 1 / 64
    assert "scale_color" not in models.build("fcn32s-late").layers


def test_what_a_net_sees_and_is_for():
    assert models.modalities_of(models.build("fcn32s-hha")) == ("hha",)
    assert models.modalities_of(models.build("fcn8s-rgbd")) == ("color", "depth")
    assert models.modalities_of(models.build("vgg16")) == ("color",)
    assert models.tasks_of(models.build("fcn8s", TWO)) == TWO and models.tasks_of(models.build("fcn8s", 7)) == {"": 7}
    assert models.build("fcn8s", TWO).spec["num_classes"] == TWO
    assert {"fcn8s-rgbd", "fcn16s-late", "fcn-googlenet"} <= set(models.RECONSTRUCTIONS)
    assert not {"fcn32s-rgbd", "fcn32s-late", "fcn32s-hha", "fcn8s"} & set(models.RECONSTRUCTIONS)


@pytest.mark.parametrize(
    ("name", "classes", "says"),
    [
        ("vgg16", TWO, "a classifier has one task"),
        ("fcn8s", {"sem": 33}, "a net of one task takes the number of its classes"),
        ("fcn8s", {}, "a net of one task"),
        ("fcn8s", {"sem": 33, "geo": 0}, "at least 1 class of geo, got 0"),
        ("fcn8s", {"sem": 33, "geo": True}, "a whole number of classes of geo, got True"),
        ("fcn8s", {"a.b": 3, "geo": 2}, "a task is named by a word"),
    ],
)
def test_tasks_that_cannot_be(name, classes, says):
    with pytest.raises(ShapeError, match=says):
        models.build(name, classes)


def test_the_gradient_check_wants_a_batch_for_each_input_and_labels_for_each_output():
    net = tiny("fcn8s-rgbd")
    x = np.zeros((1, 3, 9, 9))
    with pytest.raises(ShapeError, match="1 batches and 1 label maps for the inputs color, depth"):
        check_net(net, x, np.zeros((1, 9, 9), np.uint8))
    with pytest.raises(ShapeError, match="1 label maps for the inputs data and the outputs score_sem, score_geo"):
        check_net(tiny("fcn8s", TWO), x, np.zeros((1, 9, 9), np.uint8))
