"""`python -m minifcn.evaluate WEIGHTS --data SPEC`: how good is a net on labelled pictures it has not seen?"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minifcn.command import Parser, reports_errors
from minifcn.data import MEAN_BGR, Dataset, open_dataset
from minifcn.data.spec import HELP
from minifcn.errors import ConfigError, DataError
from minifcn.files import atomic_path
from minifcn.inspection import plots
from minifcn.metrics import ConfusionMatrix, table
from minifcn.net import Net
from minifcn.predict import add_device_flags, open_fcn, positive, predict

ABOUT = """\
Compare a net's labels with the truth, pixel by pixel, over a whole data set, each picture at its own size.
Prints pixel accuracy, mean accuracy, mean IU and frequency weighted IU, then every class. As in the FCN
reference, background counts as a class, ignored pixels do not count, and pixels are added up over all
pictures before anything is divided. With --out DIR it also writes

  scores.csv     the same numbers: measure, class, value
  confusion.csv  pixel counts, a row for each true class, a column for each predicted one
  confusion.png  that matrix as a picture
"""
EXAMPLES = """\
examples
  python -m minifcn.evaluate runs/shapes/weights.safetensors --data shapes
  python -m minifcn.evaluate weights.safetensors --data voc:VOCdevkit/VOC2012 --split val --out scores
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Score the weights on the data set; print, and write if asked to."""
    arguments = _parser().parse_args(argv)
    dataset = open_dataset(arguments.data, arguments.split)
    net, about = open_fcn(arguments.weights, arguments.device, arguments.threads)
    confusion = evaluate(net, dataset, arguments.limit, progress=True, mean=about["mean"])
    print(table(confusion.scores(), dataset.classes))
    if arguments.out:
        write(confusion, dataset.classes, Path(arguments.out))
        print(f"\nwritten to {arguments.out}: scores.csv, confusion.csv, confusion.png")
    return 0


def evaluate(
    net: Net,
    dataset: Dataset,
    limit: int | None = None,
    progress: bool = True,
    mean: Sequence[float] = MEAN_BGR,
) -> ConfusionMatrix:
    """The confusion matrix of a net's predictions on the first `limit` samples, each alone and at its own size.

    Raises DataError if the data set is empty, or if it and the net have different numbers of classes.
    """
    classes = net.spec["num_classes"]
    if classes != dataset.num_classes:
        raise DataError(
            f"{dataset.name}: {dataset.num_classes} classes, but the net was made for {classes}; "
            "evaluate on the data set that it was trained on, or train it anew"
        )
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count == 0:
        raise DataError(f"{dataset.name}: no samples to evaluate on")
    confusion = ConfusionMatrix(classes, dataset.ignore_index)
    for i in tqdm(range(count), "evaluating", unit="picture", leave=False, disable=None if progress else True):
        sample = dataset[i]
        confusion.update(sample.label, predict(net, sample.image, mean))
    return confusion


def write(confusion: ConfusionMatrix, classes: Sequence[str], out: Path) -> None:
    """Write scores.csv, confusion.csv and confusion.png into the folder `out`, made if it is not there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make this folder ({error.strerror})") from error
    scores = confusion.scores()
    whole = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")
    rows: list[Sequence] = [("measure", "class", "value")]
    rows += [(name, "", _number(getattr(scores, name))) for name in whole]
    for measure in ("iu", "accuracy", "share"):
        values = getattr(scores, f"class_{measure}")
        rows += [(measure, name, _number(value)) for name, value in zip(classes, values, strict=True)]
    _write_csv(out / "scores.csv", rows)
    counts = [[name, *row] for name, row in zip(classes, confusion.matrix.tolist(), strict=True)]
    _write_csv(out / "confusion.csv", [["truth \\ prediction", *classes], *counts])
    plots.confusion(confusion, classes, out / "confusion.png")


def _write_csv(path: Path, rows: Sequence[Sequence]) -> None:
    with atomic_path(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _number(value: float) -> str:
    """Six decimals; nothing where there was nothing to measure."""
    return "" if np.isnan(value) else f"{value:.6f}"


def _parser() -> Parser:
    parser = Parser(prog="python -m minifcn.evaluate", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="a .safetensors file, as training leaves it")
    parser.add_argument("--data", required=True, metavar="SPEC", help=HELP)
    parser.add_argument("--split", default="val", metavar="NAME", help="the part of the data set (default: val)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pictures")
    parser.add_argument("--out", metavar="DIR", help="folder for scores.csv, confusion.csv and confusion.png")
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
