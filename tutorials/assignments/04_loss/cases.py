"""The public cases. Sizes differ along every axis, so that an axis taken for another shows."""


def pixels(
    case, seed, scores, reduction="sum", ignored=0.0, scale=1.0, dy=1.0, ignore_index=255, labels="int64", other=None,
    dtype="float64",
):  # fmt: skip
    """scores: (N, C, H, W), `scale` times standard normal; ignored: the share of pixels labelled ignore_index.

    labels: their dtype; other: scores of two more forward passes, one before and one after this one.
    """
    return {
        "case": case, "seed": seed, "dtype": dtype, "scores": scores, "reduction": reduction, "ignored": ignored,
        "scale": scale, "dy": dy, "ignore_index": ignore_index, "labels": labels, "other": other,
    }  # fmt: skip


def maps(case, seed, shape, classes, ignored=0.0, absent=0, unseen=0, ignore_index=255):
    """Classes in the truth; `absent` more, that are predicted at most; `unseen` more, that are nowhere."""
    return {
        "case": case, "seed": seed, "shape": shape, "classes": classes, "shown": classes + absent,
        "num_classes": classes + absent + unseen, "ignored": ignored, "ignore_index": ignore_index,
    }  # fmt: skip


def matrix(case, seed, classes, absent=0, unseen=0, most=40):
    """Of `classes` in the truth; `absent` more, predicted at most; `unseen` more, nowhere. Entries are below `most`."""
    return {
        "case": case, "seed": seed, "classes": classes, "shown": classes + absent,
        "num_classes": classes + absent + unseen, "most": most,
    }  # fmt: skip


CASES = {
    "a": [
        pixels("one pixel", 1, (1, 3, 1, 1)),
        pixels("a batch", 2, (2, 5, 3, 4)),
        pixels("two classes", 3, (3, 2, 5, 4)),
        pixels("float32", 4, (2, 4, 5, 3), dtype="float32"),
    ],
    "b": [
        pixels("some ignored", 5, (2, 5, 3, 4), ignored=0.4),
        pixels("mean", 6, (2, 5, 3, 4), "mean"),
        pixels("mean, some ignored", 7, (2, 4, 5, 3), "mean", ignored=0.4),
        pixels("large scores", 8, (2, 5, 3, 4), scale=3000.0),
        pixels("mean, all ignored", 9, (2, 5, 3, 4), "mean", ignored=1.0),
        pixels("mean, ignore_index -1", 26, (2, 5, 3, 4), "mean", ignored=0.4, ignore_index=-1),
        pixels("ignore_index 0, a class", 33, (2, 5, 3, 4), ignored=0.2, ignore_index=0),
        pixels("labels in uint8", 27, (2, 5, 3, 4), ignored=0.4, labels="uint8"),
    ],
    "c": [
        pixels("one pixel", 10, (1, 3, 1, 1)),
        pixels("a batch", 11, (2, 5, 3, 4)),
        pixels("float32 stays float32", 12, (2, 4, 5, 3), dtype="float32"),
    ],
    "d": [
        pixels("some ignored", 13, (2, 5, 3, 4), ignored=0.4),
        pixels("dy = -0.5", 14, (2, 5, 3, 4), dy=-0.5),
        pixels("mean, some ignored, dy = 3", 15, (2, 4, 5, 3), "mean", ignored=0.4, dy=3.0),
        pixels("mean, all ignored", 16, (2, 5, 3, 4), "mean", ignored=1.0),
        pixels("large scores", 17, (2, 5, 3, 4), scale=3000.0),
        pixels("mean, ignore_index -1", 28, (2, 5, 3, 4), "mean", ignored=0.4, ignore_index=-1),
        pixels("labels in uint8", 29, (2, 5, 3, 4), ignored=0.4, labels="uint8"),
        pixels("the second of three forward passes", 30, (2, 5, 3, 4), "mean", ignored=0.4, other=(1, 4, 2, 3)),
        pixels("float32 stays float32", 18, (2, 4, 5, 3), "mean", ignored=0.2, dy=2.0, dtype="float32"),
    ],
    "e": [
        maps("three classes", 19, (7, 5), 3),
        maps("some ignored", 20, (6, 8), 4, ignored=0.3),
        maps("classes that are nowhere", 21, (2, 5, 4), 3, ignored=0.2, absent=1, unseen=2),
        maps("21 classes, ignore_index 99", 31, (9, 14), 21, ignored=0.2, ignore_index=99),
        maps("ignore_index 0, a class", 32, (6, 8), 4, ignored=0.2, ignore_index=0),
    ],
    "f": [
        matrix("three classes", 22, 3),
        matrix("a class that is predicted alone", 23, 4, absent=1),
        matrix("classes that are nowhere", 24, 3, unseen=2),
        matrix("nothing was counted", 25, 3, most=1),
    ],
    "g": [
        {"case": name, "name": name, "decimals": decimals}
        for name, decimals in (("FIRST_LOSS", 3), ("FIRST_GRADIENT", 4), ("RATE_OF_THE_MEAN", 0), ("ALL_BACKGROUND", 4))
    ],
    "h": [{"case": name, "name": name} for name in ("Ada", "Bo", "Cem", "Dora", "Eli")],
}
