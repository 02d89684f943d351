"""minifcn itself, used as its own commands use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks import draw
from benchmarks.cases import CLASSES, Case, NetCase, OpCase
from benchmarks.engines import Unable, Work
from minifcn import backend, models, ops, optim, parallel
from minifcn.backend import Array
from minifcn.errors import BackendError
from minifcn.layers import Param

_xp: Any = np
_threads = 1

FORWARD: dict[str, Callable[..., Any]] = {
    "conv": lambda a, s: ops.conv2d(a["x"], a["w"], a["b"], 1, s["padding"]),
    "conv_transpose": lambda a, s: ops.conv_transpose2d(a["x"], a["w"], None, s["stride"], groups=s["groups"]),
    "relu": lambda a, s: ops.relu(a["x"]),
    "max_pool": lambda a, s: ops.max_pool2d(a["x"], s["kernel"], s["stride"], s["padding"], ceil_mode=True),
    "avg_pool": lambda a, s: ops.avg_pool2d(a["x"], s["kernel"], s["stride"]),
    "local_response_norm": lambda a, s: ops.local_response_norm(a["x"]),
    "concat": lambda a, s: ops.concat(*a.values()),
    "add": lambda a, s: ops.add(a["x"], a["x1"]),
    "scale": lambda a, s: ops.scale(a["x"], s["factor"]),
    "crop": lambda a, s: ops.crop(a["x"], (s["offset"],) * 2, (s["size"],) * 2),
    "dropout": lambda a, s: ops.dropout(a["x"], s["p"], a["rng"]),
    "softmax_cross_entropy": lambda a, s: ops.softmax_cross_entropy(a["x"], a["labels"], check_labels=False),
}
BACKWARD: dict[str, Callable[..., Any]] = {
    "conv": ops.conv2d_backward,
    "conv_transpose": ops.conv_transpose2d_backward,
    "relu": ops.relu_backward,
    "max_pool": ops.max_pool2d_backward,
    "avg_pool": ops.avg_pool2d_backward,
    "local_response_norm": ops.local_response_norm_backward,
    "concat": ops.concat_backward,
    "scale": ops.scale_backward,
    "crop": ops.crop_backward,
    "dropout": ops.dropout_backward,
    "softmax_cross_entropy": ops.softmax_cross_entropy_backward,
}
NEEDS = {"dx": (True, False, False), "dw": (False, True, True)}


def start(threads: int, device: str, tf32: bool) -> None:
    """Threads, and where arrays live. TF32 is CuPy's own setting, CUPY_TF32, which the parent sets."""
    global _xp, _threads
    try:
        _xp, _threads = backend.for_device(device), threads
    except BackendError as error:
        raise Unable(str(error)) from error
    parallel.set_threads(threads)


def versions() -> dict[str, str]:
    """NumPy and its BLAS, or CuPy."""
    found = {"numpy": np.__version__, "minifcn on": backend.describe(_xp)}
    for library in threadpool_info():
        if library["user_api"] == "blas":
            found["numpy's BLAS"] = f"{library['internal_api']} {library['version']} ({library.get('architecture')})"
    return found


def synchronize() -> None:
    """Wait for the device."""
    backend.synchronize(_xp)


def device_peak() -> int | None:
    """The most that CuPy's pool held."""
    return None if _xp is np else backend.memory(_xp)["peak"]


def prepare(case: Case, alike: bool) -> Work:
    """A case made ready."""
    if isinstance(case, NetCase):
        return _net(case, alike)
    arrays: dict[str, Any] = {name: _xp.asarray(array) for name, array in draw.arrays(case).items()}
    if case.op in ("matmul", "sgd", "clip"):
        return {"matmul": _matmul, "sgd": _sgd, "clip": _clip}[case.op](case, arrays)
    arrays |= {"rng": np.random.default_rng(0)} if case.op == "dropout" else {}
    return _op(case, arrays)


def _op(case: OpCase, arrays: dict[str, Any]) -> Work:
    """A function of minifcn.ops, or its backward function."""
    forward = FORWARD[case.op]
    if case.part == "forward":

        def run() -> tuple:
            return (forward(arrays, case.settings)[0],)

    elif case.part == "both":

        def run() -> tuple:
            y, cache = forward(arrays, case.settings)
            return (y, *BACKWARD[case.op](1.0, cache))

    else:
        y, cache = forward(arrays, case.settings)
        dy = _xp.asarray(draw.normal(y.shape, "dy"))
        more = (NEEDS[case.part],) if case.op.startswith("conv") else ()
        del y

        def run() -> tuple:
            return tuple(d for d in BACKWARD[case.op](dy, cache, *more) if d is not None)

    return Work(run, lambda: _named(run()))


def _net(case: NetCase, alike: bool) -> Work:
    """A whole net, as evaluation or training runs it."""
    net = models.build(case.net, CLASSES, case.preset, case.input_padding, np.random.default_rng(0))
    if alike:
        values = draw.weights({name: param.data.shape for name, param in net.params.items()})
        net.load_state_dict({**{name: param.data for name, param in net.params.items()}, **values})
    net.to(_xp)
    x, labels = (_xp.asarray(array) for array in draw.batch(case))
    learning = net.params if case.part == "step" else {}  # a velocity is as large as what it is of
    sgd = optim.MomentumSGD(learning, lr=1e-10, momentum=0.99, weight_decay=5e-4)

    def forward() -> Any:
        with net.inference():
            return net.forward(x)

    def step(look: Any = None) -> None:
        net.zero_grads()
        scores = net.forward(x)
        loss, cache = ops.softmax_cross_entropy(scores, labels, check_labels=False)
        if look is not None:
            look.update(scores=scores, loss=loss)
        del scores
        (dscores,) = ops.softmax_cross_entropy_backward(1.0, cache)
        del cache
        net.backward(dscores)
        sgd.step()

    def results() -> dict[str, np.ndarray]:
        if case.part == "forward":
            return _named((forward(),))
        look: dict[str, Any] = {}
        net.training = False  # masks are each opponent's own
        step(look)
        net.training = True
        look |= {f"velocity of {name}": v for name, v in sgd.velocity.items() if v.size < 1 << 20}
        return {name: backend.to_numpy(_xp.asarray(array)) for name, array in look.items()}

    return Work(forward if case.part == "forward" else step, results)


def _matmul(case: OpCase, arrays: dict[str, Array]) -> Work:
    """NumPy's product, on as many threads as minifcn has."""
    out = _xp.empty(case.shape, np.float32)

    def run() -> tuple:
        with threadpool_limits(_threads, user_api="blas"):
            return (_xp.matmul(arrays["x"], arrays["x1"], out=out),)

    return Work(run, lambda: _named(run()))


def _sgd(case: OpCase, arrays: dict[str, Array]) -> Work:
    param = Param(arrays["x"])
    param.accumulate(arrays["dx"])
    sgd = optim.MomentumSGD({"w": param}, **case.settings)

    def results() -> dict[str, np.ndarray]:
        sgd.step()
        return _named((param.data, sgd.velocity["w"]))

    return Work(sgd.step, results)


def _clip(case: OpCase, arrays: dict[str, Array]) -> Work:
    param = Param(arrays["x"])
    param.accumulate(arrays["x"])

    def run() -> tuple:
        return (optim.clip_gradients({"w": param}, **case.settings),)

    return Work(run, lambda: _named(run()))


def _named(arrays: tuple) -> dict[str, np.ndarray]:
    return {f"result {k}": backend.to_numpy(_xp.asarray(array)) for k, array in enumerate(arrays)}
