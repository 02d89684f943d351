"""FCN-32s, 16s, 8s and 8s at-once: the paper's section 4.2, layer by layer as the released nets (voc-fcn*/net.py).

A 1x1 convolution scores every cell of the trunk's last map; transposed convolutions, fixed to bilinear interpolation,
bring the scores back to the picture's size; finer pools add their own scores on the way. Nothing here is a literal
offset: each crop asks the coordinate algebra where its blobs lie.
"""

from __future__ import annotations

import numpy as np

from minifcn import init
from minifcn.layers import Add, Conv2d, ConvTranspose2d, Crop, Scale
from minifcn.models.presets import Preset
from minifcn.models.vgg import learned, trunk
from minifcn.net import Handle, Net

#: The finest stride of each net, and whether its skips are scaled down to be trained in one go.
STRIDES = {"fcn32s": (32, False), "fcn16s": (16, False), "fcn8s": (8, False), "fcn8s-atonce": (8, True)}

#: voc-fcn8s-atonce/net.py: what pool4 and pool3 are multiplied by, so that all stages learn at one learning rate.
POOL4_SCALE, POOL3_SCALE = 0.01, 0.0001


def fcn(
    net: Net,
    name: str,
    num_classes: int,
    preset: Preset,
    input_padding: int | str,
    rng: np.random.Generator | None,
) -> None:
    """Fill `net` with the FCN called `name`, on the VGG16 trunk."""
    same = input_padding == "same"
    data = net.input("data", channels=3)
    blobs = trunk(net, data, preset, 1 if same else int(input_padding), 3 if same else 0, rng)
    finest, at_once = STRIDES[name]

    h = score(net, "score_fr", blobs["fc7"], preset.fc, num_classes)
    if finest == 32:
        h = upsample(net, "upscore", h, num_classes, 32)
    else:
        h = upsample(net, "upscore2", h, num_classes, 2)
        skip = net.add("scale_pool4", Scale(POOL4_SCALE), blobs["pool4"]) if at_once else blobs["pool4"]
        h = fuse(net, "pool4", h, score(net, "score_pool4", skip, preset.stages[3], num_classes), same)
        if finest == 16:
            h = upsample(net, "upscore16", h, num_classes, 16)
        else:
            h = upsample(net, "upscore_pool4", h, num_classes, 2)
            skip = net.add("scale_pool3", Scale(POOL3_SCALE), blobs["pool3"]) if at_once else blobs["pool3"]
            h = fuse(net, "pool3", h, score(net, "score_pool3", skip, preset.stages[2], num_classes), same)
            h = upsample(net, "upscore8", h, num_classes, 8)
    net.add("score", Crop(like=data), h)


def score(net: Net, name: str, x: Handle, channels: int, num_classes: int) -> Handle:
    """A 1x1 convolution to class scores. It starts at zero (section 4.1): a new skip changes nothing at first."""
    return net.add(name, learned(Conv2d(channels, num_classes, 1)), x)


def upsample(net: Net, name: str, x: Handle, num_classes: int, factor: int) -> Handle:
    """A transposed convolution, fixed to bilinear interpolation, each class alone: kernel 2 * factor."""
    layer = ConvTranspose2d(num_classes, num_classes, 2 * factor, stride=factor, groups=num_classes)
    layer.params["weight"].data = init.bilinear_depthwise(num_classes, 2 * factor)
    layer.params["weight"].lr_mult = 0.0
    return net.add(name, layer, x)


def fuse(net: Net, pool: str, upscore: Handle, skip: Handle, same: bool) -> Handle:
    """The sum of the upsampled coarse scores and a pool's own, where they overlap.

    With the reference's padding the coarse scores cover less than the pool, so the pool's are cropped; with "same"
    padding they cover more, and are cropped themselves.
    """
    if same:
        upscore = net.add(f"{upscore.name}c", Crop(like=skip), upscore)
    else:
        skip = net.add(f"{skip.name}c", Crop(like=upscore), skip)
    return net.add(f"fuse_{pool}", Add(), upscore, skip)
