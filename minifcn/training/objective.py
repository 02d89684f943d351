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

    The sum is the reference's: over pixels, divided by the number of pictures.
    """

    def __init__(self, config: TrainConfig, train: Dataset) -> None:
        self.xp = backend.for_device(config.device)
        self.reduction = config.loss
        self.num_classes = train.num_classes
        self.sampling = Sampling.of(config)
        self.class_weights: Array | None = None
        if config.class_weights == "sqrt-inverse":
            weights = recipes.class_weights(data.class_shares(train))
            self.class_weights = self.xp.asarray(weights.astype(np.float32))

    def loss(self, net: Net, batch: data.Batch) -> tuple[Array, Array]:
        """(loss, its gradient at the scores) of one forward pass. Labels are checked on the host, by picture."""
        checks.labels(batch, self.num_classes)
        mask = self.sampling.mask(net, batch)
        scores = net.forward(backend.to(batch.x, self.xp))  # (N, C, H, W)
        value, cache = ops.softmax_cross_entropy(
            scores,
            backend.to(batch.labels, self.xp),
            reduction=self.reduction,
            class_weights=self.class_weights,
            mask=None if mask is None else backend.to(mask, self.xp),
            check_labels=False,
        )
        share = 1.0 / len(batch.names) if self.reduction == "sum" else 1.0
        return value * share, ops.softmax_cross_entropy_backward(share, cache)[0]

    def accumulate(self, net: Net, batches: Iterator[data.Batch], count: int) -> Array:
        """Adds the gradients of `count` batches into the net; returns their mean loss, still on the device."""
        total: Array = 0.0
        for _ in range(count):
            value, dscores = self.loss(net, next(batches))
            net.backward(dscores)
            total = total + value
        return total / count
