"""The cases that only the grader has: other shapes, seeds and dtypes."""

from cases import maps, matrix, pixels

CASES = {
    "a": [
        pixels("hidden 1", 101, (3, 4, 2, 5)),
        pixels("hidden 2", 102, (1, 21, 4, 3), dtype="float32"),
    ],
    "b": [
        pixels("hidden 1", 103, (3, 4, 2, 5), ignored=0.5),
        pixels("hidden 2", 104, (2, 3, 6, 4), "mean", ignored=0.3),
        pixels("hidden 3", 105, (1, 6, 4, 3), "mean", scale=2500.0),
        pixels("hidden 4", 106, (2, 3, 2, 4), "mean", ignored=1.0),
        pixels("hidden 5", 117, (1, 4, 6, 3), ignored=0.3, ignore_index=-100),
        pixels("hidden 6", 118, (3, 21, 2, 4), "sum", ignored=0.3, labels="uint8", ignore_index=200, dtype="float32"),
        pixels("hidden 7", 124, (1, 6, 4, 5), "mean", ignored=0.2, ignore_index=3),
    ],
    "c": [
        pixels("hidden 1", 107, (3, 4, 2, 5)),
        pixels("hidden 2", 108, (1, 21, 4, 3), dtype="float32"),
    ],
    "d": [
        pixels("hidden 1", 109, (3, 4, 2, 5), ignored=0.5, dy=0.25),
        pixels("hidden 2", 110, (2, 3, 6, 4), "mean", ignored=0.3, dy=-2.0),
        pixels("hidden 3", 111, (2, 3, 2, 4), "mean", ignored=1.0, dy=5.0),
        pixels("hidden 4", 112, (1, 6, 4, 3), scale=2500.0, dtype="float32"),
        pixels("hidden 5", 119, (1, 4, 6, 3), "mean", ignored=0.3, ignore_index=-100, dy=2.0),
        pixels("hidden 6", 120, (3, 21, 2, 4), ignored=0.3, labels="uint8", ignore_index=200, dtype="float32"),
        pixels("hidden 7", 121, (3, 4, 2, 5), "mean", ignored=0.3, other=(2, 3, 4, 1)),
    ],
    "e": [
        maps("hidden 1", 113, (3, 4, 5), 5, ignored=0.25, absent=2),
        maps("hidden 2", 114, (11, 3), 2),
        maps("hidden 3", 122, (12, 17), 40, ignored=0.3, ignore_index=201),
        maps("hidden 4", 123, (7, 9), 6, ignored=0.2, ignore_index=2),
    ],
    "f": [
        matrix("hidden 1", 115, 5, absent=2, unseen=1),
        matrix("hidden 2", 116, 2, unseen=3),
    ],
}
