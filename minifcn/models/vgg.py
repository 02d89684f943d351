"""VGG16's trunk, and the classifier that ends in it (Simonyan & Zisserman 2015, configuration D; Caffe's names)."""

from __future__ import annotations

import numpy as np

from minifcn.layers import Conv2d, Dropout, MaxPool2d
from minifcn.models import presets
from minifcn.models.blocks import Builder, Family, Tap, Trunk, conv, conv_relu, learned
from minifcn.models.presets import Preset
from minifcn.net import Handle

CONVOLUTIONS = (2, 2, 3, 3, 3)  # in each of the five stages


def trunk(
    net: Builder,
    x: Handle,
    preset: Preset,
    input_padding: int | str,
    rng: np.random.Generator | None,
    channels: int = 3,
) -> Trunk:
    """conv1_1 ... fc7 with their pools; skips from pool4 and pool3. "same" pads conv1_1 by 1 and fc6 by 3."""
    if input_padding == "same":
        return _layers(net, x, preset, 1, 3, rng, channels)
    return _layers(net, x, preset, int(input_padding), 0, rng, channels)


def classifier(net: Builder, x: Handle, preset: Preset, num_classes: int, rng: np.random.Generator | None) -> None:
    """fc6 as the 7x7 convolution that it is, so a 224x224 picture gives (N, num_classes, 1, 1)."""
    top = _layers(net, x, preset, 1, 0, rng, channels=3).top
    conv(net, "fc8", learned(Conv2d(top.channels, num_classes, 1)), top.blob, rng)


def _layers(
    net: Builder,
    x: Handle,
    preset: Preset,
    input_padding: int,
    fc6_padding: int,
    rng: np.random.Generator | None,
    channels: int,
) -> Trunk:
    pools = {}
    for stage, (count, width) in enumerate(zip(CONVOLUTIONS, preset.stages, strict=True), start=1):
        for k in range(1, count + 1):
            padding = input_padding if (stage, k) == (1, 1) else 1
            layer = learned(Conv2d(channels, width, 3, padding=padding))
            x = conv_relu(net, f"conv{stage}_{k}", f"relu{stage}_{k}", layer, x, rng)
            channels = width
        # Rounded up, as Caffe does: with floor, most image sizes end too small for the crop.
        x = net.add(f"pool{stage}", MaxPool2d(2, ceil_mode=True), x)
        pools[stage] = Tap(f"pool{stage}", x, channels)
    for name, kernel, padding in (("6", 7, fc6_padding), ("7", 1, 0)):
        layer = learned(Conv2d(channels, preset.fc, kernel, padding=padding))
        x = conv_relu(net, f"fc{name}", f"relu{name}", layer, x, rng)
        x = net.add(f"drop{name}", Dropout(preset.dropout, rng), x)
        channels = preset.fc
    return Trunk(Tap("fr", x, channels), (pools[4], pools[3]))


VGG16 = Family(trunk, classifier, presets.VGG16, side=224, least_padding=81)
