"""What a run would need and start from, without a step of it: the plan, the memory, the data, the first loss."""

from __future__ import annotations

import math

from minifcn import backend
from minifcn.data import IGNORE, Batch
from minifcn.data.check import examine
from minifcn.data.dataset import Dataset
from minifcn.net import Net
from minifcn.training.objective import Objective
from minifcn.training.sets import Subset

LOOKED_AT = 200  # samples of each set; `minifcn data check` reads all


def memory_lines(net: Net, batch: Batch, xp: backend.Namespace) -> list[str]:
    """What the net costs for a batch of this shape, and a warning if it will not fit."""
    plan = net.plan(batch.x.shape)
    available = backend.memory(xp)["available"]
    shape = "x".join(str(n) for n in batch.x.shape)
    lines = [
        f"{plan.parameters / 1e6:.2f} M parameters learn, {plan.fixed / 1e6:.2f} M are fixed; "
        f"{plan.macs / 1e9:.2f} GMAC forward for {shape}",
        f"memory: training {_size(plan.peak_bytes)}, inference {_size(plan.inference_bytes)}, "
        f"available {_size(available)}",
    ]
    if plan.peak_bytes > available:
        lines.append(
            "warning: training needs more memory than there is; smaller --batch-size (and larger --iter-size), --crop, "
            "--input-padding 81, or a narrower --preset need less"
        )
    return lines


def report(net: Net, batch: Batch, objective: Objective, train: Dataset, val: Dataset) -> int:
    """Prints the findings; 1 if training would stumble over the data, else 0."""
    problems = 0
    for dataset in (train, val):
        findings = examine(Subset(dataset, LOOKED_AT))
        problems += len(findings.problems)
        print(*findings.lines(), sep="\n")
    value = float(objective.loss(net, batch)[0])
    counted = max(1, int((batch.labels != IGNORE).sum()) / len(batch.names))
    per_pixel = value / counted if objective.reduction == "sum" else value
    classes = train.num_classes
    print(
        f"loss at start: {per_pixel:.4f} a pixel (total {value:.4g}); "
        f"a net that knows nothing of {classes} classes has log {classes} = {math.log(classes):.4f}"
    )
    return 1 if problems else 0


def _size(count: float) -> str:
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"
