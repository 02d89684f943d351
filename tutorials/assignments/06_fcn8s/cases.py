"""The public cases. Nets are far narrower than minifcn's "tiny", so that all cases take a second."""

WIDTHS = (2, 3, 3, 4, 4, 5)
SKIP16 = ("upscore2", "score_pool4", "upscore2c", "fuse_pool4", "upscore16")
SKIP8 = (*SKIP16[:-1], "upscore_pool4", "score_pool3", "upscore_pool4c", "fuse_pool3", "upscore8")


def net(case, seed, stride, picture, classes=3, widths=WIDTHS, blobs=None, dtype="float32"):
    """picture: rows, columns; blobs: the layers of the head between score_fr and score."""
    if blobs is None:
        blobs = {32: ("upscore",), 16: SKIP16, 8: SKIP8}[stride]
    return {
        "case": case, "seed": seed, "stride": stride, "picture": picture, "classes": classes, "widths": widths,
        "blobs": blobs, "dtype": dtype,
    }  # fmt: skip


def run(
    case, seed, stride, picture, steps, pictures=2, lr=0.05, momentum=0.9, weight_decay=0.01, classes=7,
    dtype="float64",
):  # fmt: skip
    """`steps` updates on `pictures` generated pictures."""
    return {
        "case": case, "seed": seed, "stride": stride, "picture": picture, "steps": steps, "pictures": pictures,
        "lr": lr, "momentum": momentum, "weight_decay": weight_decay, "classes": classes, "widths": WIDTHS,
        "dtype": dtype,
    }  # fmt: skip


def maps(case, windows, transposed):
    """(kernel_size, stride, padding) of layers one after the other."""
    return {"case": case, "windows": windows, "transposed": transposed}


def places(case, blob, like):
    """Maps (scale, shift), shifts in half pixels."""
    return {"case": case, "blob": blob, "like": like}


def moved(case, seed, strides, classes=(3, 3)):
    """From the net of the first stride and number of classes to that of the second."""
    return {"case": case, "seed": seed, "strides": strides, "classes": classes, "widths": WIDTHS, "dtype": "float32"}


CASES = {
    "a": [
        maps("one convolution", ((3, 1, 1),), ()),
        maps("convolution, pool, convolution", ((3, 1, 100), (2, 2, 0), (3, 1, 1)), ()),
        maps("back by a factor of 2", ((2, 2, 0), (2, 2, 0)), ((4, 2, 0),)),
        maps("odd kernels", ((11, 4, 100), (3, 2, 0)), ((63, 8, 0),)),
    ],
    "b": [
        places("score of FCN-32s here", (1, -32), (1, 0)),
        places("half a stride apart", (16, -17), (16, 15)),
        places("no whole number", (1, -37), (1, 0)),
        places("below 0", (8, 23), (8, 7)),
        places("different strides", (16, -17), (8, 7)),
        places("on each other", (8, 7), (8, 7)),
    ],
    "c": [
        net("64x64", 1, 32, (64, 64)),
        net("an odd size", 2, 32, (37, 70), 5),
    ],
    "d": [
        net("16s, 64x64", 3, 16, (64, 64)),
        net("16s, an odd size", 4, 16, (37, 70), 5),
        net("8s, 64x64", 5, 8, (64, 64)),
        net("8s, an odd size", 6, 8, (45, 83), 5),
    ],
    "e": [
        net("32s", 7, 32, (64, 64)),
        net("8s", 8, 8, (64, 64), 4),
    ],
    "f": [
        run("8s, one step", 9, 8, (32, 40), 1),
        run("8s, three steps", 10, 8, (32, 32), 3),
        run("16s, two steps", 11, 16, (32, 32), 2),
        run("float32", 12, 8, (24, 32), 1, dtype="float32"),
    ],
    "g": [
        run("8s", 13, 8, (32, 40), 0),
        run("32s", 14, 32, (32, 32), 0, pictures=1),
    ],
    "h": [
        moved("32s to 16s", 15, (32, 16)),
        moved("16s to 8s", 16, (16, 8)),
        moved("other classes: same names, other shapes", 17, (16, 16), (4, 3)),
    ],
    "i": [{"case": name, "name": name} for name in ("SMALL_FC6", "WIDE_POOLS", "LEAST_PADDING")],
    "j": [{"case": name, "name": name} for name in ("Ada", "Bo", "Cem")],
}
