"""Heavy online learning against accumulated batches: the same pictures, in many small steps or in few large ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from minifcn.experiments import comparison, runs

ABOUT = """\
The CVPR 2015 paper accumulates the gradients of 20 pictures for a step of momentum 0.9 (section 4.3). The nets that
its authors released learn online with heavy momentum: a step after each picture, momentum 0.99 (solver.prototxt). In
both a gradient's influence fades over about as many pictures: 0.9^(1/20) is 0.995. An update of heavy learning is made
of 1 / (1 - 0.99) = 100 past steps and not of 10, so its learning rate is as many times smaller.

Both see the same number of pictures: --iterations steps of heavy learning, a 20th as many accumulated. Neither paper
figure is printed here: the CVPR paper compares nothing.
"""
PICTURES = 20  # of an accumulated step: section 4.3's minibatch


def add_flags(parser: argparse.ArgumentParser) -> None:
    runs.add_flags(parser, 4000, "pictures that each sees", net="fcn32s")
    parser.add_argument(
        "--lr", type=float, default=0.05, metavar="X", help="learning rate of accumulated steps (default: 0.05)"
    )


def run(arguments: argparse.Namespace, out: Path) -> None:
    steps = max(1, arguments.iterations // PICTURES)
    alike = {"net": arguments.net, "batch_size": 1}
    ways = {
        "accumulated": {
            **alike, "iter_size": PICTURES, "momentum": 0.9, "lr": arguments.lr, "iterations": steps,
            "eval_every": max(1, steps // 5),
        },
        "heavy": {
            **alike, "iter_size": 1, "momentum": 0.99, "lr": arguments.lr / 10, "iterations": steps * PICTURES,
            "eval_every": max(1, steps // 5) * PICTURES,
        },
    }  # fmt: skip
    found = comparison.compare(arguments, out, ways, "learning")
    comparison.curves(arguments, out, found, "mean_iu")
