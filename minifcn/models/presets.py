"""Widths of the trunk: one topology, from the published net to one that trains in a minute on a laptop."""

from __future__ import annotations

from typing import NamedTuple


class Preset(NamedTuple):
    """Channels of the five stages and of fc6/fc7, the dropout there, and what goes with it at the entrance.

    input_scale: what the net multiplies its input by. Pixels less their mean have a standard deviation of about 64;
    pretrained weights have grown up with that, but He's initial values, and one learning rate for all layers, ask for
    an input of about unit variance.
    """

    stages: tuple[int, int, int, int, int]
    fc: int
    dropout: float
    input_padding: int | str
    input_scale: float


PRESETS = {
    # Simonyan & Zisserman 2015, configuration D; padding 100 as in the released FCNs (voc-fcn8s/net.py).
    "vgg16": Preset((64, 128, 256, 512, 512), 4096, 0.5, 100, 1.0),
    # In between: 2.8 M parameters with fc 256; street scenes at 240x180 from scratch.
    "small": Preset((24, 48, 96, 128, 128), 256, 0.5, "same", 1 / 64),
    # The laptop's: the full topology, narrow.
    "tiny": Preset((8, 16, 32, 64, 64), 128, 0.0, "same", 1 / 64),
}
