"""What is asked in assignment 2, and how it is marked: by what your functions return, not by how they do it."""

import numpy as np
from course import question, student

FILES = ("pool.py",)

pool = student("pool")


@question("a", "pool_size", 10, "Round the number of steps up or down; then look where the last window begins.")
def pool_size(case, expect):
    n, k, s, p = case["window"]
    expect("pool_size", pool.pool_size(n, k, s, p, case["ceil_mode"]))


def picture(case):
    """Numbers of which no two are equal, or whole numbers of which many are."""
    x = case.integers("x", 3) if case["ties"] else case.spaced("x")
    x = (x + case["shift"]).astype(case.dtype)
    x.flags.writeable = False
    return x


def run(case):
    """What max_pool2d makes of the case."""
    settings = {key: case[key] for key in ("stride", "padding", "ceil_mode") if case[key] is not None}
    return pool.max_pool2d(picture(case), case["kernel_size"], **settings)


@question("b", "max_pool2d, windows apart", 14, "Loop over the windows; x[:, :, rows, columns].max(axis=(2, 3)).")
def forward(case, expect):
    expect("y", run(case)[0])


@question("c", "max_pool2d, overlap, padding, ceil_mode", 16, "What does the padding hold, so that it never wins?")
def forward_at_borders(case, expect):
    expect("y", run(case)[0])


def run_another(case):
    """A forward pass of another x, if the case asks for one: caches of others have nothing to do with it."""
    if case["other"]:
        pool.max_pool2d(case.normal("other x", case["other"]), 2)


def gradient(case, expect, y, cache, backward):
    """dx for a random dy."""
    shape = expect.shape("y", y)
    expect.true(np.shape(y) == shape, f"y, which comes before: expected the shape {shape}, {np.shape(y)} came")
    dy = case.normal("dy", shape)
    before = dy.copy()
    made = backward(dy, cache)
    expect.true(isinstance(made, tuple) and len(made) == 1, "a backward function returns a tuple, here of one: (dx,)")
    expect.true(np.array_equal(before, dy), "the backward function changed dy; other layers may still need it")
    expect("dx", made[0])


@question("d", "max_pool2d_backward, windows apart", 12, "Remember in the cache which pixel won.")
def backward(case, expect):
    gradient(case, expect, *run(case), pool.max_pool2d_backward)


@question("e", "max_pool2d_backward, overlap, padding, ceil_mode", 18, "A pixel may win in several windows.")
def backward_of_overlap(case, expect):
    run_another(case)
    y, cache = run(case)
    run_another(case)
    gradient(case, expect, y, cache, pool.max_pool2d_backward)


@question("f", "relu and relu_backward", 12, "The mask is that of x. What happens at 0 itself?")
def rectifier(case, expect):
    y, cache = pool.relu(picture(case))
    expect("y", y)
    gradient(case, expect, y, cache, pool.relu_backward)


@question("g", "predict", 9, "Steps, rounded, and the first window, five times. Then draw windows.")
def predict(case, expect):
    expect.answer(case["name"], getattr(pool, case["name"]))


@question("h", "find the bug", 9, "Who won each window? Then look at a pixel that won twice.")
def colleagues(case, expect):
    expect.answer(case["name"], pool.COLLEAGUES[case["name"]])
