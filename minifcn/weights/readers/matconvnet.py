"""MatConvNet's .mat: a DagNN's `params`, or a SimpleNN's `layers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import matfile
from minifcn.errors import WeightsError
from minifcn.weights.readers.raw import MOST, Mean, Reader


def parse(path: Path) -> tuple[dict[str, np.ndarray], Mean]:
    """A DagNN's keys are its own, "conv1_1_filter"; a SimpleNN's layer has "conv1_1.0" and "conv1_1.1"."""
    data = path.read_bytes()
    if data.startswith(b"MATLAB 7.3"):
        raise WeightsError("is a MAT-file of version 7.3; load it in MATLAB and save it with -v7")
    content = matfile.variables(data, ("params", "layers", "meta", "normalization"), MOST * max(len(data), 1 << 12))
    if content.get("params") is not None:
        arrays = {_text(one["name"]): _numbers(one["value"]) for one in content["params"]}
    elif content.get("layers") is not None:
        arrays = dict(_simple(content["layers"]))
    else:
        raise WeightsError("has neither `params` nor `layers`, so it is no net of MatConvNet")
    return arrays, _mean(content)


def _simple(layers: list[Any]) -> Iterator[tuple[str, np.ndarray]]:
    for layer in layers:
        (fields,) = layer if isinstance(layer, list) else [layer]
        # "weights" is a cell; before 2015, its two had fields of their own.
        weights = fields.get("weights", [fields[name] for name in ("filters", "biases") if name in fields])
        for k, value in enumerate(weights):
            yield f"{_text(fields['name'])}.{k}", _numbers(value)


def _mean(content: dict[str, Any]) -> Mean:
    """meta.normalization.averageImage, RGB; of a whole image, its mean."""
    found = content.get("normalization")
    for meta in content.get("meta") or []:
        found = meta.get("normalization", found)
    image = found[0].get("averageImage") if found and isinstance(found[0], dict) else None
    if not isinstance(image, np.ndarray) or not image.size or image.size % 3:
        return None
    if image.size == 3:
        r, g, b = image.ravel()
    elif image.ndim == 3 and image.shape[2] == 3:
        r, g, b = image.mean(axis=(0, 1))
    else:
        return None
    return float(r), float(g), float(b)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a name is expected, where there is none")
    return value


def _numbers(value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise ValueError(f"numbers are expected, where a {type(value).__name__} is")
    return value


read = Reader("mat", "MAT file", parse)
