"""What ONNX nodes are written on, and the arithmetic on sizes that are known only when the file runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minifcn.layers import Shape


class Sheet:
    """The nodes of a graph in order, and the names of the values that they make.

    Weights are the only initializers of the file, so all other numbers are nodes of the kind Constant. The names made
    here have a dot, which names of layers have not, and a number, which names of parameters have not.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._count = 0

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """One node with one output; returns the output's name."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def new(self, near: str) -> str:
        """A name for a value on the way to the one called `near`."""
        self._count += 1
        return f"{near}.{self._count}"

    def constant(self, near: str, value: np.ndarray) -> str:
        """An array that is part of the graph."""
        from onnx import numpy_helper

        return self.add("Constant", [], self.new(near), value=numpy_helper.from_array(np.ascontiguousarray(value)))


class Sizes:
    """Whole numbers, such as (height, width): constants, or a tensor of the running net.

    Operators take another of it, an int, or a pair of ints. Of constants they give constants, which cost no node.
    """

    def __init__(self, sheet: Sheet, near: str, value: np.ndarray | str) -> None:
        self._sheet, self._near, self.value = sheet, near, value

    @classmethod
    def of(cls, sheet: Sheet, near: str, blob: str, shape: Shape | None) -> Sizes:
        """The height and width of a blob; `shape`: (N, C, H, W), if it is fixed."""
        if shape is not None:
            return cls(sheet, near, np.array(shape[2:], np.int64))
        whole = sheet.add("Shape", [blob], sheet.new(near))
        ends = [sheet.constant(near, np.array([k], np.int64)) for k in (2, 4)]
        return cls(sheet, near, sheet.add("Slice", [whole, *ends], sheet.new(near)))

    def name(self) -> str:
        """The tensor int64 of these numbers."""
        return self.value if isinstance(self.value, str) else self._sheet.constant(self._near, self.value)

    def __add__(self, other: Any) -> Sizes:
        return self._joined("Add", np.add, other)

    def __sub__(self, other: Any) -> Sizes:
        return self._joined("Sub", np.subtract, other)

    def __mul__(self, other: Any) -> Sizes:
        return self._joined("Mul", np.multiply, other)

    def __floordiv__(self, other: Any) -> Sizes:
        """Of what is not negative: there runtimes agree on what division is."""
        return self._joined("Div", np.floor_divide, other)

    def least(self, other: Any) -> Sizes:
        """The smaller of both, place by place. (ONNX's Min takes integers from opset 12 on only.)"""
        return self._chosen(self, self._like(other))

    def most(self, other: Any) -> Sizes:
        """The larger of both, place by place."""
        return self._chosen(self._like(other), self)

    def after(self, *before: int) -> Sizes:
        """Some numbers, and then these."""
        ahead = np.array(before, np.int64)
        if not isinstance(self.value, str):
            return Sizes(self._sheet, self._near, np.concatenate([ahead, self.value]))
        parts = [self._sheet.constant(self._near, ahead), self.value]
        return Sizes(self._sheet, self._near, self._sheet.add("Concat", parts, self._sheet.new(self._near), axis=0))

    def _like(self, other: Any) -> Sizes:
        if isinstance(other, Sizes):
            return other
        return Sizes(self._sheet, self._near, np.broadcast_to(np.array(other, np.int64), (2,)))

    def _joined(self, op: str, compute: Any, other: Any) -> Sizes:
        other = self._like(other)
        if isinstance(self.value, str) or isinstance(other.value, str):
            made = self._sheet.add(op, [self.name(), other.name()], self._sheet.new(self._near))
            return Sizes(self._sheet, self._near, made)
        return Sizes(self._sheet, self._near, compute(self.value, other.value))

    def _chosen(self, first: Sizes, second: Sizes) -> Sizes:
        """`first` where self is less than the other of them, else `second`: which is the minimum, or the maximum."""
        other = second if first is self else first
        if not isinstance(self.value, str) and not isinstance(other.value, str):
            return Sizes(self._sheet, self._near, np.where(self.value < other.value, first.value, second.value))
        less = self._sheet.add("Less", [self.name(), other.name()], self._sheet.new(self._near))
        made = self._sheet.add("Where", [less, first.name(), second.name()], self._sheet.new(self._near))
        return Sizes(self._sheet, self._near, made)
