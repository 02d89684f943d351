"""What there is to know of a data set before training on it, and what would make training stumble."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, class_counts, tasks_of
from minifcn.data.pairs import overlap
from minifcn.errors import DataError, counted, printable


@dataclass
class Report:
    """The findings of `examine`."""

    name: str
    classes: list[str]
    samples: int
    pixels: NDArray[np.int64]  # (C,) how many of each class
    pictures: NDArray[np.int64]  # (C,) in how many pictures it occurs
    ignored: int = 0  # pixels
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (width, height) -> pictures
    names: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)  # training stumbles over these
    warnings: list[str] = field(default_factory=list)  # training works, but is it what you want?

    @property
    def usable(self) -> int:
        return sum(self.sizes.values())

    def lines(self) -> list[str]:
        """The report as a page of text."""
        total = max(1, int(self.pixels.sum()))
        everything = max(1, total + self.ignored)
        classes = [printable(name) for name in self.classes]
        width = max(len(name) for name in [*classes, "class"])
        page = [
            f"{self.name}: {self.usable} of {self.samples} samples usable",
            f"  sizes    {self._size_text()}",
            f"  ignored  {100 * self.ignored / everything:.2f} % of the pixels",
            f"        {'class':{width}}  share of labelled %  pictures",
        ]
        page += [
            f"  {i:4}  {name:{width}}  {100 * pixels / total:19.2f}  {pictures:8}"
            for i, (name, pixels, pictures) in enumerate(zip(classes, self.pixels, self.pictures, strict=True))
        ]
        page += [f"  warning: {text}" for text in self.warnings]
        page += [f"  unusable: {text}" for text in self.problems]
        return [printable(line) for line in page]

    def _size_text(self) -> str:
        if not self.sizes:
            return "none"
        text = ", ".join(f"{w}x{h} ({count})" for (w, h), count in self.sizes.most_common(3))
        if len(self.sizes) > 3:
            smallest, largest = (pick(self.sizes, key=lambda size: size[0] * size[1]) for pick in (min, max))
            text += f" and {len(self.sizes) - 3} more, from {smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]}"
        return text


def examine(dataset: Dataset, indices: Iterable[int] | None = None, task: int = 0) -> Report:
    """Read every sample of a set, and count the labels of one of its tasks.

    `indices` may wrap `range(len(dataset))` in a progress bar.
    """
    chosen = tasks_of(dataset)[task]
    classes = len(chosen.classes)
    report = Report(
        f"{dataset.name}, {chosen.name}" if chosen.name else dataset.name,
        chosen.classes,
        len(dataset),
        pixels=np.zeros(classes, np.int64),
        pictures=np.zeros(classes, np.int64),
    )
    report.problems += getattr(dataset, "strays", [])
    for i in range(len(dataset)) if indices is None else indices:
        try:
            sample = dataset[i]
        except DataError as error:
            report.problems.append(str(error))
            continue
        label = sample.labels[task]
        counts = class_counts(label, classes)
        report.pixels += counts
        report.pictures += counts > 0
        report.ignored += label.size - int(counts.sum())
        report.sizes[label.shape[1], label.shape[0]] += 1
        report.names[sample.name] += 1
        if not counts.any():
            report.warnings.append(f"{sample.name}: every pixel is ignored; the net learns nothing from it")
    report.warnings += [f"{name}: listed {count} times" for name, count in report.names.items() if count > 1]
    report.warnings += [
        f"class {i} ({name}) never occurs"
        for i, (name, seen) in enumerate(zip(report.classes, report.pictures, strict=True))
        if not seen
    ]
    present = np.flatnonzero(report.pixels)
    if present.size == 0:
        report.problems.append("no pixel of the whole set has a class; there is nothing to learn")
    elif present.size == 1:
        hint = "; 255 means ignore: is it your second class? Then write 1" if report.ignored else ""
        report.problems.append(f"every pixel with a class has class {present[0]}; there is nothing to tell apart{hint}")
    return report


def shared_samples(first: Dataset, second: Dataset) -> str | None:
    """The problem if two splits have pictures in common: one cannot be trained on and the other evaluated on."""
    common = overlap(first, second)
    if not common:
        return None
    return (
        f"{first.name} and {second.name} share {counted(len(common), 'picture')} ({', '.join(common[:3])}"
        f"{', ...' if common[3:] else ''}); scores on them say nothing about others, and `minifcn train` refuses to "
        "train on one and evaluate on the other without --overlap drop or --overlap allow"
    )
