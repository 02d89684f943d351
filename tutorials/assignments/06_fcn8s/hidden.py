"""The cases that only the grader has: other shapes, seeds and dtypes."""

from cases import maps, moved, net, places, run

CASES = {
    "a": [
        maps("hidden 1", ((3, 1, 81), (3, 1, 1), (2, 2, 0), (7, 1, 3)), ((4, 2, 1), (16, 8, 0))),
        maps("hidden 2", ((5, 3, 2), (1, 1, 0)), ((6, 3, 0),)),
    ],
    "b": [
        places("hidden 1", (8, -183), (8, -23)),
        places("hidden 2", (16, -24), (16, 15)),
        places("hidden 3", (1, 2), (1, 0)),
        places("hidden 4", (32, 31), (16, 31)),
    ],
    "c": [net("hidden 1", 101, 32, (97, 33), 4, (3, 2, 4, 3, 5, 4))],
    "d": [
        net("hidden 1", 102, 16, (97, 33), 4, (3, 2, 4, 3, 5, 4)),
        net("hidden 2", 103, 8, (50, 129), 2, (3, 2, 4, 3, 5, 4)),
    ],
    "e": [net("hidden 1", 104, 8, (32, 32), 5), net("hidden 2", 105, 32, (32, 32), 2)],
    "f": [
        run("hidden 1", 106, 8, (40, 24), 2, lr=0.02, momentum=0.5, weight_decay=0.1),
        run("hidden 2", 107, 16, (33, 32), 1, pictures=3),
    ],
    "g": [run("hidden 1", 108, 8, (24, 48), 0)],
    "h": [moved("hidden 1", 109, (32, 8), (5, 5)), moved("hidden 2", 110, (32, 16), (2, 6))],
}
