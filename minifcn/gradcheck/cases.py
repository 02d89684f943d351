"""The ragged cases: small inputs on which careless code falls over, for every operation.

N, C, H and W differ, so that swapped axes show. Strides differ from kernels, windows overlap or leave gaps, remainders
are odd, padding exceeds the kernel, kernels are as large as the picture or one pixel, pairs have two different numbers.
The gradient check runs them, and so do the comparisons with other implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minifcn import ops
from minifcn.backend import Array, Namespace
from minifcn.gradcheck.check import check
from minifcn.gradcheck.report import Report

Shape = tuple[int, ...]


def normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Standard normal numbers."""
    return rng.normal(size=shape)


def spaced(rng: np.random.Generator, shape: Shape, gap: float = 0.05) -> np.ndarray:
    """Shuffled numbers that lie `gap` apart and at least gap/2 from 0: no step below gap/2 reaches a kink or a tie."""
    count = int(np.prod(shape))
    return (rng.permutation(count) - count // 2 + 0.5).reshape(shape) * gap


@dataclass(frozen=True)
class Case:
    """One operation on arrays of given shapes (None: left out) with given options.

    Options that are arrays move to the backend; one that is a function is called anew for every call of the operation,
    so that a random generator draws the same numbers each time.
    """

    op: str
    name: str
    shapes: Mapping[str, Shape | None]
    options: Mapping[str, Any] = field(default_factory=dict)
    draw: Callable[[np.random.Generator, Shape], np.ndarray] = normal
    linear: bool = True

    def __str__(self) -> str:
        return f"{self.op}: {self.name}"

    def arrays(self, rng: np.random.Generator) -> dict[str, np.ndarray | None]:
        """float64 inputs on the host, drawn from `rng`."""
        return {key: None if shape is None else self.draw(rng, shape) for key, shape in self.shapes.items()}

    def function(self, xp: Namespace) -> Callable:
        """The operation with this case's options: `function(*arrays) -> (y, cache)`."""
        fixed = {key: xp.asarray(v) if isinstance(v, np.ndarray) else v for key, v in self.options.items()}

        def call(*arrays: Array | None) -> tuple:
            fresh = {key: v() if callable(v) else v for key, v in fixed.items()}
            return getattr(ops, self.op)(*arrays, **fresh)

        return call

    def check(self, xp: Namespace = np, seed: int = 0, backward: Callable | None = None) -> Report:
        """Check the operation's own backward pass, or another that is claimed to be one."""
        rng = np.random.default_rng(seed)
        arrays = {key: None if a is None else xp.asarray(a) for key, a in self.arrays(rng).items()}
        backward = backward or getattr(ops, f"{self.op}_backward")
        return check(self.function(xp), backward, arrays, name=self.op, case=self.name, linear=self.linear, rng=rng)


def _conv(name: str, x: Shape, w: Shape, bias: bool = True, **options: Any) -> Case:
    return Case("conv2d", name, {"x": x, "w": w, "b": (w[0],) if bias else None}, options)


def _up(name: str, x: Shape, w: Shape, bias: bool = False, **options: Any) -> Case:
    outputs = w[1] * options.get("groups", 1)
    return Case("conv_transpose2d", name, {"x": x, "w": w, "b": (outputs,) if bias else None}, options)


CONV = (
    _conv("3x3", (2, 3, 5, 7), (4, 3, 3, 3)),
    _conv("no bias, kernel 2x3", (3, 2, 4, 5), (4, 2, 2, 3), bias=False),
    _conv("padding 1", (2, 3, 4, 5), (4, 3, 3, 3), padding=1),
    _conv("stride 2, padding 1, odd remainder", (2, 3, 6, 7), (4, 3, 3, 3), stride=2, padding=1),
    _conv("stride 2x3, padding 1x2, kernel 3x2", (2, 3, 5, 8), (4, 3, 3, 2), stride=(2, 3), padding=(1, 2)),
    _conv("stride 3 > kernel 2: pixels nobody sees", (2, 3, 7, 8), (4, 3, 2, 2), stride=3),
    _conv("the same, one image", (1, 3, 7, 8), (4, 3, 2, 2), stride=3),
    _conv("stride 2, kernel 5, padding 2", (2, 3, 6, 9), (4, 3, 5, 5), stride=2, padding=2),
    _conv("padding 3 > kernel 2", (2, 3, 4, 1), (4, 3, 2, 2), padding=3),
    _conv("dilation 2", (1, 2, 6, 7), (3, 2, 3, 3), dilation=2, padding=1),
    _conv("dilation 2x3, stride 3x2", (2, 3, 7, 8), (4, 3, 3, 2), dilation=(2, 3), stride=(3, 2), padding=(3, 1)),
    _conv("dilation 2, stride 2: half the phases empty", (2, 3, 7, 6), (4, 3, 2, 3), dilation=2, stride=2, padding=1),
    _conv("groups 2", (3, 4, 5, 2), (6, 2, 3, 2), groups=2),
    _conv("groups 3, stride 2, padding 1", (2, 6, 5, 4), (9, 2, 3, 3), groups=3, stride=2, padding=1),
    _conv("one group a channel", (2, 3, 5, 4), (3, 1, 3, 3), groups=3, padding=1),
    _conv("1x1", (2, 3, 4, 5), (6, 3, 1, 1)),
    _conv("1x1, stride 2", (2, 3, 4, 5), (6, 3, 1, 1), stride=2),
    _conv("kernel = picture", (3, 2, 4, 5), (6, 2, 4, 5)),
    _conv("one pixel", (1, 1, 1, 1), (2, 1, 1, 1)),
    _conv("one row", (2, 3, 1, 9), (4, 3, 1, 4)),
    _conv("more bands than sums are kept side by side", (3, 16, 53, 67), (24, 16, 3, 3), padding=1),
    _conv("the same, with many output channels", (1, 32, 67, 66), (72, 32, 3, 3), padding=1),
    _conv("many weights, few pixels", (1, 24, 8, 9), (160, 24, 7, 7)),
    _conv("larger, groups 2, stride 2", (3, 8, 21, 34), (12, 4, 5, 3), groups=2, stride=2, padding=(2, 1)),
)

CONV_TRANSPOSE = (
    _up("kernel 4, stride 2", (2, 3, 4, 5), (3, 2, 4, 4), stride=2),
    _up("stride 1", (2, 3, 4, 5), (3, 4, 3, 2), bias=True),
    _up("padding 1, output_padding 1", (2, 3, 4, 5), (3, 4, 3, 3), True, stride=2, padding=1, output_padding=1),
    _up("stride 3x2, padding 1x2, kernel 4x5", (2, 3, 3, 4), (3, 2, 4, 5), stride=(3, 2), padding=(1, 2)),
    _up("output_padding 2x0, stride 3x1", (2, 3, 2, 5), (3, 2, 3, 2), stride=(3, 1), output_padding=(2, 0)),
    _up("stride 3 > kernel 2: gaps", (2, 3, 4, 3), (3, 4, 2, 2), True, stride=3),
    _up("kernel 5, stride 2: five taps in two phases", (2, 3, 3, 4), (3, 2, 5, 5), stride=2),
    _up("padding 3 cuts whole stamps", (2, 3, 5, 6), (3, 2, 4, 4), stride=2, padding=3),
    _up("groups 2", (3, 4, 2, 5), (4, 3, 4, 4), True, groups=2, stride=2, padding=1),
    _up("one group a channel", (2, 5, 3, 4), (5, 1, 4, 4), groups=5, stride=2, padding=1),
    _up("one pixel", (1, 2, 1, 1), (2, 3, 4, 5), stride=2),
    _up("1x1, stride 2", (2, 3, 4, 5), (3, 2, 1, 1), stride=2),
    _up("the paper's: 21 classes, kernel 16, stride 8", (1, 21, 7, 9), (21, 1, 16, 16), groups=21, stride=8),
    _up("larger, dense", (2, 12, 17, 23), (12, 8, 5, 4), True, stride=3, padding=2, output_padding=1),
)


def _pools(op: str, draw: Callable) -> tuple[Case, ...]:
    def pool(name: str, x: Shape, kernel_size: Any, **options: Any) -> Case:
        return Case(op, name, {"x": x}, {"kernel_size": kernel_size, **options}, draw)

    return (
        pool("2, floor, odd remainder", (2, 3, 5, 7), 2),
        pool("2, ceil, odd remainder", (2, 3, 5, 7), 2, ceil_mode=True),
        pool("2, ceil, nothing left over", (2, 3, 4, 6), 2, ceil_mode=True),
        pool("3, stride 2: overlap", (2, 3, 6, 7), 3, stride=2),
        pool("3, stride 2, ceil: overlap", (2, 3, 6, 8), 3, stride=2, ceil_mode=True),
        pool("3, stride 1, padding 1", (2, 3, 4, 5), 3, stride=1, padding=1),
        pool("2, padding 1, ceil: last window dropped", (2, 1, 3, 5), 2, stride=2, padding=1, ceil_mode=True),
        pool("3x2, stride 2x3, padding 1x0, ceil", (2, 3, 6, 7), (3, 2), stride=(2, 3), padding=(1, 0), ceil_mode=True),
        pool("2, stride 3: gaps", (2, 3, 7, 6), 2, stride=3),
        pool("2, stride 3, ceil: gaps", (2, 3, 6, 7), 2, stride=3, ceil_mode=True),
        pool("kernel = picture", (3, 2, 4, 5), (4, 5)),
        pool("1, stride 2", (2, 3, 4, 5), 1, stride=2),
        pool("one pixel, ceil", (1, 2, 1, 1), 2, ceil_mode=True, padding=1),
        pool("17x16: more taps than a byte counts", (1, 2, 18, 19), (17, 16), stride=1),
        pool("dilation 2", (2, 3, 6, 7), 3, stride=1, dilation=2),
        pool("2, stride 2, dilation 2: overlap", (2, 3, 6, 7), 2, stride=2, dilation=2),
        pool(
            "2x3, dilation 2x1, stride 1x2, padding 1x0, ceil",
            (2, 3, 6, 8),
            (2, 3),
            stride=(1, 2),
            padding=(1, 0),
            ceil_mode=True,
            dilation=(2, 1),
        ),
        pool("dilation 3, padding 3: a rarefied inception pool", (2, 3, 5, 4), 3, stride=1, padding=3, dilation=3),
        pool("overhang 1: a rarefied pool in ceil mode", (2, 3, 4, 5), 2, stride=1, overhang=1),
        pool("3x2, dilation 2, overhang 2x1", (2, 3, 5, 7), (3, 2), stride=1, dilation=2, overhang=(2, 1)),
        pool("larger: 3, stride 2, ceil", (2, 8, 33, 45), 3, stride=2, ceil_mode=True),
    )


def _norm(name: str, x: Shape, **options: Any) -> Case:
    return Case("local_response_norm", name, {"x": x}, options, linear=False)


def _loss(
    name: str, scores: Shape, reduction: str = "sum", ignored: float = 0.0, ignore_index: int = 255, **options: Any
) -> Case:
    """Labels in a class at random, a share of them ignored."""
    rng = np.random.default_rng(len(name))
    n, classes, height, width = scores
    labels = rng.integers(0, classes, (n, height, width)).astype(np.int64 if ignore_index < 0 else np.uint8)
    labels[rng.random(labels.shape) < ignored] = ignore_index
    options = {"labels": labels, "reduction": reduction, "ignore_index": ignore_index, **options}
    return Case("softmax_cross_entropy", name, {"scores": scores}, options, linear=False)


WEIGHTS = np.array([0.5, 2.0, 0.0, 1.25])
MASK = np.random.default_rng(3).random((2, 3, 5)) < 0.6

POINTWISE = (
    Case("relu", "either side of 0", {"x": (2, 3, 4, 5)}, draw=spaced),
    Case("relu", "larger", {"x": (2, 7, 31, 43)}, draw=spaced),
    Case("dropout", "p = 0.4", {"x": (2, 3, 4, 5)}, {"p": 0.4, "rng": lambda: np.random.default_rng(5)}),
    Case("dropout", "p = 0", {"x": (2, 3, 4, 5)}, {"p": 0.0, "rng": lambda: np.random.default_rng(5)}),
    Case("scale", "0.01", {"x": (2, 3, 4, 5)}, {"factor": 0.01}),
    Case("scale", "-3", {"x": (1, 2, 5, 3)}, {"factor": -3}),
    Case("add", "two", {"a": (2, 3, 4, 5), "b": (2, 3, 4, 5)}),
    Case("add", "coefficients 1, -2, 0.5", dict.fromkeys("abc", (3, 2, 5, 4)), {"coefficients": (1.0, -2.0, 0.5)}),
    Case("add", "one, coefficient 3", {"a": (1, 2, 3, 4)}, {"coefficients": (3.0,)}),
    Case("concat", "two", {"a": (2, 3, 4, 5), "b": (2, 1, 4, 5)}),
    Case("concat", "three", {"a": (1, 2, 3, 4), "b": (1, 2, 3, 4), "c": (1, 5, 3, 4)}),
    Case("crop", "offset 1x3", {"x": (2, 3, 6, 9)}, {"offset": (1, 3), "size": (4, 5)}),
    Case("crop", "to the far corner", {"x": (2, 3, 5, 4)}, {"offset": (3, 3), "size": (2, 1)}),
    Case("crop", "everything", {"x": (2, 3, 4, 5)}, {"offset": (0, 0), "size": (4, 5)}),
    _norm("Caffe's constants", (2, 7, 3, 4)),
    _norm("strong", (2, 6, 3, 4), size=3, alpha=2.0, beta=0.5, k=1.5),
    _norm("fewer channels than the window", (3, 2, 4, 5), size=7, alpha=1.0),
    _norm("window of one", (2, 3, 4, 5), size=1, alpha=0.7, beta=0.75),
    _norm("larger", (2, 9, 17, 23), alpha=0.5),
)

LOSS = (
    _loss("sum", (2, 4, 3, 5)),
    _loss("mean", (2, 4, 3, 5), "mean"),
    _loss("sum, a third ignored", (2, 4, 3, 5), ignored=0.3),
    _loss("mean, a third ignored", (2, 4, 3, 5), "mean", ignored=0.3),
    _loss("all ignored", (2, 4, 3, 5), "mean", ignored=1.0),
    _loss("ignore_index -1", (2, 4, 3, 5), "mean", ignored=0.3, ignore_index=-1),
    _loss("class weights, one of them 0", (2, 4, 3, 5), class_weights=WEIGHTS),
    _loss("class weights, mean", (2, 4, 3, 5), "mean", class_weights=WEIGHTS),
    _loss("pixel mask", (2, 4, 3, 5), mask=MASK),
    _loss("mask, weights, ignored, mean", (2, 4, 3, 5), "mean", ignored=0.3, class_weights=WEIGHTS, mask=MASK),
    _loss("one class", (1, 1, 2, 3)),
    _loss("ignored class 0 of 21, larger", (2, 21, 23, 37), ignored=0.1, ignore_index=0),
)

#: Every case of every operation.
CASES: tuple[Case, ...] = (
    CONV + CONV_TRANSPOSE + _pools("max_pool2d", spaced) + _pools("avg_pool2d", normal) + POINTWISE + LOSS
)


def of(op: str) -> tuple[Case, ...]:
    """The cases of one operation."""
    return tuple(case for case in CASES if case.op == op)
