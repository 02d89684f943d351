"""What all trunks are built of, and what a trunk gives to the heads that are built on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from minifcn import init
from minifcn.layers import Conv2d, Layer, ReLU
from minifcn.net import Handle, Net


class Builder(Protocol):
    """What trunks are built in: a net, or one that renames."""

    def add(self, name: str, layer: Layer, *inputs: Handle) -> Handle: ...


class Renaming:
    """A net whose layers are added under other names: one may have two trunks of a family, or another first layer."""

    def __init__(self, net: Net, rename: Callable[[str], str]) -> None:
        self._net, self._rename = net, rename

    def add(self, name: str, layer: Layer, *inputs: Handle) -> Handle:
        return self._net.add(self._rename(name), layer, *inputs)


class Tap(NamedTuple):
    """A blob that class scores are read from: its handle, its channels, and `name` as in score_NAME."""

    name: str
    blob: Handle
    channels: int


class Trunk(NamedTuple):
    """The last map of a trunk, and the finer ones that skips start from, coarsest first."""

    top: Tap
    skips: tuple[Tap, ...] = ()


class Family(NamedTuple):
    """A trunk at several widths, with the classifier that it comes from.

    trunk: (net, x, preset, input_padding, rng, channels of x) -> Trunk. classifier: (net, x, preset, num_classes, rng),
    adds all layers up to the last. side: of the square pictures that the classifier was made for. least_padding: with
    less, an FCN's scores begin inside the picture, or at some sizes end inside it, and no crop can align them.
    """

    trunk: Callable[[Builder, Handle, Any, int | str, np.random.Generator | None, int], Trunk]
    classifier: Callable[[Builder, Handle, Any, int, np.random.Generator | None], None]
    presets: Mapping[str, Any]
    side: int
    least_padding: int


def learned(layer: Conv2d) -> Conv2d:
    """`layer` with the reference's multipliers: biases learn twice as fast and do not decay (voc-fcn8s/net.py)."""
    layer.params["bias"].lr_mult, layer.params["bias"].decay_mult = 2.0, 0.0
    return layer


def conv(net: Builder, name: str, layer: Conv2d, x: Handle, rng: np.random.Generator | None) -> Handle:
    """A convolution with He's initial values. With rng None they stay zero, and take no memory till loaded."""
    if rng is not None:
        layer.params["weight"].data = init.he(layer.params["weight"].data.shape, rng)
    return net.add(name, layer, x)


def conv_relu(net: Builder, name: str, relu: str, layer: Conv2d, x: Handle, rng: np.random.Generator | None) -> Handle:
    """A convolution and its ReLU."""
    return net.add(relu, ReLU(), conv(net, name, layer, x, rng))
