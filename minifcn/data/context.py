"""`context:DIR`: PASCAL-Context, whole scenes of VOC 2010's pictures in 59 classes and background.

    DIR/trainval/NAME.mat (LabelMap)        numbers of more than 400 classes
    DIR/labels.txt, DIR/59_labels.txt       "number: name" a line: all classes, and the 59
    VOC2010/JPEGImages, ImageSets/Main      VOC's pictures and splits; VOC2010 lies in DIR or beside it (see PLACES)

What is none of the 59 classes is background, class 0, which is trained and scored as in the FCN reference
(pascalcontext_layers.py). `context33:DIR` takes the 33 classes of 33_labels.txt instead.
Source: Mottaghi et al., "The role of context for object detection and semantic segmentation in the wild", 2014.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.mats import read_label_mat
from minifcn.data.pairs import Pair, PairDataset, need_folder, read_split, read_text
from minifcn.data.pictures import VOC_PALETTE
from minifcn.data.voc import KIN
from minifcn.errors import DataError, counted, did_you_mean

#: Where VOC2010 is looked for, seen from DIR.
PLACES = (".", "VOCdevkit", "..", "../VOCdevkit", "../pascal", "../pascal/VOCdevkit")
LONGEST = 200  # letters of a class name
#: Three of the 59 classes are called otherwise among all.
RENAMED = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}


def open_context(folder: Path, split: str, count: int = 59) -> PairDataset:
    """One split of PASCAL-Context: train (4998 pictures) or val (5105), as in VOC2010's ImageSets/Main."""
    labels = need_folder(folder / "trainval", "PASCAL-Context keeps its label maps there, NAME.mat")
    year = next((folder / place / "VOC2010" for place in PLACES if (folder / place / "VOC2010").is_dir()), None)
    if year is None:
        raise DataError(
            f"{folder}: no VOC2010 with the pictures; put it, or a link to it, in this folder or beside it "
            f"({', '.join(f'{place}/VOC2010' for place in PLACES[1:])} are looked at, too)"
        )
    images = need_folder(year / "JPEGImages", "VOC keeps its pictures there")
    lists = need_folder(year / "ImageSets" / "Main", "PASCAL-Context is split as VOC2010's Main sets are")
    names, class_of = read_map(folder / "labels.txt", folder / f"{count}_labels.txt")
    pairs = [Pair(stem, images / f"{stem}.jpg", labels / f"{stem}.mat") for stem in read_split(lists, split)]
    reader = partial(read_label_map, class_of=class_of)
    return PairDataset(f"PASCAL-Context-{count} {split}", names, VOC_PALETTE, pairs, label_reader=reader, kin=KIN)


def read_map(every: Path, chosen: Path) -> tuple[list[str], NDArray[np.int64]]:
    """(names of the classes, background first; class of each number of `every`, by number; 0 is of no class)."""
    numbers = {name: number for number, name in _read_names(every)}
    names = [name for _, name in _read_names(chosen) if name != "background"]
    class_of = np.zeros(max(numbers.values()) + 1, np.int64)
    for k, name in enumerate(names, 1):
        known = name if name in numbers else RENAMED.get(name, name)
        if known not in numbers:
            raise DataError(f"{chosen}: class {name!r} is not in {every.name}{did_you_mean(name, numbers)}")
        class_of[numbers[known]] = k
    return ["background", *names], class_of


def read_label_map(path: Path, class_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """The classes of a LabelMap (H, W)."""
    numbers = read_label_mat(path, ["LabelMap"])
    if numbers.max() >= len(class_of):
        count = counted(int((numbers >= len(class_of)).sum()), "pixel")
        raise DataError(
            f"{path}: class number {numbers.max()} ({count}); expected 0..{len(class_of) - 1}, as labels.txt has them"
        )
    return np.where(numbers < 0, -1, class_of[numbers])


def _read_names(path: Path) -> list[tuple[int, str]]:
    """The lines "number: name" of a file, spaces left out: the same class is written with and without."""
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        left, colon, name = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        if not (colon and re.fullmatch(r"\d{1,5}", left, re.ASCII) and 0 < len(name) <= LONGEST):
            raise DataError(f"{path}, line {number}: expected 'number: name', got {line!r:.80}")
        found.append((int(left), name.replace(" ", "")))
    if not found:
        raise DataError(f"{path}: is empty; expected a class a line, 'number: name'")
    return found
