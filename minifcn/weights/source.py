"""Weights on their way into a net, wherever they come from: what all readers end in, and all surgery starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minifcn.backend import to_numpy
from minifcn.layers import Concat, Conv2d, Input, Scale
from minifcn.net import Net
from minifcn.weights.inputs import FCN
from minifcn.weights.inputs import Input as Pictures


@dataclass
class Source:
    """Arrays float32 under minifcn's names: kernels (out, in, kh, kw), of transposed convolutions (in, out, kh, kw).

    path: for messages. title: what they are. flat: the order, "CHW" or "HWC", in which a dense layer (out, C*H*W) reads
    the map before it. pictures: what its first layer takes. own: whether it takes that as minifcn's net of the same
    widths gives it, divided as that divides it. guessed: whether this, or that nothing divides it, is guessed.
    constants: whether factors that do not learn are among the arrays. spec: arguments of `models.build` for the net
    they are of, if it is known. unused: the file's names of what belongs to no layer. told: how it was told what the
    file is. assumed: what the file did not say. names: its classes and palette, if it says them.
    """

    path: str
    title: str
    arrays: dict[str, np.ndarray]
    pictures: Pictures = FCN
    own: bool = False
    guessed: bool = False
    flat: str = "CHW"
    constants: bool = False
    spec: dict[str, Any] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """What it is, and which pictures it takes: of a net of minifcn's, whatever it divides them by itself."""
        pictures = self.pictures._replace(divisor=(1.0,)) if self.spec else self.pictures
        return f"{self.title}, made for {pictures}"


def of_net(net: Net, mean: tuple[float, ...] = FCN.mean) -> Source:
    """A net's own weights, of pictures less `mean`."""
    name = net.spec.get("name", "a net")
    arrays = {key: to_numpy(param.data) for key, param in net.params.items()}
    return Source(name, name, arrays, Pictures("BGR", mean, divisor_of(net)), spec=dict(net.spec))


def entrances(net: Net) -> dict[str, tuple[float, ...]]:
    """The convolutions that see the net's input -> what the net multiplies each of their channels by before."""
    factors: dict[int, tuple[float, ...]] = {}
    found = {}
    for k, node in enumerate(net.nodes):
        layer, read = node.layer, [factors.get(i) for i in node.inputs]
        if isinstance(layer, Input):
            factors[k] = (1.0,) * layer.channels
        elif not read or None in read:
            continue
        elif isinstance(layer, Scale):
            factors[k] = tuple(factor * layer.factor for factor in read[0] or ())
        elif isinstance(layer, Concat):
            factors[k] = tuple(factor for part in read for factor in part or ())
        elif isinstance(layer, Conv2d):
            found[node.name] = read[0] or ()
    return found


def divisor_of(net: Net) -> tuple[float, ...]:
    """What the net's first layers see their input divided by: as `Input.divisor`."""
    factors = set(entrances(net).values())
    return tuple(1 / factor for factor in factors.pop()) if len(factors) == 1 else (1.0,)
