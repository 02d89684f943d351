"""Which pictures a run trains and evaluates on, and what is done to them first."""

from __future__ import annotations

from minifcn import data
from minifcn.config import TrainConfig
from minifcn.data.dataset import Dataset, Sample, check_index
from minifcn.data.transforms import Mirror, RandomCrop, Scale, Transform, Translate
from minifcn.errors import ConfigError


class Subset:
    """The first `count` samples of a data set, or all if it has fewer."""

    def __init__(self, dataset: Dataset, count: int) -> None:
        self._dataset = dataset
        self._count = min(count, len(dataset))
        self.name = f"{dataset.name}[:{self._count}]"
        self.classes, self.palette, self.ignore_index = dataset.classes, dataset.palette, dataset.ignore_index

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int, /) -> Sample:
        check_index(self, i)
        return self._dataset[i]


def open_sets(config: TrainConfig) -> tuple[Dataset, Dataset]:
    """(training set, evaluation set); the same few pictures for both under `overfit`."""
    train = data.open_dataset(config.data, config.split)
    if config.overfit:
        few = Subset(train, config.overfit)
        return few, few
    val = data.open_dataset(config.val_data or config.data, config.val_split)
    if val.classes != train.classes:
        raise ConfigError(
            f"val_data: expected the {train.num_classes} classes of {config.data}, "
            f"got {val.num_classes} in {config.val_data}"
        )
    return train, Subset(val, config.val_limit) if config.val_limit else val


def augmentation(config: TrainConfig) -> list[Transform]:
    """The transforms of a training picture, in order; none under `overfit`."""
    if config.overfit:
        return []
    chosen: list[Transform] = []
    if config.mirror:
        chosen.append(Mirror())
    if config.scale > 1:
        chosen.append(Scale(1 / config.scale, config.scale))
    if config.jitter:
        chosen.append(Translate(config.jitter))
    if config.crop:
        chosen.append(RandomCrop(config.crop, config.crop))
    return chosen
