"""VGG16's trunk, as narrow as you like: thirteen convolutions, five pools, fc6 and fc7 as convolutions."""

from __future__ import annotations

from math import sqrt

import numpy as np

from minifcn.layers import Conv2d, MaxPool2d, ReLU

#: Channels of the five stages and of fc6 and fc7, as minifcn's preset "tiny" has them.
TINY = (8, 16, 32, 64, 64, 128)
CONVOLUTIONS = (2, 2, 3, 3, 3)  # in each of the five stages


def trunk(net, data, widths, rng):
    """Adds conv1_1 ... pool5, fc6 and fc7, and returns name -> (handle, channels) of "pool3", "pool4" and "fc7".

    conv1_1 is padded by 1 and fc6 by 3, so that every map has about its natural size. Weights are He's, drawn from rng.
    """
    taps, x, channels = {}, data, 3
    for stage, (count, width) in enumerate(zip(CONVOLUTIONS, widths, strict=False), start=1):
        for k in range(1, count + 1):
            x = _convolve(net, f"{stage}_{k}", "conv", Conv2d(channels, width, 3, padding=1), x, rng)
            channels = width
        x = net.add(f"pool{stage}", MaxPool2d(2), x)
        taps[f"pool{stage}"] = x, channels
    for name, kernel, padding in (("6", 7, 3), ("7", 1, 0)):
        x = _convolve(net, name, "fc", Conv2d(channels, widths[5], kernel, padding=padding), x, rng)
        channels = widths[5]
    return {"pool3": taps["pool3"], "pool4": taps["pool4"], "fc7": (x, channels)}


def _convolve(net, name, kind, layer, x, rng):
    """A convolution and its ReLU. Biases learn twice as fast, and do not decay."""
    weight, bias = layer.params["weight"], layer.params["bias"]
    weight.data = rng.standard_normal(weight.data.shape, dtype=np.float32) * np.float32(
        sqrt(2 / np.prod(weight.data.shape[1:]))
    )
    bias.lr_mult, bias.decay_mult = 2.0, 0.0
    return net.add(f"relu{name}", ReLU(), net.add(f"{kind}{name}", layer, x))
