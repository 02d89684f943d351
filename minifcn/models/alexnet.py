"""AlexNet as Caffe has it (bvlc_reference_caffenet): grouped convolutions, and pooling before normalisation.

Krizhevsky et al. 2012 normalise before they pool, and have the two halves of the net on two GPUs: hence the groups.
The reference's prototxt says nothing of multipliers, so weights and biases learn and decay alike, up to fc7.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn.layers import Conv2d, Dropout, LocalResponseNorm, MaxPool2d
from minifcn.models import presets
from minifcn.models.blocks import Builder, Family, Tap, Trunk, conv, conv_relu, learned
from minifcn.models.presets import Preset
from minifcn.net import Handle


class Stage(NamedTuple):
    """A convolution's kernel, stride, padding and groups, and what follows its ReLU."""

    kernel: int
    stride: int
    padding: int
    groups: int
    pools: bool
    norms: bool


STAGES = (
    Stage(11, 4, 0, 1, pools=True, norms=True),
    Stage(5, 1, 2, 2, pools=True, norms=True),
    Stage(3, 1, 1, 1, pools=False, norms=False),
    Stage(3, 1, 1, 2, pools=False, norms=False),
    Stage(3, 1, 1, 2, pools=True, norms=False),
)
#: (conv1's padding, fc6's) that "same" stands for: see `trunk`.
SAME = (20, 3)


def trunk(
    net: Builder,
    x: Handle,
    preset: Preset,
    input_padding: int | str,
    rng: np.random.Generator | None,
    channels: int = 3,
) -> Trunk:
    """conv1 ... fc7; no skips. "same" pads conv1 by 20, so that even one pixel reaches pool5, and fc6 by 3."""
    if input_padding == "same":
        return _layers(net, x, preset, *SAME, rng, channels)
    return _layers(net, x, preset, int(input_padding), 0, rng, channels)


def classifier(net: Builder, x: Handle, preset: Preset, num_classes: int, rng: np.random.Generator | None) -> None:
    """fc6 as the 6x6 convolution that it is, so a 227x227 picture gives (N, num_classes, 1, 1)."""
    top = _layers(net, x, preset, 0, 0, rng, channels=3).top
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
    for k, (stage, width) in enumerate(zip(STAGES, preset.stages, strict=True), start=1):
        padding = input_padding if k == 1 else stage.padding
        layer = Conv2d(channels, width, stage.kernel, stage.stride, padding, groups=stage.groups)
        x = conv_relu(net, f"conv{k}", f"relu{k}", layer, x, rng)
        if stage.pools:
            x = net.add(f"pool{k}", MaxPool2d(3, 2, ceil_mode=True), x)
        if stage.norms:
            x = net.add(f"norm{k}", LocalResponseNorm(), x)
        channels = width
    for name, kernel, padding in (("6", 6, fc6_padding), ("7", 1, 0)):
        x = conv_relu(net, f"fc{name}", f"relu{name}", Conv2d(channels, preset.fc, kernel, padding=padding), x, rng)
        x = net.add(f"drop{name}", Dropout(preset.dropout, rng), x)
        channels = preset.fc
    return Trunk(Tap("fr", x, channels))


# From 82 on the scores begin in front of the picture; conv1, of stride 4, may leave out 3 rows at the end.
ALEXNET = Family(trunk, classifier, presets.ALEXNET, side=227, least_padding=85)
