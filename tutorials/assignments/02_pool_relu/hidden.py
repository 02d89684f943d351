"""The cases that only the grader has: other shapes, seeds and dtypes."""

from cases import pool, size

CASES = {
    "a": [
        size("hidden 1", (698, 2, 2, 0), True),
        size("hidden 2", (175, 2, 2, 0), False),
        size("hidden 3", (9, 3, 3, 1), True),
        size("hidden 4", (1, 2, 2, 0), True),
        size("hidden 5", (5, 3, 3, 2), True),
    ],
    "b": [
        pool("hidden 1", 101, (3, 2, 6, 9), 3),
        pool("hidden 2", 102, (1, 4, 8, 5), 2, stride=3, dtype="float32"),
    ],
    "c": [
        pool("hidden 1", 103, (3, 2, 7, 6), 3, stride=2, ceil_mode=True),
        pool("hidden 2", 104, (2, 4, 5, 6), 3, stride=2, padding=1, ceil_mode=True, shift=-20.0),
        pool("hidden 3", 105, (1, 2, 1, 1), 2, padding=1, ceil_mode=True, shift=-3.0, dtype="float32"),
        pool("hidden 4", 114, (3, 2, 5, 4), 2, stride=1, padding=1, shift=-1e30, dtype="float32"),
    ],
    "d": [
        pool("hidden 1", 106, (3, 2, 6, 9), 3),
        pool("hidden 2", 107, (1, 4, 6, 5), 3, ties=True),
    ],
    "e": [
        pool("hidden 1", 108, (3, 2, 7, 6), 4, stride=1),
        pool("hidden 2", 109, (2, 4, 5, 6), 3, stride=2, padding=1, ceil_mode=True, shift=-20.0),
        pool("hidden 3", 110, (2, 2, 6, 5), 3, stride=2, ties=True),
        pool("hidden 4", 111, (3, 2, 4, 7), 2, stride=1, padding=1, dtype="float32"),
        pool("hidden 5", 115, (3, 2, 6, 4), 2, stride=1, other=(2, 1, 5, 3)),
    ],
    "f": [
        pool("hidden 1", 112, (3, 4, 2, 6), 1),
        pool("hidden 2", 113, (2, 5, 3, 4), 1, shift=-1.0, ties=True, dtype="float32"),
    ],
}
