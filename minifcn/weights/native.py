"""minifcn's own weight format: safetensors, with metadata from which the net can be rebuilt and used.

Its metadata is one JSON object with the keys

    format     "minifcn"          version  1
    net        arguments of `models.build`: name, num_classes, preset, input_padding; if not as published also
               upsampling, output_stride
    classes    names of the classes           palette  their colours [[r, g, b], ...]
    channels   order of the input's channels, "BGR"
    mean       what is subtracted from them   scale    what they are multiplied with after that
    source     where the weights come from, for instance a converted file's name; sha256  that file's hash
    init       of a trained net, the weights that it started from: {"file": name, "sha256": hash}

`minifcn export` writes the same entries into an ONNX file, as its properties; such a file is read as one of these.

Arrays are named as in `net.state_dict()`: "conv1_1.weight", "score_fr.bias", "upscore8.weight".
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.backend import to_numpy
from minifcn.data.preprocess import MEAN_BGR
from minifcn.errors import WeightsError
from minifcn.net import Net
from minifcn.weights import tensors
from minifcn.weights.metadata import check
from minifcn.weights.readers import is_onnx, onnx

FORMAT = "minifcn"
VERSION = 1
#: The input that minifcn's nets are fed with, and what is assumed of files that do not say.
INPUT = {"channels": "BGR", "mean": list(MEAN_BGR), "scale": 1.0}


def save(path: str | PathLike[str], net: Net, metadata: Mapping[str, Any] | None = None) -> None:
    """Writes `net`'s weights with how to rebuild it and what `metadata` adds (classes, palette, source, ...)."""
    about = {"format": FORMAT, "version": VERSION, "net": net.spec, **INPUT, **(metadata or {})}
    tensors.write(path, {name: to_numpy(param.data) for name, param in net.params.items()}, about)


def read(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays float32, metadata) of a file. WeightsError if it is broken, or something else than weights."""
    if is_onnx(path):
        # Other tools leave numbers of their own in a graph: sizes and places.
        found, metadata = onnx.read(Path(path)).arrays, onnx.metadata(Path(path)) or {}
        arrays = {name: array for name, array in found.items() if name.endswith((".weight", ".bias"))}
    else:
        arrays, metadata = tensors.read(path)
    if metadata.get("format") == tensors.CHECKPOINT:
        beside = Path(path).with_name("weights.safetensors")
        hint = f"its run's weights are in {beside}" if beside.is_file() else (
            f"the run leaves its weights in {beside} when it is finished (minifcn train --resume {beside.parent})"
        )  # fmt: skip
        raise WeightsError(f"{path}: is a checkpoint, for --resume, not a weight file; {hint}")
    if metadata.get("format") == FORMAT and metadata.get("version") != VERSION:
        raise WeightsError(
            f"{path}: has format version {metadata.get('version')!r}, this minifcn reads {VERSION}; "
            "use the minifcn that wrote it"
        )
    check(path, metadata)
    return tensors.as_float32(path, arrays), metadata


def unsaid(metadata: Mapping[str, Any]) -> list[str]:
    """A line for each property of the input that has to be assumed."""
    return [f"{key} {value}, which the file does not say" for key, value in INPUT.items() if key not in metadata]
