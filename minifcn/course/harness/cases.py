"""What an assignment's functions are tried on: small ragged arrays, drawn from seeds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Shape = tuple[int, ...]


class Case(Mapping):
    """The settings of one trial by name, and the arrays that they ask for.

    An array of a name and seed has the same numbers wherever it is drawn. All are read-only: a function that changes
    its inputs in place fails at that line.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self.dtype = np.dtype(self._settings.get("dtype", "float64"))

    def __getitem__(self, key: str) -> Any:
        return self._settings[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    @property
    def title(self) -> str:
        """What is special about it."""
        return self._settings["case"]

    def rng(self, key: str) -> np.random.Generator:
        """A generator of the array called `key`."""
        return np.random.default_rng([self._settings["seed"], zlib.crc32(key.encode())])

    def normal(self, key: str, shape: Shape | None = None) -> Any:
        """Standard normal numbers of the shape that the case gives under `key`, or of another; None for None."""
        shape = self._settings[key] if shape is None else shape
        return None if shape is None else self._frozen(self.rng(key).normal(size=shape))

    def spaced(self, key: str, gap: float = 0.05) -> Any:
        """Shuffled numbers `gap` apart, none at 0: no two are equal, none is at the kink of a ReLU."""
        shape = self._settings[key]
        count = int(np.prod(shape))
        return self._frozen((self.rng(key).permutation(count) - count // 2 + 0.5).reshape(shape) * gap)

    def integers(self, key: str, stop: int, shape: Shape | None = None) -> Any:
        """Whole numbers 0 ... stop - 1."""
        drawn = self.rng(key).integers(0, stop, self._settings[key] if shape is None else shape)
        drawn.flags.writeable = False
        return drawn

    def _frozen(self, array: np.ndarray) -> np.ndarray:
        array = array.astype(self.dtype)
        array.flags.writeable = False
        return array
