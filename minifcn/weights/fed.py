"""What the first layers of another's net are fed with: by its graph, or by what its arrays look like.

Nets of minifcn that are narrow multiply their pictures by 1/64 before the first convolution. No array says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from minifcn.weights.inputs import BYTE
from minifcn.weights.readers import RawWeights, onnx
from minifcn.weights.readers.onnxentrance import Seen
from minifcn.weights.source import Source

#: The layers that nonlinear upsampling alone has.
STEPS = re.compile(r"upscore.*_by\d+\.weight")


def by_graph(made: Source, raw: RawWeights) -> bool:
    """Corrects `made.pictures` by what the file's graph does to them, if it has one; whether that is known now.

    What it does is taken from the pictures that the net's kind is fed with. If it subtracts something, they are bytes
    less that, or, if that is at most 1, bytes divided by 255 less that.
    """
    if raw.container != "onnx":
        return False
    seen = [what for name, what in onnx.entrances(Path(raw.path)).items() if name in raw.arrays]
    if hidden := next((what.hidden for what in seen if what.hidden), ""):
        made.assumed.append(f"{made.pictures}: what the graph's {hidden} does before the first convolution is not read")
    if hidden or not seen or any(not _same(seen[0].factor, other.factor) for other in seen):
        return False
    return _taken(made, seen[0])


def as_minifcn_has_them(arrays: Mapping[str, np.ndarray], keys: Collection[str]) -> bool:
    """Whether arrays, in a file by these names, are named and shaped as only minifcn does it.

    Its upsampling has a filter for each class, (C, 1, k, k), or is done in steps; its dense layers are convolutions.
    """
    if any(name not in keys for name in arrays):
        return False
    upsampling = {name: array for name, array in arrays.items() if name.startswith("upscore")}
    if upsampling:
        alone = any(array.ndim == 4 and array.shape[1] == 1 < len(array) for array in upsampling.values())
        return alone or any(map(STEPS.fullmatch, upsampling))
    return any(arrays[name].ndim == 4 for name in ("fc8.weight", "loss3/classifier.weight") if name in arrays)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-3, atol=0))  # in float16, too


def _taken(made: Source, seen: Seen) -> bool:
    """The pictures of a net whose first layer sees factor * x + offset; False if that cannot be."""
    if not np.isfinite(seen.factor).all() or not seen.factor.all():
        return False
    divisor, mean = 1 / seen.factor, -seen.offset / seen.factor
    if mean.any():
        if mean.size not in (1, 3) or not np.isfinite(mean).all():
            return False
        unit = BYTE if np.abs(mean).max() <= 1 else 1.0
        mean, divisor = np.broadcast_to(mean, 3) * unit, divisor * unit
        made.pictures = made.pictures._replace(mean=tuple(map(float, mean)))
    made.pictures = made.pictures._replace(divisor=tuple(map(float, divisor)))
    return True
