"""Appendix A: what a coarse output costs at most. No net, only the truth, made coarse and brought back."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from minifcn.data import open_dataset
from minifcn.data.pictures import IGNORE, read_label
from minifcn.data.voc import CLASSES as VOC_CLASSES
from minifcn.errors import DataError
from minifcn.experiments import report
from minifcn.inspection import charts
from minifcn.metrics import ConfusionMatrix

ABOUT = """\
Appendix A of the CVPR 2015 paper: an upper bound on the mean IU of a net whose output is F times coarser than the
picture. The truth is downsampled by F, upsampled again, and scored against itself. Down to F = 8 little is lost, so
FCN-8s has not much to gain from still finer skips; FCN-32s may reach 86 at most.

The paper does not say how it downsamples. Three ways, all printed:
  nearest   the label in the middle of each FxF block, for the whole block
  majority  the commonest label of the block, for the whole block
  soft      each class's share of the block, interpolated bilinearly; then the largest: what a net that knew the
            shares would say, upsampling as FCNs do
Ignored pixels (255) count neither in a block nor in the score.
"""
EXAMPLES = """\
examples
  minifcn experiments bounds                                      generated shapes
  minifcn experiments bounds --data labels:SegmentationClass      any folder of label PNGs
  minifcn experiments bounds --data voc:VOCdevkit/VOC2012 --split trainval
"""
FACTORS = (128, 64, 32, 16, 8, 4)
PAPER = {128: 50.9, 64: 73.3, 32: 86.1, 16: 92.8, 8: 96.4, 4: 98.5}  # appendix A, on PASCAL VOC


class Labels(NamedTuple):
    """Label maps to be scored: how many classes, how many maps, and the maps."""

    classes: int
    number: int
    maps: Callable[[], Iterator[np.ndarray]]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    parser.add_argument(
        "--data", default="shapes", metavar="SPEC",
        help="labels:DIR, a folder of label PNGs, grey, palette or RGB in VOC's colours; or a data set, as for train "
        "(default: shapes)",
    )  # fmt: skip
    parser.add_argument("--split", default="val", metavar="NAME", help="part of a data set (default: val)")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Degrades label maps and scores them against themselves; leaves bounds.csv and .png in `out`."""
    labels = _open(arguments.data, arguments.split)
    confusions = {(f, how): ConfusionMatrix(labels.classes) for f in FACTORS for how in WAYS}
    for label in tqdm(labels.maps(), "coarse and back", labels.number, unit="picture", leave=False, disable=None):
        for factor in FACTORS:
            for how, bring_back in WAYS.items():
                confusions[factor, how].update(label, bring_back(label, labels.classes, factor))
    if not any(confusion.matrix.any() for confusion in confusions.values()):
        raise DataError(f"--data {arguments.data}: every pixel of its labels is ignored ({IGNORE}); nothing to score")
    rows = []
    for factor in FACTORS:
        scores = {how: 100 * confusions[factor, how].scores().mean_iu for how in WAYS}
        rows.append({"factor": factor, **scores, "paper (VOC)": PAPER[factor]})
    print(f"upper bound on mean IU, in percent: {arguments.data}, {labels.number} label maps")
    print(report.table(rows))
    if labels.classes != len(VOC_CLASSES):
        print(f"the paper's figures are for VOC's {len(VOC_CLASSES)} classes; these labels have {labels.classes}")
    elif arguments.data.partition(":")[0] in ("labels", "voc", "sbd"):
        far = {how: np.mean([abs(row[how] - row["paper (VOC)"]) for row in rows]) for how in WAYS}
        told = ", ".join(f"{how} {distance:.1f}" for how, distance in far.items())
        closest = [how for how, distance in far.items() if np.isclose(distance, min(far.values()))]
        print(
            f"mean distance from the paper's figures: {told}; "
            + (f"{closest[0]} comes closest" if len(closest) == 1 else f"{' and '.join(closest)} come equally close")
        )
    report.write_csv(rows, out / "bounds.csv")
    series = {how: [(row["factor"], row[how]) for row in rows] for how in (*WAYS, "paper (VOC)")}
    charts.lines(series, out / "bounds.png", "downsampling factor", "upper bound on mean IU, %", log_x=True)


def nearest(label: np.ndarray, classes: int, factor: int) -> np.ndarray:
    """(H, W) from the label in the middle of each block; 0 stands in for an ignored one."""
    middles = (np.minimum(np.arange(0, n, factor) + factor // 2, n - 1) for n in label.shape)
    coarse = label[np.ix_(*middles)]
    return _enlarged(np.where(coarse == IGNORE, 0, coarse), factor, label.shape)


def majority(label: np.ndarray, classes: int, factor: int) -> np.ndarray:
    """(H, W) from the commonest label of each block; of equal ones the first class."""
    return _enlarged(block_shares(label, classes, factor).argmax(axis=0), factor, label.shape)


def soft(label: np.ndarray, classes: int, factor: int) -> np.ndarray:
    """(H, W) from each block's shares of the classes, interpolated bilinearly, the largest taken."""
    shares = block_shares(label, classes, factor)
    there = [c for c in range(classes) if shares[c].any()] or [0]
    size = shares.shape[2] * factor, shares.shape[1] * factor
    fine = [np.asarray(Image.fromarray(shares[c]).resize(size, Image.Resampling.BILINEAR)) for c in there]
    return np.array(there)[np.argmax(fine, axis=0)][: label.shape[0], : label.shape[1]]


WAYS = {"nearest": nearest, "majority": majority, "soft": soft}


def block_shares(label: np.ndarray, classes: int, factor: int) -> np.ndarray:
    """(C, h, w) float32: the share of each class among the counted pixels of each block; 0 where there are none."""
    height, width = label.shape
    down, across = -(-height // factor), -(-width // factor)
    padded = np.full((down * factor, across * factor), IGNORE, np.uint8)
    padded[:height, :width] = label
    blocks = np.arange(down * across).reshape(down, 1, across, 1)
    cells = np.broadcast_to(blocks, (down, factor, across, factor)).reshape(padded.shape)
    counted = padded != IGNORE
    counts = np.bincount(cells[counted] * classes + padded[counted], minlength=down * across * classes).reshape(
        down, across, classes
    )
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    return np.ascontiguousarray(shares.transpose(2, 0, 1), dtype=np.float32)


def _enlarged(coarse: np.ndarray, factor: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.repeat(np.repeat(coarse, factor, axis=0), factor, axis=1)[: shape[0], : shape[1]]


def _open(spec: str, split: str) -> Labels:
    kind, _, rest = spec.partition(":")
    if kind != "labels":
        if Path(spec).is_dir():
            raise DataError(f"--data {spec}: a folder; did you mean labels:{spec}, a folder of label PNGs?")
        dataset = open_dataset(spec, split)
        return Labels(dataset.num_classes, len(dataset), lambda: (sample.label for sample in _each(dataset)))
    folder = Path(rest).expanduser()
    if not rest or not folder.is_dir():
        raise DataError(f"--data {spec}: expected labels:DIR, a folder of label PNGs; there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".png")
    if not paths:
        raise DataError(f"--data {spec}: this folder holds no .png file")
    most = max(_largest(read_label(path)) for path in tqdm(paths, "reading", unit="picture", leave=False, disable=None))
    classes = max(most + 1, len(VOC_CLASSES))
    return Labels(classes, len(paths), lambda: map(read_label, paths))


def _each(dataset):
    return (dataset[k] for k in range(len(dataset)))


def _largest(label: np.ndarray) -> int:
    return int(label[label != IGNORE].max(initial=0))
