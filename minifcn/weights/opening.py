"""Weight files of any known format, put into a net that is there, or into the one that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import models
from minifcn.errors import MinifcnError, WeightsError
from minifcn.net import Net
from minifcn.weights import native, readers
from minifcn.weights.inputs import Input
from minifcn.weights.names import are_torchvision_s, wrapping
from minifcn.weights.native import INPUT
from minifcn.weights.readers import onnx
from minifcn.weights.recognition import recognise
from minifcn.weights.report import Report
from minifcn.weights.source import Source, divisor_of, of_net
from minifcn.weights.surgery import transplanted
from minifcn.weights.translate import translate

#: What `models.build` builds a net from, apart from chance.
SETTINGS = signature(models.build).parameters.keys() - {"rng"}


def load(net: Net, path: str | PathLike[str]) -> Report:
    """Copies a file's weights into `net`; of minifcn's own format, all names and shapes must fit.

    Of any other format, what the file has for the net is taken, and the report says what was left (see `transplant`).
    WeightsError if that cannot be; the net is then unchanged.
    """
    if (foreign := _foreign(path)) is not None:
        return transplanted(net, foreign, give_away=True)
    arrays, metadata = native.read(path)
    theirs, score = arrays.get("score_fr.weight"), net.params.get("score_fr.weight")
    if theirs is not None and theirs.ndim == 4 and score is not None and len(theirs) != len(score.data):
        raise WeightsError(
            f"{path}: {len(theirs)} classes in the file, your data has {len(score.data)}: score_fr.weight and the "
            f"other score layers do not fit{_built_as(metadata)}"
        )
    return _put(net, path, arrays, metadata)


def transplant(net: Net, source: str | PathLike[str] | Net) -> Report:
    """Copies into `net` what a weight file of any known format, or another net, has for it; tells what became of all.

    Layers are matched by name. A dense layer becomes the convolution that it is, a dense transposed convolution that
    keeps classes apart a depthwise one. A first layer of three channels serves one that sees depth, too, and one trunk
    serves both of a net of two (conv1_1color, conv1_1hha). What does not fit keeps its initial value. Raises
    WeightsError, and leaves the net as it is, if the file is broken or has nothing for the net.
    """
    return transplanted(net, open_source(source), give_away=not isinstance(source, Net))


def expand_score(net: Net, source: str | PathLike[str] | Net) -> Report:
    """As `transplant`; and scores of fewer classes than the net's become its first rows, the new rows zero.

    So the new classes score 0, as all do before they learn (nonlinear upsampling adds what it adds to all then), and
    win wherever every old class scores less; on the old ones they have no influence. Raises WeightsError if not all of
    the source's classes can stay.
    """
    return transplanted(net, open_source(source), expand=True, give_away=not isinstance(source, Net))


def open_net(path: str | PathLike[str], spec: Mapping[str, Any] | None = None) -> tuple[Net, dict[str, Any]]:
    """(net, metadata): the net that a file describes, with its weights.

    spec: arguments of `models.build`, as far as they are known, for a file that does not describe its net; its arrays
    tell the others. What the file does not say is in the metadata with the values assumed, and `metadata["assumed"]`
    has a line for each; `metadata["told"]` says what a file of another framework is. Raises WeightsError if the file
    cannot be used, or says something else than `spec`.
    """
    if (foreign := _foreign(path)) is not None:
        return _open_foreign(foreign, spec or {})
    arrays, metadata = native.read(path)
    described = metadata.get("net")
    assumed: list[str] = []
    if not described:
        described, assumed = recognise(Source(str(path), "weights", arrays), spec or {})
    net = _build(path, described, arrays)
    for key, value in (spec or {}).items():
        if net.spec.get(key) != value:
            raise WeightsError(f"{path}: its {key} is {net.spec.get(key)!r}, as the file says, not {value!r}")
    names = metadata.get("classes", [])
    named = {task: len(each) for task, each in names.items()} if isinstance(names, dict) else len(names)
    if names and named != net.spec["num_classes"]:
        raise WeightsError(f"{path}: its metadata names {named} classes, its net has {net.spec['num_classes']}")
    report = _put(net, path, arrays, metadata)
    return net, {**INPUT, **metadata, "net": net.spec, "told": report.told, "assumed": assumed + report.assumed}


def open_source(source: str | PathLike[str] | Net, origin: str | None = None) -> Source:
    """The arrays of a weight file of any known format, or of a net, under minifcn's names, and what they are fed with.

    origin: see `translate`. Raises WeightsError for a file that is broken, or of no known format.
    """
    if isinstance(source, Net):
        return of_net(source)
    if (foreign := _foreign(source, origin)) is not None:
        return foreign
    arrays, metadata = native.read(source)
    about = {**INPUT, **metadata}
    if about["channels"] != "BGR":
        raise WeightsError(f"{source}: made for {about['channels']} pictures; expected BGR")
    described = metadata.get("net")
    divisor = divisor_of(_build(source, described, arrays)) if described else (1.0,)
    title = described["name"] if described else "weights that do not say of which net they are"
    pictures = Input("BGR", tuple(about["mean"]), tuple(value / about["scale"] for value in divisor))
    names = {key: value for key, value in metadata.items() if key in ("classes", "palette")}
    spec = dict(described or {})
    made = Source(str(source), title, arrays, pictures, spec=spec, assumed=native.unsaid(metadata), names=names)
    made.own = made.guessed = not described  # as `open_net` takes them
    return made


def _foreign(path: str | PathLike[str], origin: str | None = None) -> Source | None:
    """Another framework's weights; None for a file of minifcn's format, or one that `minifcn export` wrote."""
    if readers.is_onnx(path) and onnx.metadata(Path(path)) is not None:
        return None
    if not readers.is_safetensors(path):
        return translate(readers.read(path), origin)
    raw = readers.read(path)
    return translate(raw, origin) if wrapping(raw.arrays) or are_torchvision_s(raw.arrays) else None


def _open_foreign(source: Source, given: Mapping[str, Any]) -> tuple[Net, dict[str, Any]]:
    spec, assumed = recognise(source, given)
    net = _build(source.path, spec, source.arrays)
    report = transplanted(net, source, give_away=True)
    if learned := [name for name in report.left if net.params[name].lr_mult]:
        raise WeightsError(f"{source.path}: has not all of {spec['name']}; missing: {', '.join(learned[:5])}")
    about = {**INPUT, "mean": report.mean, "net": net.spec}
    return net, {**about, "told": report.told, "assumed": assumed + report.assumed}


def _build(path: str | PathLike[str], spec: Any, arrays: Mapping[str, np.ndarray]) -> Net:
    """The net that a file describes; a file of few numbers cannot make it take unbounded memory."""
    try:
        unknown = spec.keys() - SETTINGS
        counts = spec.get("num_classes", 0)
        count = sum(counts.values()) if isinstance(counts, Mapping) else counts
        if unknown or not count <= sum(array.size for array in arrays.values()):
            raise WeightsError("unknown settings, or more classes than the file has numbers")
        return models.build(**spec)
    except (MinifcnError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path}: there is no net of {spec}: {error}") from error


def _put(net: Net, path: str | PathLike[str], arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> Report:
    try:
        net.load_state_dict(arrays, give_away=True)  # read for this net alone
    except WeightsError as error:
        raise WeightsError(f"{path}: {str(error).removeprefix('load_state_dict: ')}{_built_as(metadata)}") from None
    mean = metadata.get("mean", INPUT["mean"])
    return Report(source=str(path), taken=list(net.params), assumed=native.unsaid(metadata), mean=list(mean))


def _built_as(metadata: dict[str, Any]) -> str:
    return f"; the file was made for {metadata['net']}" if metadata.get("net") else ""
