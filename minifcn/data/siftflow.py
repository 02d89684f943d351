"""`siftflow:DIR`: 2688 outdoor scenes labelled twice, in 33 semantic and in 3 geometric classes.

    DIR/Images/SCENES/NAME.jpg            SCENES is spatial_envelope_256x256_static_8outdoorcategories
    DIR/SemanticLabels/SCENES/NAME.mat    S: 1..33, 0 is "no class" and ignored
    DIR/GeoLabels/SCENES/NAME.mat         S: 1..3, -1 is "no class" and ignored
    DIR/trainval.txt, test.txt            2486 and 200 names, as in the FCN reference's data/sift-flow

Two tasks, so nets for it have two heads, "sem" and "geo". Cow, desert and moon do not occur in the test set.
Source: Liu, Yuen, Torralba, "Nonparametric scene parsing via label transfer", 2011; Tighe & Lazebnik 2010 (geometric).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from minifcn.data.dataset import Task
from minifcn.data.mats import read_label_mat
from minifcn.data.pairs import Pair, PairDataset, need_folder, read_split
from minifcn.data.pictures import VOC_PALETTE, make_palette

SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
SEMANTIC = [
    "awning",
    "balcony",
    "bird",
    "boat",
    "bridge",
    "building",
    "bus",
    "car",
    "cow",
    "crosswalk",
    "desert",
    "door",
    "fence",
    "field",
    "grass",
    "moon",
    "mountain",
    "person",
    "plant",
    "pole",
    "river",
    "road",
    "rock",
    "sand",
    "sea",
    "sidewalk",
    "sign",
    "sky",
    "staircase",
    "streetlight",
    "sun",
    "tree",
    "window",
]
GEOMETRIC = ["sky", "horizontal", "vertical"]
GEOMETRIC_PALETTE = make_palette([(70, 130, 180), (60, 140, 60), (190, 90, 50)], ignore=(224, 224, 192))
TASKS = (Task("sem", SEMANTIC, VOC_PALETTE), Task("geo", GEOMETRIC, GEOMETRIC_PALETTE))

#: Of blue, green and red; siftflow_layers.py.
MEAN = (114.578, 115.294, 108.353)


def open_siftflow(folder: Path, split: str) -> PairDataset:
    """One split of SIFT Flow: trainval, test, or any other list that lies beside them."""
    need_folder(folder, "expected the folder with Images/, SemanticLabels/ and GeoLabels/ in it")
    images, *labels = (
        need_folder(folder / name / SCENES, "SIFT Flow keeps its pictures and label maps in folders of that name")
        for name in ("Images", "SemanticLabels", "GeoLabels")
    )
    pairs = [
        Pair(
            stem,
            images / f"{stem}.jpg",
            labels[0] / f"{stem}.mat",
            more_labels=tuple(more / f"{stem}.mat" for more in labels[1:]),
        )
        for stem in read_split(folder, split)
    ]
    reader = partial(read_label_mat, names=["S"], first=1)
    return PairDataset(
        f"SIFT Flow {split}", list(SEMANTIC), VOC_PALETTE, pairs, label_reader=reader, tasks=TASKS, mean=MEAN
    )
