"""FCN's heads: the paper's section 4.2, layer by layer as the released nets (voc-fcn*/net.py).

A 1x1 convolution scores every cell of the trunk's last map; transposed convolutions, fixed to bilinear interpolation,
bring the scores back to the picture's size; finer maps add their own scores on the way. Nothing here is a literal
offset or kernel: both come out of where the blobs lie, in `minifcn.coords`.
"""

from __future__ import annotations

from typing import NamedTuple

from minifcn import coords, init
from minifcn.layers import Add, Conv2d, ConvTranspose2d, Crop, Scale
from minifcn.models.blocks import Tap, Trunk, learned
from minifcn.net import Handle, Net


class Head(NamedTuple):
    """What an FCN is: the family of its trunk, its finest stride, and whether all stages are trained at once."""

    family: str
    stride: int
    at_once: bool = False


HEADS = {
    "fcn32s": Head("vgg16", 32),
    "fcn16s": Head("vgg16", 16),
    "fcn8s": Head("vgg16", 8),
    "fcn8s-atonce": Head("vgg16", 8, at_once=True),
    "fcn-alexnet": Head("alexnet", 32),
    # Reconstructed from section 4.1; the paper's has no skips.
    "fcn-googlenet": Head("googlenet", 32),
    "fcn-googlenet-16s": Head("googlenet", 16),
    "fcn-googlenet-8s": Head("googlenet", 8),
}

#: voc-fcn8s-atonce/net.py: what pool4 and pool3 are multiplied by, so that all stages learn at one learning rate.
AT_ONCE = {16: 0.01, 8: 0.0001}


def fcn(net: Net, head: Head, trunk: Trunk, data: Handle, num_classes: int) -> None:
    """Build `head` on a trunk that is fed by `data`: "score" has the height and width of `data`."""
    h, upscore = score(net, trunk.top, num_classes), "upscore2"
    for stride, skip in zip((16, 8), trunk.skips, strict=False):
        if stride < head.stride:
            break
        h = upsample(net, upscore, h, skip.blob, num_classes)
        if head.at_once:
            scaled = net.add(f"scale_{skip.name}", Scale(AT_ONCE[stride]), skip.blob)
            skip = skip._replace(blob=scaled)
        h = fuse(net, skip.name, h, score(net, skip, num_classes))
        upscore = f"upscore_{skip.name}"
    last = "upscore" if head.stride == 32 else f"upscore{head.stride}"
    net.add("score", Crop(like=data), upsample(net, last, h, data, num_classes))


def score(net: Net, tap: Tap, num_classes: int) -> Handle:
    """A 1x1 convolution to class scores. It starts at zero (section 4.1): a new skip changes nothing at first."""
    return net.add(f"score_{tap.name}", learned(Conv2d(tap.channels, num_classes, 1)), tap.blob)


def upsample(net: Net, name: str, x: Handle, like: Handle, num_classes: int) -> Handle:
    """A transposed convolution to the stride of `like`, fixed to bilinear interpolation, each class alone."""
    factor, kernel = coords.upsampling(net.coords(x.name), net.coords(like.name), name)
    layer = ConvTranspose2d(num_classes, num_classes, kernel, stride=factor, groups=num_classes)
    layer.params["weight"].data = init.bilinear_depthwise(num_classes, kernel)
    layer.params["weight"].lr_mult = 0.0
    return net.add(name, layer, x)


def fuse(net: Net, name: str, upscore: Handle, skip: Handle) -> Handle:
    """The sum of the upsampled coarse scores and a finer map's own, where they overlap.

    What begins first is cropped. With the reference's padding of VGG16 the coarse scores cover less than the pool, so
    the pool's are cropped; with "same" they begin earlier. In GoogLeNet both begin together and the coarse ones end
    later or at the same place, 2n + 1 cells against 2n or 2n + 1, so these are cropped, for every size.
    """
    if net.coords(upscore.name).y.shift <= net.coords(skip.name).y.shift:
        upscore = net.add(f"{upscore.name}c", Crop(like=skip), upscore)
    else:
        skip = net.add(f"{skip.name}c", Crop(like=upscore), skip)
    return net.add(f"fuse_{name}", Add(), upscore, skip)
