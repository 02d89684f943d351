"""`voc:DIR`: PASCAL VOC's segmentation set of any year, as its development kit lays it out.

    DIR/JPEGImages/*.jpg   DIR/SegmentationClass/*.png   DIR/ImageSets/Segmentation/{train,val,trainval}.txt

DIR is VOCdevkit/VOC2012, or VOCdevkit (or the folder around it) if it holds one year only.
"""

from __future__ import annotations

from pathlib import Path

from minifcn.data.pairs import PairDataset, need_folder, pair_up, read_split
from minifcn.data.pictures import VOC_PALETTE
from minifcn.errors import DataError

CLASSES = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


#: VOC's pictures have other label maps in SBD and PASCAL-Context: one picture has one name in all of them.
KIN = "VOC"


def _year_folder(folder: Path) -> Path:
    """The folder that holds ImageSets: `folder` itself, or the only year below it."""
    if (folder / "ImageSets").is_dir():
        return folder
    years = sorted(path.parent for pattern in ("*/ImageSets", "VOCdevkit/*/ImageSets") for path in folder.glob(pattern))
    if len(years) == 1:
        return years[0]
    if years:
        raise DataError(
            f"{folder}: several years ({', '.join(path.name for path in years)}); name one: voc:{years[-1]}"
        )
    raise DataError(
        f"{folder}: no ImageSets folder here or below; expected VOCdevkit/VOC<year>, as VOC's archive unpacks"
    )


def open_voc(folder: Path, split: str) -> PairDataset:
    """One split of one year of VOC; any file of ImageSets/Segmentation is a split."""
    root = _year_folder(need_folder(folder, "expected the folder VOCdevkit/VOC<year>"))
    lists = need_folder(root / "ImageSets" / "Segmentation", "VOC keeps its segmentation splits there")
    stems = read_split(lists, split)
    images = need_folder(root / "JPEGImages", "VOC keeps its pictures there")
    labels = need_folder(root / "SegmentationClass", "VOC keeps its label maps there")
    pairs = pair_up(stems, images, labels)
    return PairDataset(f"{root.name} {split}", list(CLASSES), VOC_PALETTE, pairs, kin=KIN)
