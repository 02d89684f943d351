"""The public cases. Sizes differ along every axis, so that an axis taken for another shows."""


def pool(
    case, seed, x, kernel_size, stride=None, padding=0, ceil_mode=False, shift=0.0, ties=False, other=None,
    dtype="float64",
):  # fmt: skip
    """x: (N, C, H, W), shifted by `shift`; ties: whole numbers, many of them equal.

    other: x of two more forward passes, one before and one after this one.
    """
    return {
        "case": case, "seed": seed, "dtype": dtype, "x": x, "kernel_size": kernel_size,
        "stride": stride, "padding": padding, "ceil_mode": ceil_mode, "shift": shift, "ties": ties, "other": other,
    }  # fmt: skip


def size(case, window, ceil_mode):
    """window: n, k, s, p."""
    return {"case": case, "window": window, "ceil_mode": ceil_mode}


CASES = {
    "a": [
        size("nothing left over", (6, 2, 2, 0), False),
        size("one left over, rounded down", (7, 2, 2, 0), False),
        size("one left over, rounded up", (7, 2, 2, 0), True),
        size("nothing left over, rounded up", (8, 2, 2, 0), True),
        size("overlap", (8, 3, 2, 0), True),
        size("a last window beyond the pixels is left out", (3, 2, 2, 1), True),
    ],
    "b": [
        pool("2", 1, (2, 3, 4, 6), 2),
        pool("2, pixels left over", 2, (2, 3, 5, 7), 2),
        pool("2, stride 3: gaps", 3, (2, 3, 7, 6), 2, stride=3),
        pool("float32 stays float32", 4, (2, 3, 4, 6), 2, dtype="float32"),
    ],
    "c": [
        pool("2, rounded up", 5, (2, 3, 5, 7), 2, ceil_mode=True),
        pool("3, stride 2: overlap", 6, (2, 3, 6, 7), 3, stride=2),
        pool("3, stride 2, rounded up", 7, (2, 3, 6, 8), 3, stride=2, ceil_mode=True),
        pool("3, stride 1, padding 1, all below 0", 8, (2, 3, 4, 5), 3, stride=1, padding=1, shift=-9.0),
        pool("2, padding 1, rounded up, all below 0", 9, (2, 1, 3, 5), 2, padding=1, ceil_mode=True, shift=-9.0),
        pool("3, stride 1, padding 1, all far below 0", 22, (2, 3, 4, 5), 3, stride=1, padding=1, shift=-1e12),
    ],
    "d": [
        pool("2", 10, (2, 3, 4, 6), 2),
        pool("2, pixels left over", 11, (2, 3, 5, 7), 2),
        pool("2, ties", 12, (2, 3, 4, 6), 2, ties=True),
    ],
    "e": [
        pool("3, stride 1", 13, (2, 3, 5, 7), 3, stride=1),
        pool("3, stride 2, rounded up", 14, (2, 3, 6, 8), 3, stride=2, ceil_mode=True),
        pool("2, rounded up", 15, (2, 3, 5, 7), 2, ceil_mode=True),
        pool("3, stride 1, padding 1", 16, (2, 3, 4, 5), 3, stride=1, padding=1, shift=-9.0),
        pool("3, stride 1, ties", 17, (2, 3, 4, 6), 3, stride=1, ties=True),
        pool("float32 stays float32", 18, (2, 3, 5, 4), 3, stride=2, ceil_mode=True, dtype="float32"),
        pool("the second of three forward passes", 23, (2, 3, 5, 7), 3, stride=2, other=(1, 2, 4, 6)),
    ],
    "f": [
        pool("either side of 0", 19, (2, 3, 4, 5), 1),
        pool("zeros among them", 20, (2, 3, 4, 5), 1, shift=-1.0, ties=True),
        pool("float32 stays float32", 21, (3, 2, 5, 4), 1, dtype="float32"),
    ],
    "g": [{"case": name, "name": name} for name in ("POOLS", "POOLS_FLOOR", "MOST_WINS")],
    "h": [{"case": name, "name": name} for name in ("Ada", "Bo", "Cem", "Dora", "Eli", "Fay")],
}
