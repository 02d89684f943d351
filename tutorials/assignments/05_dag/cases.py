"""The public cases. checks.py has the nets, by name."""


def net(case, seed, name, x, without=None, dtype="float64"):
    """x: (N, C, H, W) of the picture; without: the output that has no gradient."""
    return {"case": case, "seed": seed, "net": name, "x": x, "without": without, "dtype": dtype}


def steps(
    case,
    seed,
    x,
    rates,
    multipliers=((1.0, 1.0),),
    momentum=0.9,
    weight_decay=0.0,
    without=None,
    since=0,
    look="w",
    dtype="float64",
):
    """Arrays of shape x, a pair (lr_mult, decay_mult) each; a rate for each step.

    without: who gets no gradient, from the step `since` on, the first being 0; look: at w, or at V as well.
    """
    return {
        "case": case, "seed": seed, "x": x, "rates": rates, "multipliers": multipliers, "momentum": momentum,
        "weight_decay": weight_decay, "without": without, "since": since, "look": look, "dtype": dtype,
    }  # fmt: skip


CASES = {
    "a": [
        net("one", 1, "chain", (1, 2, 3, 4)),
        net("two", 2, "two_outputs", (1, 2, 3, 4)),
        net("several entrances", 3, "reference", (1, 2, 3, 4)),
    ],
    "b": [
        net("three layers", 4, "chain", (2, 3, 4, 5)),
        net("float32 stays float32", 5, "chain", (3, 2, 1, 4), dtype="float32"),
    ],
    "c": [
        net("two layers read one", 6, "fork", (2, 3, 4, 5)),
        net("one layer reads another twice", 7, "twice", (2, 3, 4, 5)),
        net("skips", 8, "skips", (2, 3, 4, 5)),
        net("three forks in a row", 9, "diamonds", (1, 2, 3, 4)),
    ],
    "d": [
        net("two outputs", 10, "two_outputs", (2, 3, 4, 5)),
        net("two outputs, no loss on the last", 11, "two_outputs", (2, 3, 4, 5), without=1),
        net("two outputs, no loss on the first", 12, "two_outputs", (2, 3, 4, 5), without=0),
        net("an input of which only the size counts", 13, "reference", (2, 3, 4, 5)),
    ],
    "e": [
        {"case": "one batch", "seed": 14, "x": (3, 4), "batches": 1},
        {"case": "two batches", "seed": 15, "x": (2, 3, 2), "batches": 2},
        {"case": "three batches", "seed": 16, "x": (5,), "batches": 3},
        {"case": "float32 stays float32", "seed": 24, "x": (2, 5), "batches": 2, "dtype": "float32"},
    ],
    "f": [
        steps("one step", 17, (3, 4), (0.1,)),
        steps("three steps", 18, (2, 5), (0.1, 0.1, 0.1)),
        steps("float32 stays float32", 19, (4, 2), (0.1, 0.1), dtype="float32"),
        steps("V itself", 25, (3, 4), (0.1, 0.05), look="V"),
    ],
    "g": [
        steps("the rate falls", 20, (3, 4), (0.1, 0.1, 0.01, 0.01)),
        steps("lr_mult 1, 2, 0", 21, (2, 3), (0.1, 0.1), ((1.0, 1.0), (2.0, 1.0), (0.0, 1.0))),
        steps("decay_mult 1, 0", 22, (2, 3), (0.1, 0.1), ((1.0, 1.0), (1.0, 0.0)), weight_decay=0.3),
        steps(
            "all of it, and one without a gradient", 23, (3, 2), (0.1, 0.05), ((1.0, 1.0), (2.0, 0.0), (1.0, 1.0)),
            momentum=0.99, weight_decay=0.2, without=2,
        ),
        steps("no gradient from the third step on", 26, (2, 4), (0.1,) * 4, ((1.0, 1.0),) * 2, without=1, since=2),
    ],
    "h": [{"case": name, "name": name} for name in ("READERS", "MOVES", "AFTER_THE_FALL")],
    "i": [{"case": name, "name": name} for name in ("Ada", "Bo", "Cem", "Dora")],
}  # fmt: skip
