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

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from minifcn.backend import Array, Namespace, to_numpy, xp_of
from minifcn.errors import ShapeError
from minifcn.gradcheck.report import Report, Row

#: Arrays up to this many elements are checked element by element, larger ones along a few random directions.
ALL_ELEMENTS = 300
DIRECTIONS = 3

LINEAR_STEP, LINEAR_TOLERANCE = 1e-2, 1e-9
SMOOTH_STEP, SMOOTH_TOLERANCE = 1e-5, 1e-6


def check(
    function: Callable,
    backward: Callable,
    arrays: Mapping[str, Array | None] | Sequence[Array | None],
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
    them; bind options with `functools.partial` or a lambda. `arrays` holds the inputs, by name or in a sequence:
    float64 arrays of one backend, or None for one that is left out. `linear` says that y is linear in each array by
    itself (a convolution is, in x and in w), or between kinks that the input keeps away from. `directions` overrides
    how many random directions are tried; by default small arrays are checked element by element. dy and directions
    come from `rng`.

    Raises ShapeError for arrays or outputs that are not float64, if what comes back is no pair or no tuple, or if the
    number of gradients is not the number of arrays. A gradient of the wrong shape or dtype is a row with error inf;
    None in a gradient's place claims that it is zero.

    >>> from minifcn import ops
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    >>> check(lambda x: ops.scale(x, 0.5), ops.scale_backward, {"x": x}, linear=True).passed
    True
    """
    name = name or getattr(function, "__name__", "function")
    rng = rng or np.random.default_rng(0)
    step = step or (LINEAR_STEP if linear else SMOOTH_STEP)
    tolerance = tolerance or (LINEAR_TOLERANCE if linear else SMOOTH_TOLERANCE)
    host, xp = _inputs(name, arrays)
    dy, gradients = _run(name, function, backward, host, xp, rng)
    rows = []
    for (key, array), gradient in zip(host.items(), gradients, strict=True):
        if array is None:
            continue
        problem = _misfit(gradient, array)
        if problem:
            rows.append(Row(name, case, key, float("inf"), tolerance, problem))
            continue

        def output(moved: np.ndarray, key: str = key) -> np.ndarray:
            return to_numpy(function(*_on(xp, {**host, key: moved}))[0])

        claimed = np.zeros_like(array) if gradient is None else to_numpy(gradient)
        # Linear functions take any step; others one that is small beside the values themselves.
        size = _size(array)
        steps = [step] if linear else [step * max(1.0, size) / shrink for shrink in (1, 10, 100)]
        if not linear and 0 < size < 0.01:
            steps.append(step * size)
        error = _error(output, dy, array, claimed, directions, steps, rng)
        note = "none came back, taken for zero" if gradient is None else "" if claimed.any() else "the gradient is zero"
        rows.append(Row(name, case, key, error, tolerance, note))
    return Report(tuple(rows))


def _inputs(
    name: str, arrays: Mapping[str, Array | None] | Sequence[Array | None]
) -> tuple[dict[str, np.ndarray | None], Namespace]:
    """Copies of the arrays on the host, by name, and the backend they came from. ShapeError if they will not do."""
    if hasattr(arrays, "dtype"):
        raise ShapeError(f"gradcheck of {name}: expected the arrays by name, as in {{'x': array}}, got one array")
    if not isinstance(arrays, Mapping):
        arrays = {f"x{k}": array for k, array in enumerate(arrays)}
    xp = xp_of(*arrays.values())
    host = {key: None if a is None else to_numpy(a).copy() for key, a in arrays.items()}
    for key, array in host.items():
        if array is not None and array.dtype != np.float64:
            raise ShapeError(f"gradcheck of {name}: {key} is {array.dtype}; differences need float64, use .astype(...)")
        if array is not None and not array.size:
            raise ShapeError(f"gradcheck of {name}: {key} is empty, so nothing could be checked")
    return host, xp


def _run(
    name: str,
    function: Callable,
    backward: Callable,
    host: Mapping[str, np.ndarray | None],
    xp: Namespace,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Sequence[Array | None]]:
    """A random dy and the gradients for it. ShapeError for a pair that breaks the contract of minifcn's operations."""
    given = _on(xp, host)
    result = function(*given)
    for (key, array), after in zip(host.items(), given, strict=True):
        if array is not None and not np.array_equal(to_numpy(after), array):
            raise ShapeError(f"gradcheck of {name}: the function changed {key} in place; others may still need it")
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ShapeError(f"gradcheck of {name}: the function must return (y, cache), got {type(result).__name__}")
    y, cache = result
    if not hasattr(y, "dtype"):
        raise ShapeError(f"gradcheck of {name}: the function must return an array first, got {type(y).__name__}")
    if y.dtype != np.float64:
        raise ShapeError(f"gradcheck of {name}: float64 went in and {y.dtype} came out; an operation keeps its dtype")
    dy = rng.normal(size=y.shape)
    upstream = xp.asarray(dy.copy())
    gradients = backward(upstream, cache)
    if not np.array_equal(to_numpy(upstream), dy):
        raise ShapeError(f"gradcheck of {name}: backward changed dy in place; another branch may still need it")
    if not isinstance(gradients, (tuple, list)) or len(gradients) != len(host):
        count = len(gradients) if isinstance(gradients, (tuple, list)) else type(gradients).__name__
        raise ShapeError(
            f"gradcheck of {name}: backward must return a tuple of {len(host)} gradients, one for each of "
            f"{', '.join(host)}; got {count}"
        )
    return dy, gradients


def _on(xp: Namespace, host: Mapping[str, np.ndarray | None]) -> list[Array | None]:
    """Copies on the device: a function that works in place must not reach what it is measured against."""
    return [None if a is None else xp.asarray(a.copy()) for a in host.values()]


def _misfit(gradient: Array | None, array: np.ndarray) -> str:
    if gradient is None or (tuple(gradient.shape) == array.shape and gradient.dtype == array.dtype):
        return ""
    return f"gradient of {tuple(gradient.shape)} {gradient.dtype} for an array of {array.shape} {array.dtype}"


def _size(array: np.ndarray) -> float:
    """The root mean square of the values."""
    return float(np.sqrt(np.mean(array * array)))


def _error(
    output: Callable[[np.ndarray], np.ndarray],
    dy: np.ndarray,
    array: np.ndarray,
    claimed: np.ndarray,
    directions: int | None,
    steps: list[float],
    rng: np.random.Generator,
) -> float:
    """The largest difference between claimed and measured derivatives, relative to the gradient's size.

    Where a derivative disagrees, the next smaller step is tried: a kink of the function may lie within the step. A
    gradient that is wrong stays wrong at every step.
    """
    worst, largest = 0.0, float(np.abs(claimed).max(initial=0))
    for direction in _directions(array.shape, directions, rng):
        expected, error = float((claimed * direction).sum()), float("inf")
        for step in steps:
            difference = output(array + step * direction) - output(array - step * direction)
            measured = float((dy * difference).sum() / (2 * step))
            largest = max(largest, abs(measured))
            error = min(error, abs(measured - expected))
            if error <= SMOOTH_TOLERANCE * largest:
                break
        worst = max(worst, error)
    return worst / largest if largest else worst


def _directions(shape: tuple[int, ...], count: int | None, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Every axis of a small array; of a larger one, random signs (so that no element moves further than the step)."""
    size = int(np.prod(shape))
    if count is None and size <= ALL_ELEMENTS:
        for k in range(size):
            axis = np.zeros(size)
            axis[k] = 1
            yield axis.reshape(shape)
    else:
        for _ in range(count or DIRECTIONS):
            yield rng.choice([-1.0, 1.0], size=shape)
