"""SBD, NYUDv2, SIFT Flow and PASCAL-Context in their published layouts, with pictures of a few pixels."""

import numpy as np
import pytest
from PIL import Image

from minifcn.data.siftflow import SCENES

io = pytest.importorskip("scipy.io", reason="SciPy, which writes these files, is not installed")

SIZE = (4, 6)  # height, width


def put_picture(path, colour=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], colour).save(path)


def put_mat(path, **variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    io.savemat(path, variables, do_compression=True)


def numbers(*values, dtype=np.uint8):
    """A label map of SIZE that deals some numbers to its pixels in turn."""
    return np.resize(np.array(values), SIZE).astype(dtype)


def put_cls(path, label):
    """As SBD's cls/*.mat: a structure with three fields."""
    put_mat(path, GTcls={"Boundaries": np.zeros((20, 1)), "CategoriesPresent": [[15]], "Segmentation": label})


def sbd(folder):
    """Two training pictures and one to validate on."""
    root = folder / "benchmark_RELEASE" / "dataset"
    for k, stem in enumerate(("2008_000008", "2008_000033", "2008_000042")):
        put_picture(root / "img" / f"{stem}.jpg")
        put_cls(root / "cls" / f"{stem}.mat", numbers(0, 15, 20 - k))
    (root / "train.txt").write_text("2008_000008\n2008_000033\n")
    (root / "val.txt").write_text("2008_000042\n")
    return root


def nyud(folder):
    """A picture in train and one in val, with depth and HHA."""
    root = folder / "nyud"
    for number in ("5001", "5002"):
        put_picture(root / f"data/images/img_{number}.png")
        put_picture(root / f"data/hha/img_{number}.png", (200, 100, 50))
        (root / "data/depth").mkdir(exist_ok=True)
        Image.fromarray(numbers(2550, 0, 5100, dtype=np.uint16)).save(root / f"data/depth/img_{number}.png")
        put_mat(root / f"segmentation/img_{number}.mat", segmentation=numbers(0, 1, 40))
    (root / "train.txt").write_text("5001\n")
    (root / "val.txt").write_text("5002\n")
    return root


def siftflow(folder):
    """A picture in trainval and one in test, with both label maps."""
    root = folder / "siftflow"
    for stem in ("coast_natu975", "street_urb885"):
        put_picture(root / "Images" / SCENES / f"{stem}.jpg")
        names = np.array(["a", "b"], object)
        put_mat(root / "SemanticLabels" / SCENES / f"{stem}.mat", S=numbers(0, 1, 33, dtype=float), names=names)
        put_mat(root / "GeoLabels" / SCENES / f"{stem}.mat", S=numbers(-1, 1, 3, dtype=np.int16), names=names)
    (root / "trainval.txt").write_text("coast_natu975\n")
    (root / "test.txt").write_text("street_urb885\n")
    return root


LABELS = ["accordion", "aeroplane", "bedclothes", "cloth", "table", "air conditioner", "unknown"]


def context(folder):
    """A picture in train and one in val; of the classes, seven of all and four of the 59."""
    root, year = folder / "pascal-context", folder / "VOCdevkit" / "VOC2010"
    for stem in ("2008_000002", "2010_000003"):
        put_picture(year / "JPEGImages" / f"{stem}.jpg")
        put_mat(root / "trainval" / f"{stem}.mat", LabelMap=numbers(1, 2, 3, 4, 5, 7, dtype=np.uint16))
    (root / "labels.txt").write_text("".join(f"{k}: {name}\n" for k, name in enumerate(LABELS, 1)))
    (root / "59_labels.txt").write_text("1: aeroplane\n2: diningtable\n3: bedcloth\n4: clothes\n")
    (root / "33_labels.txt").write_text("1: aeroplane\n2: diningtable\n")
    (year / "ImageSets/Main").mkdir(parents=True)
    (year / "ImageSets/Main/train.txt").write_text("2008_000002\n")
    (year / "ImageSets/Main/val.txt").write_text("2010_000003\n")
    return root
