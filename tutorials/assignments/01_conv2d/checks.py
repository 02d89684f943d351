"""What is asked in assignment 1, and how it is marked: by what your functions return, not by how they do it."""

import numpy as np
from course import question, student

FILES = ("conv.py",)

conv = student("conv")


@question("a", "output_size", 8, "How many steps fit after the first window? Floor division, then the first one.")
def output_size(case, expect):
    n, k, s, p = case["window"]
    expect("output_size", conv.output_size(n, k, s, p))


def run(case):
    """x, w, b, and what conv2d makes of them."""
    x, w, b = case.normal("x"), case.normal("w"), case.normal("b")
    return (x, w, b), conv.conv2d(x, w, b, stride=case["stride"], padding=case["padding"])


@question("b", "conv2d, one pixel at a time, no padding", 16, "Loop over p and q; one product of arrays does c, i, j.")
def forward(case, expect):
    expect("y", run(case)[1][0])


@question("c", "conv2d, strides and padding", 16, "Pad first; output p sees rows stride*p ... stride*p + kh-1.")
def forward_with_stride_and_padding(case, expect):
    expect("y", run(case)[1][0])


def run_another(case):
    """A forward pass of another x and w, if the case asks for one: caches of others have nothing to do with it."""
    if case["other"]:
        conv.conv2d(case.normal("other x", case["other"]), case.normal("other w", case["w"]))


def gradients(case, expect):
    """dx, dw, db for a random dy: with ones, a backward pass that ignores where dy sits would pass."""
    run_another(case)
    _, (y, cache) = run(case)
    run_another(case)
    shape = expect.shape("y", y)
    expect.true(np.shape(y) == shape, f"y, which comes before: expected the shape {shape}, {np.shape(y)} came")
    dy = case.normal("dy", shape)
    before = dy.copy()
    made = conv.conv2d_backward(dy, cache)
    expect.true(isinstance(made, tuple) and len(made) == 3, "conv2d_backward must return three things, (dx, dw, db)")
    expect.true(np.array_equal(before, dy), "conv2d_backward changed dy; other layers may still need it")
    return dict(zip(("dx", "dw", "db"), made, strict=True))


@question("d", "db", 8, "b[o] is added to every pixel of every picture, so each dy of that channel has a part in it.")
def bias(case, expect):
    db = gradients(case, expect)["db"]
    if case["b"]:
        expect("db", db)
    else:
        expect.true(db is None, "db: there was no b, so it must be None")


@question("e", "dw", 16, "w[o, c, i, j] meets x at one place for each output pixel: dy there times x there, summed.")
def weight(case, expect):
    expect("dw", gradients(case, expect)["dw"])


@question("f", "dx", 18, "Each dy stamps the kernel, times dy, onto what it has seen. Stamps overlap, so they add up.")
def picture(case, expect):
    expect("dx", gradients(case, expect)["dx"])


@question("g", "predict", 9, "Count on a sheet of squared paper.")
def predict(case, expect):
    expect.answer(case["name"], getattr(conv, case["name"]))


@question("h", "find the bug", 9, "Add up by hand what a pixel in the middle, and one in the corner, should get.")
def colleagues(case, expect):
    expect.answer(case["name"], conv.COLLEAGUES[case["name"]])
