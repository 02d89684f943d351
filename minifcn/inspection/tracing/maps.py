"""A few channels of a blob, small enough for a page: averaged over squares of cells, 8 bits each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn.backend import Array, to_numpy

ZERO = 128  # the code of 0 where there are negative values; where there are none it is 0


class Maps(NamedTuple):
    """Channels of one blob.

    codes: uint8 (n, h, w). largest: the absolute value that the largest code of each map stands for. factor: a cell is
    the mean of factor x factor cells of the blob. signed: see `values`.
    """

    channels: tuple[int, ...]
    codes: np.ndarray
    largest: np.ndarray
    factor: int
    signed: bool

    def values(self) -> np.ndarray:
        """What the codes stand for, float32 (n, h, w).

        Squares of the codes, so that small values keep their differences: largest * (c / 255)^2, or if there are
        negative values, largest * s |s| with s = (c - 128) / 127.
        """
        s = (self.codes.astype(np.float32) - ZERO) / 127 if self.signed else self.codes / np.float32(255)
        return (s * np.abs(s) * self.largest[:, None, None]).astype(np.float32)

    def smaller(self, side: int) -> Maps:
        """The same with at most `side` cells along a side."""
        factor = factor_for(self.codes.shape[1:], side)
        return self if factor == 1 else made(self.channels, reduced(self.values(), factor), self.factor * factor)

    def fewer(self, count: int, of: int) -> Maps:
        """The first `count` of the first `of` channels, and all after those."""
        keep = [n for n in range(len(self.channels)) if n < count or n >= of]
        return self._replace(
            channels=tuple(self.channels[n] for n in keep), codes=self.codes[keep], largest=self.largest[keep]
        )


def taken(blob: Array, channels: Sequence[int], side: int) -> Maps:
    """`channels` of the first picture of a blob (N, C, H, W), with at most `side` cells along a side."""
    chosen = to_numpy(blob[0][list(channels)]).astype(np.float32)
    factor = factor_for(chosen.shape[1:], side)
    return made(tuple(channels), reduced(chosen, factor), factor)


def made(channels: tuple[int, ...], values: np.ndarray, factor: int) -> Maps:
    """Values (n, h, w) as 8-bit maps. What is not finite counts as 0."""
    values = np.where(np.isfinite(values), values, 0)
    signed = bool((values < 0).any())
    largest = np.abs(values).max(axis=(1, 2))
    share = values / np.where(largest > 0, largest, 1)[:, None, None]
    root = np.sign(share) * np.sqrt(np.abs(share))
    codes = np.rint(ZERO + 127 * root if signed else 255 * root).astype(np.uint8)
    return Maps(channels, codes, largest.astype(np.float64), factor, signed)


def mean_size(blob: Array, side: int) -> np.ndarray:
    """The mean absolute value over the channels of a blob's first picture, (h, w)."""
    mean = to_numpy(abs(blob[0]).mean(axis=0))[None]  # (1, H, W)
    mean = np.where(np.isfinite(mean), mean, 0)
    return reduced(mean, factor_for(mean.shape[1:], side))[0]


def stretched(values: np.ndarray) -> np.ndarray:
    """Values as bytes from 0 to 255, a hundredth of them beyond either end: for a look at what differs."""
    low, high = np.percentile(values, (1, 99))
    return np.rint(255 * ((values - low) / (high - low if high > low else 1)).clip(0, 1)).astype(np.uint8)


def rooted(values: np.ndarray) -> np.ndarray:
    """Values of at least 0 as bytes, 255 the largest, by their square roots: for a look at how far they reach."""
    return np.rint(255 * np.sqrt(values / (values.max() or 1))).astype(np.uint8)


def reduced(values: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of factor x factor cells of (n, H, W); at the lower and right border over what is left."""
    if factor == 1:
        return values
    rows, columns = (np.arange(0, size, factor) for size in values.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=1), columns, axis=2)
    tall, wide = (np.diff(np.append(at, size)) for at, size in zip((rows, columns), values.shape[1:], strict=True))
    return (sums / (tall[:, None] * wide)).astype(np.float32)


def factor_for(size: Sequence[int], side: int) -> int:
    """The smallest power of two that brings the longer of two sides down to `side`."""
    factor = 1
    while -(-max(size) // factor) > side:
        factor *= 2
    return factor
