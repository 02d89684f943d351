"""Table 1: AlexNet, VGG16 and GoogLeNet as trunks of FCNs of stride 32."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from minifcn import backend, models
from minifcn.backend import Timer
from minifcn.command import positive
from minifcn.experiments import report, runs
from minifcn.inspection import charts

ABOUT = """\
Table 1 of the CVPR 2015 paper (section 4.1): which classifier makes the best trunk? Mean IU comes out of training each
at --preset on --data; the other columns are of the nets at full width, as published: parameters, the stride and the
receptive field are counted, the time of a forward pass over a 500x500 picture is measured on this machine.

Narrow nets on easy pictures need not come out in the paper's order: it compares nets that all know ImageNet.
GoogLeNet's FCN is a reconstruction; the paper counts 907 pixels, which is its field with the average pooling that it
says it leaves out.
"""
NETS = {"AlexNet": "fcn-alexnet", "VGG16": "fcn32s", "GoogLeNet": "fcn-googlenet"}
#: Table 1, on PASCAL VOC 2011 val; milliseconds on an NVIDIA K40c.
PAPER = {
    "AlexNet": {"mean IU": 39.8, "forward, ms": 50, "parameters, M": 57, "field": 355, "stride": 32},
    "VGG16": {"mean IU": 56.0, "forward, ms": 210, "parameters, M": 134, "field": 404, "stride": 32},
    "GoogLeNet": {"mean IU": 42.5, "forward, ms": 59, "parameters, M": 6, "field": 907, "stride": 32},
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    runs.add_flags(parser, 400, "steps of each")
    parser.add_argument(
        "--trials", type=positive, default=3, metavar="N", help="medians of so many passes (default: 3)"
    )
    parser.add_argument("--size", type=positive, default=500, metavar="N", help="side of the timed picture (500)")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Trains an FCN-32s on each trunk, times a forward pass; leaves backbones.csv and .png in `out`."""
    rows: list[dict[str, Any]] = []
    for trunk, name in NETS.items():
        found = [
            runs.trained(
                out / f"{name}-seed{seed}", f"seed {seed}, {name}", runs.settings(arguments, seed=seed, net=name)
            )
            for seed in arguments.seeds
        ]
        iu = mean(run.measures()["mean IU"] for run in found)
        ours = {"mean IU": iu, "forward, ms": milliseconds(name, arguments), **counts(name)}
        rows.append({"trunk": trunk, **ours, **{f"paper {key}": value for key, value in PAPER[trunk].items()}})
    widths = f"the trunks at preset {arguments.preset or 'tiny'} on {arguments.data}"
    print(f"\nhere: mean IU of {widths}; the rest of the published widths, {arguments.device}")
    print(report.table([{k: v for k, v in row.items() if not k.startswith("paper")} for row in rows]))
    print("\npaper (PASCAL VOC 2011 val, 500x500 on a K40c)")
    print(report.table([{"trunk": trunk, **figures} for trunk, figures in PAPER.items()]))
    report.write_csv(rows, out / "backbones.csv")
    groups = {row["trunk"]: {"here": row["mean IU"], "paper (VOC)": row["paper mean IU"]} for row in rows}
    charts.bars(groups, out / "backbones.png", "mean IU, %", f"here: {widths}")


def counts(name: str) -> dict[str, float]:
    """What is counted of a net as published, with the paper's 21 classes."""
    net = models.build(name, 21)
    place = net.coords("score_fr").x
    learned = sum(param.data.size for param in net.params.values() if param.learns)
    return {"parameters, M": learned / 1e6, "field": int(place.receptive_field), "stride": int(place.scale)}


def milliseconds(name: str, arguments: argparse.Namespace) -> float:
    """Of a forward pass of a net as published, over one square picture: the median of several, the first not counted.

    Its weights are random: zeros would lie in the cache.
    """
    xp = backend.for_device(arguments.device)
    net = models.build(name, 21, rng=np.random.default_rng(0)).to(xp)
    x = backend.to(np.ones((1, 3, arguments.size, arguments.size), np.float32), xp)
    seconds = []
    for _ in range(arguments.trials + 1):
        with net.inference(), Timer(xp) as timer:
            net.forward(x)
        seconds.append(timer.seconds)
    return 1e3 * median(seconds[1:])
