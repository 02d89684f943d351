"""The net on whole pictures, as it will be used: no dropout, nothing kept for a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from minifcn import backend, data
from minifcn.backend import Namespace
from minifcn.data.dataset import Dataset
from minifcn.metrics import ConfusionMatrix
from minifcn.net import Net


def predict(net: Net, image: np.ndarray, xp: Namespace) -> np.ndarray:
    """uint8 RGB (H, W, 3) -> the class of each pixel, (H, W) uint8."""
    with net.inference():
        scores = net.forward(backend.to(data.to_blob(image)[None], xp))  # (1, C, H, W)
    return backend.to_numpy(scores[0].argmax(axis=0)).astype(np.uint8)


def evaluate(
    net: Net, dataset: Dataset, xp: Namespace, stop: Callable[[], bool] = lambda: False
) -> ConfusionMatrix | None:
    """The confusion matrix over a data set; None if `stop()` became true on the way."""
    confusion = ConfusionMatrix(dataset.num_classes, dataset.ignore_index)
    for i in range(len(dataset)):
        if stop():
            return None
        sample = dataset[i]
        confusion.update(sample.label, predict(net, sample.image, xp))
    return confusion


def sample_rows(
    net: Net, dataset: Dataset, xp: Namespace, indices: Iterable[int] = range(4)
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """(name, picture, truth, prediction) of a few samples, for `plots.samples`."""
    chosen = [dataset[i] for i in indices if i < len(dataset)]
    return [(sample.name, sample.image, sample.label, predict(net, sample.image, xp)) for sample in chosen]
