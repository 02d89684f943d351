"""From the seconds of each turn to what a table says."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from statistics import median
from typing import NamedTuple


class Ratio(NamedTuple):
    """The median of ratios turn by turn, with the least and the largest."""

    median: float
    least: float
    most: float


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Ours over theirs, turn by turn: what slowed both down in one turn drops out.

    >>> ratio([1.0, 10.0, 3.0], [2.0, 20.0, 2.0])
    Ratio(median=0.5, least=0.5, most=1.5)
    """
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Ratio(median(each), min(each), max(each))


def share(macs: int, seconds: float, rate: float) -> float | None:
    """The part of a `rate` of multiply-accumulates a second that `macs` in `seconds` are; None of no products.

    >>> share(50, 2.0, 100.0)
    0.25
    """
    return macs / seconds / rate if macs and rate else None


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The power of x that y grows with, from the first to the last point: 1 is linear.

    >>> round(exponent([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    return log(y[-1] / y[0]) / log(x[-1] / x[0])
