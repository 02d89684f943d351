"""The window of a convolution, the sizes that follow from it, and what callers get wrong about it."""

from __future__ import annotations

from typing import NamedTuple

from minifcn import window
from minifcn.backend import Array
from minifcn.errors import ShapeError
from minifcn.window import Pair

IntOrPair = int | Pair


class Geometry(NamedTuple):
    """The window of a convolution: (height, width) each, and the number of channel groups."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


def conv_geometry(
    op: str, kernel_size: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair, groups: int
) -> Geometry:
    """The checked window of a convolution; raises ShapeError for what is no positive integer or pair of them."""
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"{op}: groups must be a positive integer, got {groups!r}")
    return Geometry(
        window.pair(kernel_size, f"{op}: kernel_size"),
        window.pair(stride, f"{op}: stride"),
        window.pair(padding, f"{op}: padding", least=0),
        window.pair(dilation, f"{op}: dilation"),
        groups,
    )


def conv2d_size(size: tuple[int, ...], geometry: Geometry) -> Pair:
    """Output (height, width) of a convolution over an image of `size`."""
    kernel, stride, padding, dilation, _ = geometry
    height, width = map(window.conv_size, size, kernel, stride, padding, dilation)
    return height, width


def conv_transpose2d_size(size: tuple[int, ...], geometry: Geometry, output_padding: Pair = (0, 0)) -> Pair:
    """Output (height, width) of a transposed convolution; raises ShapeError if that is below 1x1 or ill-defined."""
    kernel, stride, padding, _, _ = geometry
    if any(e >= s for e, s in zip(output_padding, stride, strict=True)):
        raise ShapeError(
            f"conv_transpose2d: output_padding {by(output_padding)} must be smaller than stride {by(stride)}: "
            "it tells apart the sizes that a convolution of this stride maps to one"
        )
    height, width = map(window.conv_transpose_size, size, kernel, stride, padding, output_padding)
    if min(height, width) < 1:
        raise ShapeError(
            f"conv_transpose2d: padding {by(padding)} cuts away everything of an image of {by(size)}: "
            f"the output would be {height}x{width}"
        )
    return height, width


def geometry_of(
    op: str, x: Array, w: Array, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair, groups: int
) -> Geometry:
    """The window of a convolution of x with w; raises ShapeError unless both have four axes and one floating dtype."""
    if x.ndim != 4 or w.ndim != 4:
        raise ShapeError(
            f"{op}: expected x of (N, C, H, W) and w of four axes, got {tuple(x.shape)} and {tuple(w.shape)}"
        )
    if 0 in x.shape or 0 in w.shape:
        raise ShapeError(f"{op}: no axis may be empty, got x {tuple(x.shape)} and w {tuple(w.shape)}")
    if not x.dtype.isnative:
        raise ShapeError(
            f"{op}: the bytes of {x.dtype} are not in this machine's order; use x.astype(x.dtype.newbyteorder('='))"
        )
    if x.dtype != w.dtype or x.dtype.kind != "f":
        raise ShapeError(f"{op}: x and w must share one floating dtype, got {x.dtype} and {w.dtype}; use .astype(...)")
    return conv_geometry(op, tuple(w.shape[2:]), stride, padding, dilation, groups)


def check_channels(
    op: str, channels: int, expected: int, divided: int, groups: int, b: Array | None, outputs: int
) -> None:
    """Raise ShapeError unless channels, groups and bias fit together."""
    if channels != expected:
        raise ShapeError(f"{op}: the weight is for {expected} input channels (groups={groups}), x has {channels}")
    if channels % groups or divided % groups:
        raise ShapeError(f"{op}: groups={groups} must divide {channels} input and {outputs} output channels")
    if b is not None and tuple(b.shape) != (outputs,):
        raise ShapeError(f"{op}: expected a bias of ({outputs},), got {tuple(b.shape)}")


def by(size: tuple[int, ...]) -> str:
    """(3, 5) as "3x5"."""
    return "x".join(map(str, size))
