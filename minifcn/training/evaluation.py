"""The net on whole pictures, as it will be used: no dropout, nothing kept for a backward pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minifcn.data.dataset import Dataset
from minifcn.metrics import ConfusionMatrix
from minifcn.net import Net
from minifcn.predict import predict


def evaluate(net: Net, dataset: Dataset, stop: Callable[[], bool]) -> ConfusionMatrix | None:
    """The confusion matrix over a data set; None if `stop()` became true on the way."""
    confusion = ConfusionMatrix(dataset.num_classes, dataset.ignore_index)
    for i in range(len(dataset)):
        if stop():
            return None
        sample = dataset[i]
        confusion.update(sample.label, predict(net, sample.image))
    return confusion


def sample_rows(net: Net, dataset: Dataset, count: int = 4) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """(name, picture, truth, prediction) of samples spread over a data set, for `plots.samples`."""
    size = len(dataset)
    chosen = [dataset[i * size // min(count, size)] for i in range(min(count, size))]
    return [(sample.name, sample.image, sample.label, predict(net, sample.image)) for sample in chosen]
