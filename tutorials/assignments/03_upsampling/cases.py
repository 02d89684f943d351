"""The public cases. Sizes differ along every axis, so that an axis taken for another shows."""


def up(case, seed, x, w, stride=1, padding=0, bias=False, other=None, dtype="float64"):
    """x: (N, C, H, W); w: (C, O, kh, kw). other: x of two more forward passes, one before and one after this one."""
    b = (w[1],) if bias else None
    return {
        "case": case, "seed": seed, "dtype": dtype, "x": x, "w": w, "b": b, "stride": stride, "padding": padding,
        "other": other,
    }  # fmt: skip


def cut(case, seed, x, offset, size, dtype="float64"):
    """offset, size: rows, columns."""
    return {"case": case, "seed": seed, "dtype": dtype, "x": x, "offset": offset, "size": size}


def total(case, seed, x, count, dtype="float64"):
    """`count` arrays of shape x."""
    return {"case": case, "seed": seed, "dtype": dtype, "x": x, "count": count}


CASES = {
    "a": [{"case": f"{size} pixels", "size": size, "dtype": "float32"} for size in (4, 3, 1, 16)],
    "b": [
        up("one pixel", 1, (1, 2, 1, 1), (2, 3, 4, 5), stride=2),
        up("1x1, stride 1", 2, (2, 3, 4, 5), (3, 2, 1, 1)),
        up("kernel = stride", 3, (2, 3, 4, 5), (3, 2, 2, 2), stride=2),
        up("stride 3 > kernel 2: gaps", 4, (2, 3, 4, 3), (3, 4, 2, 2), stride=3),
    ],
    "c": [
        up("kernel 4, stride 2", 5, (2, 3, 4, 5), (3, 2, 4, 4), stride=2),
        up("stride 1, bias", 6, (2, 3, 4, 5), (3, 4, 3, 2), bias=True),
        up("kernel 5, stride 2, padding 1", 7, (2, 3, 3, 4), (3, 2, 5, 5), stride=2, padding=1),
        up("padding 3 cuts whole stamps, bias", 8, (2, 3, 5, 6), (3, 2, 4, 4), stride=2, padding=3, bias=True),
        up("float32 stays float32", 9, (2, 3, 4, 5), (3, 2, 4, 3), stride=2, padding=1, dtype="float32"),
    ],
    "d": [
        up("kernel = stride", 10, (2, 3, 4, 5), (3, 2, 2, 2), stride=2),
        up("kernel 4, stride 2", 11, (2, 3, 4, 5), (3, 2, 4, 4), stride=2),
        up("padding 3 cuts whole stamps", 12, (2, 3, 5, 6), (3, 2, 4, 4), stride=2, padding=3),
        up("float32 stays float32", 13, (2, 3, 4, 5), (3, 2, 4, 3), stride=2, padding=1, dtype="float32"),
        up("the second of three forward passes", 24, (2, 3, 4, 5), (3, 2, 4, 3), stride=2, other=(1, 3, 2, 3)),
    ],
    "e": [
        up("kernel = stride, bias", 14, (2, 3, 4, 5), (3, 2, 2, 2), stride=2, bias=True),
        up("kernel 4, stride 2, no bias: db is None", 15, (2, 3, 4, 5), (3, 2, 4, 4), stride=2),
        up("stride 3 > kernel 2: gaps, bias", 16, (2, 3, 4, 3), (3, 4, 2, 2), stride=3, bias=True),
        up("padding 1, bias", 17, (2, 3, 4, 5), (3, 2, 4, 3), stride=2, padding=1, bias=True),
        up("float32 stays float32, bias", 25, (3, 2, 5, 4), (2, 3, 3, 4), stride=2, bias=True, dtype="float32"),
        up("the second of three forward passes", 26, (2, 3, 4, 5), (3, 2, 4, 3), stride=2, other=(1, 3, 2, 3)),
    ],
    "f": [
        cut("a corner", 18, (2, 3, 5, 7), (0, 0), (3, 4)),
        cut("not in the middle", 19, (2, 3, 6, 8), (1, 3), (4, 2)),
        cut("float32 stays float32", 20, (1, 2, 6, 5), (2, 1), (3, 4), dtype="float32"),
    ],
    "g": [
        total("two", 21, (2, 3, 4, 5), 2),
        total("three", 22, (3, 2, 5, 4), 3),
        total("one", 23, (1, 2, 3, 4), 1),
    ],
    "h": [{"case": name, "name": name} for name in ("ROWS", "STAMPS", "OF_ONES")],
    "i": [{"case": name, "name": name} for name in ("Ada", "Bo", "Cem", "Dora", "Eli")],
}
