"""Denser output from a trained net, without new weights: the paper's section 3.2.

Two ways to the same numbers. *Shift-and-stitch* runs the net on pictures shifted by every pixel below its stride and
interlaces the outputs. *Filter rarefaction* (the trick "a trous") runs it once: strides become 1, and every later
window takes its pixels as far apart as they were on the coarse map. Both give the classifier's score at each pixel;
rarefaction computes what the shifted pictures share once only. The same with some of the strides kept is how a pool's
subsampling is decreased (section 4.3: pool5 at stride 1).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from minifcn.backend import Array, xp_of
from minifcn.errors import ShapeError
from minifcn.layers import AvgPool2d, Conv2d, ConvTranspose2d, Crop, Input, Layer, MaxPool2d
from minifcn.net import Handle, Net
from minifcn.window import Pair


def rarefied(net: Net, stride: int = 1) -> Net:
    """`net` with its output at a stride of `stride` pixels: strides beyond it become 1, later windows are dilated.

    Padding is dilated with the windows, and a pool that rounds up (`ceil_mode`) lets its last windows stick out as it
    did, so the new map holds the old one: `new[:, :, ::k, ::k]` equals it everywhere, k being the ratio of the strides.
    The two nets share their parameters. Raises ShapeError if `net` has not one output, upsamples, or does not pass
    through that stride.

    >>> from minifcn import models
    >>> net = models.build("alexnet", 4, "tiny")
    >>> net.shapes((1, 3, 240, 260))["fc8"], rarefied(net).shapes((1, 3, 240, 260))["fc8"]
    ((1, 4, 2, 2), (1, 4, 42, 62))
    """
    _only_output(net)
    dense = Net()
    rarefy(net, dense, stride)
    return dense


def rarefy(net: Net, into: Net, stride: int, after: Handle | None = None, in_front: bool = False) -> list[Handle]:
    """Add the layers of `net` to another net, as `rarefied` changes them; returns their blobs there, in order.

    after: the blob of `into` that takes the place of `net`'s only input; None: an input of the same name is added.
    in_front: pools that no longer subsample are padded, so that cells are added before the old map's first as well. A
    denser map must begin nearer to the picture's border, or the scores begin inside, and no crop can align them.
    """
    handles: list[Handle] = []
    for node in net.nodes:
        if isinstance(node.layer, Input):
            handles.append(into.input(node.name, node.layer.channels) if after is None else after)
            continue
        fed = [handles[k] for k in node.inputs]
        ratios = {_ratio(net, k, into, handle) for k, handle in zip(node.inputs, fed, strict=True)}
        if len(ratios) > 1:
            raise ShapeError(f"{node.name}: joins blobs that were thinned out differently")
        scale = into.coords(fed[0].name)
        place = int(scale.y.scale), int(scale.x.scale)
        layer = _rarefied_layer(node.name, node.layer, ratios.pop(), place, stride, in_front)
        handles.append(into.add(node.name, layer, *fed))
    last = into.coords(handles[-1].name)
    if (last.y.scale, last.x.scale) != (stride, stride):
        raise ShapeError(
            f"expected a net whose strides pass through {stride}; its output has a stride of {last.y.scale} by "
            f"{last.x.scale} pixels"
        )
    return handles


def shift_and_stitch(net: Net, x: Array, factor: int | None = None) -> Array:
    """The output of `net` for pictures x (N, C, H, W), `factor` times as dense: the stride if None, so at each pixel.

    The picture is moved right and down, zeros coming in, by every multiple of stride / factor below the stride:
    factor^2 passes of the net. Their outputs are interlaced: out[:, :, j, i] is the score of the place at (j, i) times
    stride / factor from the first. It equals `rarefied(net, stride / factor)` wherever `agreement` says.

    Raises ShapeError if the net has not one output, upsamples, or `factor` does not divide its stride.
    """
    step, factor = _step(net, factor)
    pieces: dict[Pair, Array] = {}
    with net.inference():
        for down in range(factor):
            for right in range(factor):
                pieces[down, right] = _shifted(net, x, _pad(down, factor, step), _pad(right, factor, step))
    xp, first = xp_of(x), pieces[0, 0]
    height = sum(pieces[k, 0].shape[2] for k in range(factor))
    width = sum(pieces[0, k].shape[3] for k in range(factor))
    stitched = xp.empty((*first.shape[:2], height, width), first.dtype)
    for (down, right), piece in pieces.items():
        stitched[:, :, down::factor, right::factor] = piece
    return stitched


class Agreement(NamedTuple):
    """Rows and columns of a dense output, bool (H,) and (W,): the two ways agree where both are True."""

    rows: np.ndarray
    columns: np.ndarray


def agreement(net: Net, size: tuple[int, ...], factor: int | None = None) -> Agreement:
    """Where, in a dense output (..., H, W) of `size`, shift-and-stitch and rarefaction must give the same numbers.

    A layer that pads sees zeros beyond the map's border. Rarefied, that border stays where it is; a shifted picture
    moves it, and zeros that have passed through a few layers are zeros no longer. So they agree for every output whose
    receptive field begins inside the picture, and for the unshifted rows and columns. At the far border nothing moves:
    there they agree whatever the windows see.
    """
    step, factor = _step(net, factor)
    place = net.coords(net.outputs[0])

    def axis(count: int, low: float) -> np.ndarray:
        index = np.arange(count)
        return (index % factor == 0) | (step * index + low >= 0)

    return Agreement(axis(size[-2], float(place.y.low)), axis(size[-1], float(place.x.low)))


def stitching_macs(net: Net, shape: tuple[int, ...], factor: int | None = None) -> int:
    """Multiply-accumulates of `shift_and_stitch` over pictures of `shape` (N, C, H, W)."""
    step, factor = _step(net, factor)
    pads = [_pad(k, factor, step) for k in range(factor)]
    n, channels, height, width = shape
    return sum(net.plan((n, channels, height + down, width + right)).macs for down in pads for right in pads)


def _rarefied_layer(name: str, layer: Layer, ratio: int, scale: Pair, stride: int, in_front: bool = False) -> Layer:
    """A copy of `layer` that shares its parameters, for an input thinned out `ratio` times less, of stride `scale`."""
    if isinstance(layer, (ConvTranspose2d, Crop)):
        raise ShapeError(
            f"{name} ({layer.kind}): expected a net that only subsamples, such as a classifier; this one upsamples "
            "already. models.build(..., output_stride=8) makes an FCN with a denser trunk"
        )
    layer = copy(layer)  # the parameters' dictionary stays the same one
    layer.drop_cache()
    if not isinstance(layer, (Conv2d, MaxPool2d, AvgPool2d)):
        return layer
    geometry = layer.geometry
    keeps = all(s * at <= stride for s, at in zip(geometry.stride, scale, strict=True))
    if not keeps and min(scale) < stride:
        raise ShapeError(f"{name}: its stride of {geometry.stride} leads from {scale} past a stride of {stride}")
    if keeps and ratio == 1:
        return layer
    padding, overhang = geometry.padding, (0, 0)
    if isinstance(layer, (MaxPool2d, AvgPool2d)):
        overhang = layer.geometry.overhang
        steps, reach = geometry.stride, [d * (k - 1) for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
        if layer.geometry.ceil_mode:  # a window sticks out by less than a stride, and may not begin in the padding
            overhang = _both(lambda a: min(steps[a] - 1, reach[a] - padding[a]))
        if in_front:
            before, beyond = padding, overhang
            padding = _both(lambda a: before[a] + steps[a] - 1)
            overhang = _both(lambda a: max(0, beyond[a] - steps[a] + 1))
    spread: dict[str, Any] = {
        "stride": geometry.stride if keeps else (1, 1),
        "padding": _both(lambda a: padding[a] * ratio),
        "dilation": _both(lambda a: geometry.dilation[a] * ratio),
    }
    if not isinstance(layer, Conv2d):
        spread |= {"overhang": _both(lambda a: overhang[a] * ratio), "ceil_mode": False}
    layer.geometry = geometry._replace(**spread)
    return layer


def _both(of_axis: Callable[[int], int]) -> Pair:
    return of_axis(0), of_axis(1)


def _ratio(net: Net, node: int, into: Net, handle: Handle) -> int:
    """How many times as dense a blob is in the new net."""
    before, after = net.nodes[node].coords, into.coords(handle.name)
    return int(before.y.scale / after.y.scale)


def _shifted(net: Net, x: Array, down: int, right: int) -> Array:
    """The net's output for pictures moved down and right, without the places that lie before the first."""
    n, channels, height, width = x.shape
    moved = xp_of(x).zeros((n, channels, height + down, width + right), x.dtype)
    moved[:, :, down:, right:] = x
    return net.forward(moved)[:, :, int(down > 0) :, int(right > 0) :]  # type: ignore[index, call-overload]


def _pad(k: int, factor: int, step: int) -> int:
    """Pixels to move a picture by, so that its outputs are those `k` steps after the unmoved one's."""
    return (factor - k) % factor * step


def _step(net: Net, factor: int | None) -> Pair:
    """(pixels between the places of the dense output, factor)."""
    place = net.coords(_only_output(net))
    stride = int(place.y.scale)
    factor = stride if factor is None else factor
    if place.x.scale != stride or factor < 1 or stride % factor:
        raise ShapeError(f"shift_and_stitch: expected a factor that divides the net's stride of {stride}, got {factor}")
    return stride // factor, factor


def _only_output(net: Net) -> str:
    if len(net.outputs) != 1 or sum(not node.inputs for node in net.nodes) != 1:
        raise ShapeError(f"expected a net of one input and one output, got outputs {', '.join(net.outputs)}")
    for node in net.nodes:
        if isinstance(node.layer, (ConvTranspose2d, Crop)):
            _rarefied_layer(node.name, node.layer, 1, (1, 1), 1)
    return net.outputs[0]
