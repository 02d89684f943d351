"""What a net will need, told before anything is allocated: shapes, arithmetic, and the memory of a pass."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from minifcn import lifetimes, workspace
from minifcn.layers import Cost, Layer, Shape
from minifcn.lifetimes import LayerMemory

_ITEM = 4  # bytes of a float32
#: What a process takes for the first pass over any net: BLAS's own buffers, code that runs for the first time.
_PROCESS = 1 << 21
#: Parts of scores and probabilities that a thread holds while it computes the loss.
_LOSS = 5 << 19


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
    algorithm: str

    @classmethod
    def of(cls, name: str, layer: Layer, inputs: list[str], shape: Shape, cost: Cost) -> PlanRow:
        """The row of a layer whose output has `shape`."""
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
            cost.algorithm,
        )


class Plan(NamedTuple):
    """A net over an input of one shape.

    macs and parameters are totals; peak_bytes is what a training step holds at most (weights, gradients, velocity,
    activations, loss, the buffers of the threads), inference_bytes what prediction does; activation_bytes is what
    waits for the backward pass, buffer_bytes what threads keep for their bands of work.
    """

    rows: list[PlanRow]
    output_shape: Shape | tuple[Shape, ...]
    macs: int
    parameters: int
    fixed: int
    activation_bytes: int
    buffer_bytes: int
    peak_bytes: int
    inference_bytes: int

    def row(self, name: str) -> PlanRow:
        """The row of the layer of that name."""
        return next(row for row in self.rows if row.name == name)


def make_plan(
    rows: list[PlanRow], costs: list[Cost], memory: list[LayerMemory], outputs: list[int], threads: int
) -> Plan:
    """Add up what is known of a net's layers, for so many threads of the CPU."""
    shapes = tuple(rows[k].out_shape for k in outputs)
    parameters, fixed = sum(row.parameters for row in rows), sum(row.fixed for row in rows)
    weights = (parameters + fixed) * _ITEM
    learning = any(layer.wanted for layer in memory)
    forward = workspace.kept((cost.forward for cost in costs), threads)
    backward = [cost.backward for cost, layer in zip(costs, memory, strict=True) if layer.wanted]
    buffers = workspace.kept([*(cost.forward for cost in costs), *backward], threads)
    released = lifetimes.releases(memory)
    training = lifetimes.peak(lifetimes.of_training(memory, outputs, threads * _LOSS), buffers, released)
    inference = lifetimes.peak(lifetimes.of_inference(memory, outputs), forward, released)
    velocity = parameters * _ITEM * learning
    return Plan(
        rows,
        shapes[0] if len(shapes) == 1 else shapes,
        sum(row.macs for row in rows),
        parameters,
        fixed,
        lifetimes.waiting(memory, outputs),
        buffers,
        _PROCESS + weights + velocity + training,
        _PROCESS + weights + inference,
    )
