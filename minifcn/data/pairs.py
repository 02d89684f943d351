"""A data set of files: a list of (picture, label map) pairs, read when asked for.

`voc`, `camvid`, `folder` and the others differ only in how they find the pairs and the classes, and in what their label
maps are written as; reading is the same for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Sample, Task, check_index, tasks_of
from minifcn.data.modalities import READERS
from minifcn.data.pictures import IGNORE, is_picture, read_image, read_label
from minifcn.errors import DataError, counted, did_you_mean

#: What may be behind a picture of the height of its label map's width.
TURNED = "; is the picture turned by its EXIF tag, and the label map made without? Then save it turned, without the tag"


@dataclass(frozen=True)
class Pair:
    """Where a sample lies. A path may be that of a file which is not there: reading it says so."""

    name: str
    image: Path
    label: Path
    beside: Mapping[str, Path] = field(default_factory=dict)  # other modalities of the picture
    more_labels: tuple[Path, ...] = ()  # label maps of the second task, the third ...


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
    label_reader: Callable[[Path], NDArray[np.integer]] | None = (
        None  # for label maps that are no pictures; -1 = ignored
    )
    tasks: tuple[Task, ...] = ()  # where there are several
    mean: tuple[float, ...] | None = None  # of its pictures, B G R
    kin: str = ""  # sets of one kin have pictures of one collection, each with its own name: see `overlap`
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
        arrays: list[NDArray] = [sample.image, *sample.labels, *sample.beside.values()]
        size = sum(array.nbytes for array in arrays)
        if size <= self.cache_bytes:
            self.cache_bytes -= size
            for array in arrays:
                array.flags.writeable = False  # shared from now on
            self._cache[i] = sample
        return sample

    def _read(self, pair: Pair) -> Sample:
        label_paths = [pair.label, *pair.more_labels]
        files = [("picture", pair.image), *(("label map", path) for path in label_paths), *pair.beside.items()]
        for what, path in files:
            if not os.path.isfile(path):  # False, too, for names that no file can have, and links in a circle
                raise DataError(f"{pair.name}: its {what} is missing; expected {path}")
        image = read_image(pair.image)
        labels = [self._label(path, task) for path, task in zip(label_paths, tasks_of(self), strict=True)]
        beside = {name: READERS[name](path) for name, path in pair.beside.items()}
        others: list[NDArray] = [*labels, *beside.values()]
        for (what, path), array in zip(files[1:], others, strict=True):
            if image.shape[:2] != array.shape[:2]:
                raise DataError(
                    f"{pair.name}: the picture is {size_text(image)} but its {what} {size_text(array)} "
                    f"({pair.image}, {path}); they must be equal, pixel for pixel"
                    f"{TURNED if image.shape[:2] == array.shape[1::-1] else ''}"
                )
        return Sample(pair.name, image, labels[0], beside, tuple(labels[1:]))

    def _label(self, path: Path, task: Task) -> NDArray[np.uint8]:
        """A label map, uint8 (H, W), with a class of the task or 255 everywhere."""
        label = read_label(path, task.palette) if self.label_reader is None else self.label_reader(path)
        for number in (*self.ignored, -1):
            label[label == number] = IGNORE
        count = len(task.classes)
        wrong, counts = np.unique(label[((label < 0) | (label >= count)) & (label != IGNORE)], return_counts=True)
        if wrong.size:
            named = ", ".join(f"{n} ({counted(int(k), 'pixel')})" for n, k in zip(wrong[:5], counts, strict=False))
            more = f" and {wrong.size - 5} more" if wrong.size > 5 else ""
            raise DataError(
                f"{path}: class number {named}{more}; expected 0..{count - 1} ({count} classes) or {IGNORE} for "
                f"ignored pixels: list all classes, or write these pixels as one of them or {IGNORE}"
            )
        return label.astype(np.uint8, copy=False)


def overlap(one: object, other: object) -> list[str]:
    """The names of pictures that two sets of files share, sorted; of other sets nothing is known."""
    if not (isinstance(one, PairDataset) and isinstance(other, PairDataset)):
        return []
    if one.kin and one.kin == other.kin:
        return sorted({pair.name for pair in one.pairs} & {pair.name for pair in other.pairs})
    files = {os.path.realpath(pair.image) for pair in other.pairs}
    return sorted({pair.name for pair in one.pairs if os.path.realpath(pair.image) in files})


def size_text(array: NDArray) -> str:
    """Width x height, as picture programs write it."""
    return f"{array.shape[1]}x{array.shape[0]}"


def need_folder(path: Path, hint: str) -> Path:
    """`path`, if it is a folder; otherwise an error that ends with the hint."""
    if not os.path.isdir(path):  # False, too, for a name that is too long
        raise DataError(f"{path}: no such folder; {hint}")
    return path


def pictures_in(folder: Path) -> dict[str, Path]:
    """Stem -> path of every picture of a folder, sorted by stem. Two pictures of one stem are an error."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror})") from error
    for path in paths:
        if not is_picture(path):
            continue
        if path.stem in found:
            raise DataError(f"{folder}: {found[path.stem].name} and {path.name} have the same stem; remove one")
        found[path.stem] = path
    return found


def read_list(path: Path, inside: Sequence[str] = (), known: Collection[str] = ()) -> list[str]:
    """The stems of a split file: the first word of each line, without folder and suffix; blank lines are skipped.

    inside: the names of the folders that pictures may be said to lie in, where not any will do (published lists have
    paths of their authors' machines). known: the stems of the pictures there; a line that is one of them as a whole,
    spaces and dots included, means it.
    """
    lines = read_text(path).splitlines()
    listed = {number: _listed(line, inside, known) for number, line in enumerate(lines, 1) if line.strip()}
    if not listed:
        raise DataError(f"{path}: the split is empty; expected one picture name a line")
    for number, (name, stem) in listed.items():
        longest = max(name.parts, key=len, default="")
        if len(os.fsencode(longest)) > 255:
            raise DataError(f"{path}, line {number}: a name of {len(longest)} letters, which no file can have")
        if inside and name.parent.name not in ("", *inside):
            raise DataError(
                f"{path}, line {number}: {name.name} is in a folder of its own, {name.parent.name}; pictures lie in "
                f"{' or '.join(inside)}/ itself: put it there, and write {stem}"
            )
    return [stem for _, stem in listed.values()]


def _listed(line: str, inside: Sequence[str], known: Collection[str]) -> tuple[Path, str]:
    """(the picture that a line names, its stem): "my shot 1.png", "frame.0007", "images/a.png labels/a.png", "a 1"."""
    whole, word = Path(line.strip()), Path(line.split()[0])
    if not known:  # a published list, whose names have neither spaces nor dots but before suffixes of any kind
        return word, word.stem
    meant = [whole, word] if whole.parent.name in ("", *inside) else [word]
    ends = [(name, stem) for name in meant for stem in (name.name, name.stem)[: 1 + is_picture(name)]]
    for name, stem in ends:
        if stem in known:
            return name, stem
    return next(((name, stem) for name, stem in reversed(ends) if name.name != stem), (word, word.name))


def read_split(folder: Path, split: str) -> list[str]:
    """The stems of FOLDER/SPLIT.txt; of trainval, if there is no such list, those of train and val."""
    known = sorted(path.stem for path in folder.glob("*.txt"))
    if split == "trainval" and split not in known and {"train", "val"} <= {*known}:
        return read_split(folder, "train") + read_split(folder, "val")
    if split not in known:
        raise DataError(f"{folder}: no split {split!r} ({split}.txt){did_you_mean(split, known)}")
    return read_list(folder / f"{split}.txt")


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
