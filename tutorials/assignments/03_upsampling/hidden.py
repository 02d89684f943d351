"""The cases that only the grader has: other shapes, seeds and dtypes."""

from cases import cut, total, up

CASES = {
    "a": [{"case": f"hidden {size}", "size": size, "dtype": "float32"} for size in (63, 64, 2, 5)],
    "b": [
        up("hidden 1", 101, (3, 2, 2, 5), (2, 4, 3, 3), stride=3),
        up("hidden 2", 102, (1, 4, 3, 2), (4, 2, 1, 2), stride=2, dtype="float32"),
    ],
    "c": [
        up("hidden 1", 103, (3, 2, 5, 3), (2, 3, 6, 5), stride=3, padding=2, bias=True),
        up("hidden 2", 104, (1, 4, 3, 6), (4, 3, 3, 3), stride=2),
        up("hidden 3", 105, (2, 2, 4, 3), (2, 3, 4, 4), stride=2, bias=True, dtype="float32"),
    ],
    "d": [
        up("hidden 1", 106, (3, 2, 5, 3), (2, 3, 6, 5), stride=3, padding=2),
        up("hidden 2", 107, (2, 4, 3, 6), (4, 3, 3, 2)),
        up("hidden 3", 108, (2, 2, 4, 3), (2, 3, 4, 4), stride=2, dtype="float32"),
        up("hidden 4", 116, (3, 2, 5, 3), (2, 4, 3, 2), padding=1, other=(2, 2, 3, 4)),
    ],
    "e": [
        up("hidden 1", 109, (3, 2, 5, 3), (2, 3, 6, 5), stride=3, padding=2),
        up("hidden 2", 110, (2, 4, 3, 6), (4, 3, 3, 2), bias=True),
        up("hidden 3", 111, (2, 2, 4, 3), (2, 3, 4, 4), stride=2, padding=1, bias=True, dtype="float32"),
        up("hidden 4", 117, (3, 2, 5, 3), (2, 4, 3, 2), padding=1, other=(2, 2, 3, 4)),
    ],
    "f": [
        cut("hidden 1", 112, (3, 2, 9, 7), (5, 1), (2, 5)),
        cut("hidden 2", 113, (2, 4, 4, 6), (1, 2), (3, 4), dtype="float32"),
    ],
    "g": [
        total("hidden 1", 114, (2, 5, 3, 4), 4),
        total("hidden 2", 115, (3, 1, 2, 6), 2, dtype="float32"),
    ],
}
