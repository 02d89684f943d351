"""The numbers that all opponents get: drawn from a seed that the case gives, so that they need not be sent around."""

from __future__ import annotations

import math
import zlib

import numpy as np

from benchmarks.cases import CLASSES, NetCase, OpCase, Shape


def normal(shape: Shape, *key: object, deviation: float = 1.0) -> np.ndarray:
    """float32 of mean 0: always the same for a key."""
    seed = zlib.crc32(repr(key).encode())
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    values *= np.float32(deviation)
    return values


def arrays(case: OpCase) -> dict[str, np.ndarray]:
    """x, and by the operation w, b, v (a velocity) or labels."""
    shape, settings, key = case.shape, case.settings, case.op
    x = normal(shape, key, "x")
    if case.op == "conv":
        return {"x": x, **_weights((settings["outputs"], shape[1], settings["kernel"], settings["kernel"]))}
    if case.op == "conv_transpose":
        w = (shape[1], settings["outputs"] // settings["groups"], settings["kernel"], settings["kernel"])
        return {"x": x, "w": _weights(w)["w"]}
    if case.op == "softmax_cross_entropy":
        labels = np.random.default_rng(1).integers(0, shape[1], (shape[0], *shape[2:])).astype(np.uint8)
        labels[:, ::7, ::5] = 255  # not counted
        return {"x": x, "labels": labels}
    if case.op == "concat":
        return {f"x{k}": normal((shape[0], c, *shape[2:]), key, k) for k, c in enumerate(settings["parts"])}
    if case.op in ("add", "matmul"):
        return {"x": x, "x1": normal(shape, key, "x1")}
    if case.op == "sgd":
        return {"x": x, "dx": normal(shape, key, "dx"), "v": np.zeros(shape, np.float32)}
    return {"x": x}


def batch(case: NetCase) -> tuple[np.ndarray, np.ndarray]:
    """Pictures less their mean, (N, 3, H, W), and labels (N, H, W)."""
    n, _, height, width = case.shape
    labels = np.random.default_rng(2).integers(0, CLASSES, (n, height, width)).astype(np.uint8)
    return normal(case.shape, "pictures", deviation=50), labels


def weights(shapes: dict[str, Shape]) -> dict[str, np.ndarray]:
    """Values for a net's parameters, by name: He's deviation, score layers and biases too.

    The nets themselves begin with scores of zero, and comparing zeros would show nothing. "upscore..." is left out: its
    bilinear filters are each net's own, and so are compared as well.
    """
    found = {}
    for name, shape in shapes.items():
        if not name.startswith("upscore"):
            deviation = math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 0.1
            found[name] = normal(shape, name, deviation=deviation)
    return found


def _weights(shape: Shape) -> dict[str, np.ndarray]:
    deviation = math.sqrt(2 / math.prod(shape[1:]))
    return {"w": normal(shape, "w", deviation=deviation), "b": normal(shape[:1], "b")}
