"""`camvid:DIR`: CamVid's driving scenes in 11 classes, as the SegNet tutorial lays them out.

    DIR/train/*  DIR/trainannot/*.png  DIR/train.txt     and the same for val and test

Class 11, "unlabelled", is ignored. The label maps hold class numbers; coloured ones are understood, too.
Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", 2008.
"""

from __future__ import annotations

from pathlib import Path

from minifcn.data.pairs import PairDataset, need_folder, pair_up, pictures_in, read_list
from minifcn.data.pictures import make_palette
from minifcn.errors import DataError, did_you_mean

CLASSES = [
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
]
COLOURS = [
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
]
UNLABELLED = 11
CAMVID_PALETTE = make_palette(COLOURS, ignore=(0, 0, 0))


def open_camvid(folder: Path, split: str) -> PairDataset:
    """One split of CamVid: train, val, or test where there is one."""
    need_folder(folder, "expected CamVid's folder, with train/, trainannot/ and train.txt in it")
    known = sorted(path.name.removesuffix("annot") for path in folder.glob("*annot"))
    if split not in known:
        raise DataError(f"{folder}: no split {split!r} ({split}/ and {split}annot/){did_you_mean(split, known)}")
    images = need_folder(folder / split, "CamVid keeps the pictures of the split there")
    labels = folder / f"{split}annot"
    listed = folder / f"{split}.txt"
    stems = read_list(listed) if listed.is_file() else list(pictures_in(images))
    if not stems:
        raise DataError(f"{images}: no pictures")
    return PairDataset(
        f"camvid {split}", list(CLASSES), CAMVID_PALETTE, pair_up(stems, images, labels), ignored=(UNLABELLED,)
    )
