"""Which net a file belongs to that does not say so: mostly, the names and shapes of its arrays tell."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from minifcn import models
from minifcn.errors import WeightsError

#: The array that a net alone has, and the nets that have it.
OWN = {
    "upscore.weight": ("fcn32s",),
    "upscore16.weight": ("fcn16s",),
    "upscore8.weight": ("fcn8s", "fcn8s-atonce"),
    "fc8.weight": ("vgg16",),
}


def recognise(
    path: str | PathLike[str], arrays: Mapping[str, np.ndarray], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """(arguments of `models.build`, a line for each that was assumed): what is not `given` comes from the arrays.

    Raises WeightsError where they do not decide it.
    """
    spec = dict(given)
    assumed = []
    if "name" not in spec:
        fits = [name for own, names in OWN.items() if own in arrays for name in names]
        if len(fits) != 1:
            raise WeightsError(
                f"{path}: does not say which net it belongs to, and its arrays fit {' and '.join(fits) or 'none'}; "
                f"name it (--net), one of {', '.join(models.NAMES)}"
            )
        spec["name"] = fits[0]
        assumed.append(f"net {fits[0]}, from the arrays' names")
    if "preset" not in spec:
        widths = [_width(arrays, f"conv{stage}_1.weight") for stage in range(1, 6)], _width(arrays, "fc6.weight")
        fits = [name for name, preset in models.PRESETS.items() if (list(preset.stages), preset.fc) == widths]
        if len(fits) != 1:
            raise WeightsError(
                f"{path}: does not say which preset it belongs to, and its widths {widths[0]}, {widths[1]} are of "
                f"none; name it (--preset), one of {', '.join(models.PRESETS)}"
            )
        spec["preset"] = fits[0]
        assumed.append(f"preset {fits[0]}, from the arrays' shapes")
    if "num_classes" not in spec:
        spec["num_classes"] = _width(arrays, "fc8.weight" if spec["name"] == "vgg16" else "score_fr.weight")
        assumed.append(f"{spec['num_classes']} classes, from the arrays' shapes")
    if "input_padding" not in spec and spec["name"] != "vgg16" and spec["preset"] in models.PRESETS:
        padding = spec["input_padding"] = models.PRESETS[spec["preset"]].input_padding
        assumed.append(f"input padding {padding}, the preset's own")
    return spec, assumed


def _width(arrays: Mapping[str, np.ndarray], name: str) -> int:
    """The output channels of a convolution's weight; 0 if it is missing, or no such weight."""
    return arrays[name].shape[0] if name in arrays and arrays[name].ndim == 4 else 0
