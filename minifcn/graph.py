"""The graph of a net: layers in topological order, each fed by handles of earlier ones, which strings only name.

Here is what can be known of a net without running it: shapes, coordinates, cost and memory. `minifcn.net` runs it.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from typing import NamedTuple

import numpy as np

from minifcn import coords, limits, parallel
from minifcn.coords import Coords
from minifcn.errors import MinifcnError, ShapeError
from minifcn.layers import Add, Concat, Conv2d, Cost, Crop, Dropout, Input, Layer, Param, ReLU, Shape
from minifcn.lifetimes import LayerMemory
from minifcn.ops.algorithm import ALGORITHMS
from minifcn.plan import Plan, PlanRow, make_plan


class Handle(NamedTuple):
    """A blob of a net: what `Net.input` and `Net.add` return, and what later layers are fed with."""

    net: Graph
    node: int
    name: str

    def __repr__(self) -> str:
        return f"<blob {self.name}>"


class Node(NamedTuple):
    """A layer in the graph: where it is fed from, and where its output lies over the net's input."""

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    coords: Coords


class Graph:
    """Layers and the blobs between them. `minifcn.net.Net` is the one to use: it can be run."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.spec: dict = {}  # how `models.build` made it; empty for a net made by hand
        self._index: dict[str, int] = {}

    # --- building -----------------------------------------------------------------------------------------------------

    def input(self, name: str, channels: int) -> Handle:
        """Add an entrance for batches of (N, channels, H, W)."""
        if not isinstance(channels, int) or channels < 1:
            raise ShapeError(f"{name}: expected a whole number of channels, at least 1, got {channels!r}")
        return self._append(Node(name, Input(channels), (), coords.IDENTITY))

    def add(self, name: str, layer: Layer, *inputs: Handle) -> Handle:
        """Add `layer`, fed by earlier blobs. `Crop(like=blob)` gets its offset here, from the coordinates of both.

        Raises ShapeError for a name that is taken, a foreign handle, blobs of different strides joined, or an
        impossible crop.
        """
        if not isinstance(layer, Layer):
            raise ShapeError(f"{name}: expected a layer of minifcn.layers, got {layer!r}")
        if any(node.layer is layer for node in self.nodes):
            raise ShapeError(
                f"{name}: this layer is in the net already; its one cache serves one place, so make another"
            )
        like = (layer.like,) if isinstance(layer, Crop) and layer.like is not None else ()
        if not inputs:
            raise ShapeError(f"{name}: a layer needs at least one input blob; net.input(...) adds an entrance")
        for handle in (*inputs, *like):
            if not isinstance(handle, Handle) or handle.net is not self:
                raise ShapeError(
                    f"{name}: expected blobs of this net, as net.input and net.add return them, got {handle!r}"
                )
        maps = [self.nodes[handle.node].coords for handle in inputs]
        if like and isinstance(layer, Crop):
            layer.offset = coords.crop_offset(maps[0], self.nodes[like[0].node].coords, name)
        try:
            place = layer.coords().after(coords.merge(maps))
        except ShapeError as error:
            raise ShapeError(f"{name} ({layer.kind}): {error}") from None
        return self._append(Node(name, layer, tuple(handle.node for handle in (*inputs, *like)), place))

    def _append(self, node: Node) -> Handle:
        if not isinstance(node.name, str):
            raise ShapeError(f"{node.name!r}: a layer's name must be text")
        if node.name in self._index:
            raise ShapeError(f"{node.name}: this net has a layer of that name already")
        if not node.name or "." in node.name:
            raise ShapeError(
                f"{node.name!r}: a layer's name may not be empty or contain a dot (dots part it from its weights)"
            )
        self._index[node.name] = len(self.nodes)
        self.nodes.append(node)
        return Handle(self, len(self.nodes) - 1, node.name)

    def convolve_by(self, algorithm: str) -> None:
        """Compute all convolutions by "im2col", or by "winograd" where that is possible; "auto", the rule, at first.

        Raises ShapeError for another name.
        """
        if algorithm not in ALGORITHMS:
            raise ShapeError(f"convolve_by: expected one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
        for node in self.nodes:
            if isinstance(node.layer, Conv2d):
                node.layer.algorithm = algorithm

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> dict[str, Layer]:
        """Name -> layer, in order."""
        return {node.name: node.layer for node in self.nodes}

    @property
    def params(self) -> dict[str, Param]:
        """Name of layer and parameter, as in "conv1_1.weight" -> Param, in order."""
        return {f"{node.name}.{key}": param for node in self.nodes for key, param in node.layer.params.items()}

    @property
    def inputs(self) -> dict[str, int]:
        """The names of the entrances and their channels, in the order that `forward` takes them."""
        return {node.name: node.layer.channels for node in self.nodes if isinstance(node.layer, Input)}

    def input_shapes(self, first: Shape) -> list[Shape]:
        """The shapes of all inputs, if the first has this one: the others differ from it in their channels alone."""
        return [first, *((first[0], channels, *first[2:]) for channels in [*self.inputs.values()][1:])]

    @property
    def outputs(self) -> list[str]:
        """The names of the blobs that no layer reads: what `forward` returns."""
        return [self.nodes[k].name for k in self._outputs()]

    def coords(self, name: str) -> Coords:
        """Where a blob's positions lie over the net's input: stride, offset and receptive field."""
        return self.nodes[self._find(name)].coords

    def shapes(self, *inputs: Shape) -> dict[str, Shape]:
        """Name -> output shape for inputs of these shapes; raises ShapeError, naming the layer, if they do not fit."""
        return {node.name: shape for node, shape in zip(self.nodes, self._shapes(inputs), strict=True)}

    def plan(self, *inputs: Shape, limit: int | None = None, training: bool = True, threads: int | None = None) -> Plan:
        """Shapes, arithmetic and memory of a pass over inputs of these shapes, before anything is allocated.

        limit: bytes that a training step, or without `training` a prediction, may take, weights included;
        MemoryLimitError says what would fit if it needs more. threads: of the CPU, if not as many as work now.
        """
        threads = parallel.get_threads() if threads is None else threads
        if limit is not None:

            def need(shapes: tuple[Shape, ...], threads: int = threads) -> int:
                plan = self.plan(*shapes, threads=threads)
                return plan.peak_bytes if training else plan.inference_bytes

            what = "a training step" if training else "a prediction"
            limits.check(need, inputs, limit, what, threads, lambda count: need(inputs, count))
        shapes, outputs = self._shapes(inputs), self._outputs()
        rows, costs, memory = [], [], []
        wanted, along, packing = self._wanted(), self.taken_along(), self.packing()
        for k, (node, shape) in enumerate(zip(self.nodes, shapes, strict=True)):
            layer = node.layer
            cost = layer.cost(*(shapes[i] for i in node.inputs)) if node.inputs else Cost()
            if k in packing:
                cost = cost._replace(cache_bytes=-(-prod(shape) // 8))
            row = PlanRow.of(node.name, layer, [self.nodes[i].name for i in node.inputs], shape, cost)
            first = node.inputs[0] if node.inputs else None
            rectified = first if first in along else None
            rows.append(row)
            costs.append(cost)
            memory.append(
                LayerMemory(
                    inputs=node.inputs,
                    out_shape=shape,
                    output_bytes=row.output_bytes,
                    cache_bytes=cost.cache_bytes,
                    gradient_bytes=row.output_bytes // max(1, prod(shape)) * row.parameters,
                    forward=cost.forward.passing,
                    backward=cost.backward.passing,
                    retains=frozenset() if k in packing else layer.retains,
                    wanted=wanted[k],
                    passes_on=layer.passes_on,
                    same_as=rectified,
                    same_in_inference=first if isinstance(layer, Dropout) else rectified,
                )
            )
        return make_plan(rows, costs, memory, outputs, threads)

    def taken_along(self, kept: Collection[str] = ()) -> set[int]:
        """The convolutions that can do the work of the ReLU after them: no other layer reads their output.

        Not those whose output is `kept`, by name; nor layers of a class that computes something of its own.
        """
        found = set()
        for k, readers in enumerate(self._readers()):
            node = self.nodes[k]
            if len(readers) != 1 or node.name in kept:
                continue
            after = self.nodes[readers[0]].layer
            if type(node.layer).forward is Conv2d.forward and type(after).forward is ReLU.forward:
                found.add(k)
        return found

    def packing(self) -> set[int]:
        """The ReLUs whose output no later layer keeps for its backward pass: they keep a bit an element instead."""
        readers = self._readers()
        return {
            k
            for k, node in enumerate(self.nodes)
            if isinstance(node.layer, ReLU) and not any("inputs" in self.nodes[r].layer.retains for r in readers[k])
        }

    def generators(self) -> list[np.random.Generator]:
        """The distinct random generators that the layers draw from (dropout's), in order."""
        found: list[np.random.Generator] = []
        for node in self.nodes:
            rng = getattr(node.layer, "rng", None)
            if rng is not None and all(rng is not other for other in found):
                found.append(rng)
        return found

    # --- inside -------------------------------------------------------------------------------------------------------

    def _wanted(self, kept: Collection[str] = ()) -> list[bool]:
        """For each blob, whether its gradient is needed: something at or below it learns, or it was asked for."""
        wanted: list[bool] = []
        for node in self.nodes:
            learns = any(param.learns for param in node.layer.params.values())
            wanted.append(learns or node.name in kept or any(wanted[i] for i in node.inputs))
        return wanted

    def _find(self, name: str) -> int:
        if name not in self._index:
            raise MinifcnError(f"the net has no layer {name!r}; it has {', '.join(self._index)}")
        return self._index[name]

    def _readers(self) -> list[list[int]]:
        """For each layer those that read its output, in order; twice, if one reads it twice."""
        readers: list[list[int]] = [[] for _ in self.nodes]
        for k, node in enumerate(self.nodes):
            for i in node.inputs:
                readers[i].append(k)
        return readers

    def _outputs(self) -> list[int]:
        return [k for k, readers in enumerate(self._readers()) if not readers]

    def _shapes(self, inputs: Collection[Shape]) -> list[Shape]:
        entrances = [node.name for node in self.nodes if not node.inputs]
        if len(inputs) != len(entrances):
            raise ShapeError(f"expected {len(entrances)} inputs, for {', '.join(entrances)}; got {len(inputs)}")
        feed = iter(inputs)
        shapes: list[Shape] = []
        for node in self.nodes:
            fed = [shapes[i] for i in node.inputs] if node.inputs else [tuple(next(feed))]
            try:
                shapes.append(node.layer.out_shape(*fed))
            except ShapeError as error:
                raise ShapeError(f"{node.name}: {error}{self._advice(node, fed)}") from None
        return shapes

    def _advice(self, node: Node, fed: list[Shape]) -> str:
        """For blobs that differ where they should be joined: which they are, and the crop that would align them."""
        if not isinstance(node.layer, (Add, Concat)) or len({s[2:] for s in fed}) < 2:
            return ""
        names = [self.nodes[i].name for i in node.inputs]
        text = "; " + ", ".join(f"{name} is {shape}" for name, shape in zip(names, fed, strict=True))
        small = min(range(len(fed)), key=lambda k: fed[k][2] * fed[k][3])
        for k, name in enumerate(names):
            if fed[k][2:] != fed[small][2:]:
                try:
                    places = (self.nodes[node.inputs[k]].coords, self.nodes[node.inputs[small]].coords)
                    offset = coords.crop_offset(*places, node.name)
                except ShapeError as error:
                    return f"{text}; no crop aligns them: {error}"
                text += f"; Crop(like={names[small]}) after {name} would align them, at offset {offset}"
        return text
