"""What is asked in assignment 3, and how it is marked: by what your functions return, not by how they do it."""

import numpy as np
from course import question, student

FILES = ("upsample.py",)

upsample = student("upsample")


@question("a", "bilinear_filter", 8, "A tent along each axis; for even sizes its top lies between two pixels.")
def bilinear(case, expect):
    expect("w", upsample.bilinear_filter(case["size"]))


def run(case):
    """What conv_transpose2d makes of the case."""
    x, w, b = case.normal("x"), case.normal("w"), case.normal("b")
    return upsample.conv_transpose2d(x, w, b, stride=case["stride"], padding=case["padding"])


@question("b", "conv_transpose2d, stamps apart", 12, "Begin with zeros of the whole size; a loop over the pixels of x.")
def forward(case, expect):
    expect("y", run(case)[0])


@question("c", "conv_transpose2d, overlap, padding, bias", 14, "Stamps add up. Padding is cut off, after all stamps.")
def forward_of_overlap(case, expect):
    expect("y", run(case)[0])


def gradients(case, expect, y, cache, backward, count):
    """What `backward` makes of a random dy."""
    shape = expect.shape("y", y)
    expect.true(np.shape(y) == shape, f"y, which comes before: expected the shape {shape}, {np.shape(y)} came")
    dy = case.normal("dy", shape)
    before = dy.copy()
    made = backward(dy, cache)
    expect.true(
        isinstance(made, tuple) and len(made) == count, f"{backward.__name__} must return a tuple of {count} gradients"
    )
    expect.true(np.array_equal(before, dy), f"{backward.__name__} changed dy; other layers may still need it")
    return made


def run_another(case):
    """A forward pass of another x and w, if the case asks for one: caches of others have nothing to do with it."""
    if case["other"]:
        upsample.conv_transpose2d(case.normal("other x", case["other"]), case.normal("other w", case["w"]))


def transposed(case, expect):
    """(dx, dw, db) of conv_transpose2d."""
    run_another(case)
    y, cache = run(case)
    run_another(case)
    return gradients(case, expect, y, cache, upsample.conv_transpose2d_backward, 3)


@question("d", "dx", 16, "x[n, c, p, q] had a part in one stamp. What did the pixels of y under it get as dy?")
def picture(case, expect):
    expect("dx", transposed(case, expect)[0])


@question("e", "dw and db", 14, "w[c, o, i, j] had a part in every stamp, once each, with the factor x.")
def weight(case, expect):
    made = transposed(case, expect)
    expect("dw", made[1])
    if case["b"]:
        expect("db", made[2])
    else:
        expect.true(made[2] is None, "db: there was no b, so it must be None")


@question("f", "crop and crop_backward", 10, "dx has the shape of x, and is 0 wherever nothing was taken.")
def cropped(case, expect):
    y, cache = upsample.crop(case.normal("x"), case["offset"], case["size"])
    expect("y", y)
    expect("dx", gradients(case, expect, y, cache, upsample.crop_backward, 1)[0])


@question("g", "add and add_backward", 8, "Each of the arrays has the factor 1 in the sum.")
def summed(case, expect):
    xs = [case.normal(f"x{k}", case["x"]) for k in range(case["count"])]
    y, cache = upsample.add(*xs)
    expect("y", y)
    expect.true(not any(np.shares_memory(y, x) for x in xs), "add must make a new array, also of one alone")
    for k, dx in enumerate(gradients(case, expect, y, cache, upsample.add_backward, case["count"])):
        expect(f"dx of array {k}", dx)


@question("h", "predict", 9, "(n - 1) s + k. Then draw stamps on squared paper, and add up what overlaps.")
def predict(case, expect):
    expect.answer(case["name"], getattr(upsample, case["name"]))


@question("i", "find the bug", 9, "Stamp by hand, and look at the pixel where the stamps meet.")
def colleagues(case, expect):
    expect.answer(case["name"], upsample.COLLEAGUES[case["name"]])
