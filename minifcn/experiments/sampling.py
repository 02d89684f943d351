"""Figure 5: training on a sample of the places of each picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from minifcn import config
from minifcn.experiments import comparison, runs

ABOUT = """\
Figure 5 of the CVPR 2015 paper (sections 3.4 and 4.3): each cell of the coarsest scores counts in the loss with
probability p only, as if patches were drawn, and a batch has 1/p times as many pictures, so that as many cells count.
In the paper sampling changed little by iteration, and by time it was slower, for more pictures are computed: whole
pictures it is. The figure is a plot of losses without numbers to print beside ours; mean IU is drawn here, by step
and by time.
"""
SHARES = (1.0, 0.5, 0.25)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    runs.add_flags(parser, 300, "steps of each", net="fcn32s")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Trains with each share of the cells; leaves sampling.csv and .png in `out`."""
    usual = config.resolve({}, runs.settings(arguments, net=arguments.net)).batch_size
    every = max(1, arguments.iterations // 6)
    ways = {
        f"p = {p:g}": {
            "net": arguments.net, "loss_sampling": p, "batch_size": round(usual / p), "eval_every": every,
        }
        for p in SHARES
    }  # fmt: skip
    found = comparison.compare(arguments, out, ways, "sample")
    per_step = {name: there[0].seconds / len(there[0].log) for name, there in found.items()}
    first = per_step["p = 1"]
    print("time of a step: " + ", ".join(f"{name} {seconds / first:.1f}" for name, seconds in per_step.items()))
    comparison.curves(arguments, out, found, "mean_iu")
