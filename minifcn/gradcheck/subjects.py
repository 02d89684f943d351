"""Everything that the command checks, by name: operations, layers, and whole small nets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minifcn import layers, models
from minifcn.backend import Namespace
from minifcn.gradcheck import cases
from minifcn.gradcheck.modules import check_layer, check_net, filled
from minifcn.gradcheck.report import Report
from minifcn.layers import Layer
from minifcn.net import Net

Subject = Callable[[Namespace, int], Iterator[Report]]

#: For each class of layer: how to make one, the shapes of its inputs, whether it is linear (between kinks).
LAYERS: dict[str, tuple[Callable[[], Layer], tuple[cases.Shape, ...], bool]] = {
    "Conv2d": (lambda: layers.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2), ((2, 4, 5, 7),), True),
    "ConvTranspose2d": (
        lambda: layers.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=(0, 1), groups=2, bias=True),
        ((2, 4, 3, 5),),
        True,
    ),
    "MaxPool2d": (lambda: layers.MaxPool2d(3, stride=2, ceil_mode=True), ((2, 3, 6, 8),), True),
    "MaxPool2d-rarefied": (lambda: layers.MaxPool2d(3, 1, 1, dilation=2, overhang=1), ((2, 3, 6, 8),), True),
    "AvgPool2d": (lambda: layers.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), ((2, 3, 6, 8),), True),
    "LocalResponseNorm": (lambda: layers.LocalResponseNorm(alpha=0.5), ((2, 7, 3, 4),), False),
    "ReLU": (layers.ReLU, ((2, 3, 4, 5),), True),
    "Dropout": (lambda: layers.Dropout(0.4, np.random.default_rng(1)), ((2, 3, 4, 5),), True),
    "Scale": (lambda: layers.Scale(0.01), ((2, 3, 4, 5),), True),
    "Add": (lambda: layers.Add((1.0, -2.0)), ((2, 3, 4, 5), (2, 3, 4, 5)), True),
    "Concat": (layers.Concat, ((2, 3, 4, 5), (2, 1, 4, 5)), True),
    "Crop": (lambda: layers.Crop(offset=(2, 1), size=(3, 4)), ((2, 3, 6, 7),), True),
}


def _layer(name: str) -> Subject:
    def run(xp: Namespace, seed: int) -> Iterator[Report]:
        rng = np.random.default_rng(seed)
        make, shapes, linear = LAYERS[name]
        layer = make()
        filled(layer.params, rng)
        layer.to(xp)
        xs = [xp.asarray(cases.spaced(rng, shape)) for shape in shapes]
        yield check_layer(layer, *xs, linear=linear, rng=rng)

    return run


def every_layer() -> Net:
    """A small net with a layer of every class, forks, and skips of three lengths."""
    net = Net()
    x = net.input("data", channels=3)
    h = net.add("conv1", layers.Conv2d(3, 6, 3, padding=4), x)
    h = fork = net.add("relu1", layers.ReLU(), h)
    h = net.add("norm1", layers.LocalResponseNorm(alpha=0.5), h)
    h = net.add("pool1", layers.MaxPool2d(2, ceil_mode=True), h)
    h = net.add("conv2", layers.Conv2d(6, 4, 3, padding=1, groups=2), h)
    h = net.add("drop2", layers.Dropout(0.3, np.random.default_rng(2)), h)
    h = net.add("up", layers.ConvTranspose2d(4, 4, 4, stride=2, padding=1, bias=True), h)
    h = net.add("smooth", layers.AvgPool2d(3, stride=1, padding=1), h)
    side = net.add("side", layers.Conv2d(6, 4, 1), fork)
    h = net.add("upc", layers.Crop(like=side), h)
    h = net.add("sum", layers.Add((1.0, -0.5)), h, net.add("scaled", layers.Scale(0.7), side))
    h = net.add("join", layers.Concat(), h, side, fork)
    net.add("score", layers.Crop(like=x), net.add("classify", layers.Conv2d(14, 5, 1), h))
    return net


def _net(build: Callable[[], Net], name: str, size: tuple[int, int], spread: float = 1.0) -> Subject:
    """A net on two random pictures whose values have a standard deviation of `spread`; a depth's is 1."""
    height, width = size

    def run(xp: Namespace, seed: int) -> Iterator[Report]:
        rng = np.random.default_rng(seed)
        net = build()
        filled(net.params, rng)
        for layer in net.layers.values():
            if isinstance(layer, layers.ConvTranspose2d) and layer.params["weight"].learns:
                # An output sees one in stride^2 of its kernel's weights.
                layer.params["weight"].data = layer.params["weight"].data * layer.geometry.stride[0]
        net.to(xp)
        xs = [
            xp.asarray(rng.normal(scale=spread if channels > 1 else 1, size=(2, channels, height, width)))
            for channels in net.inputs.values()
        ]
        targets = []
        shapes = net.shapes(*(x.shape for x in xs))
        for output in net.outputs:
            labels = rng.integers(0, shapes[output][1], (2, height, width)).astype(np.uint8)
            labels[rng.random(labels.shape) < 0.1] = 255
            targets.append(xp.asarray(labels))
        channels = "+".join(str(x.shape[1]) for x in xs)
        yield check_net(net, xs, targets, name=name, case=f"2x{channels}x{height}x{width}, end to end", rng=rng)

    return run


def _fcn(name: str, num_classes: int | dict[str, int] = 5, subject: str = "", **options: Any) -> Subject:
    def build() -> Net:
        net = models.build(name, num_classes, preset="tiny", rng=np.random.default_rng(0), **options)
        for layer in net.layers.values():
            if isinstance(layer, layers.Dropout):
                layer.p = 0.5  # the preset has none, the published net has
        return net

    return _net(build, subject or name, (13, 19), spread=64.0)  # as pixels less their mean


def _op(name: str) -> Subject:
    return lambda xp, seed: (case.check(xp, seed) for case in cases.of(name))


OPS: dict[str, Subject] = {name: _op(name) for name in dict.fromkeys(case.op for case in cases.CASES)}
NETS: dict[str, Subject] = {
    "every-layer": _net(every_layer, "every-layer", (5, 7)),
    "fcn8s": _fcn("fcn8s"),
    "fcn8s-atonce": _fcn("fcn8s-atonce"),
    "fcn8s-nonlinear": _fcn("fcn8s", subject="fcn8s-nonlinear", upsampling="nonlinear"),
    "fcn16s-dense": _fcn("fcn16s", subject="fcn16s-dense", upsampling="learned", output_stride=8),
    "fcn-alexnet": _fcn("fcn-alexnet"),
    "fcn-googlenet-8s": _fcn("fcn-googlenet-8s"),
    "fcn8s-rgbd": _fcn("fcn8s-rgbd"),
    "fcn16s-late": _fcn("fcn16s-late"),
    "two-tasks": _fcn("fcn8s", {"sem": 4, "geo": 3}, "two-tasks"),
}
#: What is checked unless told otherwise.
SUBJECTS: dict[str, Subject] = OPS | {name: _layer(name) for name in LAYERS} | NETS
#: The other nets: built of the same parts as those above, and checked when named.
ON_REQUEST: dict[str, Subject] = {name: _fcn(name) for name in models.FCNS if name not in NETS}
