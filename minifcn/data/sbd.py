"""`sbd:DIR`: the Semantic Boundaries Dataset, 11355 pictures of PASCAL VOC 2011 with VOC's 21 classes.

    DIR/img/*.jpg   DIR/cls/*.mat (GTcls.Segmentation)   DIR/train.txt, val.txt, ...

DIR is benchmark_RELEASE/dataset, as its archive unpacks, or benchmark_RELEASE, or the folder around it. Its training
pictures include many of VOC's validation pictures: `minifcn train --overlap` says what to do about that.
Source: Hariharan et al., "Semantic contours from inverse detectors", 2011.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from minifcn.data.mats import read_label_mat
from minifcn.data.pairs import Pair, PairDataset, need_folder, read_split
from minifcn.data.pictures import VOC_PALETTE
from minifcn.data.voc import CLASSES, KIN
from minifcn.errors import DataError


def open_sbd(folder: Path, split: str) -> PairDataset:
    """One split of SBD: train (8498 pictures), val (2857), or any other list that lies beside them."""
    need_folder(folder, "expected benchmark_RELEASE/dataset")
    inside = (folder, folder / "dataset", folder / "benchmark_RELEASE" / "dataset")
    root = next((path for path in inside if (path / "cls").is_dir()), None)
    if root is None:
        raise DataError(f"{folder}: no cls folder here or below; expected benchmark_RELEASE/dataset with img/ and cls/")
    images = need_folder(root / "img", "SBD keeps its pictures there")
    reader = partial(read_label_mat, names=("GTcls", "Segmentation"))
    pairs = [Pair(stem, images / f"{stem}.jpg", root / "cls" / f"{stem}.mat") for stem in read_split(root, split)]
    return PairDataset(f"SBD {split}", list(CLASSES), VOC_PALETTE, pairs, label_reader=reader, kin=KIN)
