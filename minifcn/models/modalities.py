"""What nets see of a picture: colours, or with them or instead depth or HHA (the paper's section 5.2, NYUDv2).

Two ways to see two modalities: early fusion stacks their channels at the first convolution; late fusion gives each a
trunk of its own, and the mean of the scores of both is upsampled.
"""

from __future__ import annotations

from typing import NamedTuple

from minifcn.layers import Concat, Scale
from minifcn.net import Handle, Net


class Modality(NamedTuple):
    """channels: of the net's input. bytes: whether its values are those of bytes, -128..127 or so less their mean."""

    channels: int
    bytes: bool


#: By the names that the released nets have for them (nyud-fcn32s-*/net.py).
MODALITIES = {
    "color": Modality(3, bytes=True),  # B G R
    "hha": Modality(3, bytes=True),  # horizontal disparity, height above ground, angle with gravity
    "depth": Modality(1, bytes=False),  # a logarithm: about unit variance as it is
}
COLOUR = ("color",)
#: What early fusion calls the convolution that sees it all, since pretrained weights have no such layer.
FIRST: dict[tuple[str, ...], dict[str, str]] = {("color", "depth"): {"conv1_1": "conv1_1_bgrd"}}


def entrances(net: Net, sees: tuple[str, ...], scale: float) -> list[tuple[Handle, Handle]]:
    """(the input, what the trunk is to be fed) for each modality; `scale`: the preset's, for values of bytes."""
    found = []
    for name in sees:
        blob = data = net.input(name if len(sees) > 1 else "data", MODALITIES[name].channels)
        if scale != 1 and MODALITIES[name].bytes:
            blob = net.add(f"scale_{data.name}", Scale(scale), data)
        found.append((data, blob))
    return found


def stacked(net: Net, blobs: list[Handle], sees: tuple[str, ...]) -> tuple[Handle, int]:
    """All modalities as one blob, and its channels."""
    channels = sum(MODALITIES[name].channels for name in sees)
    return (blobs[0] if len(blobs) == 1 else net.add("data", Concat(), *blobs)), channels
