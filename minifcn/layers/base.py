"""What every layer is: parameters, one cache slot, and answers about shapes, cost and coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from minifcn.backend import Array, Namespace, to
from minifcn.coords import IDENTITY, Coords
from minifcn.errors import MinifcnError, ShapeError
from minifcn.workspace import Workspace

Shape = tuple[int, ...]


class Param:
    """A learnable array and its gradient.

    data: the value. grad: d loss / d data, None until a backward pass has reached it. lr_mult and decay_mult multiply
    the net's learning rate and weight decay, as in Caffe; a parameter with lr_mult 0 is fixed, and gets no gradient.
    """

    def __init__(self, data: Array, lr_mult: float = 1.0, decay_mult: float = 1.0) -> None:
        self.data = data
        self.grad: Array | None = None
        self.lr_mult = lr_mult
        self.decay_mult = decay_mult

    @property
    def learns(self) -> bool:
        """Whether training changes it."""
        return self.lr_mult != 0

    def accumulate(self, gradient: Array) -> None:
        """Add to `grad`; the first gradient after `zero_grads` becomes it. The caller gives the array away."""
        if self.grad is None:
            self.grad = gradient
        else:
            self.grad += gradient

    def __repr__(self) -> str:
        return (
            f"Param({tuple(self.data.shape)}, {self.data.dtype}, lr_mult={self.lr_mult}, decay_mult={self.decay_mult})"
        )


class Cost(NamedTuple):
    """What one forward pass of a layer costs.

    macs: multiply-accumulates. parameters: learnable numbers. cache_bytes: what the cache adds to the inputs and
    outputs that it retains, when training. forward, backward: what the operations need of memory while they run.
    algorithm: how a convolution is computed, see `ops.algorithm`; macs are those of its definition, which Winograd's
    saves on.
    """

    macs: int = 0
    parameters: int = 0
    cache_bytes: int = 0
    forward: Workspace = Workspace()
    backward: Workspace = Workspace()
    algorithm: str = ""


class Layer(ABC):
    """A node of a net: an operation of `minifcn.ops`, its parameters, and the cache between forward and backward."""

    #: Which arrays the cache refers to: "inputs", "output", both or none. They stay alive until backward.
    retains: frozenset[str] = frozenset()
    #: Whether the gradients that backward returns are dy itself, or parts of it.
    passes_on: bool = False

    def __init__(self) -> None:
        self.params: dict[str, Param] = {}
        self.training = True  # False: dropout passes everything
        self.keeps_cache = True  # False: nothing is kept for a backward pass
        self.wants_dx = True  # False: backward may return None for the inputs' gradients
        # (first, whole): the pictures are those from `first` on of a batch of `whole`, and what depends on their number
        # (dropout's draws, how a convolution is computed) is to be as it would be for all of it.
        self.part: tuple[int, int] | None = None
        self._cache: Any = None

    @abstractmethod
    def forward(self, *xs: Array) -> Array:
        """The output for the inputs; fills the cache slot."""

    @abstractmethod
    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        """Gradients of the inputs, always a tuple; adds into each `param.grad`; empties the slot."""

    @abstractmethod
    def out_shape(self, *shapes: Shape) -> Shape:
        """The output's shape for inputs of these shapes. Raises ShapeError before any arithmetic is done."""

    def cost(self, *shapes: Shape, itemsize: int = 4) -> Cost:
        """What a forward pass over inputs of these shapes costs."""
        return Cost()

    def coords(self) -> Coords:
        """Where an output position looks in the input."""
        return IDENTITY

    def describe(self) -> str:
        """The layer's settings in a few characters, for tables: '3x3 s1 p1'. Empty if it has none."""
        return ""

    @property
    def kind(self) -> str:
        """The class's name, for tables and errors."""
        return type(self).__name__

    def drop_cache(self) -> None:
        """Forget what was kept for backward."""
        self._cache = None

    def to(self, target: str | Namespace) -> None:
        """Move the parameters and their gradients to a backend."""
        for param in self.params.values():
            param.data = to(param.data, target)
            param.grad = None if param.grad is None else to(param.grad, target)

    def _keep(self, cache: Any) -> None:
        self._cache = cache if self.keeps_cache else None

    def _take(self) -> Any:
        """The cache; the slot is empty afterwards."""
        if self._cache is None:
            raise MinifcnError(
                f"{self.kind}: backward without a forward pass before it: each forward pass fills the cache that one "
                "backward pass empties, and none is kept under net.inference()"
            )
        cache, self._cache = self._cache, None
        return cache

    def _learnable(self) -> int:
        return sum(param.data.size for param in self.params.values() if param.learns)


def one_image_batch(kind: str, shapes: tuple[Shape, ...], inputs: int = 1) -> Shape:
    """The shape of a layer's only input, checked to be (N, C, H, W)."""
    if len(shapes) != inputs:
        raise ShapeError(f"{kind}: expected {inputs} input{'s' * (inputs != 1)}, got {len(shapes)}")
    if len(shapes[0]) != 4 or min(shapes[0]) < 1:
        raise ShapeError(f"{kind}: expected an input of (N, C, H, W), each at least 1, got {tuple(shapes[0])}")
    return tuple(shapes[0])
