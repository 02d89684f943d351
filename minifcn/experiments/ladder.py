"""Table 2: the finer the skips, the better the labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

from minifcn import models
from minifcn.experiments import report, runs
from minifcn.inspection import charts

ABOUT = """\
Table 2 of the CVPR 2015 paper (section 4.2): FCN-32s with all but its scores fixed, FCN-32s, FCN-16s, FCN-8s, each
skip stage starting from the one before; four metrics. Finer outputs label better, and boundaries gain most.

32s-fixed trains the score layer alone. In the paper the trunk below it knows ImageNet; here it is random unless --init
gives it weights, so that the score layer has to do with random features: the first step of the ladder is higher here.
"""
NETS = ("32s", "16s", "8s")
FIXED = "32s-fixed"
#: Table 2, on a subset of PASCAL VOC 2011 val: pixel accuracy, mean accuracy, mean IU, frequency weighted IU.
PAPER = {
    FIXED: (83.0, 59.7, 45.4, 72.0),
    "32s": (89.1, 73.3, 59.4, 81.4),
    "16s": (90.0, 75.7, 62.4, 83.0),
    "8s": (90.3, 75.9, 62.7, 83.2),
}
#: Steps of the stages, as a share of --iterations.
SHARES = (1.0, 0.75, 0.75)
EXAMPLES = """\
examples
  minifcn experiments ladder                                      generated shapes: some six minutes
  minifcn experiments ladder --seeds 1 --iterations 40            a look at what it does
  minifcn experiments ladder --data voc:DIR --init vgg16.caffemodel --preset vgg16 --iterations 100000
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    runs.add_flags(parser, 400, "steps of FCN-32s; 32s-fixed, 16s and 8s take 0.75 times as many", "fcn8s", "1,2,3")
    parser.add_argument(
        "--stage-lr-factor",
        type=float,
        default=1.0,
        metavar="X",
        help="learning rate of a stage as a share of the one before: 0.01 in the paper, whose trunk "
        "has learned already when a stage begins; 1, the default, for one that began at random",
    )  # fmt: skip


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Trains every net of the ladder for every seed; leaves ladder.csv and .png in `out`."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in PAPER}
    for seed in arguments.seeds:
        for name, measures in climb(arguments, out, seed).items():
            found[name].append(measures)
    told = f"{arguments.data}, {report.counted(len(arguments.seeds), 'seed')}"
    means = {name: {key: mean(one[key] for one in each) for key in each[0]} for name, each in found.items()}
    papers = {name: dict(zip(runs.COLUMNS.values(), PAPER[name], strict=True)) for name in PAPER}
    print(f"\nhere: {told}, means in percent")
    print(report.table([{"net": name, **values} for name, values in means.items()]))
    print("\npaper: PASCAL VOC 2011 val, trained on SBD (table 2)")
    print(report.table([{"net": name, **values} for name, values in papers.items()]))
    seeds = {
        name: {f"seed {seed}": one["mean IU"] for seed, one in zip(arguments.seeds, each, strict=True)}
        for name, each in found.items()
    }
    print("\nmean IU")
    print(report.table([{"net": name, **seeds[name], "paper": papers[name]["mean IU"]} for name in PAPER]))
    rows = [
        {"net": name, **means[name], **seeds[name], **{f"paper {key}": value for key, value in papers[name].items()}}
        for name in PAPER
    ]
    report.write_csv(rows, out / "ladder.csv")
    groups = {name: {"here": means[name]["mean IU"], "paper (VOC)": papers[name]["mean IU"]} for name in PAPER}
    charts.bars(groups, out / "ladder.png", "mean IU, %", told)


def climb(arguments: argparse.Namespace, out: Path, seed: int) -> dict[str, dict[str, float]]:
    """The four measures of each net of the ladder, of one seed."""
    steps = [max(1, round(share * arguments.iterations)) for share in SHARES]
    given = runs.settings(arguments, seed=seed, eval_every=0)
    fixed = {**given, "net": models.with_stride(arguments.net, 32), "freeze": "trunk", "iterations": steps[-1]}
    staged = {
        **given,
        "net": arguments.net,
        "stages": ",".join(NETS),
        "stage_iterations": ",".join(map(str, steps)),
        "stage_lr_factor": arguments.stage_lr_factor,
    }
    found = {FIXED: runs.trained(out / f"{FIXED}-seed{seed}", f"seed {seed}, {FIXED}", fixed).measures()}
    run = runs.trained(out / f"staged-seed{seed}", f"seed {seed}, {', '.join(NETS)}", staged)
    for k, name in enumerate(NETS, start=1):
        found[name] = run.measures(sum(steps[:k]))
    return found
