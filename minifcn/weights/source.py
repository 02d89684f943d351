"""Weights on their way into a net, wherever they come from: what all readers end in, and all surgery starts from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minifcn.backend import to_numpy
from minifcn.layers import Conv2d, Input, Scale
from minifcn.net import Net
from minifcn.weights.inputs import FCN
from minifcn.weights.inputs import Input as Pictures


@dataclass
class Source:
    """Arrays float32 under minifcn's names: kernels (out, in, kh, kw), of transposed convolutions (in, out, kh, kw).

    path: for messages. title: what they are. flat: the order, "CHW" or "HWC", in which a dense layer (out, C*H*W) reads
    the map before it. pictures: what its first layer takes. constants: whether factors that do not learn are among the
    arrays. unused: the file's names of what belongs to no layer. told: what the file did not say, and how it was told.
    """

    path: str
    title: str
    arrays: dict[str, np.ndarray]
    pictures: Pictures = FCN
    flat: str = "CHW"
    constants: bool = False
    unused: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def of_net(net: Net, mean: tuple[float, ...] = FCN.mean) -> Source:
    """A net's own weights, of pictures less `mean`."""
    name = net.spec.get("name", "a net") if net.spec else "a net"
    arrays = {key: to_numpy(param.data) for key, param in net.params.items()}
    return Source(name, name, arrays, Pictures("BGR", mean, (1 / entrance_scale(net),)))


def entrances(net: Net) -> dict[str, float]:
    """The convolutions that see the net's input -> what the net multiplies it by before."""
    factors: dict[int, float] = {}
    found = {}
    for k, node in enumerate(net.nodes):
        if isinstance(node.layer, Input):
            factors[k] = 1.0
        elif isinstance(node.layer, Scale) and node.inputs[0] in factors:
            factors[k] = factors[node.inputs[0]] * node.layer.factor
        elif isinstance(node.layer, Conv2d) and node.inputs[0] in factors:
            found[node.name] = factors[node.inputs[0]]
    return found


def entrance_scale(net: Net) -> float:
    """What the net multiplies its input by; 1 where there is no one factor."""
    factors = set(entrances(net).values())
    return factors.pop() if len(factors) == 1 else 1.0
