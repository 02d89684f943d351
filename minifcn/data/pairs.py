"""A data set of files: a list of (picture, label map) pairs, read when asked for.

`voc`, `camvid` and `folder` differ only in how they find the pairs and the classes; reading is the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Sample, check_index
from minifcn.data.pictures import IGNORE, SUFFIXES, read_image, read_label
from minifcn.errors import DataError


@dataclass(frozen=True)
class Pair:
    """Where a sample lies. A path may be that of a file which is not there: reading it says so."""

    name: str
    image: Path
    label: Path


@dataclass
class PairDataset:
    """Samples read from `pairs`; the first ones that fit into `cache_bytes` are kept decoded in memory."""

    name: str
    classes: list[str]
    palette: NDArray[np.uint8]  # (256, 3)
    pairs: list[Pair]
    ignored: tuple[int, ...] = ()  # class numbers that mean "ignore" besides 255
    strays: list[str] = field(default_factory=list)  # files that no pair uses, each with its reason
    ignore_index: int = IGNORE
    cache_bytes: int = 256 << 20  # room left for decoded samples
    _cache: dict[int, Sample] = field(default_factory=dict, init=False, repr=False)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> Sample:
        check_index(self, i)
        if i in self._cache:
            return self._cache[i]
        sample = self._read(self.pairs[i])
        size = sample.image.nbytes + sample.label.nbytes
        if size <= self.cache_bytes:
            self.cache_bytes -= size
            sample.image.flags.writeable = sample.label.flags.writeable = False  # shared from now on
            self._cache[i] = sample
        return sample

    def _read(self, pair: Pair) -> Sample:
        for what, path in (("picture", pair.image), ("label map", pair.label)):
            if not path.is_file():
                raise DataError(f"{pair.name}: its {what} is missing; expected {path}")
        image, label = read_image(pair.image), read_label(pair.label, self.palette)
        if image.shape[:2] != label.shape:
            raise DataError(
                f"{pair.name}: the picture is {size_text(image)} but its label map {size_text(label)} "
                f"({pair.image}, {pair.label}); they must be equal, pixel for pixel"
            )
        for number in self.ignored:
            label[label == number] = IGNORE
        wrong = np.unique(label[(label >= self.num_classes) & (label != IGNORE)])
        if wrong.size:
            raise DataError(
                f"{pair.label}: class number {', '.join(map(str, wrong[:5]))}; expected "
                f"0..{self.num_classes - 1} ({self.num_classes} classes) or {IGNORE} for ignored pixels"
            )
        return Sample(pair.name, image, label)


def size_text(array: NDArray) -> str:
    """Width x height, as picture programs write it."""
    return f"{array.shape[1]}x{array.shape[0]}"


def need_folder(path: Path, hint: str) -> Path:
    """`path`, if it is a folder; otherwise an error that ends with the hint."""
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; {hint}")
    return path


def pictures_in(folder: Path) -> dict[str, Path]:
    """Stem -> path of every picture of a folder, sorted by stem. Two pictures of one stem are an error."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(f"{folder}: {found[path.stem].name} and {path.name} have the same stem; remove one")
        found[path.stem] = path
    return found


def read_list(path: Path) -> list[str]:
    """The stems of a split file: the first word of each line, without folder and suffix; blank lines are skipped."""
    lines = read_text(path).splitlines()
    stems = [Path(line.split()[0]).stem for line in lines if line.strip()]
    if not stems:
        raise DataError(f"{path}: the split is empty; expected one picture name a line")
    return stems


def read_text(path: Path) -> str:
    """A small text file, with or without the mark that Windows editors put in front."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error})") from error


def pair_up(stems: Sequence[str], images: Path, labels: Path) -> list[Pair]:
    """The pairs of some stems in two folders; what is missing gets the path it should have had."""
    image_of, label_of = pictures_in(images), pictures_in(labels)
    return [
        Pair(stem, image_of.get(stem, images / f"{stem}.jpg"), label_of.get(stem, labels / f"{stem}.png"))
        for stem in stems
    ]
