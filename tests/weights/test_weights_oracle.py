"""PyTorch as the oracle: a net computed there, as its framework would on its own pictures, and the converted one here.

Each function below is a framework's net written in PyTorch from the arrays as its file holds them. It shares nothing
with minifcn: neither layers nor the readers' idea of what the axes mean.
"""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import models, weights
from minifcn.data import to_blob

torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
F = torch.nn.functional

STAGES = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}
LAYERS = [f"conv{stage}_{k}" for stage, count in STAGES.items() for k in range(1, count + 1)]
TOLERANCE = 1e-4  # of the largest value


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (64, 83, 3), np.uint8)


def features(weight, bias, x, padding):
    """conv1_1 ... pool5, and the outputs of pool3 and pool4."""
    pools = {}
    for name in LAYERS:
        x = F.relu(F.conv2d(x, weight(name), bias(name), padding=padding if name == "conv1_1" else 1))
        if name.endswith(str(STAGES[int(name[4])])):
            x = pools[int(name[4])] = F.max_pool2d(x, 2, 2, ceil_mode=True)
    return x, pools


def widths(rng, heads=()):
    """name -> (weight OIHW, bias) of a narrow VGG16, preset `tiny`; fc6 and fc7 are kernels."""
    preset = models.presets_of("vgg16")["tiny"]
    made, channels = {}, 3
    shapes = [(name, preset.stages[int(name[4]) - 1], 3) for name in LAYERS] + [
        ("fc6", preset.fc, 7),
        ("fc7", preset.fc, 1),
    ]
    for name, out, kernel in shapes:
        spread = np.sqrt(2 / (channels * kernel**2))
        made[name] = rng.standard_normal((out, channels, kernel, kernel)) * spread, rng.standard_normal(out) * 0.1
        channels = out
    for name, width, classes in heads:
        made[name] = rng.standard_normal((classes, width, 1, 1)) / np.sqrt(width), rng.standard_normal(classes)
    return {name: tuple(torch.tensor(a, dtype=torch.float32) for a in pair) for name, pair in made.items()}


def assert_agrees(found, expected):
    expected = expected.numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < TOLERANCE * np.abs(expected).max()


def converted(path, image, **spec):
    """The output of the net in a file, opened and fed as every command does it."""
    net, about = weights.open_net(path, spec)
    with net.inference():
        return net.forward(to_blob(image, about["mean"])[None])


def rgb(image):
    return torch.tensor(image.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.mark.parametrize("padding", [1, 100])
def test_torchvision_rgb_standardised_with_padding(padding, image, rng, tmp_path):
    """The frame of 100 pixels is where a mean folded into the bias would be wrong."""
    net = widths(rng, [("fc8", 128, 5)])
    places = {**dict(zip(LAYERS, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))}
    state = {}
    for name, (weight, bias) in net.items():
        key = f"features.{places[name]}" if name in places else f"classifier.{ {'fc6': 0, 'fc7': 3, 'fc8': 6}[name] }"
        state[f"{key}.weight"] = weight if name in places else weight.flatten(1)
        state[f"{key}.bias"] = bias
    torch.save(state, tmp_path / "a.pth")

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (rgb(image) / 255 - mean[:, None, None]) / std[:, None, None]
    expected, _ = features(lambda n: net[n][0], lambda n: net[n][1], x, padding)

    dense = models.build("fcn32s", 5, "tiny", "same" if padding == 1 else padding)
    report = weights.transplant(dense, tmp_path / "a.pth")
    np.testing.assert_allclose(report.mean, [103.53, 116.28, 123.675])
    with dense.inference():
        dense.forward(to_blob(image, report.mean)[None], keep=["pool5"])
    assert_agrees(dense.blobs["pool5"], expected)


def test_a_dense_classifier_of_pytorch(rng, tmp_path):
    net = widths(rng, [("fc8", 128, 5)])
    image = rng.integers(0, 256, (224, 224, 3), np.uint8)
    layers = [name for name in net if name.startswith("conv")]
    state = {f"{name}.weight": net[name][0] for name in layers} | {f"{name}.bias": net[name][1] for name in net}
    state |= {f"{name}.weight": net[name][0].flatten(1) for name in ("fc6", "fc7", "fc8")}
    torch.save(state, tmp_path / "a.pth")
    x = rgb(image).flip(1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    y = features(lambda n: net[n][0], lambda n: net[n][1], x, 1)[0].flatten(1)
    for name in ("fc6", "fc7"):
        y = F.relu(F.linear(y, state[f"{name}.weight"], net[name][1]))
    expected = F.linear(y, state["fc8.weight"], net["fc8"][1])
    assert_agrees(converted(tmp_path / "a.pth", image)[:, :, 0, 0], expected)


def test_tensorflow_s_dense_layer_reads_the_map_by_rows_columns_channels(rng, tmp_path):
    net = widths(rng, [("fc8", 128, 5)])
    image = rng.integers(0, 256, (224, 224, 3), np.uint8)
    held = {}  # what vgg16.npy holds: HWIO, and (in, out)
    for name, (weight, bias) in net.items():
        kernel = weight.numpy().transpose(2, 3, 1, 0)
        dense = rng.permuted(kernel.reshape(-1, kernel.shape[3]), axis=0) if name == "fc6" else kernel[0, 0]
        held[name] = [kernel if name.startswith("conv") else dense, bias.numpy()]
    np.save(tmp_path / "vgg16.npy", np.array(held, object), allow_pickle=True)

    def weight(name):
        return torch.tensor(held[name][0]).permute(3, 2, 0, 1)

    x = rgb(image).flip(1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    y, _ = features(weight, lambda n: torch.tensor(held[n][1]), x, 1)
    y = y.permute(0, 2, 3, 1).flatten(1)  # as TensorFlow has its maps
    for name in ("fc6", "fc7"):
        y = F.relu(y @ torch.tensor(held[name][0]) + torch.tensor(held[name][1]))
    expected = y @ torch.tensor(held["fc8"][0]) + torch.tensor(held["fc8"][1])
    assert_agrees(converted(tmp_path / "vgg16.npy", image)[:, :, 0, 0], expected)


HEADS = [("score_fr", 128, 5), ("score_pool4", 64, 5), ("score_pool3", 32, 5)]
SIZES = {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16}


def fcn8s(weight, bias, upsampling, x, size):
    """FCN-8s with padding 100: the released net's own literal offsets."""

    def up(name, y):
        return F.conv_transpose2d(y, upsampling[name], stride=SIZES[name] // 2)

    def cut(y, offset, like):
        return y[:, :, offset : offset + like[0], offset : offset + like[1]]

    y, pools = features(weight, bias, x, 100)
    y = F.relu(F.conv2d(y, weight("fc6"), bias("fc6")))
    y = F.relu(F.conv2d(y, weight("fc7"), bias("fc7")))
    y = up("upscore2", F.conv2d(y, weight("score_fr"), bias("score_fr")))
    y = y + cut(F.conv2d(pools[4], weight("score_pool4"), bias("score_pool4")), 5, y.shape[2:])
    y = up("upscore_pool4", y)
    y = y + cut(F.conv2d(pools[3], weight("score_pool3"), bias("score_pool3")), 9, y.shape[2:])
    return cut(up("upscore8", y), 31, size)


def diagonal(rng):
    """Transposed convolutions that keep classes apart, in full; not bilinear, so that they must come from the file."""
    full = {}
    for name, k in SIZES.items():
        full[name] = torch.zeros(5, 5, k, k)
        full[name][range(5), range(5)] = torch.tensor(rng.random((5, k, k)), dtype=torch.float32)
    return full


def test_a_whole_fcn_with_full_diagonal_upsampling(image, rng, tmp_path):
    net, upsampling = widths(rng, HEADS), diagonal(rng)
    state = {f"{n}.weight": w for n, (w, _) in net.items()} | {f"{n}.bias": b for n, (_, b) in net.items()}
    torch.save(state | {f"{n}.weight": w for n, w in upsampling.items()}, tmp_path / "a.pth")
    x = rgb(image).flip(1) - torch.tensor([104.00698793, 116.66876762, 122.67891434])[:, None, None]
    expected = fcn8s(lambda n: net[n][0], lambda n: net[n][1], upsampling, x, image.shape[:2])
    assert_agrees(converted(tmp_path / "a.pth", image, name="fcn8s", input_padding=100), expected)


def test_matconvnet_s_fcn_sees_rgb(image, rng, tmp_path):
    savemat = pytest.importorskip("scipy.io", reason="needs the extra `convert`").savemat
    net, upsampling = widths(rng, HEADS), diagonal(rng)
    params = []  # (kh, kw, in, out); of transposed convolutions (kh, kw, out, in)
    for name, (weight, bias) in net.items():
        params += [(f"{name}_filter", weight.numpy().transpose(2, 3, 1, 0)), (f"{name}_bias", bias.numpy()[None])]
    params += [(f"{name}_filter", w.numpy().transpose(2, 3, 1, 0)) for name, w in upsampling.items()]
    mean = np.array([122.67891434, 116.66876762, 104.00698793])
    meta = {"normalization": {"averageImage": mean.reshape(1, 1, 3)}}
    savemat(tmp_path / "a.mat", {"params": np.array(params, [("name", "O"), ("value", "O")]), "meta": meta})
    x = rgb(image) - torch.tensor(mean, dtype=torch.float32)[:, None, None]
    expected = fcn8s(lambda n: net[n][0], lambda n: net[n][1], upsampling, x, image.shape[:2])
    assert_agrees(converted(tmp_path / "a.mat", image, name="fcn8s", input_padding=100), expected)
