"""Nets by name: `build("fcn8s", num_classes=21, preset="tiny")`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minifcn.errors import ShapeError, did_you_mean
from minifcn.layers import Scale
from minifcn.models.alexnet import ALEXNET
from minifcn.models.blocks import Family
from minifcn.models.dense import convolutionalize
from minifcn.models.fcn import HEADS, fcn
from minifcn.models.googlenet import GOOGLENET
from minifcn.models.presets import InceptionPreset, Preset
from minifcn.models.vgg import VGG16
from minifcn.net import Net

#: Trunks, by the name of the classifier that each comes from.
FAMILIES = {"vgg16": VGG16, "alexnet": ALEXNET, "googlenet": GOOGLENET}
FCNS = tuple(HEADS)
CLASSIFIERS = tuple(FAMILIES)
#: The paper's net was never released: the geometry is ours, where section 4.1 leaves it open.
RECONSTRUCTIONS = tuple(name for name, head in HEADS.items() if head.family == "googlenet")
NAMES = (*FCNS, *CLASSIFIERS)

__all__ = [
    "CLASSIFIERS",
    "FAMILIES",
    "FCNS",
    "NAMES",
    "RECONSTRUCTIONS",
    "Family",
    "InceptionPreset",
    "Preset",
    "build",
    "convolutionalize",
    "family",
    "presets_of",
    "with_stride",
]


def family(name: str) -> Family:
    """The family of the net called `name`. Raises ShapeError for an unknown name."""
    if name not in NAMES:
        raise ShapeError(f"unknown net {name!r}{did_you_mean(name, NAMES)}")
    return FAMILIES[HEADS[name].family if name in HEADS else name]


def presets_of(name: str) -> Mapping[str, Any]:
    """The widths that the net called `name` comes in, the published ones first. ShapeError for an unknown name."""
    return family(name).presets


def with_stride(name: str, stride: int) -> str:
    """The FCN like `name` whose finest scores have this stride: a stage of staged training.

    >>> with_stride("fcn8s", 32), with_stride("fcn-googlenet", 8)
    ('fcn32s', 'fcn-googlenet-8s')

    Raises ShapeError if there is none.
    """
    if name not in HEADS:
        raise ShapeError(f"unknown FCN {name!r}{did_you_mean(name, FCNS)}")
    for other, head in HEADS.items():
        if head == HEADS[name]._replace(stride=stride):
            return other
    raise ShapeError(f"there is no net of stride {stride} like {name}")


def build(
    name: str,
    num_classes: int = 21,
    preset: str | None = None,
    input_padding: int | str | None = None,
    rng: np.random.Generator | None = None,
) -> Net:
    """A net by name, one of `FCNS` ("fcn8s", "fcn-alexnet", ...) or of `CLASSIFIERS` ("vgg16", ...).

    preset: the trunk's widths, one of `presets_of(name)`; None is the published net's. input_padding: of an FCN's first
    convolution, or "same", which keeps every map at about its natural size; None is the preset's own. The released nets
    have 100, and any from 81 (AlexNet 82) on works for pictures that are large enough.
    rng: draws He's initial values and, later, the dropout masks. Without it the trunk is zero and nothing drops: a net
    to load weights into, or to plan with, that takes no memory. Scores start at zero, upsampling is bilinear.

    An FCN takes "data" (N, 3, H, W), BGR 0..255 less the mean, and gives "score" (N, num_classes, H, W). A classifier
    gives (N, num_classes, h, w), one score for a picture of its own size. Raises ShapeError for an unknown name or
    preset, or an impossible padding.
    """
    trunks = family(name)
    if preset is None:
        preset = next(iter(trunks.presets))
    if preset not in trunks.presets:
        known = ", ".join(trunks.presets)
        raise ShapeError(f"unknown preset {preset!r} of {name}{did_you_mean(preset, trunks.presets)}; it has {known}")
    if not isinstance(num_classes, int) or num_classes < 1:
        raise ShapeError(f"{name}: expected at least 1 class, got {num_classes!r}")
    widths = trunks.presets[preset]
    net = Net()
    net.spec = {"name": name, "num_classes": num_classes, "preset": preset}
    x = data = net.input("data", channels=3)
    if widths.input_scale != 1:
        x = net.add("scale_data", Scale(widths.input_scale), x)
    if name in FAMILIES:
        trunks.classifier(net, x, widths, num_classes, rng)
        return net
    padding = net.spec["input_padding"] = widths.input_padding if input_padding is None else input_padding
    least = trunks.least_padding
    if padding != "same" and not (isinstance(padding, int) and padding >= least):
        raise ShapeError(
            f"{name}: input_padding must be 'same' or an integer of at least {least}, got {padding!r}: with less, the "
            "scores begin inside the picture, and no crop can align them"
        )
    fcn(net, HEADS[name], trunks.trunk(net, x, widths, padding, rng), data, num_classes)
    return net
