"""The loss of a batch, and its gradients in the net."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minifcn import backend, data, ops, recipes
from minifcn.backend import Array
from minifcn.config import TrainConfig
from minifcn.data.dataset import Dataset
from minifcn.net import Net
from minifcn.training import checks
from minifcn.training.sampling import Sampling


class Objective:
    """Softmax cross-entropy over the pixels of a batch, as the configuration says: sum or mean, with class weights,
    over all of them or a sample.

    The sum is the reference's: over pixels, divided by the number of pictures. The losses of several tasks are summed.
    """

    def __init__(self, config: TrainConfig, train: Dataset) -> None:
        self.xp = backend.for_device(config.device)
        self.reduction = config.loss
        self.num_classes = data.num_classes_of(train)
        self.sampling = Sampling.of(config)
        tasks = data.tasks_of(train)
        self.class_weights: list[Array | None] = [None] * len(tasks)
        if config.class_weights == "sqrt-inverse":
            weights = [recipes.class_weights(data.class_shares(train, task)) for task in range(len(tasks))]
            self.class_weights = [self.xp.asarray(each.astype(np.float32)) for each in weights]

    def loss(self, net: Net, batch: data.Batch) -> tuple[Array, list[Array]]:
        """(loss, its gradient at each task's scores) of a forward pass. Labels are checked on the host, by picture."""
        checks.labels(batch, self.num_classes)
        mask = self.sampling.mask(net, batch)
        counts = None if mask is None else backend.to(mask, self.xp)
        inputs, targets = batch.on(self.xp)
        found = net.forward(*inputs)
        scores = list(found) if isinstance(found, tuple) else [found]  # of each task (N, C, H, W)
        del inputs, found
        share = 1.0 / len(batch.names) if self.reduction == "sum" else 1.0
        total: Array = 0.0
        dscores: list[Array] = []
        for labels, class_weights in zip(targets, self.class_weights, strict=True):
            value, cache = ops.softmax_cross_entropy(
                scores.pop(0),  # gone when there are probabilities
                labels,
                reduction=self.reduction,
                class_weights=class_weights,
                mask=counts,
                check_labels=False,
            )
            total = total + value * share
            dscores += ops.softmax_cross_entropy_backward(share, cache)
        return total, dscores

    def accumulate(self, net: Net, batches: Iterator[data.Batch], count: int) -> Array:
        """Adds the gradients of `count` batches into the net; returns their mean loss, still on the device."""
        total: Array = 0.0
        for _ in range(count):
            value, dscores = self.loss(net, next(batches))
            net.backward(*dscores)
            del dscores  # or they would live through the next forward pass
            total = total + value
        return total / count
