"""A net as one ONNX file: the graph by the package onnx, the weights after it straight from the net's own arrays.

A file is protobuf: rows of fields, each with its length before it. The weights are the last field of the graph, and the
graph is the last of the model, so they are written one by one and never lie in memory a second time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minifcn import __version__, models
from minifcn.backend import to_numpy
from minifcn.errors import ConfigError
from minifcn.layers import Concat, Conv2d, ConvTranspose2d, Crop, Input, Shape
from minifcn.net import Net
from minifcn.onnxfile import operators, pictures
from minifcn.onnxfile.sheet import Sheet
from minifcn.weights.native import FORMAT, INPUT, VERSION
from minifcn.weights.writers import message, varint

#: Versions of ONNX's operators. 11 is the first that can pad by sizes told at run time; a later one adds nothing that a
#: net of minifcn needs, so the default is one that runtimes have known for years. The newest is what the oldest onnx
#: and onnxruntime that setup.cfg allows know.
OLDEST, OPSET, NEWEST = 11, 17, 21
#: Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer; of TensorProto.
GRAPH, INITIALIZER = 7, 5
DIMS, TYPE, NAME, RAW = 1, 2, 8, 9
FLOAT, INT64, UINT8 = 1, 7, 2  # TensorProto.DataType
BYTE = 256  # classes that labels of one byte can tell apart


class Form(NamedTuple):
    """What a file is to be.

    preprocess: pictures as inputs, see `pictures`. labels: beside the scores the class of each place, uint8 (int64 from
    257 classes on). opset: the version of ONNX's operators. size: (height, width) of the only picture, one at a time,
    that it takes; None: any number of any size.
    """

    preprocess: bool = False
    labels: bool = False
    opset: int = OPSET
    size: tuple[int, int] | None = None


PLAIN = Form()


def write(path: Path, net: Net, about: Mapping[str, Any], form: Form = PLAIN) -> None:
    """The net as an ONNX file at `path`.

    about: its metadata, as in `weights.native`; each entry becomes one of the file's properties, as JSON. The same net
    and metadata give the same bytes. Raises MinifcnError for a layer or a size that cannot be, ConfigError without the
    package onnx.
    """
    model = _model(net, about, form)
    graph = model.graph.SerializeToString(deterministic=True)
    model.ClearField("graph")
    openings = {name: _opening(name, param.data.shape) for name, param in net.params.items()}
    total = len(graph) + sum(len(openings[name]) + 4 * param.data.size for name, param in net.params.items())
    with path.open("wb") as file:
        file.write(model.SerializeToString(deterministic=True))
        file.write(varint(GRAPH << 3 | 2) + varint(total) + graph)
        for name, param in net.params.items():
            file.write(openings[name])
            file.write(np.ascontiguousarray(to_numpy(param.data), "<f4").data)


def _opening(name: str, shape: Shape) -> bytes:
    """The beginning of an initializer, up to its raw numbers: lengths, shape, type and name."""
    size = 4 * prod(shape)
    dims = b"".join(varint(DIMS << 3) + varint(n) for n in shape)
    head = dims + varint(TYPE << 3) + varint(FLOAT) + message(NAME, name.encode()) + varint(RAW << 3 | 2) + varint(size)
    return varint(INITIALIZER << 3 | 2) + varint(len(head) + size) + head


def package() -> Any:
    """The package onnx; ConfigError, which says how to get it, where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise ConfigError('writing ONNX needs the package onnx: pip install "minifcn[onnx]"') from error
    return onnx


def modality_of_inputs(net: Net) -> dict[str, str]:
    """Name of each input -> the modality that it takes; "" in nets that were made by hand."""
    return dict(zip(net.inputs, models.modalities_of(net) if net.spec else [""] * len(net.inputs), strict=True))


def outputs_of(net: Net, form: Form) -> dict[str, str]:
    """Name of each output -> that of its labels in the file; "" where it has none."""
    tasks = models.tasks_of(net) if net.spec else {name: 0 for name in net.outputs}
    ends = [f"_{task}" if task else "" for task in tasks]
    return {name: f"labels{end}" if form.labels else "" for name, end in zip(net.outputs, ends, strict=True)}


def _model(net: Net, about: Mapping[str, Any], form: Form) -> Any:
    """The ModelProto without its weights."""
    helper = package().helper
    if not OLDEST <= form.opset <= NEWEST:
        raise ConfigError(f"opset {form.opset}: expected one of {OLDEST} to {NEWEST}")
    sheet, inputs, blobs = Sheet(), [], []
    modalities, channels, shapes = modality_of_inputs(net), _channels(net), _shapes(net, form)
    if form.preprocess and not net.spec:
        raise ConfigError("preprocess: the net was made by hand, and does not say what its inputs are")
    for node in net.nodes:
        if isinstance(node.layer, Input):
            inputs.append(_entrance(node.name, node.layer.channels, modalities[node.name], about, form))
            blobs.append(
                pictures.write(sheet, node.name, modalities[node.name], about["mean"]) if form.preprocess else node.name
            )
            continue
        known = [shapes[i] for i in node.inputs] if shapes else None
        feeds = [blobs[i] for i in node.inputs]
        blobs.append(
            operators.write(operators.Place(sheet, node.name, feeds, channels[node.inputs[0]], known), node.layer)
        )
    outputs = list(_exits(sheet, net, blobs, shapes, form))
    graph = helper.make_graph(sheet.nodes, net.spec.get("name", "net"), inputs, outputs)
    opsets = [helper.make_opsetid("", form.opset)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets),
        producer_name=FORMAT, producer_version=__version__,
    )  # fmt: skip
    helper.set_model_props(model, dict(_properties(net, about)))
    return model


def _properties(net: Net, about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each entry of the metadata, as JSON: what `weights.native` writes, and who wrote it."""
    whole = {"format": FORMAT, "version": VERSION, "net": net.spec, **INPUT, **about, "minifcn_version": __version__}
    return ((key, json.dumps(value)) for key, value in whole.items())


def _entrance(name: str, channels: int, modality: str, about: Mapping[str, Any], form: Form) -> Any:
    """The ValueInfoProto of an input."""
    from onnx import helper

    if form.preprocess:
        dtype, what = pictures.RAW[modality]
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, [*_size(form), channels], f"(N, H, W, {channels}): {what}")
    count, height, width = _size(form)
    what = pictures.fed(modality, about["mean"])
    return helper.make_tensor_value_info(
        name, FLOAT, [count, channels, height, width], f"(N, {channels}, H, W): {what}"
    )


def _size(form: Form) -> tuple:
    """N, H and W of the inputs: numbers, or names of what is known when the file runs."""
    return ("N", "H", "W") if form.size is None else (1, *form.size)


def _exits(sheet: Sheet, net: Net, blobs: list[str], shapes: list[Shape] | None, form: Form) -> Iterator[Any]:
    """The ValueInfoProtos of the outputs, labels behind all scores; adds the nodes that make them."""
    from onnx import helper

    of_labels, channels = [], _channels(net)
    for name, labels in outputs_of(net, form).items():
        k = net._find(name)
        if blobs[k] != name:  # a layer that is nothing in a net at work, or the input itself
            sheet.add("Identity", [blobs[k]], name)
        count, *size = _size(form) if shapes is None else (shapes[k][0], *shapes[k][2:])
        if shapes is None and not _covers_input(net, k):
            size = [f"{name}_H", f"{name}_W"]
        yield helper.make_tensor_value_info(name, FLOAT, [count, channels[k], *size], "the score of each class")
        if labels:
            kind = UINT8 if channels[k] <= BYTE else INT64
            best = sheet.new(labels) if kind == UINT8 else labels
            sheet.add("ArgMax", [name], best, axis=1, keepdims=0)
            if kind == UINT8:
                sheet.add("Cast", [best], labels, to=UINT8)
            of_labels.append(helper.make_tensor_value_info(labels, kind, [count, *size], "the class of the best score"))
    yield from of_labels


def _covers_input(net: Net, k: int) -> bool:
    """Whether a layer's output has the size of the net's input: it is cropped to it."""
    node = net.nodes[k]
    return isinstance(node.layer, Crop) and len(node.inputs) == 2 and not net.nodes[node.inputs[1]].inputs


def _channels(net: Net) -> list[int]:
    """The channels of every blob, which no size changes."""
    found: list[int] = []
    for node in net.nodes:
        layer, read = node.layer, [found[i] for i in node.inputs]
        if isinstance(layer, Input):
            found.append(layer.channels)
        elif isinstance(layer, (Conv2d, ConvTranspose2d)):
            found.append(layer.out_channels)
        else:
            found.append(sum(read) if isinstance(layer, Concat) else read[0])
    return found


def _shapes(net: Net, form: Form) -> list[Shape] | None:
    """The shapes of all blobs of a file for one size. ShapeError if the net does not take it."""
    if form.size is None:
        return None
    first = next(iter(net.inputs.values()))
    return [*net.shapes(*net.input_shapes((1, first, *form.size))).values()]
