"""How large the pictures of a set are: what decides whether the largest batch, and the largest evaluation, will fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from minifcn.data.dataset import Dataset
from minifcn.data.shapes import Shapes
from minifcn.errors import DataError, printable
from minifcn.training.sets import Subset

LOOKED_AT = 200  # samples of a set of files of which nothing is known yet; `minifcn data check` reads all


class Sized(NamedTuple):
    """A picture of a set, by name; "" where all of the set are of this size."""

    name: str
    height: int
    width: int

    def __str__(self) -> str:
        return f"{printable(self.name)} ({self.width}x{self.height})"


def largest(sizes: Iterable[Sized]) -> list[Sized]:
    """The pictures that no other is both as tall and as wide as, the tallest first and the widest last."""
    found: list[Sized] = []
    for sized in sorted(sizes, key=lambda sized: (-sized.height, -sized.width)):
        if not found or sized.width > found[-1].width:
            found.append(sized)
    return found


def looked_at(dataset: Dataset) -> Iterator[Sized]:
    """Of a set that is drawn, the size of all; of one of files, those of the first that can be read.

    Raises DataError if none can.
    """
    whole = dataset
    while isinstance(whole, Subset):
        whole = whole.whole
    if isinstance(whole, Shapes):
        yield Sized("", whole.height, whole.width)
        return
    readable = False
    for i in range(min(len(dataset), LOOKED_AT)):
        with suppress(DataError):  # told when its batch is made, or by a dry run's report
            sample = dataset[i]
            yield Sized(f"{sample.name} of {dataset.name}", *sample.label.shape)
            readable = True
    if not readable:
        raise DataError(f"{dataset.name}: no sample that can be read; `minifcn data check SPEC` tells why")
