"""Does a hand-written backward pass compute the gradient of its forward pass? Central differences answer.

For y = f(x) and an upstream gradient dy, the backward pass claims dx = (dy/dx)^T dy. Then for every direction v

    <dx, v>  =  d/dh <dy, f(x + h v)>  =  <dy, f(x + h v) - f(x - h v)> / 2h  +  O(h**2)

Along the axes this checks every element of dx, along random directions any size of array with a few evaluations.

* dy is random, never ones: a backward that ignores where dy sits, or swaps two of its values, passes with ones.
* Everything is float64; float32 carries 7 digits and a difference quotient loses half of them.
* f linear in x: the difference is exact for any h, so h is large (1e-2) and the tolerance tight (1e-9).
* Otherwise h = 1e-5 balances truncation (h**2) and rounding (1e-16 / h); the tolerance is 1e-6.
* ReLU and max-pooling are linear between their kinks: their inputs are spaced so that no step reaches one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minifcn.backend import Array, Namespace, to_numpy, xp_of
from minifcn.errors import ShapeError
from minifcn.gradcheck.report import Report, Row

#: Arrays up to this many elements are checked element by element, larger ones along a few random directions.
ALL_ELEMENTS = 256
DIRECTIONS = 3

LINEAR_STEP, LINEAR_TOLERANCE = 1e-2, 1e-9
SMOOTH_STEP, SMOOTH_TOLERANCE = 1e-5, 1e-6


def check(
    function: Callable,
    backward: Callable,
    arrays: Mapping[str, Array | None],
    *,
    name: str = "",
    case: str = "",
    linear: bool = False,
    step: float | None = None,
    tolerance: float | None = None,
    directions: int | None = None,
    rng: np.random.Generator | None = None,
) -> Report:
    """Check the gradients that `backward` gives for `function`, one row of the report for each array.

    `function(*arrays) -> (y, cache)` and `backward(dy, cache) -> gradients`, one for each array, as minifcn's ops have
    them; bind options with `functools.partial` or a lambda. `arrays` names the inputs for the report: float64 arrays of
    one backend, or None for one that is left out. `linear` says that y is linear in each array by itself (a convolution
    is, in x and in w), or between kinks that the input keeps away from. `directions` overrides how many random
    directions are tried; by default small arrays are checked element by element. dy and directions come from `rng`.

    Raises ShapeError for arrays that are not float64, or if the number of gradients is not the number of arrays. A
    gradient of the wrong shape or dtype is a row with error inf.

    >>> from minifcn import ops
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    >>> check(lambda x: ops.scale(x, 0.5), ops.scale_backward, {"x": x}, linear=True).passed
    True
    """
    name = name or getattr(function, "__name__", "function")
    rng = rng or np.random.default_rng(0)
    step = step or (LINEAR_STEP if linear else SMOOTH_STEP)
    tolerance = tolerance or (LINEAR_TOLERANCE if linear else SMOOTH_TOLERANCE)
    xp = xp_of(*arrays.values())
    host = {key: None if a is None else to_numpy(a).copy() for key, a in arrays.items()}
    for key, array in host.items():
        if array is not None and array.dtype != np.float64:
            raise ShapeError(f"gradcheck of {name}: {key} is {array.dtype}; differences need float64, use .astype(...)")

    y, cache = function(*_on(xp, host))
    dy = rng.normal(size=y.shape)
    gradients = backward(xp.asarray(dy), cache)
    if len(gradients) != len(host):
        raise ShapeError(f"gradcheck of {name}: backward gave {len(gradients)} gradients for {len(host)} arrays")

    rows = []
    for (key, array), gradient in zip(host.items(), gradients, strict=True):
        if array is None:
            continue
        problem = _misfit(gradient, array)
        if problem:
            rows.append(Row(name, case, key, float("inf"), tolerance, problem))
            continue

        def loss(moved: np.ndarray, key: str = key) -> np.ndarray:
            return to_numpy(function(*_on(xp, {**host, key: moved}))[0])

        analytic = to_numpy(gradient)
        probes = _probes(array, directions, rng)
        error = _error(loss, dy, array, analytic, probes, step)
        if error > tolerance and not linear:  # a kink may lie within the step; a wrong gradient stays wrong
            error = min(error, _error(loss, dy, array, analytic, probes, step / 10))
        rows.append(Row(name, case, key, error, tolerance, "" if analytic.any() else "the gradient is zero"))
    return Report(tuple(rows))


def _on(xp: Namespace, host: Mapping[str, np.ndarray | None]) -> list[Array | None]:
    return [None if a is None else xp.asarray(a) for a in host.values()]


def _misfit(gradient: Array | None, array: np.ndarray) -> str:
    if gradient is None:
        return "no gradient came back"
    if tuple(gradient.shape) != array.shape or gradient.dtype != array.dtype:
        return f"gradient of {tuple(gradient.shape)} {gradient.dtype} for an array of {array.shape} {array.dtype}"
    return ""


def _probes(array: np.ndarray, directions: int | None, rng: np.random.Generator) -> list[np.ndarray] | None:
    """Random directions of signs (no element moves further than the step), or None: every element."""
    if directions is None and array.size <= ALL_ELEMENTS:
        return None
    return [rng.choice([-1.0, 1.0], size=array.shape) for _ in range(directions or DIRECTIONS)]


def _error(
    loss: Callable[[np.ndarray], np.ndarray],
    dy: np.ndarray,
    array: np.ndarray,
    analytic: np.ndarray,
    probes: list[np.ndarray] | None,
    step: float,
) -> float:
    """The largest difference between claimed and measured derivatives, relative to the gradient's size."""

    def measured(direction: np.ndarray) -> float:
        difference = loss(array + step * direction) - loss(array - step * direction)
        return float((dy * difference).sum() / (2 * step))

    if probes is None:
        numeric = np.empty(array.size)
        for k in range(array.size):
            axis = np.zeros(array.size)
            axis[k] = 1
            numeric[k] = measured(axis.reshape(array.shape))
        claimed = analytic.ravel()
        size = max(np.abs(numeric).max(initial=0), np.abs(claimed).max(initial=0))
    else:
        numeric = np.array([measured(v) for v in probes])
        claimed = np.array([(analytic * v).sum() for v in probes])
        size = max(np.abs(numeric).max(), float(np.linalg.norm(analytic)))
    worst = np.abs(numeric - claimed).max(initial=0)
    return float(worst / size) if size else float(worst)
