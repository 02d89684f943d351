"""What a data set gives; the part of minifcn's file that `shapes` needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """A picture and the class of each of its pixels."""

    name: str
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    label: NDArray[np.uint8]  # (H, W), 255 = ignored


def check_index(dataset, i):
    """Ends a `for sample in dataset`, too: Python's sequence protocol stops at the IndexError."""
    if not 0 <= i < len(dataset):
        raise IndexError(f"{dataset.name} has samples 0..{len(dataset) - 1}, not {i}")
