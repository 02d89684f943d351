"""The loss of a batch, and its gradients in the net."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from minifcn import backend, data, ops, recipes
from minifcn.backend import Array
from minifcn.config import TrainConfig
from minifcn.data.dataset import Dataset
from minifcn.distributed import ALONE, Group
from minifcn.net import Net
from minifcn.ops.loss import LossCache
from minifcn.training import checks
from minifcn.training.sampling import Sampling


class Objective:
    """Softmax cross-entropy over the pixels of a batch, as the configuration says: sum or mean, with class weights,
    over all of them or a sample.

    The sum is the reference's: over pixels, divided by the number of pictures. The losses of several tasks are summed.
    Of a group of processes each has a part of the batch; loss and gradients are those of all of it, in all of them.
    """

    def __init__(self, config: TrainConfig, train: Dataset, group: Group = ALONE) -> None:
        self.group = group
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
        batch = batch.padded(*self.group.most(*batch.labels.shape[1:]))
        net.part = (batch.first, batch.whole) if batch.whole else None
        mask = self.sampling.mask(net, batch)
        counts = None if mask is None else backend.to(mask, self.xp)
        inputs, targets = batch.on(self.xp)
        found = net.forward(*inputs)
        scores = list(found) if isinstance(found, tuple) else [found]  # of each task (N, C, H, W)
        del inputs, found
        losses: list[Array] = []
        caches: list[LossCache] = []
        for labels, class_weights in zip(targets, self.class_weights, strict=True):
            value, cache = ops.softmax_cross_entropy(
                scores.pop(0),  # gone when there are probabilities
                labels,
                class_weights=class_weights,
                mask=counts,
                check_labels=False,
            )
            losses.append(value)
            caches.append(cache)
        share = 1.0 if self.reduction == "mean" else 1.0 / batch.of
        total: Array = 0.0
        dscores: list[Array] = []
        for value, normaliser in zip(losses, self._normalisers(caches), strict=True):
            total = total + value / normaliser * share
            cache = caches.pop(0)._replace(normaliser=normaliser)  # gone when there is a gradient
            dscores += ops.softmax_cross_entropy_backward(share, cache)
        return self.group.sum(total), dscores

    def accumulate(self, net: Net, batches: Iterator[data.Batch], count: int) -> Array:
        """Adds the gradients of `count` batches into the net; returns their mean loss, still on the device."""
        total: Array = 0.0
        for k in range(count):
            value, dscores = self.loss(net, next(batches))
            if k < count - 1:
                net.backward(*dscores)
            else:
                self.group.backward(net, *dscores)
            del dscores  # or they would live through the next forward pass
            total = total + value
        return total / count

    def alone(self) -> Objective:
        """The objective of this process's part of the batch, without the others."""
        mine = copy.copy(self)
        mine.group = ALONE
        return mine

    def _normalisers(self, caches: list[LossCache]) -> list[Array | float]:
        """What each task's sum is divided by: for the mean, the weights of all processes' pixels."""
        if self.reduction == "sum":
            return [1.0] * len(caches)
        weights = self.xp.stack([cache.weights.sum(dtype=self.xp.float64) for cache in caches])
        weights = self.group.sum(weights)
        return list(self.xp.where(weights > 0, weights, 1.0))
