"""The nets: offsets, sizes, counts and costs as published, and golden relations that need no downloaded weights."""

import numpy as np
import pytest

from minifcn import init, models, ops
from minifcn.errors import ShapeError
from minifcn.layers import Conv2d, Crop, MaxPool2d
from minifcn.net import Net

FCNS = ["fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce"]


def offsets(net: Net) -> dict[str, int]:
    return {name: layer.offset[0] for name, layer in net.layers.items() if isinstance(layer, Crop)}


def filled(net: Net, seed: int = 5, share: float = 0.1) -> Net:
    """`net` with random score layers too: at their initial zeros every net would agree with every other."""
    rng = np.random.default_rng(seed)
    for key, param in net.params.items():
        if key.startswith("score") or key.endswith("bias"):
            param.data = share * rng.standard_normal(param.data.shape, dtype=np.float32)
    return net


# --- what is published (fcn.berkeleyvision.org, voc-fcn*/net.py) ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fcn32s", {"score": 19}),
        ("fcn16s", {"score_pool4c": 5, "score": 27}),
        ("fcn8s", {"score_pool4c": 5, "score_pool3c": 9, "score": 31}),
        ("fcn8s-atonce", {"score_pool4c": 5, "score_pool3c": 9, "score": 31}),
    ],
)
def test_the_derived_offsets_are_the_released_literals(name, expected):
    assert offsets(models.build(name)) == expected


@pytest.mark.parametrize("padding", [81, 90, 100, 131])
def test_offsets_follow_the_padding(padding):
    """fcn-8s: (p - 81, 5, p - 73, 9, p - 69) for 32s, pool4c, 16s, pool3c, 8s."""
    assert offsets(models.build("fcn32s", input_padding=padding)) == {"score": padding - 81}
    assert offsets(models.build("fcn16s", input_padding=padding)) == {"score_pool4c": 5, "score": padding - 73}
    assert offsets(models.build("fcn8s", input_padding=padding))["score"] == padding - 69


@pytest.mark.parametrize("padding", [100, "same"])
@pytest.mark.parametrize("name", FCNS)
def test_the_output_has_the_size_of_the_input_for_every_size(name, padding):
    net = models.build(name, 21, input_padding=padding)
    for n in range(1, 601):
        assert net.shapes((1, 3, n, 601 - n))["score"] == (1, 21, n, 601 - n)


def test_floor_pooling_would_break_the_commonest_sizes():
    """The classic mistake: 500 pixels come out as 493 + 19 < 500, so the crop leaves the blob."""
    net = models.build("fcn32s")
    for layer in net.layers.values():
        if isinstance(layer, MaxPool2d):
            layer.geometry = layer.geometry._replace(ceil_mode=False)
    with pytest.raises(ShapeError, match=r"score: Crop: cannot take 500 rows from 19 on: the blob has 512"):
        net.shapes((1, 3, 500, 500))


def test_shape_trace_of_the_reference():
    shapes = models.build("fcn8s").shapes((1, 3, 500, 500))
    trace = ["pool3", "pool4", "pool5", "fc6", "score_fr", "upscore2", "upscore_pool4", "upscore8"]
    assert [shapes[name][2] for name in trace] == [88, 44, 22, 16, 16, 34, 70, 568]


def test_receptive_field_and_stride_of_vgg16():
    place = models.build("fcn32s").coords("score_fr")
    assert (place.x.receptive_field, place.x.scale) == (404, 32)
    assert (place.y.receptive_field, place.y.scale) == (404, 32)
    assert models.build("fcn8s").coords("score").x.scale == 1


def test_parameters_and_arithmetic_of_fcn8s():
    plan = models.build("fcn8s").plan((1, 3, 500, 500))
    assert plan.parameters == 134_362_751
    assert plan.macs / 1e9 == pytest.approx(180.9, abs=0.1)
    assert models.build("fcn32s").plan((1, 3, 500, 500)).parameters == 134_346_581
    rows = {row.name: row for row in plan.rows}
    assert sum(row.macs for name, row in rows.items() if name.startswith("conv")) / 1e9 == pytest.approx(
        150.3, abs=0.05
    )
    assert rows["fc6"].macs / 1e9 == pytest.approx(26.3, abs=0.05)
    assert rows["upscore8"].macs == 21 * 70 * 70 * 16 * 16  # each class alone: 21 times less than dense


def test_vgg16_classifier():
    net = models.build("vgg16", 1000)
    plan = net.plan((1, 3, 224, 224))
    assert plan.output_shape == (1, 1000, 1, 1)
    assert plan.parameters == 138_357_544  # Simonyan & Zisserman 2015, table 2: 138 million


# --- golden relations -------------------------------------------------------------------------------------------------


def picture(height: int = 61, width: int = 45, n: int = 1) -> np.ndarray:
    return 40 * np.random.default_rng(7).standard_normal((n, 3, height, width), dtype=np.float32)


@pytest.mark.parametrize("padding", [100, "same"])
def test_16s_at_init_is_the_twice_upsampled_score_fr_bit_for_bit(padding):
    """A new skip starts at zero: it must change nothing."""
    net = models.build("fcn16s", 5, "tiny", padding, np.random.default_rng(0))
    net.params["score_fr.weight"].data = np.random.default_rng(1).standard_normal((5, 128, 1, 1), dtype=np.float32)
    with net.inference():
        y = net.forward(picture(), keep=["score_fr"])
    size, filters = y.shape[2:], init.bilinear_depthwise
    twice, _ = ops.conv_transpose2d(net.blobs["score_fr"], filters(5, 4), stride=2, groups=5)
    if padding == "same":
        offset, pool4 = net.layers["upscore2c"].offset, net.shapes((1, 3, *size))["score_pool4"][2:]
        twice, _ = ops.crop(twice, offset, pool4)
    full, _ = ops.conv_transpose2d(twice, filters(5, 32), stride=16, groups=5)
    expected, _ = ops.crop(full, net.layers["score"].offset, size)
    assert np.abs(y).max() > 0
    assert y.tobytes() == expected.tobytes()


def test_at_once_is_8s_with_scaled_score_weights():
    plain = filled(models.build("fcn8s", 5, "tiny", rng=np.random.default_rng(0)))
    at_once = models.build("fcn8s-atonce", 5, "tiny", rng=np.random.default_rng(0))
    state = plain.state_dict()
    state["score_pool4.weight"] /= np.float32(0.01)
    state["score_pool3.weight"] /= np.float32(0.0001)
    at_once.load_state_dict(state)
    with plain.inference(), at_once.inference():
        a, b = plain.forward(picture()), at_once.forward(picture())
    np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(a).max())


def test_a_net_on_a_large_picture_is_the_net_on_every_patch():
    """Section 3.1: a fully convolutional net on a grid equals the classifier patch by patch, away from padding."""
    rng = np.random.default_rng(0)
    net = Net()
    h = net.input("data", channels=3)
    for name, layer in (("conv1", Conv2d(3, 6, 3)), ("conv2", Conv2d(6, 6, 3)), ("fc", Conv2d(6, 4, 5))):
        layer.params["weight"].data = rng.standard_normal(layer.params["weight"].data.shape, dtype=np.float32)
        h = net.add(name, layer, h)
        if name == "conv1":
            h = net.add("pool1", MaxPool2d(2), h)
    place, x = net.coords("fc").x, picture(47, 53)
    field, stride = int(place.receptive_field), int(place.scale)
    with net.inference():
        dense = net.forward(x)
        for p in range(dense.shape[2]):
            for q in range(dense.shape[3]):
                top, left = stride * p, stride * q
                patch = np.ascontiguousarray(x[:, :, top : top + field, left : left + field])
                alone = net.forward(patch)
                assert alone.shape[2:] == (1, 1)
                np.testing.assert_allclose(dense[:, :, p, q], alone[:, :, 0, 0], rtol=1e-4, atol=1e-2)


def test_sum_and_mean_loss_gradients_differ_by_the_pixel_count():
    net = filled(models.build("fcn8s", 4, "tiny", rng=np.random.default_rng(0)))
    x, labels = picture(33, 40), np.random.default_rng(3).integers(0, 4, (1, 33, 40))
    labels[:, :5] = 255
    counted = int((labels != 255).sum())
    grads = {}
    for reduction in ("sum", "mean"):
        net.zero_grads()
        _, cache = ops.softmax_cross_entropy(net.forward(x), labels, reduction=reduction)
        net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
        grads[reduction] = {key: param.grad for key, param in net.params.items() if param.learns}
    for key, total in grads["sum"].items():
        np.testing.assert_allclose(total, counted * grads["mean"][key], rtol=1e-3, atol=1e-4 * np.abs(total).max())


def test_upsampling_by_2_and_16_equals_32_on_ramps_only():
    """So 16s starts near 32s, not at it."""

    def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def up(x: np.ndarray, factor: int) -> np.ndarray:
            return ops.conv_transpose2d(x, init.bilinear_depthwise(1, 2 * factor).astype(x.dtype), stride=factor)[0]

        once, twice = up(x, 32), up(up(x, 2), 16)
        middle = once.shape[2] // 2
        shift = (twice.shape[2] - once.shape[2]) // 2  # both are centred on x
        inner = slice(middle - 64, middle + 64)
        return once[:, :, inner, inner], twice[:, :, shift:, shift:][:, :, inner, inner]

    ramp = (2.0 * np.arange(9)[:, None] - 3.0 * np.arange(9) + 1.0)[None, None]
    once, twice = both(ramp)
    np.testing.assert_allclose(once, twice, atol=1e-9)
    once, twice = both(np.random.default_rng(0).standard_normal((1, 1, 9, 9)))
    assert np.abs(once - twice).max() > 0.05


def test_a_constant_score_map_softens_at_the_border():
    """Fixed bilinear filters are not normalised at the edge: at 500 pixels, FCN-32s gives 0.61 there, 1 inside."""
    net = models.build("fcn32s", 1)
    scores = np.ones((1, 1, 16, 16), np.float32)
    up, _ = ops.conv_transpose2d(scores, init.bilinear_depthwise(1, 64), stride=32)
    y, _ = ops.crop(up, net.layers["score"].offset, (500, 500))
    assert y[0, 0, 250, 250] == pytest.approx(1.0)
    assert y[0, 0, 0, 250] == pytest.approx(0.61, abs=0.005)


def test_initial_values_are_the_reference_s():
    net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(0))
    for name in ("score_fr", "score_pool4", "score_pool3"):
        assert not net.params[f"{name}.weight"].data.any()
        assert not net.params[f"{name}.bias"].data.any()
    weight = net.params["conv3_2.weight"].data
    assert weight.std() == pytest.approx(np.sqrt(2 / (weight.shape[1] * 9)), rel=0.05)
    assert net.params["upscore8.weight"].data.shape == (7, 1, 16, 16)
    assert net.params["upscore8.weight"].lr_mult == 0
    bias = net.params["conv1_1.bias"]
    assert (bias.lr_mult, bias.decay_mult) == (2.0, 0.0)
    assert np.isfinite(net.forward(picture())).all()


def test_bilinear_filters():
    """Hand-made: size 4 upsamples by 2 with 1/4 and 3/4; size 3 with 1/2 and 1."""
    np.testing.assert_allclose(init.bilinear_filter(4)[0], np.array([1, 3, 3, 1]) / 16)
    np.testing.assert_allclose(init.bilinear_filter(3)[1], [0.5, 1, 0.5])
    dense = init.bilinear_dense(3, 4)
    assert np.count_nonzero(dense) == 3 * 16
    np.testing.assert_array_equal(dense[1, 1], init.bilinear_depthwise(3, 4)[1, 0])


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ShapeError, match="unknown net 'fcn8'; did you mean 'fcn8s'"):
        models.build("fcn8")
    with pytest.raises(ShapeError, match=r"unknown preset 'tyni' of fcn8s; did you mean 'tiny'\?$"):
        models.build("fcn8s", preset="tyni")
    with pytest.raises(ShapeError, match="input_padding must be 'same' or an integer of 81 to 4096, got 3"):
        models.build("fcn8s", input_padding=3)
    with pytest.raises(ShapeError, match="of 81 to 4096, got 100000000"):  # planning it would take gigabytes
        models.build("fcn8s", preset="tiny", input_padding=100_000_000)
    with pytest.raises(ShapeError, match="at least 1 class"):
        models.build("fcn8s", num_classes=0)
    with pytest.raises(ShapeError, match="expected a whole number of classes, got '3'"):
        models.build("fcn8s", num_classes="3")


# --- the whole net against PyTorch ------------------------------------------------------------------------------------


def torch_fcn8s(torch, state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """FCN-8s in plain PyTorch, offsets as literals: it shares nothing with minifcn but the weights."""
    F = torch.nn.functional
    w = {key: torch.from_numpy(value) for key, value in state.items()}

    def conv(name, h, padding=0):
        return F.conv2d(h, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding)

    def up(name, h, stride):
        return F.conv_transpose2d(h, w[f"{name}.weight"], stride=stride, groups=h.shape[1])

    h, pools = torch.from_numpy(x), {}
    for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
        for k in range(1, count + 1):
            h = F.relu(conv(f"conv{stage}_{k}", h, 100 if (stage, k) == (1, 1) else 1))
        h = pools[stage] = F.max_pool2d(h, 2, ceil_mode=True)
    h = F.relu(conv("fc7", F.relu(conv("fc6", h))))
    h = up("upscore2", conv("score_fr", h), 2)
    h = h + conv("score_pool4", pools[4])[:, :, 5 : 5 + h.shape[2], 5 : 5 + h.shape[3]]
    h = up("upscore_pool4", h, 2)
    h = h + conv("score_pool3", pools[3])[:, :, 9 : 9 + h.shape[2], 9 : 9 + h.shape[3]]
    return up("upscore8", h, 8)[:, :, 31 : 31 + x.shape[2], 31 : 31 + x.shape[3]].numpy()


def test_full_width_fcn8s_agrees_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here: pip install torch")
    net = filled(models.build("fcn8s", 21, rng=np.random.default_rng(0)), share=0.01)
    x = picture(375, 500)
    with net.inference():
        ours = net.forward(x)
    with torch.no_grad():
        theirs = torch_fcn8s(torch, net.state_dict(), x)
    assert ours.shape == (1, 21, 375, 500)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_all_convolutions_go_the_way_that_is_asked_for(rng):
    net = models.build("fcn8s", 3, "tiny", rng=rng)
    x = rng.standard_normal((1, 3, 40, 40), dtype=np.float32)
    scores = {}
    for algorithm in ("im2col", "winograd", "auto"):
        net.convolve_by(algorithm)
        scores[algorithm] = net.forward(x, keep=["pool5"]), net.blobs["pool5"]
        told = {row.algorithm for row in net.plan(x.shape).rows}
        assert told == {"", "im2col", "winograd"} if algorithm == "winograd" else {"", "im2col"}
    deep = {key: blob for key, (_, blob) in scores.items()}
    assert (deep["winograd"] != deep["im2col"]).any() and (deep["auto"] == deep["im2col"]).all()
    np.testing.assert_allclose(deep["winograd"], deep["im2col"], rtol=0, atol=1e-4 * np.abs(deep["im2col"]).max())
    with pytest.raises(ShapeError, match="convolve_by: expected one of auto, im2col, winograd, got 'fft'"):
        net.convolve_by("fft")
