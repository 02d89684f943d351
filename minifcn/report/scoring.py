"""Every picture's prediction and score, and which pictures are worth a look."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from minifcn.data import Dataset, Sample, Task, tasks_of
from minifcn.inference import evaluate
from minifcn.metrics import ConfusionMatrix
from minifcn.net import Net

#: The measures that pictures can be ordered by, and what they are called.
RANKS = {"mean-iu": "mean IU over the classes that its truth shows", "pixel-accuracy": "pixel accuracy"}


@dataclass(frozen=True)
class Scored:
    """A picture as the net sees it, for one task. What is large is kept deflated: there may be thousands."""

    index: int  # in the data set
    mean_iu: float  # over the classes that its truth shows; NaN if all its pixels are ignored
    pixel_accuracy: float
    shape: tuple[int, int]
    _label: bytes
    _matrix: bytes
    _classes: int

    @classmethod
    def of(cls, index: int, truth: np.ndarray, label: np.ndarray, classes: int, ignore_index: int) -> Scored:
        confusion = ConfusionMatrix(classes, ignore_index)
        confusion.update(truth, label)
        scores = confusion.scores()
        shown = confusion.matrix.sum(axis=1) > 0
        mean_iu = float(scores.class_iu[shown].mean()) if shown.any() else float("nan")
        packed = [zlib.compress(a.tobytes(), 1) for a in (label, confusion.matrix)]
        return cls(index, mean_iu, scores.pixel_accuracy, truth.shape, packed[0], packed[1], classes)  # type: ignore[arg-type]

    @property
    def label(self) -> np.ndarray:
        """What was predicted, uint8 (H, W)."""
        return np.frombuffer(zlib.decompress(self._label), np.uint8).reshape(self.shape)

    @property
    def matrix(self) -> np.ndarray:
        """Its pixels, int64 (C, C): [truth, prediction]."""
        return np.frombuffer(zlib.decompress(self._matrix), np.int64).reshape(self._classes, self._classes)

    def rank(self, by: str) -> float:
        """Its score under the measure `by`, one of RANKS."""
        return self.mean_iu if by == "mean-iu" else self.pixel_accuracy


@dataclass
class View:
    """What a net says of one task, over the whole set."""

    title: str  # of the stage and of the task, where there are several
    task: int
    names: Task
    confusion: ConfusionMatrix
    pictures: list[Scored] = field(default_factory=list)


def view(
    net: Net, dataset: Dataset, stage: str, limit: int | None, mean: Sequence[float], available: int
) -> list[View]:
    """Evaluate a net, on the first `limit` pictures: a view for each task. As `inference.evaluate` otherwise."""
    tasks = tasks_of(dataset)
    pictures: list[list[Scored]] = [[] for _ in tasks]

    def watch(i: int, sample: Sample, labels: list[np.ndarray]) -> None:
        for task, kept, truth, label in zip(tasks, pictures, sample.labels, labels, strict=True):
            kept.append(Scored.of(i, truth, label, len(task.classes), dataset.ignore_index))

    confusions = evaluate(net, dataset, limit, mean=mean, available=available, watch=watch)
    assert confusions is not None  # nothing asks it to stop
    titles = [", ".join(filter(None, (stage, task.name))) for task in tasks]
    return [View(*row) for row in zip(titles, range(len(tasks)), tasks, confusions, pictures, strict=True)]


def chosen(view: View, count: int, by: str) -> dict[str, list[Scored]]:
    """Of a view's pictures the `count` worst, the worst first; the `count` best of the others, the best first; and what
    shows best each of the `count` largest confusions, where that is none of these.

    by: one of RANKS. Equal scores stand as the data set has them. A picture whose pixels are all ignored has no score.
    """
    order = sorted((p for p in view.pictures if not np.isnan(p.rank(by))), key=lambda p: p.rank(by))
    worst = order[:count]
    best = sorted(order[max(count, len(order) - count) :], key=lambda p: -p.rank(by))
    shown = {p.index for p in [*worst, *best]}
    confused: list[Scored] = []
    cells = tuple(np.array(largest(view.confusion.matrix, count), np.intp).reshape(-1, 2).T)
    pixels = np.array([p.matrix[cells] for p in order], np.int64).reshape(
        len(order), len(cells[0])
    )  # (pictures, cells)
    for k in pixels.argmax(axis=0) if order else ():
        if order[k].index not in shown:
            shown.add(order[k].index)
            confused.append(order[k])
    return {"worst": worst, "best": best, "confused": confused}


def largest(matrix: np.ndarray, count: int) -> list[tuple[int, int]]:
    """(truth, prediction) of the confusions of most pixels, at most `count`."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j]]
