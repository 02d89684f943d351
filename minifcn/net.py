"""Floor 3, scheduling: a net is a directed acyclic graph of layers, run one step at a time, forward or backward.

`forward` and `backward` exhaust the generators `steps` and `back_steps`, so running a net and stepping through it are
one code path. How the graph is built, and what is known of it without running it, is in `minifcn.graph`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from minifcn import parallel, strict
from minifcn.backend import Array, Namespace, release, to, to_numpy, xp_of
from minifcn.errors import MinifcnError, ShapeError, WeightsError
from minifcn.graph import Graph, Handle, Node
from minifcn.layers import Conv2d, Layer, ReLU, Shape
from minifcn.lifetimes import LARGE
from minifcn.ops.pointwise import check_gradient

__all__ = ["Handle", "Net", "Node", "Step"]


class Step(NamedTuple):
    """One layer's turn. On the way back `dy` is the gradient that came in, `dxs` those that went out."""

    name: str
    layer: Layer
    inputs: tuple[Array, ...]
    output: Array | None
    seconds: float
    bytes: int
    dy: Array | None = None
    dxs: tuple[Array | None, ...] = ()


class Net(Graph):
    """A graph of layers that can be run.

    >>> from minifcn.layers import Conv2d, ReLU
    >>> net = Net()
    >>> x = net.input("data", channels=3)
    >>> h = net.add("conv1", Conv2d(3, 8, 3, padding=1), x)
    >>> h = net.add("relu1", ReLU(), h)
    >>> net.forward(np.zeros((1, 3, 5, 7), np.float32)).shape
    (1, 8, 5, 7)
    """

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, Array] = _Kept("activation", "forward")
        self.diffs: dict[str, Array] = _Kept("gradient", "backward")
        self._made: dict[str, tuple[Shape, np.dtype]] = {}  # outputs of the complete pass whose caches are kept
        self._inference = False
        self._strict = False
        self._training = True
        self._passes = 0
        #: (first, whole), where the pictures of a training pass are a part of a larger batch: see `Layer.part`.
        self.part: tuple[int, int] | None = None

    # --- running ------------------------------------------------------------------------------------------------------

    def forward(self, *inputs: Array, keep: Collection[str] = ()) -> Array | tuple[Array, ...]:
        """The net's output for a batch (a tuple if it has several outputs).

        `keep` names activations to leave in `net.blobs`, "all" for all. Raises ShapeError before any arithmetic when a
        shape does not fit, naming the layer.
        """
        names, finals = set(self.outputs), []
        with parallel.at_work():
            for step in self._forward_steps(inputs, keep, whole=not self._strict):
                if step.name in names:
                    finals.append(step.output)
                del step  # its arrays must not live on while the next layer runs
        return finals[0] if len(finals) == 1 else tuple(finals)

    def backward(self, *dys: Array, keep: Collection[str] = ()) -> None:
        """Add the gradients of a loss to every `param.grad`, from the loss's gradients at the outputs.

        Empties the caches of one forward pass. Raises ShapeError, and leaves them filled, if a dy has not its output's
        shape and dtype; MinifcnError if there was no complete forward pass, or it kept nothing.

        `keep` names blobs whose gradients to leave in `net.diffs` ("all" for all); the gradient of the net's input is
        computed only if it is among them.
        """
        with parallel.at_work():
            deque(self.back_steps(*dys, keep=keep), maxlen=0)

    def steps(self, *inputs: Array, keep: Collection[str] = ()) -> Iterator[Step]:
        """Run forward, yielding a Step after each layer. An activation is let go after its last reader.

        Only a pass that came to the last layer can be followed by `backward`.
        """
        return self._forward_steps(inputs, keep, whole=False)

    def _forward_steps(self, inputs: tuple[Array, ...], keep: Collection[str], whole: bool) -> Iterator[Step]:
        """`steps`. With `whole`, nobody looks at the steps' arrays, and convolutions take along the ReLU after them."""
        kept = self._kept(keep)
        _check_inputs(inputs)
        shapes = self._shapes([tuple(x.shape) for x in inputs])
        mine = self._begin_pass()
        self.blobs.clear()
        self._drop_caches()
        made: dict[str, tuple[Shape, np.dtype]] = {}
        feed = iter(inputs)
        readers = [len(read) for read in self._readers()]
        along, packing = self.taken_along(kept) if whole else set(), self.packing()
        values: dict[int, Array] = {}
        for k, node in enumerate(self.nodes):
            start = time.perf_counter()
            xs = tuple(values[i] for i in node.inputs) if node.inputs else (next(feed),)
            node.layer.keeps_cache = not self._inference
            node.layer.training = self._training and not self._inference
            node.layer.part = None if self._inference else self.part
            if isinstance(node.layer, ReLU):
                node.layer.packs = k in packing
            y = values[k] = self._run(node, xs, k in along, bool(node.inputs) and node.inputs[0] in along)
            if self._strict:
                strict.check_forward(node.name, node.layer, xs, y, shapes[k])
            if node.name in kept:
                self.blobs[node.name] = y
            for i in node.inputs:
                readers[i] -= 1
                if not readers[i]:
                    del values[i]
            if not readers[k]:  # an output
                made[node.name] = tuple(y.shape), y.dtype
                del values[k]
            if k == len(self.nodes) - 1 and not self._inference:
                self._made = made
            seconds = time.perf_counter() - start
            yield Step(node.name, node.layer, xs, y, seconds, y.nbytes)
            del xs, y  # nothing of this frame outlives its use
            self._check_current(mine)

    def back_steps(self, *dys: Array, keep: Collection[str] = ()) -> Iterator[Step]:
        """Run backward, yielding a Step after each layer, last layer first.

        Layers below which nothing learns are left out, unless `keep` asks for a gradient there.
        """
        kept = self._kept(keep)
        wanted = self._wanted(kept)
        self._check_gradients(dys)
        mine = self._begin_pass()
        self._made = {}
        self.diffs.clear()
        diffs: dict[int, Array] = dict(zip(self._outputs(), dys, strict=True))
        del dys  # nothing of this frame outlives its use
        for k in reversed(range(len(self.nodes))):
            node, dy = self.nodes[k], diffs.pop(k, None)
            if dy is not None and node.name in kept:
                self.diffs[node.name] = dy
            if dy is None or not node.inputs or not wanted[k]:
                node.layer.drop_cache()
                continue
            start = time.perf_counter()
            node.layer.wants_dx = any(wanted[i] for i in node.inputs)
            dxs = self._run_back(node, dy)
            _hand_on(diffs, [i if wanted[i] else None for i in node.inputs], dxs)
            if self._strict:
                strict.check_backward(node.name, node.layer, dy, dxs)
            seconds = time.perf_counter() - start
            yield Step(node.name, node.layer, (), None, seconds, dy.nbytes, dy, dxs)
            del dy, dxs
            self._check_current(mine)

    def zero_grads(self) -> None:
        """Forget all gradients."""
        for param in self.params.values():
            param.grad = None

    @property
    def training(self) -> bool:
        """Whether dropout drops; set it to False to look at gradients of the net as it predicts."""
        return self._training

    @training.setter
    def training(self, value: bool) -> None:
        self._training = bool(value)

    @contextmanager
    def inference(self) -> Iterator[Net]:
        """Inside, nothing is kept for a backward pass, and dropout passes everything."""
        before, self._inference = self._inference, True
        try:
            yield self
        finally:
            self._inference = before

    @contextmanager
    def strict(self) -> Iterator[Net]:
        """Inside, every array's shape, dtype and backend is checked, and the first NaN or Inf is named. Slower."""
        before, self._strict = self._strict, True
        try:
            yield self
        finally:
            self._strict = before

    # --- weights and device -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """The parameters' values: "conv1_1.weight" -> a copy, on the host."""
        return {key: to_numpy(param.data).copy() for key, param in self.params.items()}

    def load_state_dict(self, state: Mapping[str, Array], give_away: bool = False) -> None:
        """Copy values into the parameters, which keep their dtype and device.

        With `give_away` nobody else will use the arrays: those that can be a parameter as they are become it, uncopied.

        Raises WeightsError unless the names and shapes are exactly the net's; then nothing has been changed.
        """
        state = {key: value if hasattr(value, "shape") else np.asarray(value) for key, value in state.items()}
        params = self.params
        missing = [key for key in params if key not in state]
        unknown = [key for key in state if key not in params]
        shapes = [
            f"{key}: the net has {tuple(params[key].data.shape)}, the state {tuple(state[key].shape)}"
            for key in params
            if key in state and tuple(state[key].shape) != tuple(params[key].data.shape)
        ]
        if missing or unknown or shapes:
            told = [("missing", missing), ("not in the net", unknown), ("of another shape", shapes)]
            listed = "; ".join(
                f"{what}: {', '.join(keys[:5])}{' ...' * (len(keys) > 5)}" for what, keys in told if keys
            )
            raise WeightsError(f"load_state_dict: the state does not fit the net; {listed}")
        for key, param in params.items():
            if give_away and can_replace(param.data, state[key]):
                param.data = state[key]
            else:
                param.data[...] = to(state[key], xp_of(param.data))

    def to(self, target: str | Namespace) -> Net:
        """Move all parameters to a backend, "numpy" or "cupy". Returns the net."""
        self._drop_caches()
        for node in self.nodes:
            node.layer.to(target)
        return self

    def astype(self, dtype: type) -> Net:
        """Change the parameters' dtype: float32 trains, float64 checks gradients. Returns the net."""
        for param in self.params.values():
            param.data, param.grad = param.data.astype(dtype), None
        return self

    # --- inside -------------------------------------------------------------------------------------------------------

    def _begin_pass(self) -> int:
        """The number of a new pass; generators of earlier ones may not go on, for the caches are no longer theirs."""
        self._passes += 1
        return self._passes

    def _check_current(self, number: int) -> None:
        if number != self._passes:
            raise MinifcnError(
                "this pass over the net was overtaken by a newer one, which has its own caches; step anew"
            )

    def _kept(self, keep: Collection[str]) -> set[str]:
        if keep == "all":
            return set(self._index)
        if isinstance(keep, str):
            keep = (keep,)
        for name in keep:
            self._find(name)
        return set(keep)

    def _drop_caches(self) -> None:
        self._made = {}
        for node in self.nodes:
            node.layer.drop_cache()

    def _check_gradients(self, dys: Collection[Array]) -> None:
        if len(dys) != len(self.outputs):
            raise ShapeError(
                f"backward: expected {len(self.outputs)} gradients, for {', '.join(self.outputs)}; got {len(dys)}"
            )
        if list(self._made) != self.outputs:  # or a layer was added since
            raise MinifcnError(
                "backward without a forward pass before it: each complete forward pass fills the caches that one "
                "backward pass empties, and none are kept under net.inference()"
            )
        for dy, (name, (shape, dtype)) in zip(dys, self._made.items(), strict=True):
            check_gradient(f"backward: {name}", dy, shape, dtype)

    def _run(self, node: Node, xs: tuple[Array, ...], rectify: bool, rectified: bool) -> Array:
        """The layer's output. rectify: a convolution takes its ReLU along; rectified: the ReLU that was taken along."""
        layer = node.layer
        if xs[0].nbytes >= LARGE or _weights(layer) >= LARGE:
            release(xp_of(xs[0]))
        try:
            if isinstance(layer, Conv2d):
                layer.rectify = rectify
            elif isinstance(layer, ReLU):
                layer.rectified = rectified
            with parallel.at_work():
                return layer.forward(*xs)
        except MinifcnError as error:
            raise type(error)(f"{node.name}: {error}") from None
        finally:  # for this pass only: the layer may be used alone afterwards
            if isinstance(layer, Conv2d):
                layer.rectify = False
            elif isinstance(layer, ReLU):
                layer.rectified = False

    def _run_back(self, node: Node, dy: Array) -> tuple[Array | None, ...]:
        if dy.nbytes >= LARGE or _weights(node.layer) >= LARGE:
            release(xp_of(dy))
        try:
            with parallel.at_work():
                return node.layer.backward(dy)
        except MinifcnError as error:
            raise type(error)(f"{node.name}: {error}") from None


def can_replace(data: Array, array: Array) -> bool:
    """Whether `array` could be a parameter in the place of `data`: same library, dtype, shape, C-contiguous."""
    alike = type(data) is type(array) and data.dtype == array.dtype and data.shape == array.shape
    return alike and array.flags.c_contiguous and getattr(array.flags, "writeable", True)


def _weights(layer: Layer) -> int:
    """The bytes of its parameters."""
    return sum(param.data.nbytes for param in layer.params.values())


def _hand_on(diffs: dict[int, Array], blobs: list[int | None], dxs: tuple[Array | None, ...]) -> None:
    """Put a layer's gradients with those of the blobs that it read; None: nobody wants that one's."""
    for i, dx in zip(blobs, dxs, strict=True):
        if i is not None and dx is not None:
            diffs[i] = diffs[i] + dx if i in diffs else dx  # a fan-out sums its gradients


def _check_inputs(inputs: tuple[Array, ...]) -> None:
    xp_of(*inputs)
    for x in inputs:
        if x.dtype.kind != "f":
            raise ShapeError(f"expected a batch of floats, got {x.dtype}; minifcn.data.to_blob makes one of a picture")


class _Kept(dict):
    """Arrays kept on request; says how to ask for one that was not."""

    def __init__(self, what: str, method: str) -> None:
        super().__init__()
        self._what, self._method = what, method

    def __missing__(self, name: str) -> Array:
        raise MinifcnError(f"no {self._what} of {name!r} was kept; call net.{self._method}(..., keep=[{name!r}])")
