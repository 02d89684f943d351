"""Widths of the nets: each family's topology, from the published net to one that trains in minutes on a laptop."""

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


class Row(NamedTuple):
    """Channels of an inception module: a column each in table 1 of Szegedy et al. 2015."""

    one: int
    reduce3: int
    three: int
    reduce5: int
    five: int
    projection: int


class InceptionPreset(NamedTuple):
    """GoogLeNet's channels, and as for every preset its dropout and entrance.

    stem: of conv1/7x7_s2, conv2/3x3_reduce and conv2/3x3. modules: of inception_3a ... 5b.
    """

    stem: tuple[int, int, int]
    modules: dict[str, Row]
    dropout: float
    input_padding: int | str
    input_scale: float

    def narrowed(self, divisor: int) -> InceptionPreset:
        """The same, `divisor` times narrower, for training from scratch: no dropout, an input of unit variance."""
        first, reduced, last = (width // divisor for width in self.stem)
        modules = {name: Row(*(width // divisor for width in row)) for name, row in self.modules.items()}
        return self._replace(stem=(first, reduced, last), modules=modules, dropout=0.0, input_scale=1 / 64)


VGG16 = {
    # Simonyan & Zisserman 2015, configuration D; padding 100 as in the released FCNs (voc-fcn8s/net.py).
    "vgg16": Preset((64, 128, 256, 512, 512), 4096, 0.5, 100, 1.0),
    # The published convolutions under fc layers an eighth as wide (28 M parameters instead of 134), at the picture's
    # natural size: for pretrained trunks on few pictures, and few cores.
    "slim": Preset((64, 128, 256, 512, 512), 512, 0.5, "same", 1.0),
    # In between: 2.8 M parameters with fc 256; street scenes at 240x180 from scratch.
    "small": Preset((24, 48, 96, 128, 128), 256, 0.5, "same", 1 / 64),
    # The laptop's: the full topology, narrow.
    "tiny": Preset((8, 16, 32, 64, 64), 128, 0.0, "same", 1 / 64),
}

ALEXNET = {
    # Caffe's bvlc_reference_caffenet, Krizhevsky et al. 2012; padding 100 as in voc-fcn-alexnet/net.py.
    "alexnet": Preset((96, 256, 384, 384, 256), 4096, 0.5, 100, 1.0),
    "tiny": Preset((16, 32, 48, 48, 32), 128, 0.0, "same", 1 / 64),
}

_GOOGLENET = InceptionPreset(
    stem=(64, 64, 192),
    modules={
        "3a": Row(64, 96, 128, 16, 32, 32),
        "3b": Row(128, 128, 192, 32, 96, 64),
        "4a": Row(192, 96, 208, 16, 48, 64),
        "4b": Row(160, 112, 224, 24, 64, 64),
        "4c": Row(128, 128, 256, 24, 64, 64),
        "4d": Row(112, 144, 288, 32, 64, 64),
        "4e": Row(256, 160, 320, 32, 128, 128),
        "5a": Row(256, 160, 320, 32, 128, 128),
        "5b": Row(384, 192, 384, 48, 128, 128),
    },
    dropout=0.4,
    input_padding=35,  # the classifier's 3 and one stride of 32: the grid it was trained on, a cell more on each side
    input_scale=1.0,
)
GOOGLENET = {"googlenet": _GOOGLENET, "tiny": _GOOGLENET.narrowed(8)}
