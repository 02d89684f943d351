"""`nyud:DIR`: NYUDv2's indoor scenes with depth, in the 40 classes of Gupta et al. 2013.

    DIR/data/images/img_N.png   DIR/segmentation/img_N.mat (segmentation)   DIR/train.txt, val.txt, test.txt
    DIR/data/depth/img_N.png    DIR/data/hha/img_N.png                      for nets that see depth or HHA

This is the layout of the FCN reference's archive (nyud_layers.py there). 0 is "no class" and ignored; 1 is class 0.
Source: Silberman et al., "Indoor segmentation and support inference from RGBD images", 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from minifcn.data.mats import read_label_mat
from minifcn.data.modalities import COLOUR, beside_colour
from minifcn.data.pairs import Pair, PairDataset, need_folder, read_split
from minifcn.data.pictures import VOC_PALETTE

CLASSES = [
    "wall",
    "floor",
    "cabinet",
    "bed",
    "chair",
    "sofa",
    "table",
    "door",
    "window",
    "bookshelf",
    "picture",
    "counter",
    "blinds",
    "desk",
    "shelves",
    "curtain",
    "dresser",
    "pillow",
    "mirror",
    "floor mat",
    "clothes",
    "ceiling",
    "books",
    "refridgerator",
    "television",
    "paper",
    "towel",
    "shower curtain",
    "box",
    "whiteboard",
    "person",
    "night stand",
    "toilet",
    "sink",
    "lamp",
    "bathtub",
    "bag",
    "otherstructure",
    "otherfurniture",
    "otherprop",
]

#: Of blue, green and red; nyud_layers.py.
MEAN = (116.190, 97.203, 92.318)


def open_nyud(folder: Path, split: str, modalities: Sequence[str] = COLOUR) -> PairDataset:
    """One split of NYUDv2: train (381 pictures), val (414), both as trainval, or test (654)."""
    need_folder(folder, "expected the folder with data/ and segmentation/ in it")
    for name in ("images", *beside_colour(modalities)):
        need_folder(
            folder / "data" / name, "NYUDv2 keeps its pictures in data/images, depth in data/depth, HHA in data/hha"
        )
    labels = need_folder(folder / "segmentation", "NYUDv2 keeps its label maps there, in 40 classes")

    def pair(number: str) -> Pair:
        picture = f"img_{number}.png"
        beside = {name: folder / "data" / name / picture for name in beside_colour(modalities)}
        return Pair(f"img_{number}", folder / "data" / "images" / picture, labels / f"img_{number}.mat", beside)

    pairs = [pair(number) for number in read_split(folder, split)]
    reader = partial(read_label_mat, names=["segmentation"], first=1)
    return PairDataset(
        f"NYUDv2 {split}",
        list(CLASSES),
        VOC_PALETTE,
        pairs,
        label_reader=reader,
        mean=MEAN,
    )
