"""What a net takes of the machine's memory, in a process of its own: `python tests/measured.py '{"name": ...}'`.

Prints JSON: what stood there before the net was built, and the peaks after building, and of the passes, above that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import backend, models, ops, optim, parallel

HERE = Path(__file__).resolve()


def measured(spec: dict[str, Any], shape: tuple[int, ...], training: bool, passes: int = 2, threads: int = 2) -> dict:
    """Bytes that building the net of `spec` and `passes` over a batch of `shape` take, measured in a fresh process."""
    task = {"spec": spec, "shape": shape, "training": training, "passes": passes, "threads": threads}
    command = [sys.executable, str(HERE), json.dumps(task)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1], env=_environment())
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE.parents[1])}


def _main(task: dict[str, Any]) -> dict[str, int]:
    parallel.set_threads(task["threads"])
    shape, rng = tuple(task["shape"]), np.random.default_rng(0)
    before = backend.memory()["used"]
    net = models.build(**task["spec"], rng=rng)
    built = backend.memory()["peak"] - before
    x = rng.standard_normal(shape, dtype=np.float32)
    plan = net.plan(shape)
    if not task["training"]:
        for _ in range(task["passes"]):
            with net.inference():
                net.forward(x)
        planned = plan.inference_bytes
    else:
        sgd = optim.MomentumSGD(net.params, lr=1e-12, momentum=0.9, weight_decay=5e-4)
        output = plan.output_shape
        labels = rng.integers(0, output[1], (output[0], *output[2:]), dtype=np.uint8)
        for _ in range(task["passes"]):
            net.zero_grads()
            scores = net.forward(x)
            _, cache = ops.softmax_cross_entropy(scores, labels)
            del scores
            dscores = ops.softmax_cross_entropy_backward(1.0, cache)
            del cache
            net.backward(*dscores)
            del dscores
            sgd.step()
        planned = plan.peak_bytes
    peak = backend.memory()["peak"] - before
    return {"before": before, "built": built, "peak": peak, "planned": planned}


if __name__ == "__main__":
    print(json.dumps(_main(json.loads(sys.argv[1]))))
