"""FCN's layers, as in minifcn: they hold parameters and a cache. What they compute is yours, assignments 1 to 3."""

from __future__ import annotations

import numpy as np

from minifcn.net import Layer, Param


class Conv2d(Layer):
    """Your `conv.conv2d`. weight: (out_channels, in_channels, kernel_size, kernel_size); it and bias start at zero."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.params = {
            "weight": Param(np.zeros((out_channels, in_channels, kernel_size, kernel_size), np.float32)),
            "bias": Param(np.zeros(out_channels, np.float32)),
        }

    def forward(self, x):
        import conv

        weight, bias = (param.data for param in self.params.values())
        y, cache = conv.conv2d(x, weight, bias, stride=self.stride, padding=self.padding)
        self.keep(cache)
        return y

    def backward(self, dy):
        import conv

        dx, dw, db = conv.conv2d_backward(dy, self.take())
        self.accumulate(weight=dw, bias=db)
        return (dx,)

    def out_shape(self, shape):
        import conv

        window = self.kernel_size, self.stride, self.padding
        size = (conv.output_size(n, *window) for n in shape[2:])
        return (shape[0], len(self.params["bias"].data), *size)


class ConvTranspose2d(Layer):
    """Your `upsample.conv_transpose2d`, without bias. weight: (in_channels, out_channels, kernel_size, kernel_size)."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, 0
        self.params = {"weight": Param(np.zeros((in_channels, out_channels, kernel_size, kernel_size), np.float32))}

    def forward(self, x):
        import upsample

        y, cache = upsample.conv_transpose2d(x, self.params["weight"].data, stride=self.stride)
        self.keep(cache)
        return y

    def backward(self, dy):
        import upsample

        dx, dw, _ = upsample.conv_transpose2d_backward(dy, self.take())
        self.accumulate(weight=dw)
        return (dx,)

    def out_shape(self, shape):
        size = ((n - 1) * self.stride + self.kernel_size for n in shape[2:])
        return (shape[0], self.params["weight"].data.shape[1], *size)


class MaxPool2d(Layer):
    """Your `pool.max_pool2d`, rounding up."""

    def __init__(self, kernel_size):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size, 0

    def forward(self, x):
        import pool

        y, cache = pool.max_pool2d(x, self.kernel_size, ceil_mode=True)
        self.keep(cache)
        return y

    def backward(self, dy):
        import pool

        return pool.max_pool2d_backward(dy, self.take())

    def out_shape(self, shape):
        import pool

        return (*shape[:2], *(pool.pool_size(n, self.kernel_size, self.stride, 0, True) for n in shape[2:]))


class ReLU(Layer):
    """Your `pool.relu`."""

    def forward(self, x):
        import pool

        y, cache = pool.relu(x)
        self.keep(cache)
        return y

    def backward(self, dy):
        import pool

        return pool.relu_backward(dy, self.take())

    def out_shape(self, shape):
        return shape


class Add(Layer):
    """Your `upsample.add`."""

    def forward(self, *xs):
        import upsample

        y, cache = upsample.add(*xs)
        self.keep(cache)
        return y

    def backward(self, dy):
        import upsample

        return upsample.add_backward(dy, self.take())

    def out_shape(self, *shapes):
        if len(set(shapes)) > 1:
            raise ValueError(f"Add: the inputs must agree in shape, got {', '.join(map(str, shapes))}")
        return shapes[0]


class Crop(Layer):
    """Your `upsample.crop`: the first input from `offset` on, along both axes, as large as the second."""

    def __init__(self, offset):
        super().__init__()
        self.offset = offset

    def forward(self, x, like):
        import upsample

        y, cache = upsample.crop(x, (self.offset, self.offset), like.shape[2:])
        self.keep(cache)
        return y

    def backward(self, dy):
        import upsample

        (dx,) = upsample.crop_backward(dy, self.take())
        return dx, None  # of the second input the size alone counts

    def out_shape(self, shape, like):
        for have, wanted in zip(shape[2:], like[2:], strict=True):
            if self.offset + wanted > have:
                raise ValueError(f"Crop: cannot take {wanted} from {self.offset} on: there are only {have}")
        return (*shape[:2], *like[2:])
