"""ONNX's GraphProto: its nodes, and the tensors in it, which are not read before they are asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers.caffemodel import BYTES, FOUR, VARINT, fields, varints
from minifcn.weights.readers.onnxtensor import NAME, Beside, tensor

#: ModelProto. GraphProto. NodeProto. AttributeProto, whose value is a float, an int, a text or a tensor.
GRAPH = 7
NODE, INITIALIZER, INPUT = 1, 5, 11
INPUTS, OUTPUTS, OPERATOR, ATTRIBUTE = 1, 2, 4, 5
VALUES = ((2, FOUR), (3, VARINT), (5, BYTES), (4, BYTES))


class Node(NamedTuple):
    """An operator, by name, what it reads and makes, and its attributes: floats, ints, and bytes of all others."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph(NamedTuple):
    """Nodes, in an order in which they can run; TensorProtos and ValueInfoProtos by their names.

    constants: by the names of their nodes' outputs.
    """

    nodes: list[Node]
    initializers: dict[str, memoryview]
    constants: dict[str, memoryview]
    inputs: dict[str, memoryview]

    def numbers(self, name: str, beside: Beside) -> np.ndarray | None:
        """The value that is told in the graph under this name; None if there is none, or none of numbers."""
        message = self.initializers.get(name, self.constants.get(name))
        return None if message is None else tensor(message, beside)[1]


def graph(model: memoryview) -> Graph:
    """The graph of a ModelProto. WeightsError if two initializers have one name, ValueError if it is cut short."""
    made = Graph([], {}, {}, {})
    for number, kind, value in fields(model):
        for field, of, content in fields(value) if number == GRAPH and kind == BYTES else ():
            if of != BYTES:
                continue
            if field == NODE:
                node = _node(content)
                made.nodes.append(node)
                value = node.attributes.get("value")
                if node.operator == "Constant" and node.outputs and isinstance(value, memoryview):
                    made.constants[node.outputs[0]] = value
            elif field == INITIALIZER:
                name = _text(content, NAME)
                if name in made.initializers:
                    raise WeightsError(f"has two initializers {name!r}")
                made.initializers[name] = content
            elif field == INPUT:
                made.inputs[_text(content, 1)] = content
    return made


def dims(value_info: memoryview) -> list[int]:
    """The lengths of an input's axes, 0 for one that is not fixed: TypeProto, its Tensor, its TensorShapeProto."""
    message = value_info
    for number in (2, 1, 2):
        message = next((value for field, of, value in fields(message) if (field, of) == (number, BYTES)), message[:0])
    axes = [value for field, of, value in fields(message) if (field, of) == (1, BYTES)]
    return [next((value for field, of, value in fields(axis) if (field, of) == (1, VARINT)), 0) for axis in axes]


def _node(message: memoryview) -> Node:
    made = Node("", [], [], {})
    for number, of, value in fields(message):
        if of != BYTES:
            continue
        if number in (INPUTS, OUTPUTS):
            (made.inputs if number == INPUTS else made.outputs).append(bytes(value).decode())
        elif number == OPERATOR:
            made = made._replace(operator=bytes(value).decode())
        elif number == ATTRIBUTE:
            parts = {(field, kind): content for field, kind, content in fields(value)}
            content = next((parts[key] for key in VALUES if key in parts), 0)
            if (8, BYTES) in parts or (8, VARINT) in parts:  # ints, packed or one by one
                content = [n for field, kind, one in fields(value) if field == 8 for n in varints(kind, one)]
            elif VALUES[0] in parts:
                content = float(np.frombuffer(parts[VALUES[0]], "<f4")[0])
            made.attributes[bytes(parts.get((1, BYTES), b"")).decode()] = content
    return made


def _text(message: memoryview, number: int) -> str:
    texts = [bytes(value).decode() for field, of, value in fields(message) if field == number and of == BYTES]
    return texts[-1] if texts else ""
