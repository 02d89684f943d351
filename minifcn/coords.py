"""Where an output pixel looks in the input: scale, shift and receptive field, in exact fractions.

Along each axis a layer maps output index `o` to the input position `scale * o + shift` at the centre of what `o` sees,
and `o` sees no input outside `scale * o + low ... scale * o + high`; at or behind a transposed convolution it may see
less. Maps compose from layer to layer, so every blob of a net has one map to the net's input, and questions about
alignment become subtraction: the crop offset between two blobs is the difference of their shifts, in units of their
common scale.

The same algebra, without the receptive field and in the other direction (input to output), is Caffe's coord_map.py.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from minifcn.errors import ShapeError
from minifcn.window import Pair


class Axis(NamedTuple):
    """The map of one axis; `scale` is the stride, `high - low + 1` the receptive field, both in input pixels."""

    scale: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)

    @property
    def receptive_field(self) -> Fraction:
        """Input pixels from the first to the last that an output can see; behind a transposed convolution, at most."""
        return self.high - self.low + 1

    def after(self, below: Axis) -> Axis:
        """This layer's map composed with the map of its input: from its output down to the net's input."""
        return Axis(
            below.scale * self.scale,
            below.scale * self.shift + below.shift,
            below.scale * self.low + below.low,
            below.scale * self.high + below.high,
        )

    def inverse(self) -> Axis:
        """The map from input position to output position; of scale and shift alone."""
        shift = -self.shift / self.scale
        return Axis(1 / self.scale, shift, shift, shift)


class Coords(NamedTuple):
    """The maps of the vertical and the horizontal axis."""

    y: Axis = Axis()
    x: Axis = Axis()

    def after(self, below: Coords) -> Coords:
        """`Axis.after` on both axes."""
        return Coords(self.y.after(below.y), self.x.after(below.x))


IDENTITY = Coords()


def window(kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)) -> Coords:
    """The map of a convolution or pooling window: o sees s*o - p ... s*o - p + d(k-1)."""

    def axis(k: int, s: int, p: int, d: int) -> Axis:
        reach = d * (k - 1)
        return Axis(Fraction(s), Fraction(reach, 2) - p, Fraction(-p), Fraction(reach - p))

    return Coords(*map(axis, kernel, stride, padding, dilation))


def transposed_window(kernel: Pair, stride: Pair, padding: Pair) -> Coords:
    """The map of a transposed convolution: input i reaches the outputs s*i - p ... s*i - p + k-1.

    Its ends hold for every output, and one between inputs sees up to a whole input less: they are an upper bound.
    """

    def axis(k: int, s: int, p: int) -> Axis:
        return Axis(Fraction(1, s), (p - Fraction(k - 1, 2)) / s, Fraction(p - k + 1, s), Fraction(p, s))

    return Coords(*map(axis, kernel, stride, padding))


def cropped(offset: Pair) -> Coords:
    """The map of a crop: its output o is its input o + offset."""
    return Coords(*(Axis(Fraction(1), Fraction(o), Fraction(o), Fraction(o)) for o in offset))


def merge(maps: list[Coords]) -> Coords:
    """The map of a layer that joins several blobs position by position: it sees what any of them sees.

    The centre is the first blob's: branches that belong together agree on it. Raises ShapeError if the scales differ.
    """

    def axis(axes: list[Axis]) -> Axis:
        if len({a.scale for a in axes}) > 1:
            strides = ", ".join(str(a.scale) for a in axes)
            raise ShapeError(
                f"blobs of different strides ({strides} input pixels) cannot be joined; upsample the coarser"
            )
        return Axis(axes[0].scale, axes[0].shift, min(a.low for a in axes), max(a.high for a in axes))

    return Coords(axis([m.y for m in maps]), axis([m.x for m in maps]))


def upsampling(blob: Coords, like: Coords, name: str) -> tuple[int, int]:
    """(factor, kernel size) of the bilinear transposed convolution that brings `blob` to the stride of `like`.

    The factor f is the ratio of the strides. A kernel of 2f interpolates between the positions of `blob`, one of
    2f - 1 at them: which of the two lets a crop align both blobs depends on where they begin. VGG16's FCN-32s gets
    64, AlexNet's 63. `name` is the layer's, for errors: ShapeError if there is no such kernel.
    """
    factor, begins = blob.y.scale / like.y.scale, (blob.y.shift - like.y.shift) / like.y.scale
    if blob.x.scale / like.x.scale != factor or (blob.x.shift - like.x.shift) / like.x.scale != begins:
        raise ShapeError(f"{name}: one kernel cannot upsample both axes, which lie differently over the input")
    if factor.denominator != 1 or (2 * begins).denominator != 1:
        raise ShapeError(
            f"{name}: no bilinear kernel aligns a blob of stride {blob.y.scale} that begins at {blob.y.shift} with one "
            f"of stride {like.y.scale} that begins at {like.y.shift}; the distance must be whole or half positions"
        )
    return int(factor), 2 * int(factor) - (1 if begins.denominator == 1 else 0)


def crop_offset(blob: Coords, like: Coords, name: str) -> Pair:
    """How many rows and columns of `blob` to leave out so that it lies on `like`.

    Both maps go down to the same input; `name` is the crop layer's, for errors. Raises ShapeError when the strides
    differ, when the offset is no whole number, or when it is negative.
    """

    def axis(a: Axis, b: Axis, direction: str) -> int:
        if a.scale != b.scale:
            raise ShapeError(
                f"{name}: cannot crop a blob of stride {a.scale} like one of stride {b.scale} ({direction}); "
                "upsample it by their ratio first"
            )
        offset = (b.shift - a.shift) / a.scale
        if offset.denominator != 1:
            raise ShapeError(
                f"{name}: the {direction} offset would be {offset}, which is no whole number: the upsampling kernel "
                "has the wrong parity. Make its kernel_size one smaller or larger (say 63 for 64 at stride 32, or "
                "3 for 4 at stride 2)"
            )
        if offset < 0:
            raise ShapeError(
                f"{name}: the {direction} offset would be {offset}: the blob begins {-offset} pixels inside its "
                "reference, so there is nothing to cut. Give the first convolution more padding, or the upsampling "
                "layer less"
            )
        return int(offset)

    return axis(blob.y, like.y, "vertical"), axis(blob.x, like.x, "horizontal")
