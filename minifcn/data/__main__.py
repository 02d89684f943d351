"""`python -m minifcn.data check SPEC`: is this data set fit to train on?"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

from tqdm import tqdm

from minifcn.command import Parser, reports_errors
from minifcn.data.check import examine, shared_samples
from minifcn.data.dataset import tasks_of
from minifcn.data.modalities import COLOUR, READERS
from minifcn.data.spec import open_dataset

ABOUT = """\
Read every sample of a data set and print what is in it: sizes, the share of each class, the share of
ignored pixels, and every file that cannot be used, with the reason.

SPEC is one of
  shapes          drawn by minifcn, nothing to download; shapes:128 or shapes:size=128,train=1000,seed=3
  voc:DIR         PASCAL VOC: VOCdevkit or VOCdevkit/VOC2012, as its archive unpacks
  sbd:DIR         SBD, VOC's classes on more pictures: benchmark_RELEASE/dataset with img/, cls/*.mat, train.txt
  context:DIR     PASCAL-Context, 59 classes and background: trainval/*.mat, labels.txt, 59_labels.txt, and VOC2010
                  in DIR or beside it; context33:DIR for the 33 classes of 33_labels.txt
  nyud:DIR        NYUDv2, 40 classes: data/images/, segmentation/*.mat (1..40, less 1; 0 is ignored), train.txt;
                  data/depth/ and data/hha/
  siftflow:DIR    SIFT Flow, two tasks: Images/SCENES/, SemanticLabels/SCENES/, GeoLabels/SCENES/, where SCENES is
                  spatial_envelope_256x256_static_8outdoorcategories; its splits are trainval and test
  camvid:DIR      CamVid: train/, trainannot/, train.txt and the same for val
  folder:DIR      your own: images/NAME.jpg, labels/NAME.png, classes.txt (one class a line)
"""
EXITS = """\
exit status: 0 ready to train; 1 training would stumble; 2 wrong arguments, or no data set there
examples:    minifcn data check camvid:data/camvid --split train val
             minifcn data check nyud:data/nyud --split trainval test --inputs color depth hha
"""


def _parser() -> Parser:
    parser = Parser(prog="minifcn data", description="Tools for data sets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="check")
    check = commands.add_parser("check", help="is this data set fit to train on?", description=ABOUT, epilog=EXITS)
    check.add_argument("spec", metavar="SPEC", help="the data set, as above")
    check.add_argument(
        "--split", nargs="+", default=["train", "val"], metavar="NAME", help="the splits to read (default: train val)"
    )
    check.add_argument(
        "--inputs",
        nargs="+",
        default=list(COLOUR),
        choices=[*COLOUR, *READERS],
        metavar="NAME",
        help="what to read of each picture: color, depth, hha (default: color)",
    )
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status is explained in EXITS."""
    arguments = _parser().parse_args(argv)
    datasets = [open_dataset(arguments.spec, split, arguments.inputs) for split in arguments.split]
    reports = []
    for dataset in datasets:
        for task in range(len(tasks_of(dataset))):
            # disable=None: a bar on a terminal, nothing in a log
            bar = tqdm(range(len(dataset)), dataset.name, unit="sample", leave=False, disable=None)
            report = examine(dataset, bar, task)
            print(*report.lines(), "", sep="\n")
            reports.append(report)
    shared = [text for pair in itertools.combinations(datasets, 2) if (text := shared_samples(*pair))]
    for text in shared:
        print(f"unusable: {text}")
    bad = len(shared) + sum(len(report.problems) for report in reports)
    print(f"not fit to train on: {bad} problem{'s' * (bad != 1)}" if bad else "ready to train")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
