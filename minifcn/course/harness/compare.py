"""What is wrong with an array, in words: its shape, its dtype, its first wrong value, and what it looks like."""

from __future__ import annotations

from typing import Any

import numpy as np

#: The largest difference that passes, relative to the largest expected value.
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}


def difference(name: str, came: Any, wanted: np.ndarray, dtype: np.dtype) -> str:
    """Why `came` is not `wanted`; "" if it is, up to rounding. Floats must have `dtype`."""
    if came is None:
        return f"{name}: expected {_what(wanted, dtype)}, nothing came (None)"
    if not isinstance(came, (np.ndarray, np.generic, int, float)):
        return f"{name}: expected {_what(wanted, dtype)}, a {type(came).__name__} came"
    array = np.asarray(came)
    if array.shape != wanted.shape:
        return f"{name}: expected the shape {wanted.shape}, {array.shape} came"
    floating = wanted.dtype.kind == "f"
    if isinstance(came, (np.ndarray, np.generic)) and wanted.ndim and floating and array.dtype != dtype:
        return f"{name}: {dtype} went in, so expected {dtype}, {array.dtype} came"
    if array.dtype.kind not in "fiub":
        return f"{name}: expected numbers, {array.dtype} came"
    values = array.astype(np.float64)
    target = wanted.astype(np.float64)
    tolerance = TOLERANCE.get(dtype, 1e-9) if floating else 0.0
    if _equal(values, target, tolerance):
        return ""
    return f"{name}{_first(values, target, tolerance)}{_looks_like(values, target, tolerance)}"


def _equal(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return not _wrong(a, b, tolerance).any()


def _wrong(values: np.ndarray, target: np.ndarray, tolerance: float) -> np.ndarray:
    """Where they differ; NaN equals NaN alone."""
    known = target[np.isfinite(target)]
    scale = max(float(np.abs(known).max(initial=0)), 1e-3)
    with np.errstate(invalid="ignore"):
        near = np.abs(values - target) <= tolerance * scale
    return ~(near | (np.isnan(values) & np.isnan(target)))


def _first(values: np.ndarray, target: np.ndarray, tolerance: float) -> str:
    wrong = _wrong(values, target, tolerance)
    if not values.ndim:
        return f": expected {float(target):.8g}, {float(values):.8g} came"
    where = tuple(map(int, np.argwhere(wrong)[0]))
    place = ", ".join(map(str, where))
    return (
        f"[{place}]: expected {target[where]:.6g}, {values[where]:.6g} came "
        f"({int(wrong.sum())} of {wrong.size} values are wrong)"
    )


def _looks_like(values: np.ndarray, target: np.ndarray, tolerance: float) -> str:
    """What the wrong array has to do with the right one, where that can be told."""
    if not np.isfinite(values).all():
        return "; there is a NaN or an infinity in it"
    if not values.any():
        return "; it is all zeros" if values.ndim else ""
    if not np.isfinite(target).all() or not target.any() or not tolerance:
        return ""
    ratio = float((values * target).sum() / (target * target).sum())
    if _equal(values, ratio * target, tolerance):
        return f"; every value is {ratio:.4g} times the expected one" if values.ndim else f", {ratio:.4g} times as much"
    if values.ndim >= 2:
        loose = max(tolerance, 1e-6)
        if _equal(values[..., ::-1, ::-1], target, loose):
            return "; it is the expected array turned by 180 degrees"
        if values.shape[-1] == values.shape[-2] and _equal(values.swapaxes(-1, -2), target, loose):
            return "; it is the expected array with rows and columns exchanged"
        if values.shape[0] == values.shape[1] and _equal(values.swapaxes(0, 1), target, loose):
            return "; it is the expected array with its first two axes exchanged"
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                if (down or right) and _shifted(values, target, down, right, loose):
                    return f"; it is the expected array, moved by {down} rows and {right} columns"
    return ""


def _shifted(values: np.ndarray, target: np.ndarray, down: int, right: int, tolerance: float) -> bool:
    height, width = values.shape[-2:]
    if height < 3 or width < 3:
        return False
    inside = values[..., 1:-1, 1:-1]
    moved = target[..., 1 - down : height - 1 - down, 1 - right : width - 1 - right]
    return bool(inside.any()) and _equal(inside, moved, tolerance)


def _what(wanted: np.ndarray, dtype: np.dtype) -> str:
    if not wanted.ndim:
        return "a number"
    return f"an array of {wanted.shape} {dtype if wanted.dtype.kind == 'f' else 'whole numbers'}"
