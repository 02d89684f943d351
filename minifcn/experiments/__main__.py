"""`python -m minifcn.experiments NAME`: the paper's claims, each measured here and printed beside what it prints."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from minifcn.command import Parser, reports_errors
from minifcn.errors import ConfigError, did_you_mean
from minifcn.experiments.runs import Unfinished
from minifcn.outputs import out_folder

#: Name -> what it measures, and where the paper does.
NAMES = {
    "ladder": "32s-fixed, 32s, 16s, 8s: finer skips, better labels (table 2)",
    "backbones": "AlexNet, VGG16, GoogLeNet as trunks (table 1)",
    "bounds": "how much a coarse output can lose at most; no net (appendix A)",
    "sampling": "does it pay to train on a sample of the places? (figure 5)",
    "dense": "one pass over a picture against patch by patch (section 3.1), shift-and-stitch (3.2)",
    "upsampling": "fixed, learned and nonlinear upsampling (section 3.3)",
    "learning": "heavy online learning against accumulated batches",
    "freeze": "the score layers alone, or all layers (section 4.3)",
}
ABOUT = """\
Run one of the paper's experiments on data and nets of a size that fits a laptop, or on your own data and weights.
Each prints its figures beside the paper's, which come from other data, larger nets and longer training: compare
orders and ratios, not values. It leaves NAME.csv and NAME.png in its folder.
"""
EXAMPLES = """\
examples
  minifcn experiments bounds --data labels:SegmentationClass      any folder of label PNGs
  minifcn experiments ladder                                      generated shapes: some six minutes
  minifcn experiments ladder --data voc:DIR --init vgg16.caffemodel --preset vgg16 --iterations 100000
  minifcn experiments dense --help                                what it shows, and its settings

Runs of the trainer are kept in the experiment's folder: after Ctrl-C the same command goes on, and what is finished is
not repeated.
exit status: 0 done, 2 bad input, 130 stopped by Ctrl-C
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment that the first argument names."""
    arguments, experiment = _parse(list(sys.argv[1:] if argv is None else argv))
    with out_folder(arguments.out or f"runs/experiments/{arguments.name}") as out:
        try:
            experiment.run(arguments, out)
        except Unfinished as stopped:
            print(stopped)
            return stopped.status
        print(f"\nwritten to {out}: {arguments.name}.csv, {arguments.name}.png")
    return 0


def _parse(argv: list[str]) -> tuple[argparse.Namespace, ModuleType]:
    name = argv[0] if argv else ""
    if not argv or name in ("-h", "--help"):
        lines = "\n".join(f"  {name:<11}  {about}" for name, about in NAMES.items())
        parser = Parser(prog="minifcn experiments", description=f"{ABOUT}\n{lines}", epilog=EXAMPLES)
        parser.add_argument(
            "name", metavar="NAME", choices=tuple(NAMES), help="one of the above; NAME --help says more"
        )
        parser.parse_args(["--help"])
    if name not in NAMES:
        raise ConfigError(f"minifcn experiments: unknown experiment {name!r}{did_you_mean(name, NAMES)}")
    experiment = importlib.import_module(f"minifcn.experiments.{name}")
    parser = Parser(
        prog=f"minifcn experiments {name}", description=experiment.ABOUT, epilog=getattr(experiment, "EXAMPLES", None)
    )
    parser.add_argument(
        "--out", metavar="DIR", help=f"folder for all that it leaves (default: runs/experiments/{name})"
    )
    experiment.add_flags(parser)
    arguments = parser.parse_args(argv[1:])
    arguments.name = name
    return arguments, experiment


if __name__ == "__main__":
    sys.exit(main())
