"""VGG16's trunk, and the classifier that ends in it (Simonyan & Zisserman 2015, configuration D; Caffe's names)."""

from __future__ import annotations

import numpy as np

from minifcn import init
from minifcn.layers import Conv2d, Dropout, Layer, MaxPool2d, ReLU, Scale
from minifcn.models.presets import Preset
from minifcn.net import Handle, Net

CONVOLUTIONS = (2, 2, 3, 3, 3)  # in each of the five stages


def learned(layer: Layer) -> Layer:
    """`layer` with the reference's multipliers: biases learn twice as fast and do not decay (voc-fcn8s/net.py)."""
    layer.params["bias"].lr_mult, layer.params["bias"].decay_mult = 2.0, 0.0
    return layer


def conv_relu(
    net: Net,
    name: str,
    relu: str,
    x: Handle,
    channels: tuple[int, int],
    kernel: int,
    padding: int,
    rng: np.random.Generator | None,
) -> Handle:
    """A convolution and its ReLU. With rng None the weights stay zero (and cost no memory until they are loaded)."""
    conv = learned(Conv2d(*channels, kernel, padding=padding))
    if rng is not None:
        conv.params["weight"].data = init.he(conv.params["weight"].data.shape, rng)
    return net.add(relu, ReLU(), net.add(name, conv, x))


def trunk(
    net: Net, x: Handle, preset: Preset, input_padding: int, fc6_padding: int, rng: np.random.Generator | None
) -> dict[str, Handle]:
    """conv1_1 ... fc7 with their pools. Returns the blobs that heads are built on: pool3, pool4, fc7."""
    blobs = {}
    channels = 3
    if preset.input_scale != 1:
        x = net.add("scale_data", Scale(preset.input_scale), x)
    for stage, (count, width) in enumerate(zip(CONVOLUTIONS, preset.stages, strict=True), start=1):
        for k in range(1, count + 1):
            padding = input_padding if (stage, k) == (1, 1) else 1
            x = conv_relu(net, f"conv{stage}_{k}", f"relu{stage}_{k}", x, (channels, width), 3, padding, rng)
            channels = width
        # Rounded up, as Caffe does: with floor, most image sizes end too small for the crop.
        x = blobs[f"pool{stage}"] = net.add(f"pool{stage}", MaxPool2d(2, ceil_mode=True), x)
    for name, kernel, padding in (("6", 7, fc6_padding), ("7", 1, 0)):
        x = conv_relu(net, f"fc{name}", f"relu{name}", x, (channels, preset.fc), kernel, padding, rng)
        x = net.add(f"drop{name}", Dropout(preset.dropout, rng), x)
        channels = preset.fc
    return {**blobs, "fc7": x}


def vgg16(net: Net, num_classes: int, preset: Preset, rng: np.random.Generator | None) -> None:
    """The classifier: fc6 as the 7x7 convolution that it is, so a 224x224 picture gives (N, num_classes, 1, 1)."""
    top = trunk(net, net.input("data", channels=3), preset, 1, 0, rng)["fc7"]
    fc8 = learned(Conv2d(preset.fc, num_classes, 1))
    if rng is not None:
        fc8.params["weight"].data = init.he(fc8.params["weight"].data.shape, rng)
    net.add("fc8", fc8, top)
