"""Scores brought to a finer stride, in four kinds; kernels and factors come out of where the blobs lie (`coords`).

fixed      bilinear interpolation, each class alone: the released nets.
learned    the same filters, which learn from there (section 3.3: they "need not be fixed"), each class still alone.
           The last of several stays fixed, as in the paper (section 4.3); the only one of a 32s net learns.
dense      as learned, but every class sees all, so that 0 between classes is where they start: the nets that were
           published with the paper, before those released with the PAMI one.
nonlinear  a stack of transposed convolutions by 2 with a ReLU between (section 3.3), every class seeing all. It starts
           as bilinear interpolation, too: see `_stack`.
"""

from __future__ import annotations

import numpy as np

from minifcn import coords, init
from minifcn.layers import ConvTranspose2d, ReLU
from minifcn.net import Handle, Net

KINDS = ("fixed", "learned", "dense", "nonlinear")


def upsample(net: Net, name: str, x: Handle, like: Handle, num_classes: int, kind: str = "fixed") -> Handle:
    """Scores `x` at the stride of `like`, by a layer called `name`, or a stack that ends in it."""
    if kind == "nonlinear":
        return _stack(net, name, x, like, num_classes)
    factor, kernel = coords.upsampling(net.coords(x.name), net.coords(like.name), name)
    if kind == "dense":
        return net.add(name, _step(num_classes, kernel, factor, bias=False), x)
    layer = ConvTranspose2d(num_classes, num_classes, kernel, stride=factor, groups=num_classes)
    layer.params["weight"].data = init.bilinear_depthwise(num_classes, kernel)
    layer.params["weight"].lr_mult = 1.0 if kind == "learned" else 0.0
    return net.add(name, layer, x)


def _stack(net: Net, name: str, x: Handle, like: Handle, num_classes: int) -> Handle:
    """Steps by 2, all learned, each but the last with a bias and a ReLU.

    Score layers start at zero, where a ReLU passes no gradient, and a score below zero would be lost in it. So the
    biases start at 1: as long as scores stay above -1 the stack is linear, and the 1, which is the same for all
    classes, changes no probability.
    """
    ratio, _ = coords.upsampling(net.coords(x.name), net.coords(like.name), name)
    by = 1
    while by * 2 < ratio:
        by *= 2
        layer = _step(num_classes, 4, 2, bias=True)
        x = net.add(f"{name}_by{by}", layer, x)
        x = net.add(f"relu_{name}_by{by}", ReLU(), x)
    factor, kernel = coords.upsampling(net.coords(x.name), net.coords(like.name), name)
    return net.add(name, _step(num_classes, kernel, factor, bias=False), x)


def _step(num_classes: int, kernel: int, factor: int, bias: bool) -> ConvTranspose2d:
    layer = ConvTranspose2d(num_classes, num_classes, kernel, stride=factor, bias=bias)
    layer.params["weight"].data = init.bilinear_dense(num_classes, kernel)
    if bias:
        layer.params["bias"].data = np.ones(num_classes, np.float32)
        layer.params["bias"].lr_mult, layer.params["bias"].decay_mult = 2.0, 0.0
    return layer
