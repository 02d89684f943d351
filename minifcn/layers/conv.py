"""Convolution and transposed convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from minifcn import coords, ops, window
from minifcn.backend import Array
from minifcn.errors import ShapeError
from minifcn.layers.base import Cost, Layer, Param, Shape, one_image_batch
from minifcn.ops import workspaces
from minifcn.ops.algorithm import choose
from minifcn.ops.geometry import (
    Geometry,
    IntOrPair,
    conv2d_size,
    conv_geometry,
    conv_transpose2d_size,
)
from minifcn.workspace import Workspace, after_another


class _Convolution(Layer):
    """What both directions share: a weight, perhaps a bias, and the window. Parameters start at zero, as in Caffe."""

    retains = frozenset({"inputs"})

    def __init__(self, in_channels: int, out_channels: int, geometry: Geometry, weight: Shape, bias: bool) -> None:
        super().__init__()
        if not isinstance(in_channels, int) or not isinstance(out_channels, int):
            raise ShapeError(f"{self.kind}: channels must be whole numbers, got {in_channels!r} and {out_channels!r}")
        if min(in_channels, out_channels) < 1 or in_channels % geometry.groups or out_channels % geometry.groups:
            raise ShapeError(
                f"{self.kind}: groups={geometry.groups} must divide {in_channels} input and {out_channels} "
                "output channels"
            )
        self.in_channels, self.out_channels, self.geometry = in_channels, out_channels, geometry
        self.params["weight"] = Param(np.zeros(weight, np.float32))
        if bias:
            self.params["bias"] = Param(np.zeros(out_channels, np.float32))

    def _weight_and_bias(self) -> tuple[Array, Array | None]:
        bias = self.params.get("bias")
        return self.params["weight"].data, None if bias is None else bias.data

    def _needs(self) -> tuple[bool, bool, bool]:
        """Which of dx, dw, db a backward pass is to compute: none for what is fixed."""
        bias = self.params.get("bias")
        return self.wants_dx, self.params["weight"].learns, bias is not None and bias.learns

    def _accumulate(self, dw: Array | None, db: Array | None) -> None:
        if dw is not None:
            self.params["weight"].accumulate(dw)
        if db is not None:
            self.params["bias"].accumulate(db)

    def _cost(self, macs: int, needs: Sequence[Workspace], algorithm: str = "") -> Cost:
        """needs: of the forward pass, and of the gradients of the input and of the weight."""
        forward, dx, dw = needs
        if not self.params["weight"].learns:
            return Cost(macs, self._learnable(), 0, forward, dx, algorithm)
        # What passes while dx is computed is gone when the memory of dw, which counts as a gradient, is taken.
        dx = dx._replace(passing=max(0, dx.passing - self.params["weight"].data.nbytes))
        return Cost(macs, self._learnable(), 0, forward, after_another(dx, dw), algorithm)

    def _check_channels(self, shape: Shape) -> None:
        if shape[1] != self.in_channels:
            raise ShapeError(f"{self.kind}: expected {self.in_channels} input channels, got {shape[1]}")

    def describe(self) -> str:
        kernel, stride, padding, dilation, groups = self.geometry
        text = f"{kernel[0]}x{kernel[1]} s{_by(stride)} p{_by(padding)}"
        if dilation != (1, 1):
            text += f" d{_by(dilation)}"
        return text + (f" g{groups}" if groups > 1 else "")


class Conv2d(_Convolution):
    """2-D convolution: see `ops.conv2d`. weight: (out_channels, in_channels/groups, kh, kw); bias: (out_channels,).

    rectify: whether it takes along the ReLU that follows; a net sets it for one pass, and tells that ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        geometry = conv_geometry(self.kind, kernel_size, stride, padding, dilation, groups)
        weight = (out_channels, in_channels // groups, *geometry.kernel)
        super().__init__(in_channels, out_channels, geometry, weight, bias)
        self.algorithm = "auto"  # or another of ops.algorithm.ALGORITHMS
        self.rectify = False

    def forward(self, *xs: Array) -> Array:
        (x,) = xs
        w, b = self._weight_and_bias()
        _, stride, padding, dilation, groups = self.geometry
        algorithm = self.algorithm
        if self.part is not None:
            algorithm = self._choice(self.part[1], self.out_shape(x.shape), x.dtype)
        y, cache = ops.conv2d(x, w, b, stride, padding, dilation, groups, algorithm=algorithm, rectify=self.rectify)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        dx, dw, db = ops.conv2d_backward(dy, self._take(), self._needs())
        self._accumulate(dw, db)
        return (dx,)

    def out_shape(self, *shapes: Shape) -> Shape:
        shape = one_image_batch(self.kind, shapes)
        self._check_channels(shape)
        size = conv2d_size(shape[2:], self.geometry)
        if min(size) < 1:
            raise ShapeError(
                f"{self.kind}: a kernel of {_by(self.geometry.kernel)} does not fit an input of {shape[2]}x{shape[3]} "
                f"with padding {_by(self.geometry.padding)}; use a larger picture or more padding"
            )
        return (shape[0], self.out_channels, *size)

    def cost(self, *shapes: Shape, itemsize: int = 4) -> Cost:
        n, _, *size = y = self.out_shape(*shapes)
        weight = self.params["weight"].data.shape
        how = self._choice(n, y, np.dtype(f"f{itemsize}"))
        needs = workspaces.conv2d(tuple(shapes[0]), weight, self.geometry, (y[2], y[3]), itemsize, how)
        return self._cost(prod(size) * n * prod(weight), needs, how)

    def coords(self) -> coords.Coords:
        kernel, stride, padding, dilation, _ = self.geometry
        return coords.window(kernel, stride, padding, dilation)

    def _choice(self, images: int, y: Shape, dtype: np.dtype) -> str:
        """How it is computed for so many pictures."""
        return choose(self.algorithm, images, self.in_channels, self.out_channels, (y[2], y[3]), self.geometry, dtype)


class ConvTranspose2d(_Convolution):
    """2-D transposed convolution: see `ops.conv_transpose2d`. weight: (in_channels, out_channels/groups, kh, kw).

    FCN's fixed bilinear upsampling is the case groups = in_channels = out_channels with lr_mult 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        output_padding: IntOrPair = 0,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        geometry = conv_geometry(self.kind, kernel_size, stride, padding, 1, groups)
        self.output_padding = window.pair(output_padding, f"{self.kind}: output_padding", least=0)
        weight = (in_channels, out_channels // groups, *geometry.kernel)
        super().__init__(in_channels, out_channels, geometry, weight, bias)

    def forward(self, *xs: Array) -> Array:
        (x,) = xs
        _, stride, padding, _, groups = self.geometry
        y, cache = ops.conv_transpose2d(x, *self._weight_and_bias(), stride, padding, self.output_padding, groups)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        dx, dw, db = ops.conv_transpose2d_backward(dy, self._take(), self._needs())
        self._accumulate(dw, db)
        return (dx,)

    def out_shape(self, *shapes: Shape) -> Shape:
        shape = one_image_batch(self.kind, shapes)
        self._check_channels(shape)
        return (shape[0], self.out_channels, *conv_transpose2d_size(shape[2:], self.geometry, self.output_padding))

    def cost(self, *shapes: Shape, itemsize: int = 4) -> Cost:
        n, _, *size = x = one_image_batch(self.kind, shapes)
        weight = self.params["weight"].data.shape
        y = self.out_shape(*shapes)
        needs = workspaces.conv_transpose2d(x, weight, self.geometry, (y[2], y[3]), itemsize)
        return self._cost(prod(size) * n * prod(weight), needs)

    def coords(self) -> coords.Coords:
        kernel, stride, padding, _, _ = self.geometry
        return coords.transposed_window(kernel, stride, padding)


def _by(pair: tuple[int, int]) -> str:
    """(2, 2) as '2', (3, 2) as '3x2'."""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
