"""Section 4.3: the score layers alone, or all layers."""

from __future__ import annotations

import argparse
from pathlib import Path

from minifcn.experiments import comparison, runs

ABOUT = """\
Section 4.3 of the CVPR 2015 paper: fine-tuning the output classifier alone reaches 70 % of the mean IU of fine-tuning
all layers. Its trunk knows ImageNet; give one with --init (and --preset), for above a random trunk, the default, there
is little to be learned.
"""
PAPER = 70  # percent, section 4.3


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    runs.add_flags(parser, 400, "steps of each", net="fcn32s")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Trains the scores alone, and all layers; leaves freeze.csv and .png in `out`."""
    ways = {
        "all layers": {"net": arguments.net},
        "scores only": {"net": arguments.net, "freeze": "trunk"},
    }
    found = comparison.compare(arguments, out, ways, "what learns")
    whole, part = (sum(run.measures()["mean IU"] for run in there) for there in found.values())
    trunk = "the trunk of --init" if arguments.init else "a random trunk"
    print(f"the scores alone reach {100 * part / whole:.0f} % of the mean IU of all layers, above {trunk}; "
          f"the paper, above one that knows ImageNet: {PAPER} %")  # fmt: skip
    comparison.bars(arguments, out, found)
