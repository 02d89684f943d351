"""The public cases. Sizes differ along every axis, so that an axis taken for another shows."""


def conv(case, seed, x, w, stride=1, padding=0, bias=True, other=None, dtype="float64"):
    """x: (N, C, H, W); w: (O, C, kh, kw). other: x of two more forward passes, one before and one after this one."""
    b = (w[0],) if bias else None
    return {
        "case": case, "seed": seed, "dtype": dtype, "x": x, "w": w, "b": b, "stride": stride, "padding": padding,
        "other": other,
    }  # fmt: skip


CASES = {
    "a": [
        {"case": "every pixel once", "window": (7, 3, 1, 0)},
        {"case": "padding that keeps the size", "window": (7, 3, 1, 1)},
        {"case": "a remainder that is not seen", "window": (8, 3, 2, 0)},
        {"case": "a kernel as large as the picture", "window": (5, 5, 3, 0)},
    ],
    "b": [
        conv("one pixel", 1, (1, 1, 1, 1), (2, 1, 1, 1)),
        conv("3x3", 2, (2, 3, 5, 7), (4, 3, 3, 3)),
        conv("2x3, no bias", 3, (3, 2, 4, 5), (5, 2, 2, 3), bias=False),
        conv("float32 stays float32", 4, (2, 3, 4, 6), (4, 3, 3, 2), dtype="float32"),
    ],
    "c": [
        conv("padding 1", 5, (2, 3, 4, 5), (4, 3, 3, 3), padding=1),
        conv("stride 2", 6, (2, 3, 7, 9), (4, 3, 3, 3), stride=2, bias=False),
        conv("stride 2, padding 1, a remainder", 7, (2, 3, 6, 7), (4, 3, 3, 2), stride=2, padding=1),
        conv("padding beyond the kernel", 8, (2, 3, 4, 1), (4, 3, 2, 2), padding=3),
    ],
    "d": [
        conv("3x3", 9, (2, 3, 5, 7), (4, 3, 3, 3)),
        conv("stride 2", 10, (3, 2, 6, 5), (5, 2, 2, 3), stride=2, padding=1),
        conv("no bias: None", 21, (2, 3, 4, 5), (4, 3, 2, 2), bias=False),
        conv("float32 stays float32", 22, (2, 3, 4, 6), (4, 3, 3, 2), dtype="float32"),
    ],
    "e": [
        conv("3x3", 11, (2, 3, 5, 7), (4, 3, 3, 3)),
        conv("2x3, no bias", 12, (3, 2, 4, 5), (5, 2, 2, 3), bias=False),
        conv("stride 2, padding 1, a remainder", 13, (2, 3, 6, 7), (4, 3, 3, 2), stride=2, padding=1),
        conv("float32 stays float32", 14, (2, 3, 4, 6), (4, 3, 3, 2), padding=1, dtype="float32"),
        conv("the second of three forward passes", 23, (2, 3, 5, 7), (4, 3, 3, 3), padding=1, other=(1, 3, 4, 6)),
    ],
    "f": [
        conv("1x1: no overlap", 15, (2, 3, 4, 5), (6, 3, 1, 1)),
        conv("3x3", 16, (2, 3, 5, 7), (4, 3, 3, 3)),
        conv("padding 1", 17, (2, 3, 4, 5), (4, 3, 3, 3), padding=1, bias=False),
        conv("stride 2, padding 1, a remainder", 18, (2, 3, 6, 7), (4, 3, 3, 2), stride=2, padding=1),
        conv("stride 3 > kernel 2: pixels nobody sees", 19, (2, 3, 7, 8), (4, 3, 2, 2), stride=3),
        conv("float32 stays float32", 20, (2, 3, 4, 6), (4, 3, 3, 2), padding=1, dtype="float32"),
        conv("the second of three forward passes", 24, (2, 3, 5, 7), (4, 3, 3, 3), padding=1, other=(1, 3, 4, 6)),
    ],
    "g": [{"case": name, "name": name} for name in ("FIRST_ROWS", "SEEN_BY", "COST")],
    "h": [{"case": name, "name": name} for name in ("Ada", "Bo", "Cem", "Dora")],
}
