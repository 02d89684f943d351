"""ONNX's .onnx: a ModelProto of protobuf, of which the graph's initializers are the weights. Needs no further package.

Where a file has no initializers (some tools make constants of them), the constants that its convolutions and dense
layers read are the weights. See `onnxtensor` for numbers that lie in another file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers import onnxentrance
from minifcn.weights.readers.caffemodel import BYTES, fields
from minifcn.weights.readers.onnxentrance import Seen
from minifcn.weights.readers.onnxgraph import Graph, graph
from minifcn.weights.readers.onnxtensor import Beside, entry, tensor
from minifcn.weights.readers.raw import Mean, Reader

PROPERTIES = 14  # of ModelProto
#: What minifcn cannot do without, of the properties that it writes.
OURS = frozenset({"format", "version", "net", "classes", "palette", "channels", "mean", "scale"})
#: Operators whose second input is a matrix (in, out); Gemm's, unless it says otherwise.
DENSE = frozenset({"Gemm", "MatMul"})
#: Operators whose inputs after the first are weights; and what adds the bias of a MatMul.
WEIGHTED = frozenset({"Conv", "ConvTranspose", *DENSE})


def parse(path: Path) -> tuple[dict[str, np.ndarray], Mean]:
    """The weights by their names; a dense layer's as (out, in), and multiplied as a Gemm multiplies it."""
    beside, found = Beside(path), graph(memoryview(path.read_bytes()))
    arrays: dict[str, np.ndarray] = {}
    for name, message in {**_constant_weights(found), **found.initializers}.items():
        array = tensor(message, beside)[1]
        if array is not None:
            arrays[name] = array
    if not arrays:
        raise WeightsError("has no initializers of numbers, nor constants that are a convolution's or a dense layer's")
    for name, factor in _factors(found).items():
        if name in arrays and factor != 1 and arrays[name].dtype.kind == "f":
            arrays[name] = arrays[name].astype(np.promote_types(arrays[name].dtype, "f4")) * np.float32(factor)
    turned = {name for name in _matrices(found) if name in arrays and arrays[name].ndim == 2}
    return {name: array.T if name in turned else array for name, array in arrays.items()}, None


read = Reader("onnx", "ONNX file", parse)


def metadata(path: Path) -> dict[str, Any] | None:
    """What minifcn says of a net in an ONNX file that it wrote: its properties, each JSON. None: another wrote it.

    Properties that others have added are left out where they are not JSON.
    """
    with read.telling(path):
        model = np.memmap(path, "u1", "r").data  # the weights in it are stepped over
        properties = dict(entry(value) for k, kind, value in fields(model) if k == PROPERTIES and kind == BYTES)
        if properties.get("format") != json.dumps("minifcn"):
            return None
        return dict(_understood(properties))


def entrances(path: Path) -> dict[str, Seen]:
    """Weight of each convolution that sees an input of the graph -> what it sees of it."""
    with read.telling(path):
        return onnxentrance.entrances(graph(np.memmap(path, "u1", "r").data), Beside(path))


def _understood(properties: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for key, text in properties.items():
        try:
            yield key, json.loads(text)
        except ValueError as error:
            if key in OURS:
                raise WeightsError(f"its property {key!r} is not JSON, as minifcn writes it: {text[:80]!r}") from error


def _constant_weights(found: Graph) -> dict[str, memoryview]:
    """Constants that are weights of a layer, or what is added to a MatMul's product: its bias."""
    products = {name for node in found.nodes if node.operator == "MatMul" for name in node.outputs}
    used: set[str] = set()
    for node in found.nodes:
        if node.operator in WEIGHTED:
            used.update(node.inputs[1:])
        elif node.operator == "Add" and products & {*node.inputs}:
            used.update(node.inputs)
    return {name: message for name, message in found.constants.items() if name in used}


def _matrices(found: Graph) -> Iterator[str]:
    """The weights that are matrices (in, out)."""
    for node in found.nodes:
        if node.operator in DENSE and not node.attributes.get("transB") and len(node.inputs) > 1:
            yield node.inputs[1]


def _factors(found: Graph) -> dict[str, float]:
    """What a Gemm multiplies its weight by, alpha, and its bias, beta. WeightsError if two disagree about one."""
    factors: dict[str, float] = {}
    for node in found.nodes:
        if node.operator == "Gemm":
            for name, key in zip(node.inputs[1:], ("alpha", "beta"), strict=False):
                factor = float(node.attributes.get(key, 1.0))
                if factors.setdefault(name, factor) != factor:
                    raise WeightsError(f"multiplies {name!r} by {factors[name]:g} in one layer, {factor:g} in another")
    return factors
