"""Pooling and normalisation layers."""

from __future__ import annotations

from minifcn import coords, ops
from minifcn.backend import Array
from minifcn.errors import ShapeError
from minifcn.layers.base import Cost, Layer, Shape, one_image_batch
from minifcn.ops.pool import IntOrPair, pool2d_size, pool_geometry


class _Pooling(Layer):
    """The window that both pooling layers slide."""

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        ceil_mode: bool = False,
        dilation: IntOrPair = 1,
        overhang: IntOrPair = 0,
    ) -> None:
        super().__init__()
        self.geometry = pool_geometry(self.kind, kernel_size, stride, padding, ceil_mode, dilation, overhang)

    def out_shape(self, *shapes: Shape) -> Shape:
        shape = one_image_batch(self.kind, shapes)
        size = pool2d_size(shape[2:], self.geometry)
        if min(size) < 1:
            raise ShapeError(f"{self.kind}: {self.describe()} does not fit an input of {shape[2]}x{shape[3]}")
        return (*shape[:2], *size)

    def coords(self) -> coords.Coords:
        kernel, stride, padding, _, dilation, _ = self.geometry
        return coords.window(kernel, stride, padding, dilation)

    def describe(self) -> str:
        kernel, stride, padding, ceil_mode, dilation, overhang = self.geometry
        s, p, d, o = (str(a) if a == b else f"{a}x{b}" for a, b in (stride, padding, dilation, overhang))
        text = f"{kernel[0]}x{kernel[1]} s{s} p{p}" + (" ceil" if ceil_mode else "")
        return text + (f" d{d}" if dilation != (1, 1) else "") + (f" +{o}" if overhang != (0, 0) else "")


class MaxPool2d(_Pooling):
    """The largest value of each window: see `ops.max_pool2d`. FCNs need `ceil_mode=True`."""

    def forward(self, *xs: Array) -> Array:
        (x,) = xs
        y, cache = ops.max_pool2d(x, *self.geometry)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.max_pool2d_backward(dy, self._take())

    def cost(self, *shapes: Shape, itemsize: int = 4) -> Cost:
        n, channels, height, width = self.out_shape(*shapes)
        return Cost(cache_bytes=n * channels * height * width)  # one byte tells which tap won


class AvgPool2d(_Pooling):
    """The mean of each window: see `ops.avg_pool2d`."""

    def forward(self, *xs: Array) -> Array:
        (x,) = xs
        y, cache = ops.avg_pool2d(x, *self.geometry)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.avg_pool2d_backward(dy, self._take())


class LocalResponseNorm(Layer):
    """Normalisation by the energy of neighbouring channels: see `ops.local_response_norm`."""

    retains = frozenset({"inputs"})

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, *xs: Array) -> Array:
        (x,) = xs
        y, cache = ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        self._keep(cache)
        return y

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return ops.local_response_norm_backward(dy, self._take())

    def out_shape(self, *shapes: Shape) -> Shape:
        return one_image_batch(self.kind, shapes)

    def cost(self, *shapes: Shape, itemsize: int = 4) -> Cost:
        n, channels, height, width = self.out_shape(*shapes)
        return Cost(
            macs=n * channels * height * width * self.size, cache_bytes=n * channels * height * width * itemsize
        )

    def describe(self) -> str:
        return f"n{self.size} alpha={self.alpha:g} beta={self.beta:g}"
