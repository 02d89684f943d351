"""DeZero, an engine from scratch on NumPy too: of the book "Deep Learning from Scratch 3" by Koki Saitoh.

Its pools have no ceil mode, so it takes part where floor gives the same sizes. It has no groups, so it upsamples with
dense filters that are zero between classes. Its functions compute all their gradients at once; a convolution's are
timed one by one here, by the calls that its own backward makes.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

np.int = int  # type: ignore[attr-defined]  # noqa: NPY001  # DeZero names it, and NumPy 1.24 took it away
import dezero.functions as F  # noqa: E402
from dezero import Variable, no_grad  # noqa: E402
from dezero.functions_conv import Conv2DGradW  # noqa: E402
from dezero.optimizers import MomentumSGD, WeightDecay  # noqa: E402

from benchmarks import draw  # noqa: E402
from benchmarks.cases import Case, NetCase, OpCase  # noqa: E402
from benchmarks.engines import Unable, Work  # noqa: E402
from benchmarks.engines.dezero_nets import WIDTHS, FCN8s  # noqa: E402

FORWARD = {
    "conv": lambda a, s: F.conv2d(a["x"], a["w"], a["b"], pad=s["padding"]),
    "relu": lambda a, s: F.relu(a["x"]),
    "max_pool": lambda a, s: F.pooling(a["x"], s["kernel"], s["stride"], s["padding"]),
    "avg_pool": lambda a, s: F.average_pooling(a["x"], s["kernel"], s["stride"]),
    "add": lambda a, s: a["x"] + a["x1"],
    "scale": lambda a, s: a["x"] * s["factor"],
    "dropout": lambda a, s: F.dropout(a["x"], s["p"]),
    "crop": lambda a, s: a["x"][(slice(None), slice(None), *(slice(s["offset"], s["offset"] + s["size"]),) * 2)],
    "matmul": lambda a, s: F.matmul(a["x"], a["x1"]),
}


def start(threads: int, device: str, tf32: bool) -> None:
    """Threads of BLAS: the rest of DeZero runs on one."""
    if device != "cpu":
        raise Unable("compared on the CPU only")
    threadpool_limits(threads, user_api="blas")


def versions() -> dict[str, str]:
    """DeZero's; its NumPy is minifcn's."""
    return {"dezero": version("dezero")}


def synchronize() -> None:
    """Nothing to wait for."""


def device_peak() -> int | None:
    """No device."""
    return None


def prepare(case: Case, alike: bool) -> Work:
    """A case made ready; Unable where DeZero has no such thing."""
    if isinstance(case, NetCase):
        return _net(case, alike)
    if case.op not in FORWARD:
        raise Unable(f"has no {case.op.replace('_', ' ')} of this kind")
    if case.op == "crop" and case.part == "forward":
        raise Unable("crops without copying")
    if case.op == "max_pool":
        kernel, stride, padding = (case.settings[key] for key in ("kernel", "stride", "padding"))
        if (case.shape[2] + 2 * padding - kernel) % stride:
            raise Unable("has no ceil mode in pooling")
        if padding:
            raise Unable("pads a max pool with zeros")
    return _op(case, {name: Variable(array) for name, array in draw.arrays(case).items()})


def _op(case: OpCase, arrays: dict[str, Variable]) -> Work:
    """A function of DeZero; or the backward method that belongs to it."""
    forward = FORWARD[case.op]

    def run() -> tuple[Variable, ...]:
        with no_grad():
            return (forward(arrays, case.settings),)

    if case.part != "forward":
        y = forward(arrays, case.settings)
        dy = Variable(draw.normal(y.shape, "dy"))
        run = _backward(case, arrays, y, dy)
    return Work(run, lambda: {f"result {k}": variable.data for k, variable in enumerate(run())})


def _backward(case: OpCase, a: dict[str, Variable], y: Variable, dy: Variable) -> Callable[[], tuple[Variable, ...]]:
    padding = case.settings.get("padding", 0)
    if case.op == "conv" and case.part == "dx":

        def gradients() -> tuple[Variable, ...]:
            return (F.deconv2d(dy, a["w"], pad=padding, outsize=a["x"].shape[2:]),)

    elif case.op == "conv":

        def gradients() -> tuple[Variable, ...]:
            return Conv2DGradW(y.creator)(a["x"], dy), F.sum(dy, axis=(0, 2, 3))

    else:

        def gradients() -> tuple[Variable, ...]:
            a["x"].cleargrad()
            y.grad = Variable(dy.data.copy())  # some of its functions work in it
            y.backward(retain_grad=True)
            return (a["x"].grad,)

    def run() -> tuple[Variable, ...]:
        if case.op != "conv":
            return gradients()
        with no_grad():
            return gradients()

    return run


def _net(case: NetCase, alike: bool) -> Work:
    """FCN-8s of a preset without dropout, on pictures whose maps all halve evenly."""
    if case.net != "fcn8s" or case.preset not in WIDTHS:
        raise Unable("its net is FCN-8s tiny")
    if case.input_padding != "same" or any(side % 32 for side in case.shape[2:]):
        raise Unable("has no ceil mode in pooling")
    net = FCN8s(case.preset)
    if alike:
        net.load(draw.weights(net.shapes()))
    x, labels = draw.batch(case)
    sgd = MomentumSGD(lr=1e-10, momentum=0.99).setup(net)
    sgd.add_hook(WeightDecay(5e-4))

    def forward() -> Variable:
        with no_grad():
            return net(x)

    def step(look: Any = None) -> None:
        net.cleargrads()
        scores = net(x)
        rows = F.transpose(scores, (0, 2, 3, 1)).reshape(-1, scores.shape[1])
        loss = F.softmax_cross_entropy(rows, labels.ravel().astype(np.int64)) * float(labels.size)  # its mean, summed
        if look is not None:
            look.update(scores=scores.data, loss=loss.data)
        loss.backward()
        sgd.update()

    def results() -> dict[str, np.ndarray]:
        if case.part == "forward":
            return {"result 0": forward().data}
        look: dict[str, Any] = {}
        step(look)
        return look  # no velocity: it has one learning rate and decay for weights and biases

    return Work(forward if case.part == "forward" else step, results)
