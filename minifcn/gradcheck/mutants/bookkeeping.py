"""Layers and nets whose operations are right and whose bookkeeping is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minifcn.backend import Array, Namespace
from minifcn.gradcheck.cases import normal
from minifcn.gradcheck.modules import check_layer, check_net, filled
from minifcn.gradcheck.mutants.mutant import Mutant
from minifcn.gradcheck.report import Report
from minifcn.layers import Add, Conv2d, Crop, Layer, ReLU
from minifcn.net import Net


class Overwrites(Conv2d):
    """`param.grad = dw` for `+=`: of two backward passes before a step (accumulated batches) the first is lost."""

    def _accumulate(self, dw: Array | None, db: Array | None) -> None:
        self.params["weight"].grad, self.params["bias"].grad = dw, db


class AddsTwice(Conv2d):
    """The gradient is added by the layer and once more by its owner."""

    def _accumulate(self, dw: Array | None, db: Array | None) -> None:
        for _ in range(2):
            super()._accumulate(dw, db)


class FixesBias(Conv2d):
    """The bias learns, but its gradient never arrives."""

    def _accumulate(self, dw: Array | None, db: Array | None) -> None:
        super()._accumulate(dw, None)


class ForgetsBranch(Add):
    """At a fan-out the gradient of the second branch is forgotten: the skip passes nothing back to where it forked."""

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        first, *others = super().backward(dy)
        return (first, *[None] * len(others))


class SwapsBranches(Add):
    """The gradients of the two inputs, each with the other's coefficient."""

    def backward(self, dy: Array) -> tuple[Array | None, ...]:
        return super().backward(dy)[::-1]


class UsesOldInput(ReLU):
    """The cache of the first forward pass is never replaced."""

    def _keep(self, cache: Array) -> None:
        if not hasattr(self, "_first"):
            self._first = cache
        super()._keep(self._first)


def _skip_net(add: Layer, relu: Layer) -> Net:
    """conv -> relu -> conv, plus the relu's own output: the smallest net with a fan-out."""
    net = Net()
    x = net.input("data", channels=3)
    fork = net.add("relu", relu, net.add("conv1", Conv2d(3, 4, 3, padding=2), x))
    deep = net.add("conv2", Conv2d(4, 4, 3, padding=1), fork)
    net.add("score", Crop(like=x), net.add("sum", add, deep, fork))
    return net


def _convolution(layer: type[Conv2d]) -> Mutant:
    def checks(xp: Namespace, seed: int) -> Iterator[Report]:
        rng = np.random.default_rng(seed)
        wrong = layer(3, 4, 3, padding=1)
        filled(wrong.params, rng)
        wrong.to(xp)
        yield check_layer(wrong, xp.asarray(normal(rng, (2, 3, 4, 5))), linear=True, rng=rng)

    return Mutant("Conv2d", _words(layer), layer.__doc__ or "", checks)


def _in_a_net(layer: type[Layer], make: Callable[[], Net]) -> Mutant:
    def checks(xp: Namespace, seed: int) -> Iterator[Report]:
        rng = np.random.default_rng(seed)
        net = make()
        filled(net.params, rng)
        net.to(xp).forward(xp.asarray(normal(rng, (2, 3, 4, 5))))  # an earlier batch
        yield check_net(net, xp.asarray(normal(rng, (2, 3, 4, 5))), case="a small net with a skip", rng=rng)

    return Mutant("net", _words(layer), layer.__doc__ or "", checks)


def _words(layer: type) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in layer.__name__).strip()


MUTANTS: tuple[Mutant, ...] = (
    *map(_convolution, (Overwrites, AddsTwice, FixesBias)),
    _in_a_net(ForgetsBranch, lambda: _skip_net(ForgetsBranch(), ReLU())),
    _in_a_net(SwapsBranches, lambda: _skip_net(SwapsBranches((1.0, -0.5)), ReLU())),
    _in_a_net(UsesOldInput, lambda: _skip_net(Add(), UsesOldInput())),
)
