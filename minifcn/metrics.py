"""The four measures of semantic segmentation, from one streaming confusion matrix.

With n[i, j] the number of pixels of class i predicted as class j, t_i = sum_j n[i, j] the pixels of class i, and C
classes (section 5 of Long, Shelhamer, Darrell, CVPR 2015):

    pixel accuracy          sum_i n[i, i] / sum_i t_i
    mean accuracy           mean_i n[i, i] / t_i
    mean IU                 mean_i IU_i,  IU_i = n[i, i] / (t_i + sum_j n[j, i] - n[i, i])
    frequency weighted IU   sum_i t_i IU_i / sum_i t_i

Conventions as in the reference's score.py: background is a class like any other; ignored pixels count nowhere,
whatever is predicted there; the matrix is summed over all pictures before any division; a class whose ratio would be
0 / 0 is left out of the mean. So a class that the truth never shows counts in mean IU, as 0, if it is predicted
anywhere, and in the other measures not at all; SIFT Flow's test set is without three of its classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minifcn.backend import Array, to_numpy
from minifcn.errors import DataError, printable


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says, as fractions of 1. NaN where there was nothing to measure."""

    pixel_accuracy: float
    mean_accuracy: float
    mean_iu: float
    frequency_weighted_iu: float
    class_accuracy: np.ndarray  # (C,) NaN where the class is not in the truth
    class_iu: np.ndarray  # (C,) NaN where the class is neither in the truth nor predicted
    class_share: np.ndarray  # (C,) of the counted pixels


class ConfusionMatrix:
    """Counts of (truth, prediction) pairs, added picture by picture.

    >>> confusion = ConfusionMatrix(num_classes=2)
    >>> confusion.update(truth=np.array([[0, 1, 255]]), prediction=np.array([[0, 0, 1]]))
    >>> confusion.matrix.tolist()
    [[1, 0], [1, 0]]
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        if num_classes < 1 or 0 <= ignore_index < num_classes:
            raise DataError(
                f"confusion matrix: expected at least 1 class and an ignore_index that is no class, "
                f"got {num_classes} classes and ignore_index {ignore_index}"
            )
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.matrix = np.zeros((num_classes, num_classes), np.int64)  # [truth, prediction]

    def update(self, truth: Array, prediction: Array) -> None:
        """Count two integer label maps of one shape, from either device.

        Raises DataError where shapes differ, or for a label that is neither a class nor, in the truth, ignored.
        """
        truth, prediction = to_numpy(truth), to_numpy(prediction)
        if truth.shape != prediction.shape:
            raise DataError(
                f"confusion matrix: expected truth and prediction of one shape, "
                f"got {truth.shape} and {prediction.shape}"
            )
        counted = truth != self.ignore_index
        true = self._classes("truth", truth[counted])  # (P,) the counted pixels
        predicted = self._classes("prediction", prediction[counted])
        pairs = np.bincount(true * self.num_classes + predicted, minlength=self.num_classes**2)
        self.matrix += pairs.reshape(self.num_classes, self.num_classes)

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """The counts of both, for work that was divided."""
        if (self.num_classes, self.ignore_index) != (other.num_classes, other.ignore_index):
            raise DataError(
                f"confusion matrix: expected equal numbers of classes and ignore_index, got {self.num_classes} and "
                f"{other.num_classes}, {self.ignore_index} and {other.ignore_index}"
            )
        total = ConfusionMatrix(self.num_classes, self.ignore_index)
        total.matrix = self.matrix + other.matrix
        return total

    def scores(self) -> Scores:
        """The measures of everything counted so far."""
        right = np.diag(self.matrix)  # (C,)
        truth = self.matrix.sum(axis=1)
        predicted = self.matrix.sum(axis=0)
        accuracy = _ratio(right, truth)
        iu = _ratio(right, truth + predicted - right)
        share = _ratio(truth, truth.sum())
        return Scores(
            pixel_accuracy=float(_ratio(right.sum(), truth.sum())),
            mean_accuracy=_mean(accuracy),
            mean_iu=_mean(iu),
            frequency_weighted_iu=float(np.sum((share * iu)[truth > 0])) if truth.any() else float("nan"),
            class_accuracy=accuracy,
            class_iu=iu,
            class_share=share,
        )

    def _classes(self, what: str, labels: np.ndarray) -> np.ndarray:
        """`labels` as int64, or DataError if one of them is no class."""
        if labels.dtype.kind not in "iu":
            raise DataError(f"confusion matrix: expected integer labels in the {what}, got {labels.dtype}")
        if labels.size and (labels.min() < 0 or labels.max() >= self.num_classes):
            wrong = np.unique(labels[(labels < 0) | (labels >= self.num_classes)])
            raise DataError(
                f"confusion matrix: expected labels 0..{self.num_classes - 1} in the {what}"
                f"{f' or {self.ignore_index} for ignored' if what == 'truth' else ''}, got {_some(wrong)}; "
                "were the labels made for another list of classes?"
            )
        return labels.astype(np.int64)


def table(scores: Scores, classes: Sequence[str], task: str = "") -> str:
    """The four measures, then every class with its IU, its accuracy and its share of the truth; "-" for NaN.

    Under the name of the task, if it has one, and with an empty line at its end, for others will follow.
    """
    if len(classes) != len(scores.class_iu):
        raise DataError(f"table: expected {len(scores.class_iu)} class names, got {len(classes)}")
    classes = [printable(name) for name in classes]
    width = max(len("frequency weighted IU"), *(len(name) for name in classes))
    summary = {
        "pixel accuracy": scores.pixel_accuracy,
        "mean accuracy": scores.mean_accuracy,
        "mean IU": scores.mean_iu,
        "frequency weighted IU": scores.frequency_weighted_iu,
    }
    lines = [f"{name:<{width}}  {_text(value):>6}" for name, value in summary.items()]
    lines += ["", f"{'class':<{width}}  {'IU':>6}  {'accuracy':>8}  {'share':>7}"]
    rows = zip(classes, scores.class_iu, scores.class_accuracy, scores.class_share, strict=True)
    lines += [f"{name:<{width}}  {_text(u):>6}  {_text(a):>8}  {_percent(s):>7}" for name, u, a, s in rows]
    return "\n".join([f"task {printable(task)}", "", *lines, ""] if task else lines)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole in float64, NaN for 0 / 0 (no warning: an absent class is no accident)."""
    with np.errstate(invalid="ignore"):
        return np.true_divide(part, whole)


def _mean(values: np.ndarray) -> float:
    """The mean of those that are not NaN; NaN if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _some(labels: np.ndarray) -> str:
    return ", ".join(str(label) for label in labels[:5]) + (", ..." if len(labels) > 5 else "")


def _text(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f} %"
