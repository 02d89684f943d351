"""One process of a scaling measurement: training steps as the trainer makes them, over the same batch again and again.

`python -m benchmarks.rank JSON`, alone or under mpiexec; the first process prints a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np

from minifcn import data, distributed, models
from minifcn.config import TrainConfig
from minifcn.data import Batch
from minifcn.distributed.gradients import HostSum
from minifcn.net import Net
from minifcn.optim import MomentumSGD
from minifcn.training.objective import Objective


def main(text: str) -> None:
    """text: net, preset, padding, side, pictures (of all processes), steps, threads, processes."""
    job = json.loads(text)
    waits: list[float] = []
    _time_finish(waits)
    with distributed.joined(job["processes"] > 1) as group:
        group.equip(job["threads"], np)
        spec = f"shapes:size={job['side']},train={job['pictures']}"
        config = TrainConfig(net=job["net"], preset=job["preset"], data=spec, batch_size=job["pictures"], loss="mean")
        train = data.open_dataset(spec, "train")
        net = models.build(job["net"], 7, job["preset"], job["padding"], np.random.default_rng(0))
        sgd = MomentumSGD(net.params, 1e-4, 0.9, 5e-4)
        objective = Objective(config, train, group)
        with data.Loader(train, config.batch_size, 1, part=group.share(config.batch_size)) as loader:
            batches = repeat(loader.batch(0))
        seconds = [_step(net, sgd, objective, batches, group) for _ in range(job["steps"] + 1)][1:]
        found: dict[str, Any] = {"seconds": seconds, "waits": waits[1:]}
        if job["processes"] == job["threads"] == 1:
            found |= _anatomy(net, sgd, objective, batches, job["steps"])
        if group.leads:
            print(json.dumps(found), flush=True)


def _step(
    net: Net, sgd: MomentumSGD, objective: Objective, batches: Iterator[Batch], group: distributed.Group
) -> float:
    """Seconds of a training step. The first of a process are another's: memory is new to it."""
    group.most(0)  # all begin together
    start = time.perf_counter()
    objective.accumulate(net, batches, 1)
    sgd.step()
    net.zero_grads()
    return time.perf_counter() - start


def _anatomy(net: Net, sgd: MomentumSGD, objective: Objective, batches: Iterator[Batch], steps: int) -> dict[str, Any]:
    """Where a step's time goes: seconds of the forward pass with the loss, of each layer's backward pass with the bytes
    of its gradients, in the order of the pass, and of the update; medians."""
    forward, update = [], []
    layers: dict[str, tuple[int, list[float]]] = {}
    for _ in range(steps):
        start = time.perf_counter()
        _, dscores = objective.loss(net, next(batches))
        forward.append(time.perf_counter() - start)
        for step in net.back_steps(*dscores):
            gradients = sum(param.grad.nbytes for param in step.layer.params.values() if param.grad is not None)
            layers.setdefault(step.name, (gradients, []))[1].append(step.seconds)
            del step
        start = time.perf_counter()
        sgd.step()
        update.append(time.perf_counter() - start)
        net.zero_grads()
    return {
        "forward": float(np.median(forward)),
        "update": float(np.median(update)),
        "layers": [(name, size, float(np.median(seconds))) for name, (size, seconds) in layers.items()],
    }


def _time_finish(waits: list[float]) -> None:
    """Notes how long each backward pass waits, at its end, for sums that are still under way."""
    finish = HostSum.finish

    def timed(sums: HostSum) -> None:
        start = time.perf_counter()
        finish(sums)
        waits.append(time.perf_counter() - start)

    HostSum.finish = timed  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main(sys.argv[1])
