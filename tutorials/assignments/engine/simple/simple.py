"""Layers of one line each, to build small nets of: the graph is what matters here, not what its nodes compute."""

from __future__ import annotations

import numpy as np

from minifcn.net import Layer, Param


class Linear(Layer):
    """y[n, o, p, q] = bias[o] + sum over c of weight[o, c] x[n, c, p, q]."""

    def __init__(self, weight, bias):
        super().__init__()
        self.params = {"weight": Param(weight), "bias": Param(bias)}

    def forward(self, x):
        self.keep(x)
        return np.einsum("oc,nchw->nohw", self.params["weight"].data, x) + self.params["bias"].data[:, None, None]

    def backward(self, dy):
        x = self.take()
        self.accumulate(weight=np.einsum("nohw,nchw->oc", dy, x), bias=np.einsum("nohw->o", dy))
        return (np.einsum("nohw,oc->nchw", dy, self.params["weight"].data),)


class Square(Layer):
    """x * x."""

    def forward(self, x):
        self.keep(x)
        return x * x

    def backward(self, dy):
        return (2 * self.take() * dy,)


class Multiply(Layer):
    """The product of two inputs, element by element."""

    def forward(self, a, b):
        self.keep((a, b))
        return a * b

    def backward(self, dy):
        a, b = self.take()
        return dy * b, dy * a


class Add(Layer):
    """The sum of two inputs. Both get the same array as their gradient."""

    def forward(self, a, b):
        self.keep(None)
        return a + b

    def backward(self, dy):
        self.take()
        return dy, dy


class Like(Layer):
    """The first input, cut to the height and width of the second, whose values do not matter: its gradient is None."""

    def forward(self, x, like):
        self.keep(x.shape)
        return x[:, :, : like.shape[2], : like.shape[3]]

    def backward(self, dy):
        dx = np.zeros(self.take(), dy.dtype)
        dx[:, :, : dy.shape[2], : dy.shape[3]] = dy
        return dx, None
