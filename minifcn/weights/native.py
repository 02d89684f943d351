"""minifcn's own weight format: safetensors, with metadata from which the net can be rebuilt and used.

Its metadata is one JSON object with the keys

    format     "minifcn"          version  1
    net        arguments of `models.build`: name, num_classes, preset, input_padding
    classes    names of the classes           palette  their colours [[r, g, b], ...]
    channels   order of the input's channels, "BGR"
    mean       what is subtracted from them   scale    what they are multiplied with after that
    source     where the weights come from, for instance a converted file's name; sha256  that file's hash
    init       of a trained net, the weights that it started from: {"file": name, "sha256": hash}

Arrays are named as in `net.state_dict()`: "conv1_1.weight", "score_fr.bias", "upscore8.weight".
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import models
from minifcn.data.preprocess import MEAN_BGR
from minifcn.errors import MinifcnError, WeightsError
from minifcn.net import Net
from minifcn.weights import tensors
from minifcn.weights.metadata import check
from minifcn.weights.recognition import recognise
from minifcn.weights.report import Report

FORMAT = "minifcn"
VERSION = 1
#: The input that minifcn's nets are fed with, and what is assumed of files that do not say.
INPUT = {"channels": "BGR", "mean": list(MEAN_BGR), "scale": 1.0}


def save(path: str | PathLike[str], net: Net, metadata: Mapping[str, Any] | None = None) -> None:
    """Writes `net`'s weights with how to rebuild it and what `metadata` adds (classes, palette, source, ...)."""
    about = {"format": FORMAT, "version": VERSION, "net": net.spec, **INPUT, **(metadata or {})}
    tensors.write(path, net.state_dict(), about)


def load(net: Net, path: str | PathLike[str]) -> Report:
    """Copies a file's weights into `net`. All names and shapes must fit, or WeightsError and the net is unchanged."""
    arrays, metadata = _read(path)
    theirs, score = arrays.get("score_fr.weight"), net.params.get("score_fr.weight")
    if theirs is not None and theirs.ndim == 4 and score is not None and len(theirs) != len(score.data):
        raise WeightsError(
            f"{path}: {len(theirs)} classes in the file, your data has {len(score.data)}: score_fr.weight and the "
            f"other score layers do not fit{_built_as(metadata)}"
        )
    return _put(net, path, arrays, metadata)


def open_net(path: str | PathLike[str], spec: Mapping[str, Any] | None = None) -> tuple[Net, dict[str, Any]]:
    """(net, metadata): the net that a file describes, with its weights.

    spec: arguments of `models.build`, as far as they are known, for a file that does not describe its net; its arrays
    tell the others. What the file does not say is in the metadata with the values assumed, and `metadata["assumed"]`
    has a line for each. Raises WeightsError if the file cannot be used, or says something else than `spec`.
    """
    arrays, metadata = _read(path)
    described = metadata.get("net")
    assumed: list[str] = []
    if not described:
        described, assumed = recognise(path, arrays, spec or {})
    net = _build(path, described, numbers=sum(array.size for array in arrays.values()))
    for key, value in (spec or {}).items():
        if net.spec.get(key) != value:
            raise WeightsError(f"{path}: its {key} is {net.spec.get(key)!r}, as the file says, not {value!r}")
    names = metadata.get("classes", [])
    if names and len(names) != net.spec["num_classes"]:
        raise WeightsError(f"{path}: its metadata names {len(names)} classes, its net has {net.spec['num_classes']}")
    report = _put(net, path, arrays, metadata)
    return net, {**INPUT, **metadata, "net": net.spec, "assumed": assumed + report.assumed}


def _read(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if Path(path).is_dir():
        inside = Path(path) / "weights.safetensors"
        hint = f"; try {inside}" if inside.is_file() else ", and has no weights.safetensors"
        raise WeightsError(f"{path}: expected a weight file, this is a folder{hint}")
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


def _build(path: str | PathLike[str], spec: Mapping[str, Any], numbers: int) -> Net:
    """The net that a file describes; a file of so many `numbers` cannot make it take unbounded memory."""
    try:
        unknown = spec.keys() - {"name", "num_classes", "preset", "input_padding"}
        if unknown or not spec.get("num_classes", 0) <= numbers:
            raise WeightsError("unknown settings, or more classes than the file has numbers")
        return models.build(**spec)
    except (MinifcnError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path}: there is no net of {spec}: {error}") from error


def _put(net: Net, path: str | PathLike[str], arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> Report:
    try:
        net.load_state_dict(arrays)
    except WeightsError as error:
        raise WeightsError(f"{path}: {str(error).removeprefix('load_state_dict: ')}{_built_as(metadata)}") from None
    return Report(source=str(path), taken=list(net.params), assumed=_assumed(metadata))


def _built_as(metadata: dict[str, Any]) -> str:
    return f"; the file was made for {metadata['net']}" if metadata.get("net") else ""


def _assumed(metadata: dict[str, Any]) -> list[str]:
    return [f"{key} {value}, which the file does not say" for key, value in INPUT.items() if key not in metadata]
