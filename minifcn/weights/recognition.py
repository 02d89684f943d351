"""Which net weights belong to that do not say so: mostly, the names and shapes of the arrays tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minifcn import models
from minifcn.errors import ShapeError, WeightsError
from minifcn.net import Net
from minifcn.weights.fed import STEPS
from minifcn.weights.fitting import fitted, mixes
from minifcn.weights.names import HEAD
from minifcn.weights.source import Source


def recognise(source: Source, given: Mapping[str, Any], flag: str = "--net") -> tuple[dict[str, Any], list[str]]:
    """(arguments of `models.build`, a line for each that was assumed): what is not `given` comes from the source's own
    net, if that is known and no other is given, or else from the arrays. An FCN of another stride keeps its padding.

    flag: the command's that gives the name. Raises WeightsError where they do not decide it.
    """
    spec = {**_own(source, given.get("name")), **given}
    assumed = []
    if "name" not in spec:
        spec["name"] = _name(source, flag)
        assumed.append(f"net {spec['name']}, from the arrays' names")
    name = spec["name"]
    classes = _classes(name, source)
    if "preset" not in spec:
        fits = fitting_presets(name, source)
        if len(fits) != 1:
            raise WeightsError(
                f"{source.path}: does not say which preset it belongs to, and the widths of its layers are of "
                f"{' and '.join(fits) or 'none'}; name it (--preset), one of {', '.join(models.presets_of(name))}"
            )
        spec["preset"] = fits[0]
        assumed.append(f"preset {fits[0]}, from the arrays' shapes")
    if "num_classes" not in spec:
        spec["num_classes"] = classes or 21
        count = models.classes_text(spec["num_classes"])
        why = "from the arrays' shapes" if classes else "as PASCAL VOC has"
        assumed.append(f"{count}, {why}")
    if "input_padding" not in spec and name in models.FCNS and spec["preset"] in models.presets_of(name):
        padding = spec["input_padding"] = models.presets_of(name)[spec["preset"]].input_padding
        assumed.append(f"input padding {padding}, the preset's own")
    if "upsampling" not in spec and (steps := [key for key in source.arrays if STEPS.fullmatch(key)]):
        spec["upsampling"] = "nonlinear"
        assumed.append(f"nonlinear upsampling, since {steps[0]} is a step of it")
    if "upsampling" not in spec and (learned := [k for k, a in source.arrays.items() if _mixes_classes(k, a)]):
        spec["upsampling"] = "dense"
        assumed.append(f"dense upsampling, since {learned[0]} mixes classes")
    if "output_stride" not in spec and not source.spec and (stride := _denser_stride(spec, source)):
        spec["output_stride"] = stride
        assumed.append(f"output stride {stride}, from the shapes of the upsampling")
    return spec, assumed


def fitting_presets(name: str, source: Source) -> list[str]:
    """The presets of the net called `name` whose trunk has the widths of the source's."""
    return [preset for preset in models.presets_of(name) if _fits(models.build(name, preset=preset), source)]


def _denser_stride(spec: Mapping[str, Any], source: Source) -> int:
    """The output stride of an FCN whose upsampling has the kernels of the source's; 0 for the published net's."""
    kernels = {key: a.shape[2:] for key, a in source.arrays.items() if key.startswith("upscore") and a.ndim == 4}
    if spec["name"] not in models.FCNS or not kernels:
        return 0
    for stride in reversed(models.OUTPUT_STRIDES):
        try:
            net = models.build(**spec, output_stride=stride)
        except ShapeError:  # which whoever builds it tells
            return 0
        pairs = [(kernels[key], param.data.shape[2:]) for key, param in net.params.items() if key in kernels]
        if pairs and all(theirs == ours for theirs, ours in pairs):
            return 0 if stride == 32 else stride
    return 0


def _own(source: Source, name: str | None) -> dict[str, Any]:
    """What the source says of its net, as far as it holds for the net called `name`."""
    theirs = source.spec.get("name", "")
    if name is None or name == theirs:
        return source.spec
    related = {name, theirs} <= {*models.FCNS} and models.family(name) is models.family(theirs)
    return {key: value for key, value in source.spec.items() if related and key == "input_padding"}


def _mixes_classes(name: str, array: np.ndarray) -> bool:
    return name.startswith("upscore") and array.ndim == 4 and array.shape[0] == array.shape[1] > 1 and mixes(array)


def _name(source: Source, flag: str) -> str:
    """The largest net that the file has all of. Upsampling that is fixed can be made anew, so it need not be there."""
    narrow = {name: [*models.presets_of(name)][-1] for name in models.NAMES}  # whose layers have the same names
    nets = {name: models.build(name, _classes(name, source) or 21, preset) for name, preset in narrow.items()}
    learned = {name: [key for key, param in net.params.items() if param.lr_mult] for name, net in nets.items()}
    whole = {name: len(keys) for name, keys in learned.items() if source.arrays.keys() >= set(keys)}
    fits = [name for name, count in whole.items() if count == max(whole.values())]
    # Of nets that differ in what they see alone, the one that sees colours.
    fits = [name for name in fits if models.modalities_of(nets[name]) == ("color",)] or fits
    if source.constants:  # of a net that scales its pools, the scales are there
        fits = [name for name in fits if (name == "fcn8s-atonce") == ("scale_pool4.weight" in source.arrays)]
    if len(fits) != 1:
        raise WeightsError(
            f"{source.path}: does not say which net it belongs to, and its arrays fit {' and '.join(fits) or 'none'}; "
            f"name it ({flag}), one of {', '.join(models.NAMES)}"
        )
    return fits[0]


def _classes(name: str, source: Source) -> int | dict[str, int]:
    """The number of classes that the arrays have scores of, or that of each of several tasks; 0 if they have none."""
    top = "score_fr" if name in models.FCNS else {"googlenet": "loss3/classifier"}.get(name, "fc8")
    counts = {
        key.removeprefix(top).removesuffix(".weight"): len(array)
        for key, array in source.arrays.items()
        if key.startswith(top) and key.endswith(".weight") and array.ndim in (2, 4) and len(array)
    }
    tasks = {end[1:]: count for end, count in counts.items() if end.startswith("_")}
    if len(tasks) > 1 and name in models.FCNS:
        return tasks
    return next(iter(counts.values()), 0)


def _fits(net: Net, source: Source) -> bool:
    """Whether the trunk's arrays, as far as they are there, have the net's shapes."""
    found = [(source.arrays[k], p.data.shape) for k, p in net.params.items() if k in source.arrays and not _head(k)]
    return bool(found) and all(fitted(array, shape, source.flat) is not None for array, shape in found)


def _head(name: str) -> bool:
    return name.startswith(HEAD)
