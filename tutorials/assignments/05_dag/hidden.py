"""The cases that only the grader has: other shapes, seeds and dtypes."""

from cases import net, steps

CASES = {
    "a": [net("hidden 1", 101, "reference", (2, 1, 4, 5)), net("hidden 2", 102, "two_outputs", (1, 1, 2, 2))],
    "b": [net("hidden 1", 103, "chain", (3, 4, 2, 3))],
    "c": [
        net("hidden 1", 104, "fork", (3, 2, 2, 5), dtype="float32"),
        net("hidden 2", 105, "twice", (1, 4, 3, 2)),
        net("hidden 3", 106, "skips", (3, 2, 2, 5)),
        net("hidden 4", 107, "diamonds", (2, 3, 2, 1)),
    ],
    "d": [
        net("hidden 1", 108, "two_outputs", (3, 2, 2, 5)),
        net("hidden 2", 109, "two_outputs", (1, 4, 3, 2), without=0, dtype="float32"),
        net("hidden 3", 110, "reference", (1, 2, 6, 4)),
    ],
    "e": [
        {"case": "hidden 1", "seed": 111, "x": (4, 1, 3), "batches": 4},
        {"case": "hidden 2", "seed": 116, "x": (3, 2), "batches": 3, "dtype": "float32"},
    ],
    "f": [
        steps("hidden 1", 112, (6,), (0.5, 0.5, 0.5, 0.5)),
        steps("hidden 2", 113, (2, 2, 3), (1e-3,)),
        steps("hidden 3", 117, (2, 3), (0.2, 0.1, 0.02), momentum=0.5, look="V"),
    ],
    "g": [
        steps("hidden 1", 114, (4, 2), (0.2, 0.1, 0.05), ((2.0, 0.0), (0.0, 1.0), (0.5, 3.0)), 0.95, 0.1, without=0),
        steps("hidden 2", 115, (3, 3), (1.0, 0.01), weight_decay=0.5, dtype="float32"),
        steps("hidden 3", 118, (5,), (0.2,) * 3, ((2.0, 1.0), (1.0, 0.5)), weight_decay=0.1, without=0, since=1),
    ],
}
