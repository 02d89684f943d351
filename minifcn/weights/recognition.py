"""Which net a file belongs to that does not say so: mostly, the names and shapes of its arrays tell."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from minifcn import models
from minifcn.errors import WeightsError
from minifcn.net import Net


def recognise(
    path: str | PathLike[str], arrays: Mapping[str, np.ndarray], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """(arguments of `models.build`, a line for each that was assumed): what is not `given` comes from the arrays.

    Raises WeightsError where they do not decide it.
    """
    spec = dict(given)
    assumed = []
    if "name" not in spec:
        fits = [name for name in models.NAMES if models.build(name).params.keys() == arrays.keys()]
        if len(fits) != 1:
            raise WeightsError(
                f"{path}: does not say which net it belongs to, and its arrays fit {' and '.join(fits) or 'none'}; "
                f"name it (--net), one of {', '.join(models.NAMES)}"
            )
        spec["name"] = fits[0]
        assumed.append(f"net {fits[0]}, from the arrays' names")
    name = spec["name"]
    top = "score_fr" if name in models.FCNS else models.build(name).outputs[0]
    classes = _width(arrays, f"{top}.weight")
    if "preset" not in spec:
        known = models.presets_of(name)
        fits = [preset for preset in known if _fits(models.build(name, max(1, classes), preset), arrays)]
        if len(fits) != 1:
            raise WeightsError(
                f"{path}: does not say which preset it belongs to, and the widths of its layers are of none; "
                f"name it (--preset), one of {', '.join(known)}"
            )
        spec["preset"] = fits[0]
        assumed.append(f"preset {fits[0]}, from the arrays' shapes")
    if "num_classes" not in spec:
        spec["num_classes"] = classes
        assumed.append(f"{classes} classes, from the arrays' shapes")
    if "input_padding" not in spec and name in models.FCNS and spec["preset"] in models.presets_of(name):
        padding = spec["input_padding"] = models.presets_of(name)[spec["preset"]].input_padding
        assumed.append(f"input padding {padding}, the preset's own")
    return spec, assumed


def _fits(net: Net, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the arrays that the net has, too, have its shapes."""
    return all(arrays[key].shape == param.data.shape for key, param in net.params.items() if key in arrays)


def _width(arrays: Mapping[str, np.ndarray], name: str) -> int:
    """The output channels of a convolution's weight; 0 if it is missing, or no such weight."""
    return arrays[name].shape[0] if name in arrays and arrays[name].ndim == 4 else 0
