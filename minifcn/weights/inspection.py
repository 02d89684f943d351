"""A look at what a weight file holds, before anything is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minifcn import models
from minifcn.errors import WeightsError, printable
from minifcn.files import sha256
from minifcn.weights import known, readers
from minifcn.weights.opening import open_source
from minifcn.weights.readers import RawWeights
from minifcn.weights.recognition import recognise
from minifcn.weights.source import Source, entrances
from minifcn.weights.surgery import guesses

#: Layers whose widths tell the size of a net: of VGG16, of AlexNet and of GoogLeNet.
TELLING = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "conv1", "conv2", "conv3", "conv4", "conv5",
           "conv1/7x7_s2", "conv2/3x3", "fc6", "fc7", "fc8", "score_fr", "loss3/classifier")  # fmt: skip
#: Of those the ones that see pictures; minifcn's are of colours.
FIRST = ("conv1_1.weight", "conv1.weight", "conv1/7x7_s2.weight")
#: Letters of an array's name that are shown.
LONGEST = 120


def describe(path: Path, origin: str | None = None) -> str:
    """A line for each array (name, shape, mean, standard deviation), and what the whole looks like."""
    raw = readers.read(path)
    return "\n".join([*_arrays(raw), "", *_file(path, raw), *_meaning(path, origin)])


def _arrays(raw: RawWeights) -> list[str]:
    shown = {name: printable(name)[:LONGEST] for name in raw.arrays}
    width = max(map(len, shown.values()))
    lines = [f"{'name':<{width}}  {'shape':<20} {'mean':>10} {'std':>10}"]
    for name, array in raw.arrays.items():
        figures = f"{array.dtype!s:>10}"
        if array.size and array.dtype.kind in "fiu":
            with np.errstate(all="ignore"):  # NaN and Inf are told as what they are
                figures = f"{array.mean(dtype=np.float64):10.4g} {array.std(dtype=np.float64):10.4g}"
        lines.append(f"{shown[name]:<{width}}  {'x'.join(map(str, array.shape)):<20} {figures}")
    return lines


def _file(path: Path, raw: RawWeights) -> list[str]:
    digest = sha256(path)
    numbers = sum(array.size for array in raw.arrays.values())
    lines = [f"{path}: {raw.container}, {len(raw.arrays)} arrays, {numbers:,} numbers", f"sha256 {digest}"]
    published = known.identify(path)
    return lines + ([f"this is {published.name}, {published.about}"] if published else [])


def _meaning(path: Path, origin: str | None) -> list[str]:
    """What minifcn would make of it, or why it would not."""
    try:
        source = open_source(path, origin)
    except WeightsError as error:
        return [f"cannot be converted as it is: {error}"]
    widths = [f"{name} {len(source.arrays[f'{name}.weight'])}" for name in TELLING if f"{name}.weight" in source.arrays]
    grey = any(source.arrays[name].shape[1:2] == (1,) for name in FIRST if name in source.arrays)
    lines = [str(source) if widths and not grey else source.title, *source.told, *source.assumed]
    if widths:
        lines.append(f"widths: {', '.join(widths)}")
    try:
        spec, _ = recognise(source, {}, "--to")
        classes = models.classes_text(spec["num_classes"])
        assumed = (f"assumed: {line}" for line in guesses(source, entrances(models.build(**spec)).values()))
        return [*lines, *assumed, f"a whole {spec['name']}, preset {spec['preset']}, {classes}"]
    except WeightsError as error:
        return [*lines, *_parts(source), str(error)]


def _parts(source: Source) -> list[str]:
    """How much of each classifier's layers is there, for trunks without their ends."""
    found = []
    for name in models.CLASSIFIERS:
        keys = [key for key in models.build(name).params if key.endswith(".weight")]
        count = sum(key in source.arrays for key in keys)
        if 2 * count > len(keys):
            found.append(f"{count} of the {len(keys)} layers of {name}")
    return found
