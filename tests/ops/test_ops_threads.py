"""The same bits for any number of threads, for every operation, at sizes that are cut into several bands."""

import numpy as np
import pytest

from minifcn import ops, parallel
from minifcn.gradcheck.cases import Case

LABELS = np.random.default_rng(0).integers(0, 21, (2, 90, 120)).astype(np.uint8)
BIG = (2, 32, 64, 80)
FIXED = {"x": (2, 21, 20, 25), "w": (21, 1, 16, 16), "b": None}

CASES = (
    Case("conv2d", "3x3", {"x": (2, 16, 64, 80), "w": (24, 16, 3, 3), "b": (24,)}, {"padding": 1}),
    Case("conv2d", "groups 2", {"x": (3, 8, 60, 90), "w": (12, 4, 5, 3), "b": None}, {"stride": 2, "groups": 2}),
    Case("conv2d", "fc6", {"x": (1, 48, 9, 10), "w": (256, 48, 7, 7), "b": (256,)}),
    Case("conv_transpose2d", "bilinear", FIXED, {"stride": 8, "groups": 21}),
    Case("conv_transpose2d", "dense", {"x": (2, 16, 40, 50), "w": (16, 12, 4, 4), "b": (12,)}, {"stride": 2}),
    Case("max_pool2d", "ceil", {"x": BIG}, {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    Case("avg_pool2d", "ceil", {"x": BIG}, {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    Case("relu", "", {"x": BIG}),
    Case("local_response_norm", "", {"x": BIG}),
    Case("softmax_cross_entropy", "mean", {"scores": (2, 21, 90, 120)}, {"labels": LABELS, "reduction": "mean"}),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_do_not_depend_on_the_number_of_threads(case, rng, monkeypatch):
    tasks = []
    run = parallel.run

    def counted(xp, function, jobs):
        tasks.append(len(jobs))
        return run(xp, function, jobs)

    monkeypatch.setattr(parallel, "run", counted)
    arrays = [None if a is None else a.astype(np.float32) for a in case.arrays(rng).values()]
    function, backward = case.function(np), getattr(ops, f"{case.op}_backward")
    dy = None

    def results():
        nonlocal dy
        y, cache = function(*arrays)
        if dy is None:
            dy = np.asarray(rng.normal(size=y.shape), y.dtype)
        return [y, *(g for g in backward(dy, cache) if g is not None)]

    parallel.set_threads(1)
    alone = results()
    assert max(tasks) > 1, "one band only: this size shows nothing"
    for threads in (2, 3, 5):
        parallel.set_threads(threads)
        for mine, other in zip(alone, results(), strict=True):
            assert mine.tobytes() == other.tobytes(), f"{threads} threads"
