"""Assignment 6: FCN-32s, 16s and 8s, of your own functions. Hand in this file, and the five that you wrote before."""

from fractions import Fraction

import dag
import loss
import numpy as np
import upsample
from minifcn.trunk import trunk

from minifcn.layers import Add, Conv2d, ConvTranspose2d, Crop
from minifcn.net import Net

# --- predict: on paper, before you run anything ---------------------------------------------------------------------

#: An FCN-8s on VGG16 pads conv1_1 by 90; its fc6 is a convolution of 5x5, not padded. As in the published nets,
#: score_pool4 is cropped to upscore2, score_pool3 to upscore_pool4, and upscore8 to the picture. At which offsets?
SMALL_FC6 = None  # three numbers
#: Another pads conv1_1 by 1 and fc6, 7x7, by 3; its five pools are 3x3, stride 2, padded by 1; its three transposed
#: convolutions are of kernels 3, 3 and 15. Here upscore2 is cropped to score_pool4, upscore_pool4 to score_pool3, and
#: upscore8 to the picture. At which offsets?
WIDE_POOLS = None  # three numbers
#: With the fc6 of the first, what is the least padding of conv1_1 for which FCN-32s's crop has an offset of at least 0?
LEAST_PADDING = None
# BEGIN SOLUTION
SMALL_FC6 = (3, 5, 53)
WIDE_POOLS = (1, 1, 7)
LEAST_PADDING = 49
# END SOLUTION

# --- find the bug: see README.md, "Three colleagues" ----------------------------------------------------------------

#: What did each of them forget? One of "nothing", "the bilinear weights", "pool3", "zero_grads", "the ignored pixels".
COLLEAGUES = {"Ada": None, "Bo": None, "Cem": None}
# BEGIN SOLUTION
COLLEAGUES = {"Ada": "the bilinear weights", "Bo": "pool3", "Cem": "nothing"}
# END SOLUTION

# --- where an output looks: maps (scale, shift) of exact fractions --------------------------------------------------


def window_map(kernel_size, stride, padding):
    """(scale, shift) of a convolution or pool: output o is centred on position scale * o + shift of its input."""
    # BEGIN SOLUTION
    return Fraction(stride), Fraction(kernel_size - 1, 2) - padding
    # END SOLUTION


def transposed_map(kernel_size, stride, padding=0):
    """(scale, shift) of a transposed convolution: the opposite of a convolution's with the same window."""
    # BEGIN SOLUTION
    scale, shift = window_map(kernel_size, stride, padding)
    return 1 / scale, -shift / scale
    # END SOLUTION


def compose(below, layer):
    """The map from a layer's output down to the picture, from its own and from the map of what it reads (`below`)."""
    # BEGIN SOLUTION
    return below[0] * layer[0], below[0] * layer[1] + below[1]
    # END SOLUTION


def offset(blob, like):
    """How many rows to leave out of `blob` so that it lies on `like`, from the maps of both down to the picture.

    A whole number, an int. Raises ValueError where there is none: their scales differ, or the number would not be whole
    or be below 0.
    """
    # BEGIN SOLUTION
    found = (like[1] - blob[1]) / blob[0]
    if blob[0] != like[0] or found.denominator != 1 or found < 0:
        raise ValueError(f"no crop aligns {blob} with {like}")
    return int(found)
    # END SOLUTION


# --- the net --------------------------------------------------------------------------------------------------------


def assemble(stride, num_classes, widths, rng):
    """FCN-32s, 16s or 8s (stride 32, 16 or 8) on the trunk of minifcn/trunk.py, as README.md lists its layers.

    Its input is "data", with 3 channels, its only output "score": (N, num_classes, H, W) for (N, 3, H, W). Score layers
    start at zero; their biases have lr_mult 2 and decay_mult 0. Upsampling is bilinear, each class to itself, and fixed
    (lr_mult 0): kernel 2f for a factor of f.
    """
    # BEGIN SOLUTION
    net = Net()
    data = net.input("data", 3)
    taps = trunk(net, data, widths, rng)
    h, name = _score(net, "score_fr", taps["fc7"], num_classes), "upscore2"
    for skip in {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]:
        h = _upsample(net, name, h, num_classes, 2)
        fine = _score(net, f"score_{skip}", taps[skip], num_classes)
        cropped = net.add(f"{name}c", Crop(1), h, fine)
        h = net.add(f"fuse_{skip}", Add(), cropped, fine)
        name = f"upscore_{skip}"
    h = _upsample(net, "upscore" if stride == 32 else f"upscore{stride}", h, num_classes, stride)
    net.add("score", Crop(stride // 2), h, data)
    return net


def _score(net, name, tap, num_classes):
    handle, channels = tap
    layer = Conv2d(channels, num_classes, 1)
    layer.params["bias"].lr_mult, layer.params["bias"].decay_mult = 2.0, 0.0
    return net.add(name, layer, handle)


def _upsample(net, name, x, num_classes, factor):
    layer = ConvTranspose2d(num_classes, num_classes, 2 * factor, stride=factor)
    weight = layer.params["weight"]
    weight.data[range(num_classes), range(num_classes)] = upsample.bilinear_filter(2 * factor)
    weight.lr_mult = 0.0
    return net.add(name, layer, x)
    # END SOLUTION


# --- training -------------------------------------------------------------------------------------------------------


def train_step(net, velocity, images, labels, lr, momentum=0.9, weight_decay=5e-4):
    """One step of momentum SGD on the *mean* loss of the pixels that count. Returns the loss before the step.

    images: (N, 3, H, W); labels: (N, H, W), 255 where a pixel does not count. velocity: as in `dag.momentum_step`.
    Gradients that are left from before do not count.
    """
    # BEGIN SOLUTION
    scores = net.forward(images)
    value, cache = loss.softmax_cross_entropy(scores, labels, reduction="mean")
    dag.zero_grads(net.params)
    net.backward(*loss.softmax_cross_entropy_backward(1.0, cache))
    dag.momentum_step(net.params, velocity, lr, momentum, weight_decay)
    return float(value)
    # END SOLUTION


def predict(net, images):
    """The class of the highest score at each pixel: (N, H, W), uint8."""
    # BEGIN SOLUTION
    return net.forward(images).argmax(axis=1).astype(np.uint8)
    # END SOLUTION


def transplant(net, trained):
    """Copies the values of `trained`'s parameters into those of `net` that have the same name and shape.

    Returns the names of net's parameters that were left as they were, a sorted list. Later steps of one net must not
    change the other.
    """
    # BEGIN SOLUTION
    left = []
    for name, param in net.params.items():
        other = trained.params.get(name)
        if other is None or other.data.shape != param.data.shape:
            left.append(name)
        else:
            param.data[...] = other.data
    return sorted(left)
    # END SOLUTION
