"""Heavy online learning against accumulated batches: the same pictures, in many small steps or in few large ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from minifcn import recipes
from minifcn.experiments import comparison, runs

ABOUT = """\
The CVPR 2015 paper accumulates the gradients of 20 pictures for a step of momentum 0.9 (section 4.3). The nets that
its authors released learn online with heavy momentum: a step after each picture, momentum 0.99 (solver.prototxt). In
both a gradient's influence fades over about as many pictures: 0.9^(1/20) is 0.995. All see the same pictures:

  accumulated  20 pictures a step, momentum 0.9, --lr
  matched      one picture a step, momentum 0.9^(1/20), and the rate at which each picture moves the weights as far
               in the long run as before (recipes.heavy): the same learning, cut finer
  heavy        one picture a step, momentum 0.99, a tenth of --lr, so that each *step* moves them as far in the long
               run as an accumulated one: 20 times farther for the same pictures. The released rates are of this kind
               (1e-10 beside a summed loss)

The CVPR paper prints no comparison.
"""
PICTURES = 20  # of an accumulated step: section 4.3's minibatch


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    runs.add_flags(parser, 4000, "pictures that each sees", net="fcn32s")
    parser.add_argument(
        "--lr", type=float, default=0.05, metavar="X", help="learning rate of accumulated steps (default: 0.05)"
    )


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Trains in each way on the same pictures; leaves learning.csv and .png in `out`."""
    steps = max(1, arguments.iterations // PICTURES)
    net, often = {"net": arguments.net, "batch_size": 1}, max(1, steps // 5)
    online = {**net, **recipes.heavy(arguments.lr, 0.9, PICTURES, steps), "eval_every": often * PICTURES}
    ways = {
        "accumulated": {
            **net, "iter_size": PICTURES, "momentum": 0.9, "lr": arguments.lr, "iterations": steps, "eval_every": often,
        },
        "matched": online,
        "heavy": {**online, "momentum": 0.99, "lr": arguments.lr / 10},
    }  # fmt: skip
    found = comparison.compare(arguments, out, ways, "learning")
    comparison.curves(arguments, out, found, "mean_iu")
