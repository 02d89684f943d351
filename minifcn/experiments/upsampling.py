"""Section 3.3: upsampling fixed, learned, or a learned stack with ReLUs between."""

from __future__ import annotations

import argparse
from pathlib import Path

from minifcn import models
from minifcn.experiments import comparison, runs

ABOUT = """\
Section 3.3 of the CVPR 2015 paper: upsampling is a transposed convolution, whose filters can be fixed to bilinear
interpolation, or learned from there (each class alone, or dense: all classes from all), or be a stack with activations
between, which is nonlinear. The paper learns the upsampling between skips and fixes the last (section 4.3), and prints
no comparison; the authors' released nets fix all, their README finding no significant difference.
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    runs.add_flags(parser, 400, "steps of each", net="fcn8s")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Trains with each kind of upsampling; leaves upsampling.csv and .png in `out`."""
    ways = {kind: {"net": arguments.net, "upsampling": kind} for kind in models.UPSAMPLINGS}
    found = comparison.compare(arguments, out, ways, "upsampling")
    comparison.bars(arguments, out, found)
