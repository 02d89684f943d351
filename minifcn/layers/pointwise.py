"""Layers that work on each element, or each position, alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minifcn import coords, ops, window
from minifcn.backend import Array
from minifcn.errors import ShapeError
from minifcn.layers.base import Cost, Layer, Shape, one_image_batch
from minifcn.ops.bits import PositiveBits, positive_bits, relu_backward_of_bits
from minifcn.ops.pointwise import check_crop, check_same_shape
from minifcn.workspace import Workspace


class Input(Layer):
    """Where a batch of pictures enters the net: (N, channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, *xs: Array) -> Array:
        return xs[0]

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return (dy,)

    def out_shape(self, *shapes: Shape) -> Shape:
        shape = one_image_batch(self.kind, shapes)
        if shape[1] != self.channels:
            raise ShapeError(f"{self.kind}: expected {self.channels} channels, got a batch of {shape} (N, C, H, W)")
        return shape


class ReLU(Layer):
    """max(x, 0). Its cache is its own output, which the next layer keeps anyway; where none does, a bit an element.

    A net sets, for one pass, `rectified` where the convolution before took the ReLU along (x is the output already),
    and `packs` where no other layer keeps the output.
    """

    retains = frozenset({"output"})

    def __init__(self) -> None:
        super().__init__()
        self.rectified = False
        self.packs = False

    def forward(self, *xs: Array) -> Array:
        y = xs[0] if self.rectified else ops.relu(xs[0])[0]
        if self.keeps_cache:
            self._keep(positive_bits(y) if self.packs else y)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        cache = self._take()
        if isinstance(cache, PositiveBits):
            return relu_backward_of_bits(dy, cache)
        return ops.relu_backward(dy, cache)

    def out_shape(self, *shapes: Shape) -> Shape:
        return _only(self.kind, shapes)


class Dropout(Layer):
    """Zeroes elements with probability p while `training`: see `ops.dropout`. Passes everything otherwise."""

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        if not isinstance(p, (int, float)) or not 0 <= p < 1:
            raise ShapeError(f"Dropout: expected 0 <= p < 1, got {p!r}")
        self.p, self.rng = p, rng

    def forward(self, *xs: Array) -> Array:
        y, cache = ops.dropout(xs[0], self.p, self.rng if self.training else None, self.part)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.dropout_backward(dy, self._take())

    def out_shape(self, *shapes: Shape) -> Shape:
        return _only(self.kind, shapes)

    def cost(self, *shapes: Shape, itemsize: int = 4) -> Cost:
        count = int(np.prod(shapes[0])) if self.p > 0 else 0
        return Cost(
            cache_bytes=count, forward=Workspace(passing=4 * count)
        )  # a byte an element, of a float drawn for it

    def describe(self) -> str:
        return f"p={self.p:g}"


class Scale(Layer):
    """x times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = float(factor)

    def forward(self, *xs: Array) -> Array:
        y, cache = ops.scale(xs[0], self.factor)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.scale_backward(dy, self._take())

    def out_shape(self, *shapes: Shape) -> Shape:
        return _only(self.kind, shapes)

    def describe(self) -> str:
        return f"x{self.factor:g}"


class Add(Layer):
    """The sum of equally shaped blobs, each times its coefficient: Caffe's Eltwise SUM, which fuses FCN's skips."""

    def __init__(self, coefficients: Sequence[float] | None = None) -> None:
        super().__init__()
        self.passes_on = coefficients is None
        self.coefficients = None if coefficients is None else tuple(map(float, coefficients))

    def forward(self, *xs: Array) -> Array:
        y, cache = ops.add(*xs, coefficients=self.coefficients)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.add_backward(dy, self._take())

    def out_shape(self, *shapes: Shape) -> Shape:
        if not shapes:
            raise ShapeError(f"{self.kind}: expected at least one input")
        if self.coefficients is not None and len(shapes) != len(self.coefficients):
            raise ShapeError(f"{self.kind}: {len(shapes)} inputs for {len(self.coefficients)} coefficients")
        check_same_shape(self.kind, *shapes)
        return tuple(shapes[0])

    def describe(self) -> str:
        return "" if self.coefficients is None else " ".join(f"{c:g}" for c in self.coefficients)


class Concat(Layer):
    """The channels of all inputs, one after another."""

    passes_on = True

    def forward(self, *xs: Array) -> Array:
        y, cache = ops.concat(*xs)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.concat_backward(dy, self._take())

    def out_shape(self, *shapes: Shape) -> Shape:
        if not shapes:
            raise ShapeError(f"{self.kind}: expected at least one input")
        check_same_shape(self.kind, *((s[0], *s[2:]) for s in shapes))
        return (shapes[0][0], sum(s[1] for s in shapes), *shapes[0][2:])


class Crop(Layer):
    """Cuts a blob to the part that lies on another: Caffe's Crop.

    `Crop(like=handle)` in a net takes the handle's blob as a second input, of which only the height and width count;
    the net derives the offset from the coordinate maps of both. `Crop(offset=, size=)` cuts what it is told to.
    """

    def __init__(
        self, like: Any = None, offset: int | window.Pair | None = None, size: int | window.Pair | None = None
    ) -> None:
        super().__init__()
        if (like is None) == (offset is None) or (like is None and size is None):
            raise ShapeError("Crop: give either like=<a blob of the net>, or offset=... and size=...")
        self.like = like
        self.offset = None if offset is None else window.pair(offset, "Crop: offset", least=0)
        self.size = None if size is None else window.pair(size, "Crop: size")

    def forward(self, *xs: Array) -> Array:
        y, cache = ops.crop(xs[0], *self._window(*(tuple(x.shape) for x in xs)))
        self._keep((cache, len(xs)))
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        cache, inputs = self._take()
        return (*ops.crop_backward(dy, cache), *[None] * (inputs - 1))  # only the reference's shape was used

    def out_shape(self, *shapes: Shape) -> Shape:
        one_image_batch(self.kind, shapes[:1])
        offset, size = self._window(*shapes)
        check_crop(self.kind, shapes[0], offset, size)
        return (*shapes[0][:2], *size)

    def coords(self) -> coords.Coords:
        return coords.cropped(self._offset())

    def describe(self) -> str:
        if self.offset is None:
            return ""
        return f"offset {self.offset[0]}" + (f"x{self.offset[1]}" if self.offset[1] != self.offset[0] else "")

    def _offset(self) -> window.Pair:
        if self.offset is None:
            raise ShapeError("Crop: the offset is derived when the layer is added to a net; alone, give offset=...")
        return self.offset

    def _window(self, *shapes: Shape) -> tuple[window.Pair, window.Pair]:
        """(offset, size) of the cut."""
        if self.size is not None:
            return self._offset(), self.size
        if len(shapes) != 2:
            raise ShapeError(f"Crop: expected a blob and the blob to crop it like, got {len(shapes)} inputs")
        return self._offset(), (shapes[1][2], shapes[1][3])


def _only(kind: str, shapes: tuple[Shape, ...]) -> Shape:
    if len(shapes) != 1:
        raise ShapeError(f"{kind}: expected 1 input, got {len(shapes)}")
    return tuple(shapes[0])
