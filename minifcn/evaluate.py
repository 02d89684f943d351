"""`python -m minifcn.evaluate WEIGHTS --data SPEC`: how good is a net on labelled pictures it has not seen?"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from minifcn import models
from minifcn.backend import xp_of
from minifcn.command import (
    Parser,
    add_device_flags,
    add_memory_flag,
    add_net_flags,
    memory_budget,
    net_given,
    positive,
    reports_errors,
)
from minifcn.data import open_dataset, tasks_of
from minifcn.data.spec import HELP
from minifcn.files import atomic_path
from minifcn.inference import evaluate, open_fcn, remarks
from minifcn.inspection import plots
from minifcn.metrics import ConfusionMatrix, table
from minifcn.outputs import check_free, out_folder
from minifcn.training.scan import left_out, usable
from minifcn.training.sets import Subset

ABOUT = """\
Compare a net's labels with the truth, pixel by pixel, over a whole data set, each picture at its own size.
Prints pixel accuracy, mean accuracy, mean IU and frequency weighted IU, then every class. As in the FCN
reference, background counts as a class, ignored pixels do not count, and pixels are added up over all
pictures before anything is divided. With --out DIR it also writes

  scores.csv     the same numbers: measure, class, value
  confusion.csv  pixel counts, a row for each true class, a column for each predicted one
  confusion.png  that matrix as a picture

For a net of several tasks there is a table for each, and the files are scores-TASK.csv and so on.
Files that are there already are not replaced unless you say --overwrite.
"""
EXAMPLES = """\
examples
  minifcn train --out runs/shapes                                  makes the weights of the next line
  minifcn evaluate runs/shapes/weights.safetensors --data shapes
  minifcn evaluate weights.safetensors --data voc:VOCdevkit/VOC2012 --split val --out scores
  minifcn evaluate siftflow.safetensors --data siftflow:data/siftflow --split test

WEIGHTS is a .safetensors file, as minifcn writes it, or one of another framework, as `minifcn convert` reads it.
exit status: 0 scored; 2 bad input
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Score the weights on the data set; print, and write if asked to."""
    arguments = _parser().parse_args(argv)
    net, about = open_fcn(arguments.weights, net_given(arguments), arguments.device, arguments.threads)
    net.convolve_by(arguments.conv)
    dataset = open_dataset(arguments.data, arguments.split, models.modalities_of(net))
    if arguments.limit is not None:
        dataset = Subset(dataset, arguments.limit)  # as train's --val-limit: first these, then without the bad ones
    for line in remarks(arguments.weights, net, about):
        print(line, file=sys.stderr)
    if arguments.out:
        names = [task.name for task in tasks_of(dataset)]
        check_free([Path(arguments.out, file) for name in names for file in _files(name)], arguments.overwrite)
    with nullcontext() if arguments.out is None else out_folder(arguments.out) as out:
        if arguments.skip_bad:
            whole = dataset
            dataset, bad = usable(whole, net)
            if bad:
                print("\n".join([left_out(whole, len(bad)), *(f"  {reason}" for reason in bad)]), end="\n\n")
        available = memory_budget(arguments.memory_limit, xp_of(*(param.data for param in net.params.values())))
        confusions = evaluate(net, dataset, mean=about["mean"], available=available)
        assert confusions is not None  # nothing asks it to stop
        for task, confusion in zip(tasks_of(dataset), confusions, strict=True):
            print(table(confusion.scores(), task.classes, task.name))
            if out is not None:
                write(confusion, task.classes, out, task.name)
                print(f"\nwritten to {out}: {', '.join(_files(task.name))}")
    return 0


def write(confusion: ConfusionMatrix, classes: Sequence[str], out: Path, task: str = "") -> None:
    """Write scores.csv, confusion.csv and confusion.png into the folder `out`; of a named task scores-TASK.csv, ..."""
    table_file, counts_file, picture = (out / file for file in _files(task))
    scores = confusion.scores()
    whole = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")
    rows: list[Sequence] = [("measure", "class", "value")]
    rows += [(name, "", _number(getattr(scores, name))) for name in whole]
    for measure in ("iu", "accuracy", "share"):
        values = getattr(scores, f"class_{measure}")
        rows += [(measure, name, _number(value)) for name, value in zip(classes, values, strict=True)]
    _write_csv(table_file, rows)
    counts = [[name, *row] for name, row in zip(classes, confusion.matrix.tolist(), strict=True)]
    _write_csv(counts_file, [["truth \\ prediction", *classes], *counts])
    plots.confusion(confusion, classes, picture)


def _files(task: str) -> tuple[str, str, str]:
    end = f"-{task}" if task else ""
    return f"scores{end}.csv", f"confusion{end}.csv", f"confusion{end}.png"


def _write_csv(path: Path, rows: Sequence[Sequence]) -> None:
    with atomic_path(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _number(value: float) -> str:
    """Six decimals; nothing where there was nothing to measure."""
    return "" if np.isnan(value) else f"{value:.6f}"


def _parser() -> Parser:
    parser = Parser(prog="minifcn evaluate", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="weights of an FCN: see below")
    parser.add_argument("--data", required=True, metavar="SPEC", help=HELP)
    parser.add_argument("--split", default="val", metavar="NAME", help="the part of the data set (default: val)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pictures")
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out the pictures that cannot be used; they are counted and listed, each with its reason",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for scores.csv, confusion.csv and confusion.png")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    add_net_flags(parser)
    add_memory_flag(parser)
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
