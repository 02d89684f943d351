"""What an ONNX graph does to its pictures before its first convolution: the part of a net that is in no weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn.weights.readers.onnxgraph import Graph, Node, dims
from minifcn.weights.readers.onnxtensor import Beside

ONE, ZERO = np.ones(1), np.zeros(1)
CONVOLUTIONS = frozenset({"Conv", "FusedConv"})
#: What leaves values as they are; and what moves them, which is as well where all channels are treated alike.
KEEP, MOVE = frozenset({"Cast", "Identity", "Dropout"}), frozenset({"Transpose", "Gather"})
ARITHMETIC = frozenset({"Mul", "Div", "Add", "Sub"})
NOT_VALUES = frozenset({"Shape", "Size"})


class Seen(NamedTuple):
    """Of an input x a convolution sees factor * x + offset, each of one number, or of one for each channel.

    channels: of x, 0 if they are not known. hidden: the operator that does something else on the way; "" if none does.
    """

    factor: np.ndarray = ONE
    offset: np.ndarray = ZERO
    channels: int = 0
    hidden: str = ""

    @property
    def alike(self) -> bool:
        """Whether all channels are treated alike."""
        return self.factor.size == self.offset.size == 1


def entrances(graph: Graph, beside: Beside) -> dict[str, Seen]:
    """Weight of each convolution that sees an input of the graph -> what it sees of it, across all that is between."""
    shapes = {name: dims(info) for name, info in graph.inputs.items() if name not in graph.initializers}
    seen = {name: Seen(channels=shape[1] if len(shape) == 4 else 0) for name, shape in shapes.items()}
    found: dict[str, Seen] = {}
    for node in graph.nodes:
        read = [seen[name] for name in node.inputs if name in seen]
        if not read or not node.outputs or node.operator in NOT_VALUES:
            continue
        if node.operator in CONVOLUTIONS:
            if node.inputs[0] in seen and len(node.inputs) > 1:
                found[node.inputs[1]] = read[0]
        else:
            hidden = next((one.hidden for one in read if one.hidden), "")
            seen[node.outputs[0]] = Seen(hidden=hidden) if hidden else _after(node, read, graph, beside)
    return found


def _after(node: Node, read: list[Seen], graph: Graph, beside: Beside) -> Seen:
    """What comes out of a node that reads these."""
    first, made = read[0], None
    if node.operator in KEEP:
        made = first
    elif node.operator in MOVE and first.alike:
        made = first._replace(channels=0)
    elif node.operator == "Concat" and len(read) == len(node.inputs) and node.attributes.get("axis") == 1:
        made = _joined(read)
    elif node.operator in ARITHMETIC and len(node.inputs) == 2 and len(read) == 1:
        made = _computed(node, first, graph, beside)
    return made or Seen(hidden=node.operator)


def _joined(read: list[Seen]) -> Seen | None:
    """Channels after channels."""
    if not all(one.channels for one in read):
        return None
    spread = [[np.broadcast_to(values, one.channels) for values in one[:2]] for one in read]
    factor, offset = (np.concatenate(parts) for parts in zip(*spread, strict=True))
    return Seen(factor, offset, sum(one.channels for one in read))


def _computed(node: Node, x: Seen, graph: Graph, beside: Beside) -> Seen | None:
    """x with a constant, of one number or of one for each channel, on the other side."""
    values = [graph.numbers(name, beside) for name in node.inputs]
    value = next((array for array in values if array is not None), None)
    if value is None or not (value.size == 1 or (value.ndim > 2 and value.size == value.shape[-3])):
        return None
    value, behind = value.reshape(-1).astype(np.float64), values[1] is not None
    if node.operator == "Mul":
        return x._replace(factor=x.factor * value, offset=x.offset * value)
    if node.operator == "Add":
        return x._replace(offset=x.offset + value)
    if node.operator == "Sub":
        sign = 1 if behind else -1
        return x._replace(factor=sign * x.factor, offset=sign * (x.offset - value))
    return x._replace(factor=x.factor / value, offset=x.offset / value) if behind else None
