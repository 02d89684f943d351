"""What every data set is: a sequence of samples that knows its classes and their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minifcn.data.pictures import IGNORE
from minifcn.data.preprocess import MEAN_BGR


@dataclass(frozen=True)
class Sample:
    """A picture and the class of each of its pixels.

    Some sets have more of a picture: other modalities, such as depth, and label maps of further tasks.
    """

    name: str
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    label: NDArray[np.uint8]  # (H, W), 255 = ignored
    beside: Mapping[str, NDArray[np.float32]] = field(
        default_factory=dict
    )  # (H, W, C) less the mean: `data.modalities`
    more_labels: tuple[NDArray[np.uint8], ...] = ()  # of the second task, the third ...

    @property
    def labels(self) -> tuple[NDArray[np.uint8], ...]:
        """A label map for each task."""
        return (self.label, *self.more_labels)


class Task(NamedTuple):
    """One way to label the pixels. A set with several names them: SIFT Flow has "sem" and "geo"."""

    name: str
    classes: list[str]
    palette: NDArray[np.uint8]  # (256, 3)


class Dataset(Protocol):
    """A sequence of samples: `len(dataset)`, `dataset[i]`. Reading a sample that cannot be used raises `DataError`.

    Classes and palette are the first task's. A set may also have `tasks`, a tuple of all its tasks, and `mean`, of its
    pictures' blue, green and red: `tasks_of` and `mean_of` know what holds for those that have not.
    """

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


def tasks_of(dataset: Dataset) -> tuple[Task, ...]:
    """What the pixels of a data set are labelled for; most have one task, without a name."""
    return getattr(dataset, "tasks", ()) or (Task("", dataset.classes, dataset.palette),)


def mean_of(dataset: Dataset) -> tuple[float, ...]:
    """The mean blue, green and red to train with, where no pretrained weights have been trained with another."""
    return getattr(dataset, "mean", None) or MEAN_BGR


def num_classes_of(dataset: Dataset) -> int | dict[str, int]:
    """What `models.build` wants to know: the number of classes, or task -> number where there are several tasks."""
    tasks = tasks_of(dataset)
    return len(tasks[0].classes) if len(tasks) == 1 else {task.name: len(task.classes) for task in tasks}


def told_of(tasks: Sequence[Task]) -> dict[str, Any]:
    """Names and colours of the classes as weight files tell them: of several tasks, task -> names, task -> colours."""
    classes = {task.name: task.classes for task in tasks}
    palette = {task.name: task.palette[: len(task.classes)].tolist() for task in tasks}
    return {"classes": classes.get("", classes), "palette": palette.get("", palette)}


def class_counts(label: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """How many pixels of a label map have each class, (num_classes,); ignored pixels are not counted."""
    return np.bincount(label.ravel(), minlength=256)[:num_classes]


def class_shares(dataset: Dataset, task: int = 0) -> NDArray[np.int64]:
    """How many pixels of the whole set have each class of a task, (C,); ignored pixels are not counted.

    Reads every sample. Divide by the sum for shares.
    """
    counts = np.zeros(len(tasks_of(dataset)[task].classes), np.int64)
    for i in range(len(dataset)):
        counts += class_counts(dataset[i].labels[task], len(counts))
    return counts


def check_index(dataset: Dataset, i: int) -> None:
    """Ends a `for sample in dataset`, too: Python's sequence protocol stops at the IndexError."""
    if not 0 <= i < len(dataset):
        raise IndexError(f"{dataset.name} has samples 0..{len(dataset) - 1}, not {i}")


__all__ = [
    "IGNORE",
    "Dataset",
    "Sample",
    "Task",
    "check_index",
    "class_counts",
    "class_shares",
    "mean_of",
    "num_classes_of",
    "tasks_of",
    "told_of",
]
