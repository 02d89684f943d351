"""How small a picture may be: a matter of padding, kernels and strides all along the net, so it is tried, not known."""

from __future__ import annotations

from minifcn.errors import ShapeError
from minifcn.net import Net

#: Pixels: every classifier takes squares of its own side, at most 227, every FCN smaller ones.
LARGEST_TRIED = 256


def least_side(net: Net) -> int | None:
    """The side of the smallest square picture that a net takes; None if all that were tried are too small."""
    return next((side for side in range(1, LARGEST_TRIED) if _why_not(net, side, side) is None), None)


def check_size(net: Net, height: int, width: int, what: str = "") -> None:
    """ShapeError, with the least size that will do, for a picture that the net does not take. what: goes before it."""
    error = _why_not(net, height, width)
    if error is None:
        return
    least = least_side(net)
    hint = f"; pictures from {least}x{least} on work" if least else ""
    raise ShapeError(
        f"{what}{width}x{height} pixels are too few for {net.spec.get('name', 'the net')}{hint} ({error})"
    ) from error


def _why_not(net: Net, height: int, width: int) -> ShapeError | None:
    try:
        net.shapes(*net.input_shapes((1, 3, height, width)))
    except ShapeError as error:
        return error
    return None
