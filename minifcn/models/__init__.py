"""Nets by name: `build("fcn8s", num_classes=21, preset="tiny")`."""

from __future__ import annotations

import numpy as np

from minifcn.errors import ShapeError, did_you_mean
from minifcn.models import fcn, vgg
from minifcn.models.presets import PRESETS, Preset
from minifcn.net import Net

NAMES = (*fcn.STRIDES, "vgg16")

__all__ = ["NAMES", "PRESETS", "Preset", "build"]


def build(
    name: str,
    num_classes: int = 21,
    preset: str = "vgg16",
    input_padding: int | str | None = None,
    rng: np.random.Generator | None = None,
) -> Net:
    """A net by name, "fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce" or the classifier "vgg16".

    preset: the trunk's widths, see `PRESETS`. input_padding: of conv1_1, 100 in the released nets (any from 81 on works
    for pictures that are large enough), or "same", which keeps every map at its natural size; None is the preset's own.
    rng: draws He's initial values and, later, the dropout masks. Without it the trunk is zero and nothing drops: a net
    to load weights into, or to plan with, that takes no memory. Scores start at zero, upsampling is bilinear.

    An FCN takes "data" (N, 3, H, W), BGR 0..255 less the mean, and gives "score" (N, num_classes, H, W). Raises
    ShapeError for an unknown name or preset, or an impossible padding.
    """
    if name not in NAMES:
        raise ShapeError(f"unknown net {name!r}{did_you_mean(name, NAMES)}")
    if preset not in PRESETS:
        raise ShapeError(f"unknown preset {preset!r}{did_you_mean(preset, PRESETS)}")
    if num_classes < 1:
        raise ShapeError(f"{name}: expected at least 1 class, got {num_classes}")
    widths = PRESETS[preset]
    net = Net()
    if name == "vgg16":
        vgg.vgg16(net, num_classes, widths, rng)
        net.spec = {"name": name, "num_classes": num_classes, "preset": preset}
        return net
    padding = widths.input_padding if input_padding is None else input_padding
    if padding != "same" and not (isinstance(padding, int) and padding >= 81):
        raise ShapeError(
            f"{name}: input_padding must be 'same' or an integer of at least 81, got {padding!r}: with less, the "
            "scores begin inside the picture, and no crop can align them (at 100 the offset is 19, and 19 = 100 - 81)"
        )
    fcn.fcn(net, name, num_classes, widths, padding, rng)
    net.spec = {"name": name, "num_classes": num_classes, "preset": preset, "input_padding": padding}
    return net
