"""What a net will need, told before anything is allocated: shapes, arithmetic, and the memory of a pass."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from minifcn.layers import Cost, Input, Layer, Shape

_ITEM = 4  # bytes of a float32


class PlanRow(NamedTuple):
    """One layer. `parameters` learn, `fixed` do not (bilinear upsampling); sizes are bytes of float32.

    algorithm: how a convolution is computed, "" for other layers.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: str
    out_shape: Shape
    macs: int
    parameters: int
    fixed: int
    output_bytes: int
    cache_bytes: int
    workspace_bytes: int
    retains: frozenset[str]
    algorithm: str

    @classmethod
    def of(cls, name: str, layer: Layer, inputs: list[str], shape: Shape, cost: Cost | None) -> PlanRow:
        """The row of a layer whose output has `shape`; `cost` is None for the net's entrances."""
        cost = cost or Cost()
        weights = sum(param.data.size for param in layer.params.values())
        return cls(
            name,
            layer.kind,
            tuple(inputs),
            layer.describe(),
            shape,
            cost.macs,
            cost.parameters,
            weights - cost.parameters,
            prod(shape) * _ITEM,
            cost.cache_bytes,
            cost.workspace_bytes,
            layer.retains,
            cost.algorithm,
        )


class Plan(NamedTuple):
    """A net over an input of one shape.

    macs and parameters are totals; peak_bytes is what a training step holds at most (weights, gradients, velocity,
    activations, loss), inference_bytes what prediction does; activation_bytes is what waits for the backward pass.
    """

    rows: list[PlanRow]
    output_shape: Shape | tuple[Shape, ...]
    macs: int
    parameters: int
    fixed: int
    activation_bytes: int
    peak_bytes: int
    inference_bytes: int

    def row(self, name: str) -> PlanRow:
        """The row of the layer of that name."""
        return next(row for row in self.rows if row.name == name)


def make_plan(rows: list[PlanRow], edges: list[tuple[int, ...]], outputs: list[int]) -> Plan:
    """Add up the rows of a net; edges[k] are the rows that feed row k."""
    shapes = tuple(rows[k].out_shape for k in outputs)
    parameters, fixed = sum(row.parameters for row in rows), sum(row.fixed for row in rows)
    weights = (parameters + fixed) * _ITEM
    waiting, forward = _forward_peak(rows, edges, outputs, training=True)
    loss = 3 * sum(rows[k].output_bytes for k in outputs)  # scores' softmax, its gradient, and a row-band's copies
    backward = _backward_peak(rows, edges, outputs, waiting)
    # Gradients and velocity are as large as what learns; all gradients are there when the backward pass ends.
    training = weights + 2 * parameters * _ITEM + max(forward, waiting + loss, backward)
    return Plan(
        rows,
        shapes[0] if len(shapes) == 1 else shapes,
        sum(row.macs for row in rows),
        parameters,
        fixed,
        waiting,
        training,
        weights + _forward_peak(rows, edges, outputs, training=False)[1],
    )


def _held(rows: list[PlanRow], edges: list[tuple[int, ...]]) -> set[int]:
    """The rows whose outputs some layer's cache refers to."""
    held = set()
    for k, row in enumerate(rows):
        if "output" in row.retains:
            held.add(k)
        if "inputs" in row.retains:
            held.update(edges[k])
    return held


def _forward_peak(
    rows: list[PlanRow], edges: list[tuple[int, ...]], outputs: list[int], training: bool
) -> tuple[int, int]:
    """(bytes that stay when forward ends, the most that it held on the way), weights not counted."""
    held = _held(rows, edges) if training else set()
    readers = [0] * len(rows)
    for inputs in edges:
        for i in inputs:
            readers[i] += 1
    alive = peak = 0
    for k, row in enumerate(rows):
        alive += row.output_bytes
        alive += row.cache_bytes if training else 0
        passing = 0 if training else row.cache_bytes  # made by the operation, dropped at once
        peak = max(peak, alive + passing + row.workspace_bytes)
        for i in edges[k]:
            readers[i] -= 1
            if readers[i] == 0 and i not in held and rows[i].kind != Input.__name__:
                alive -= rows[i].output_bytes
    return alive, peak


def _backward_peak(rows: list[PlanRow], edges: list[tuple[int, ...]], outputs: list[int], waiting: int) -> int:
    """The most that backward holds: what waits from forward, less what is done with, and the gradients under way."""
    users = [0] * len(rows)  # caches that refer to each output
    for k, row in enumerate(rows):
        users[k] += "output" in row.retains
        for i in edges[k]:
            users[i] += "inputs" in row.retains
    alive = waiting + sum(rows[k].output_bytes for k in outputs)  # the gradients at the outputs
    peak = alive
    under_way = set(outputs)
    for k in reversed(range(len(rows))):
        row = rows[k]
        fresh = [i for i in edges[k] if i not in under_way and rows[i].kind != Input.__name__]
        alive += sum(rows[i].output_bytes for i in fresh)
        under_way.update(fresh)
        peak = max(peak, alive + row.workspace_bytes)
        alive -= row.cache_bytes
        if k in under_way:
            alive -= row.output_bytes
        released = ([k] if "output" in row.retains else []) + (list(edges[k]) if "inputs" in row.retains else [])
        for i in released:
            users[i] -= 1
            if users[i] == 0 and rows[i].kind != Input.__name__:
                alive -= rows[i].output_bytes
    return peak
