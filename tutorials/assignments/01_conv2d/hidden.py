"""The cases that only the grader has: other shapes, seeds and dtypes."""

from cases import conv

CASES = {
    "a": [
        {"case": "hidden 1", "window": (11, 4, 3, 2)},
        {"case": "hidden 2", "window": (500, 3, 1, 100)},
        {"case": "hidden 3", "window": (1, 1, 1, 0)},
        {"case": "hidden 4", "window": (224, 7, 2, 3)},
    ],
    "b": [
        conv("hidden 1", 101, (3, 2, 6, 4), (5, 2, 2, 4)),
        conv("hidden 2", 102, (1, 4, 5, 3), (2, 4, 5, 1), bias=False),
        conv("hidden 3", 103, (2, 1, 3, 8), (3, 1, 3, 3), dtype="float32"),
    ],
    "c": [
        conv("hidden 1", 104, (2, 4, 8, 5), (3, 4, 5, 3), stride=2, padding=2),
        conv("hidden 2", 105, (3, 2, 9, 10), (4, 2, 2, 3), stride=3, padding=1, bias=False),
        conv("hidden 3", 106, (1, 3, 6, 5), (2, 3, 3, 3), stride=2, padding=1, dtype="float32"),
    ],
    "d": [
        conv("hidden 1", 107, (4, 2, 5, 6), (3, 2, 3, 2), stride=2, padding=1),
        conv("hidden 2", 115, (3, 2, 5, 4), (2, 2, 3, 3), padding=1, bias=False, dtype="float32"),
        conv("hidden 3", 116, (3, 2, 6, 5), (5, 2, 2, 3), stride=2, dtype="float32"),
    ],
    "e": [
        conv("hidden 1", 108, (3, 4, 8, 5), (2, 4, 5, 3), stride=2, padding=2),
        conv("hidden 2", 109, (2, 2, 9, 10), (4, 2, 2, 3), stride=3, padding=1, bias=False),
        conv("hidden 3", 110, (3, 3, 6, 5), (2, 3, 3, 3), padding=1, dtype="float32"),
        conv("hidden 4", 117, (3, 2, 6, 4), (5, 2, 2, 3), stride=2, other=(2, 2, 3, 5)),
    ],
    "f": [
        conv("hidden 1", 111, (3, 4, 8, 5), (2, 4, 5, 3), stride=2, padding=2),
        conv("hidden 2", 112, (2, 2, 9, 10), (4, 2, 2, 3), stride=3, padding=1, bias=False),
        conv("hidden 3", 113, (2, 3, 6, 5), (4, 3, 3, 3), padding=2),
        conv("hidden 4", 114, (3, 3, 6, 5), (2, 3, 3, 3), padding=1, dtype="float32"),
        conv("hidden 5", 118, (3, 2, 6, 4), (5, 2, 2, 3), stride=2, other=(2, 2, 3, 5)),
    ],
}
