"""Which pictures a run trains and evaluates on, and what is done to them first."""

from __future__ import annotations

from collections.abc import Sequence

from minifcn import data, models
from minifcn.config import TrainConfig
from minifcn.data import voc
from minifcn.data.dataset import Dataset, Sample, check_index, mean_of, tasks_of
from minifcn.data.pairs import PairDataset, overlap
from minifcn.data.transforms import Mirror, RandomCrop, Scale, Transform, Translate
from minifcn.errors import ConfigError, counted


class Subset:
    """Some samples of a data set: the first `kept`, or all if it has fewer; or those of the numbers `kept`."""

    def __init__(self, dataset: Dataset, kept: int | Sequence[int]) -> None:
        self.whole = dataset
        self.kept = range(min(kept, len(dataset))) if isinstance(kept, int) else kept
        self.name = f"{dataset.name}[:{len(self.kept)}]" if isinstance(kept, int) else dataset.name
        self.classes, self.palette, self.ignore_index = dataset.classes, dataset.palette, dataset.ignore_index
        self.tasks, self.mean = tasks_of(dataset), mean_of(dataset)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, i: int, /) -> Sample:
        check_index(self, i)
        return self.whole[self.kept[i]]


def open_sets(config: TrainConfig) -> tuple[Dataset, Dataset]:
    """(training set, evaluation set); the same few pictures for both under `overfit`.

    Raises ConfigError if they have other classes, or pictures in common that `overlap` does not allow for.
    """
    train = data.open_dataset(config.data, config.split, models.modalities_of(config.net))
    if config.overfit:
        few = Subset(train, config.overfit)
        return few, few
    val = _whole(config)
    if data.num_classes_of(val) != data.num_classes_of(train) or val.classes != train.classes:
        raise ConfigError(
            f"val_data: expected the {data.num_classes_of(train)} classes of {config.data}, "
            f"got {data.num_classes_of(val)} in {config.val_data}"
        )
    if config.overlap != "allow":
        train = apart(train, val, drop=config.overlap == "drop")
    return train, Subset(val, config.val_limit) if config.val_limit else val


def evaluation_set(config: TrainConfig) -> Dataset:
    """What a run is evaluated on, without a look at what it was trained on."""
    if config.overfit:
        return Subset(data.open_dataset(config.data, config.split, models.modalities_of(config.net)), config.overfit)
    return Subset(_whole(config), config.val_limit) if config.val_limit else _whole(config)


def _whole(config: TrainConfig) -> Dataset:
    """The evaluation set before `val_limit`."""
    return data.open_dataset(config.val_data or config.data, config.val_split, models.modalities_of(config.net))


def apart(train: Dataset, val: Dataset, drop: bool) -> Dataset:
    """`train` if it shares no picture with `val`; else, with `drop`, the rest of it, and without it a ConfigError."""
    shared = overlap(train, val)
    if not shared:
        return train
    what = f"{counted(len(shared), 'picture')} of the {len(train)} of {train.name} also in {val.name}"
    rest = (
        [i for i, pair in enumerate(train.pairs) if pair.name not in shared] if isinstance(train, PairDataset) else []
    )
    if not drop or not rest:
        names = ", ".join(shared[:3]) + " ..." * (len(shared) > 3)
        hint = " (beside SBD's train, VOC's seg11valid)" if getattr(train, "kin", "") == voc.KIN else ""
        raise ConfigError(
            f"{what}: {names}. Scores on pictures that were trained on say nothing about others: leave them out of "
            f"training with --overlap drop, choose another --val-split{hint}, or say --overlap allow"
        )
    print(f"{what}: left out of training")
    return Subset(train, rest)


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
