"""`python -m minifcn.data check SPEC`: is this data set fit to train on?"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

from tqdm import tqdm

from minifcn.command import Parser, reports_errors
from minifcn.data.check import examine, shared_samples
from minifcn.data.spec import open_dataset

ABOUT = """\
Read every sample of a data set and print what is in it: sizes, the share of each class, the share of
ignored pixels, and every file that cannot be used, with the reason.

SPEC is one of
  shapes          drawn by minifcn, nothing to download; shapes:128 or shapes:size=128,train=1000,seed=3
  voc:DIR         PASCAL VOC: VOCdevkit or VOCdevkit/VOC2012, as its archive unpacks
  camvid:DIR      CamVid: train/, trainannot/, train.txt and the same for val
  folder:DIR      your own: images/NAME.jpg, labels/NAME.png, classes.txt (one class a line)
"""
EXITS = """\
exit status: 0 ready to train; 1 training would stumble; 2 wrong arguments, or no data set there
example:     minifcn data check camvid:data/camvid --split train val
"""


def _parser() -> Parser:
    parser = Parser(prog="minifcn data", description="Tools for data sets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="check")
    check = commands.add_parser("check", help="is this data set fit to train on?", description=ABOUT, epilog=EXITS)
    check.add_argument("spec", metavar="SPEC", help="the data set, as above")
    check.add_argument(
        "--split", nargs="+", default=["train", "val"], metavar="NAME", help="the splits to read (default: train val)"
    )
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status is explained in EXITS."""
    arguments = _parser().parse_args(argv)
    datasets = [open_dataset(arguments.spec, split) for split in arguments.split]
    reports = []
    for dataset in datasets:
        # disable=None: a bar on a terminal, nothing in a log
        report = examine(dataset, tqdm(range(len(dataset)), dataset.name, unit="sample", leave=False, disable=None))
        print(*report.lines(), "", sep="\n")
        reports.append(report)
    for pair in itertools.combinations(reports, 2):
        if warning := shared_samples(*pair):
            print(f"warning: {warning}")
    bad = sum(len(report.problems) for report in reports)
    print(f"not fit to train on: {bad} problem{'s' * (bad != 1)}" if bad else "ready to train")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
