"""Every kind of layer as ONNX nodes, for pictures of any size.

Two things are not as they seem. Caffe's pools round up and clip their last windows, for which ONNX's `ceil_mode` is
right without padding; with it, versions of ONNX and its runtimes differ, so there the borders are written out. And a
crop's size is another blob's, which is known when the file runs: only its offset is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minifcn import layers
from minifcn.errors import MinifcnError
from minifcn.layers import Layer, Shape
from minifcn.onnxfile.sheet import Sheet, Sizes
from minifcn.ops.pool import PoolGeometry


class Place(NamedTuple):
    """A layer in the graph: its name, which is its output's, and what feeds it.

    channels: of the first input. shapes: (N, C, H, W) of the inputs, if the file is for one size.
    """

    sheet: Sheet
    name: str
    inputs: Sequence[str]
    channels: int
    shapes: Sequence[Shape] | None

    def size(self, k: int) -> Sizes:
        """Height and width of the k-th input."""
        return Sizes.of(self.sheet, self.name, self.inputs[k], self.shapes[k] if self.shapes else None)

    def weights(self, layer: Layer) -> list[str]:
        return [f"{self.name}.{key}" for key in layer.params]


def write(place: Place, layer: Layer) -> str:
    """Add the nodes of a layer; returns the name of its output. MinifcnError for a layer of a class unknown here."""
    writer = _WRITERS.get(type(layer))
    if writer is None:
        known = ", ".join(kind.__name__ for kind in _WRITERS)
        raise MinifcnError(
            f"{place.name}: a layer of the kind {layer.kind} has no form in ONNX here; there are {known}"
        )
    return writer(place, layer)


def _conv(place: Place, layer: layers.Conv2d) -> str:
    kernel, stride, padding, dilation, groups = layer.geometry
    return place.sheet.add(
        "Conv", [place.inputs[0], *place.weights(layer)], place.name,
        kernel_shape=kernel, strides=stride, pads=[*padding, *padding], dilations=dilation, group=groups,
    )  # fmt: skip


def _conv_transpose(place: Place, layer: layers.ConvTranspose2d) -> str:
    kernel, stride, padding, _, groups = layer.geometry
    return place.sheet.add(
        "ConvTranspose", [place.inputs[0], *place.weights(layer)], place.name,
        kernel_shape=kernel, strides=stride, pads=[*padding, *padding], output_padding=layer.output_padding,
        group=groups,
    )  # fmt: skip


def _max_pool(place: Place, layer: layers.MaxPool2d) -> str:
    kernel, stride, padding, ceil_mode, dilation, overhang = layer.geometry
    x = place.inputs[0]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "dilations": dilation}
    if _ceil_mode_is_caffe_s(layer.geometry):
        attributes["ceil_mode"] = 1
    elif not ceil_mode and max(p + o for p, o in zip(padding, overhang, strict=True)) < min(kernel):
        attributes["pads"] = (*padding, *(p + o for p, o in zip(padding, overhang, strict=True)))
    else:  # runtimes refuse a padding as wide as the kernel, however far dilation spreads it
        x = _padded(place, x, padding, _beyond(place, layer.geometry), -np.inf)
    return place.sheet.add("MaxPool", [x], place.name, **attributes)


def _avg_pool(place: Place, layer: layers.AvgPool2d) -> str:
    kernel, stride, padding, ceil_mode, dilation, overhang = layer.geometry
    if not ceil_mode and dilation == (1, 1) and overhang == padding == (0, 0):
        return place.sheet.add("AveragePool", [place.inputs[0]], place.name, kernel_shape=kernel, strides=stride)
    # The mean as it is defined: a sum over a sum of ones, which are 1 in the padding, too, and 0 beyond it.
    sheet, name = place.sheet, place.name
    beyond = _beyond(place, layer.geometry) - padding
    x = _padded(place, place.inputs[0], padding, Sizes(sheet, name, np.array(padding)), 0)
    zero, one = (sheet.constant(name, np.float32(value).reshape(1, 1, 1, 1)) for value in (0, 1))
    ones = sheet.add("Add", [sheet.add("Mul", [x, zero], sheet.new(name)), one], sheet.new(name))
    filters = sheet.constant(name, np.ones((place.channels, 1, *kernel), np.float32))
    over = []
    for blob in (x, ones):
        whole = _padded(place, blob, (0, 0), beyond, 0)
        over.append(
            sheet.add(
                "Conv", [whole, filters], sheet.new(name), kernel_shape=kernel, strides=stride, dilations=dilation,
                group=place.channels,
            )
        )  # fmt: skip
    return sheet.add("Div", over, name)


def _ceil_mode_is_caffe_s(geometry: PoolGeometry) -> bool:
    """Whether rounding up leaves no window that would start outside: there all definitions agree."""
    covers = all(k >= s for k, s in zip(geometry.kernel, geometry.stride, strict=True))
    return geometry.ceil_mode and geometry.padding == (0, 0) and geometry.dilation == (1, 1) and covers


def _beyond(place: Place, geometry: PoolGeometry) -> Sizes:
    """By how much to pad a pool's input at its end, so that rounding down gives `window.pool_size`."""
    kernel, stride, padding, ceil_mode, dilation, overhang = (np.array(value) for value in geometry)
    if not ceil_mode:
        return Sizes(place.sheet, place.name, padding + overhang)
    n, reach = place.size(0), dilation * (kernel - 1) + 1
    # Windows that start in the picture or the padding before it, n + p of them at stride 1, and no more than rounding
    # up gives. (The sum stays above zero for every picture that the pool takes.)
    rounded = (n + (2 * padding - reach + 2 * stride - 1)) // stride
    count = rounded.least((n + (padding + stride - 1)) // stride)
    return (count * stride + (reach - stride - padding) - n).most(0)


def _padded(place: Place, x: str, before: Sequence[int], after: Sizes, value: float) -> str:
    """`x` with borders of `value`; as it is, if there are none."""
    if not any(before) and not isinstance(after.value, str) and not after.value.any():
        return x
    fill = place.sheet.constant(place.name, np.array(value, np.float32))
    return place.sheet.add("Pad", [x, after.after(0, 0, *before, 0, 0).name(), fill], place.sheet.new(place.name))


def _crop(place: Place, layer: layers.Crop) -> str:
    sheet, name = place.sheet, place.name
    offset = np.array(layer.offset, np.int64)
    size = Sizes(sheet, name, np.array(layer.size, np.int64)) if layer.size else place.size(1)
    starts, axes = sheet.constant(name, offset), sheet.constant(name, np.array([2, 3], np.int64))
    return sheet.add("Slice", [place.inputs[0], starts, (size + offset).name(), axes], name)


def _add(place: Place, layer: layers.Add) -> str:
    sheet, name = place.sheet, place.name
    terms = list(place.inputs)
    if layer.coefficients is not None:
        factors = [sheet.constant(name, np.array(factor, np.float32)) for factor in layer.coefficients]
        terms = [sheet.add("Mul", pair, sheet.new(name)) for pair in zip(terms, factors, strict=True)]
    return sheet.add("Sum", terms, name)


def _norm(place: Place, layer: layers.LocalResponseNorm) -> str:
    return place.sheet.add(
        "LRN", place.inputs, place.name, size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=float(layer.k)
    )


def _scale(place: Place, layer: layers.Scale) -> str:
    factor = place.sheet.constant(place.name, np.array(layer.factor, np.float32))
    return place.sheet.add("Mul", [place.inputs[0], factor], place.name)


_WRITERS: dict[type[Layer], Callable[..., str]] = {
    layers.Conv2d: _conv,
    layers.ConvTranspose2d: _conv_transpose,
    layers.MaxPool2d: _max_pool,
    layers.AvgPool2d: _avg_pool,
    layers.Crop: _crop,
    layers.Add: _add,
    layers.LocalResponseNorm: _norm,
    layers.Scale: _scale,
    layers.ReLU: lambda place, layer: place.sheet.add("Relu", place.inputs, place.name),
    layers.Concat: lambda place, layer: place.sheet.add("Concat", place.inputs, place.name, axis=1),
    layers.Dropout: lambda place, layer: place.inputs[0],  # nothing drops in a net at work
}
