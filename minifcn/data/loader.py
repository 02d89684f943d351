"""Batches for training, made in the background while the net computes.

Batch k is a pure function of (seed, k): a run that goes on from step k needs to remember no more than k.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from minifcn.backend import Array, Namespace, Sender, Sent, to
from minifcn.data.dataset import Dataset, Sample
from minifcn.data.modalities import COLOUR, inputs_of
from minifcn.data.pictures import IGNORE
from minifcn.data.preprocess import MEAN_BGR
from minifcn.data.transforms import Transform, transformed
from minifcn.errors import DataError, counted

AHEAD = 2  # batches in store for each worker


@dataclass(frozen=True)
class Batch:
    """What a training step needs, and which samples it came from.

    Nets that see several modalities get `inputs`, those with several tasks are measured by `targets`; `x` and `labels`
    are the first of each, for most nets all there is.
    """

    x: NDArray[np.float32]  # (N, 3, H, W), BGR minus mean
    labels: NDArray[np.uint8]  # (N, H, W), 255 = ignored
    names: tuple[str, ...]
    step: int
    more_x: tuple[NDArray[np.float32], ...] = ()
    more_labels: tuple[NDArray[np.uint8], ...] = ()
    sent: Sent | None = None  # inputs and targets on their way to a device
    first: int = 0  # where this is a part of a larger batch: the number of its first picture there
    whole: int = 0  # and how many pictures that has; 0: it is no part

    @property
    def of(self) -> int:
        """The pictures of the whole batch."""
        return self.whole or len(self.names)

    @property
    def inputs(self) -> tuple[NDArray[np.float32], ...]:
        return (self.x, *self.more_x)

    @property
    def targets(self) -> tuple[NDArray[np.uint8], ...]:
        return (self.labels, *self.more_labels)

    def on(self, xp: Namespace) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Inputs and targets on a device: as the loader has sent them ahead, or moved there now."""
        arrays = self.sent.receive() if self.sent else tuple(to(a, xp) for a in (*self.inputs, *self.targets))
        return arrays[: len(self.inputs)], arrays[len(self.inputs) :]

    def padded(self, height: int, width: int) -> Batch:
        """The batch at this size, with the mean (0 in x) and 255 beyond; itself if it has it."""
        below, right = height - self.labels.shape[1], width - self.labels.shape[2]
        if not below and not right:
            return self
        xs = [np.pad(x, ((0, 0), (0, 0), (0, below), (0, right))) for x in self.inputs]
        around = ((0, 0), (0, below), (0, right))
        labels = [np.pad(target, around, constant_values=IGNORE) for target in self.targets]
        return replace(self, x=xs[0], labels=labels[0], more_x=tuple(xs[1:]), more_labels=tuple(labels[1:]), sent=None)


def collate(
    samples: Sequence[Sample], step: int, mean: Sequence[float] = MEAN_BGR, modalities: Sequence[str] = COLOUR
) -> Batch:
    """A batch of samples; smaller ones are padded below and to the right with the mean (0 in x) and 255."""
    height = max(sample.label.shape[0] for sample in samples)
    width = max(sample.label.shape[1] for sample in samples)
    seen = [inputs_of(sample.image, sample.beside, modalities, mean) for sample in samples]
    xs = [np.zeros((len(samples), len(array), height, width), np.float32) for array in seen[0]]
    labels = [np.full((len(samples), height, width), IGNORE, np.uint8) for _ in samples[0].labels]
    for n, sample in enumerate(samples):
        h, w = sample.label.shape
        for x, array in zip(xs, seen[n], strict=True):
            x[n, :, :h, :w] = array
        for target, label in zip(labels, sample.labels, strict=True):
            target[n, :h, :w] = label
    return Batch(xs[0], labels[0], tuple(sample.name for sample in samples), step, tuple(xs[1:]), tuple(labels[1:]))


class Loader:
    """An endless iterator of batches, from `start_step` on; use it in a `with`, or `close()` it.

    Epoch e is a permutation of the set drawn from `default_rng([seed, e])`; batches cut the chain of epochs in pieces
    of `batch_size`. What goes wrong in the background, a `DataError` say, is raised by the `next` whose batch it was.
    With `xp` of a GPU each batch is also sent there while the net still computes: see `Batch.on`. With `part`, batches
    are those pictures of them alone, the same as in the whole batch but for its common size: see `Batch.padded`.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        transforms: Sequence[Transform] = (),
        shuffle: bool = True,
        start_step: int = 0,
        workers: int = 1,
        mean: Sequence[float] = MEAN_BGR,
        modalities: Sequence[str] = COLOUR,
        xp: Namespace = np,
        part: slice | None = None,
    ) -> None:
        if min(batch_size, workers) < 1 or min(seed, start_step) < 0 or not len(dataset):
            raise DataError(
                f"loader of {dataset.name} ({counted(len(dataset), 'sample')}): batch_size {batch_size} and workers "
                f"{workers} must be at least 1, seed {seed} and start_step {start_step} at least 0"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.transforms = tuple(transforms)
        self.shuffle = shuffle
        self.mean = mean
        self.modalities = tuple(modalities)
        self.part = part or slice(0, batch_size)
        self._next_step = start_step
        self._sender = None if xp is np else Sender(xp)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="minifcn-loader")
        self._coming: deque[Future[Batch]] = deque()
        for _ in range(AHEAD * workers):
            self._order()

    def _order(self) -> None:
        self._coming.append(self._pool.submit(self._sent, self._next_step))
        self._next_step += 1

    def indices(self, step: int) -> list[int]:
        """The samples of batch `step`."""
        size = len(self.dataset)
        places = range(step * self.batch_size, (step + 1) * self.batch_size)
        if not self.shuffle:
            return [place % size for place in places]
        epochs = {
            epoch: np.random.default_rng([self.seed, epoch]).permutation(size)
            for epoch in range(places[0] // size, places[-1] // size + 1)
        }
        return [int(epochs[place // size][place % size]) for place in places]

    def batch(self, step: int) -> Batch:
        """Batch `step`, made here and now."""
        numbered = list(enumerate(self.indices(step)))[self.part]
        samples = [self._sample(i, step, n) for n, i in numbered]
        batch = collate(samples, step, self.mean, self.modalities)
        return batch if len(samples) == self.batch_size else replace(batch, first=numbered[0][0], whole=self.batch_size)

    def _sent(self, step: int) -> Batch:
        """Batch `step`, on its way to the device."""
        batch = self.batch(step)
        return replace(batch, sent=self._sender.send(*batch.inputs, *batch.targets)) if self._sender else batch

    def _sample(self, i: int, step: int, n: int) -> Sample:
        sample = self.dataset[i]
        # The 1 keeps these streams apart from the epochs': NumPy reads [seed, epoch] as [seed, epoch, 0, 0].
        rng = np.random.default_rng([self.seed, step, 1, n])
        for transform in self.transforms:
            sample = transformed(transform, sample, rng)
        return sample

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if not self._coming:
            raise StopIteration  # closed
        try:
            batch = self._coming.popleft().result()
            self._order()
        except BaseException:  # Ctrl-C while waiting, too
            self.close()
            raise
        return batch

    def close(self) -> None:
        """End the background threads; waits for the batch in the making. Iteration then stops."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._sender:
            self._sender.close()
        self._coming.clear()

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
