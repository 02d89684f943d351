"""What every data set is: a sequence of samples that knows its classes and their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minifcn.data.pictures import IGNORE


@dataclass(frozen=True)
class Sample:
    """A picture and the class of each of its pixels."""

    name: str
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    label: NDArray[np.uint8]  # (H, W), 255 = ignored


class Dataset(Protocol):
    """A sequence of samples: `len(dataset)`, `dataset[i]`. Reading a sample that cannot be used raises `DataError`."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> list[str]: ...

    @property
    def palette(self) -> NDArray[np.uint8]: ...  # (256, 3)

    @property
    def ignore_index(self) -> int: ...

    @property
    def num_classes(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Sample: ...


def class_counts(label: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """How many pixels of a label map have each class, (num_classes,); ignored pixels are not counted."""
    return np.bincount(label.ravel(), minlength=256)[:num_classes]


def class_shares(dataset: Dataset) -> NDArray[np.int64]:
    """How many pixels of the whole set have each class, (num_classes,); ignored pixels are not counted.

    Reads every sample. Divide by the sum for shares.
    """
    counts = np.zeros(dataset.num_classes, np.int64)
    for i in range(len(dataset)):
        counts += class_counts(dataset[i].label, dataset.num_classes)
    return counts


def check_index(dataset: Dataset, i: int) -> None:
    """Ends a `for sample in dataset`, too: Python's sequence protocol stops at the IndexError."""
    if not 0 <= i < len(dataset):
        raise IndexError(f"{dataset.name} has samples 0..{len(dataset) - 1}, not {i}")


__all__ = ["IGNORE", "Dataset", "Sample", "check_index", "class_counts", "class_shares"]
