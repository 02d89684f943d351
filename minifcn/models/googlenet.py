"""GoogLeNet's trunk and classifier (Szegedy et al. 2015, as in Caffe's bvlc_googlenet, with its names).

The two auxiliary classifiers, which only help training from scratch, are left out, as in the FCN paper (section 4.1).
"""

from __future__ import annotations

import numpy as np

from minifcn.layers import AvgPool2d, Concat, Conv2d, Dropout, LocalResponseNorm, MaxPool2d
from minifcn.models import presets
from minifcn.models.blocks import Builder, Family, Tap, Trunk, conv, conv_relu, learned
from minifcn.models.presets import InceptionPreset, Row
from minifcn.net import Handle

PADDING = 3  # of conv1/7x7_s2, as trained: what "same" stands for
POOLED = ("3b", "4e")  # the modules that a pool of stride 2 follows; skips start before it


def trunk(
    net: Builder,
    x: Handle,
    preset: InceptionPreset,
    input_padding: int | str,
    rng: np.random.Generator | None,
    channels: int = 3,
) -> Trunk:
    """conv1 ... inception_5b, with the dropout of the classifier but not its average pooling (section 4.1).

    Skips start from inception_4e and 3b. "same" pads by 3, and then a picture needs at least 31x31 pixels.
    """
    top, skips = _layers(net, x, preset, PADDING if input_padding == "same" else int(input_padding), rng, channels)
    blob = net.add("pool5/drop", Dropout(preset.dropout, rng), top.blob)
    return Trunk(top._replace(blob=blob), skips)


def classifier(
    net: Builder, x: Handle, preset: InceptionPreset, num_classes: int, rng: np.random.Generator | None
) -> None:
    """The trunk, the mean over 7x7, and a score for each class: a 224x224 picture gives (N, num_classes, 1, 1)."""
    top = _layers(net, x, preset, PADDING, rng, channels=3).top
    x = net.add("pool5/7x7_s1", AvgPool2d(7, 1), top.blob)
    x = net.add("pool5/drop_7x7_s1", Dropout(preset.dropout, rng), x)
    conv(net, "loss3/classifier", learned(Conv2d(top.channels, num_classes, 1)), x, rng)


def inception(net: Builder, name: str, x: Handle, channels: int, row: Row, rng: np.random.Generator | None) -> Tap:
    """Four views of a map side by side: 1x1, 3x3 and 5x5 convolutions and a 3x3 pool, the last three behind a 1x1."""
    prefix = f"inception_{name}"

    def branch(key: str, x: Handle, channels: int, width: int, kernel: int) -> Handle:
        layer = learned(Conv2d(channels, width, kernel, padding=kernel // 2))
        return conv_relu(net, f"{prefix}/{key}", f"{prefix}/relu_{key}", layer, x, rng)

    branches = (
        branch("1x1", x, channels, row.one, 1),
        branch("3x3", branch("3x3_reduce", x, channels, row.reduce3, 1), row.reduce3, row.three, 3),
        branch("5x5", branch("5x5_reduce", x, channels, row.reduce5, 1), row.reduce5, row.five, 5),
        branch("pool_proj", net.add(f"{prefix}/pool", MaxPool2d(3, 1, 1), x), channels, row.projection, 1),
    )
    return Tap(name, net.add(f"{prefix}/output", Concat(), *branches), row.one + row.three + row.five + row.projection)


def _layers(
    net: Builder,
    x: Handle,
    preset: InceptionPreset,
    input_padding: int,
    rng: np.random.Generator | None,
    channels: int,
) -> Trunk:
    def pool(name: str, x: Handle) -> Handle:
        return net.add(f"{name}/3x3_s2", MaxPool2d(3, 2, ceil_mode=True), x)

    first, reduced, last = preset.stem
    x = conv_relu(net, "conv1/7x7_s2", "conv1/relu_7x7", learned(Conv2d(channels, first, 7, 2, input_padding)), x, rng)
    x = net.add("pool1/norm1", LocalResponseNorm(), pool("pool1", x))
    x = conv_relu(net, "conv2/3x3_reduce", "conv2/relu_3x3_reduce", learned(Conv2d(first, reduced, 1)), x, rng)
    x = conv_relu(net, "conv2/3x3", "conv2/relu_3x3", learned(Conv2d(reduced, last, 3, padding=1)), x, rng)
    x = pool("pool2", net.add("conv2/norm2", LocalResponseNorm(), x))

    taps, channels = {}, last
    for name, row in preset.modules.items():
        tap = taps[name] = inception(net, name, x, channels, row, rng)
        x, channels = tap.blob, tap.channels
        if name in POOLED:
            x = pool(f"pool{name[0]}", x)
    return Trunk(Tap("fr", x, channels), (taps["4e"], taps["3b"]))


# From 2 on the scores begin in front of the picture; conv1, of stride 2, may leave out a row at the end.
GOOGLENET = Family(trunk, classifier, presets.GOOGLENET, side=224, least_padding=3)
