"""Upsampling fixed, learned, and by a stack with ReLUs (section 3.3): all start as bilinear interpolation."""

import numpy as np
import pytest

from minifcn import models, ops, weights
from minifcn.errors import ShapeError
from minifcn.layers import Conv2d, ConvTranspose2d, ReLU
from minifcn.models.upsampling import upsample
from minifcn.net import Net


def learning(net: Net) -> list[str]:
    """The upsampling weights that learn."""
    return [
        name
        for name, layer in net.layers.items()
        if isinstance(layer, ConvTranspose2d) and layer.params["weight"].learns
    ]


def scored(net: Net, share: float) -> Net:
    rng = np.random.default_rng(5)
    for key, param in net.params.items():
        if key.startswith("score"):
            param.data = share * rng.standard_normal(param.data.shape, dtype=np.float32)
    return net


def picture(height: int = 61, width: int = 45) -> np.ndarray:
    return 40 * np.random.default_rng(7).standard_normal((1, 3, height, width), dtype=np.float32)


def run(net: Net) -> np.ndarray:
    with net.inference():
        return net.forward(picture())


@pytest.mark.parametrize("padding", [None, "same"])
@pytest.mark.parametrize("kind", ["learned", "dense", "nonlinear"])
@pytest.mark.parametrize("name", models.FCNS)
def test_the_output_has_the_size_of_the_input_for_every_size(name, kind, padding):
    net = models.build(name, 3, None, padding, upsampling=kind)
    least = 31 if padding == "same" and "googlenet" in name else 1
    for n in range(least, 601):
        assert net.shapes(*net.input_shapes((1, 3, n, 631 - n)))["score"] == (1, 3, n, 631 - n)


def test_what_learns():
    """Section 4.3: upsampling in between is learned, the last is fixed; section 3.3: or a stack of several."""
    assert learning(models.build("fcn8s")) == []
    assert learning(models.build("fcn8s", upsampling="learned")) == ["upscore2", "upscore_pool4"]
    assert learning(models.build("fcn32s", upsampling="learned")) == ["upscore"]
    dense = models.build("fcn8s", 5, upsampling="dense")
    assert learning(dense) == ["upscore2", "upscore_pool4"]
    assert dense.params["upscore2.weight"].data.shape == (5, 5, 4, 4)
    stack = ["upscore2", "upscore_pool4", "upscore8_by2", "upscore8_by4", "upscore8"]
    assert learning(models.build("fcn8s", upsampling="nonlinear")) == stack
    relus = [name for name in models.build("fcn32s", upsampling="nonlinear").layers if name.startswith("relu_up")]
    assert relus == [f"relu_upscore_by{factor}" for factor in (2, 4, 8, 16)]


@pytest.mark.parametrize("name", ["fcn8s", "fcn16s", "fcn-googlenet-8s"])
def test_learned_and_dense_start_as_fixed(name):
    nets = [
        scored(models.build(name, 5, "tiny", rng=np.random.default_rng(0), upsampling=kind), 0.1)
        for kind in ("fixed", "learned", "dense")
    ]
    one, other, dense = map(run, nets)
    assert np.abs(one).max() > 0
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, dense, atol=1e-5 * np.abs(one).max())


def test_nonlinear_starts_as_bilinear_steps_by_2():
    """While scores stay above -1, the ReLUs pass all, and their 1 is the same for all classes."""
    net = Net()
    x = net.input("data", channels=3)
    h = net.add("pool", Conv2d(3, 3, 8, 8, padding=36), x)
    upsample(net, "up", h, x, 3, "nonlinear")
    scores = np.random.default_rng(3).uniform(-0.9, 4, (1, 3, 5, 6)).astype(np.float32)
    y, plain = scores, scores
    for layer in net.layers.values():
        if isinstance(layer, (ConvTranspose2d, ReLU)):
            y = layer.forward(y)
        if isinstance(layer, ConvTranspose2d):
            kernel = layer.geometry.kernel[0]
            bilinear = ops.conv_transpose2d(np.ones((1, 1, 1, 1), np.float32), _filter(kernel), stride=2)[0]
            plain, _ = ops.conv_transpose2d(plain, np.repeat(bilinear, 3, axis=0), stride=2, groups=3)
    assert [layer.kind for layer in net.layers.values()][2:] == ["ConvTranspose2d", "ReLU"] * 2 + ["ConvTranspose2d"]

    def differences(a: np.ndarray) -> np.ndarray:
        return a - a[:, :1]

    np.testing.assert_allclose(differences(y), differences(plain), atol=1e-5)


def _filter(kernel: int) -> np.ndarray:
    ramp = np.array({4: [1, 3, 3, 1], 3: [2, 4, 2]}[kernel]) / 4
    return np.outer(ramp, ramp)[None, None].astype(np.float32)


def test_the_first_gradient_reaches_the_zero_score_layers_through_the_stack():
    net = models.build("fcn32s", 3, "tiny", rng=np.random.default_rng(0), upsampling="nonlinear")
    scores = net.forward(picture())
    _, cache = ops.softmax_cross_entropy(scores, np.ones(scores.shape[2:], np.uint8)[None], reduction="mean")
    net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
    assert np.abs(net.params["score_fr.weight"].grad).max() > 0


def test_the_stack_is_not_linear():
    net = scored(models.build("fcn32s", 3, "tiny", rng=np.random.default_rng(0), upsampling="nonlinear"), 5.0)
    one = run(net)
    for key in ("score_fr.weight", "score_fr.bias"):
        net.params[key].data = 2 * net.params[key].data
    base = scored(net, 0.0)
    assert np.abs(run(net) - (2 * one - run(base))).max() > 0.1


@pytest.mark.parametrize("options", [{"upsampling": "learned"}, {"upsampling": "nonlinear", "output_stride": 16}])
def test_weight_files_say_which_they_are_of(tmp_path, options):
    net = models.build("fcn16s", 4, "tiny", rng=np.random.default_rng(0), **options)
    path = tmp_path / "weights.safetensors"
    weights.save(path, net)
    again, about = weights.open_net(path)
    assert again.spec == net.spec and about["net"].items() >= options.items()
    assert learning(again) == learning(net)
    np.testing.assert_array_equal(run(again), run(net))
    assert not {"upsampling", "output_stride"} & models.build("fcn16s").spec.keys()


def test_kinds_that_are_refused():
    with pytest.raises(ShapeError, match="unknown upsampling 'learnd'; did you mean 'learned'"):
        models.build("fcn8s", upsampling="learnd")
    with pytest.raises(ShapeError, match="alexnet: a classifier has neither upsampling"):
        models.build("alexnet", upsampling="learned")
