"""`--preprocess`: what comes before the net, as nodes, so that a file takes pictures as libraries load them.

Every input is (N, H, W, C), as `np.stack` of pictures gives it. Colours: uint8, R G B. HHA: uint8, in the order of its
PNG. Depth: uint16, millimetres, 0 where nothing was measured. What becomes of them is `minifcn.data`'s, to the bit but
for the depth's logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minifcn.data.modalities import MEAN_HHA, MEAN_LOG_DEPTH, inputs_of
from minifcn.models.modalities import MODALITIES
from minifcn.onnxfile.sheet import Sheet

#: The type of a raw input, and in words what it is.
RAW = {
    "color": (np.uint8, "R G B, 0..255"),
    "hha": (np.uint8, "HHA as in its PNG, 0..255"),
    "depth": (np.uint16, "millimetres, 0: not measured"),
}


def fed(modality: str, mean: Sequence[float]) -> str:
    """In words, what a net takes where nothing is done before it."""
    return {
        "color": f"B G R, 0..255, less {', '.join(f'{value:g}' for value in mean)}",
        "hha": f"HHA as in its PNG, 0..255, less {', '.join(f'{value:g}' for value in MEAN_HHA)}",
        "depth": f"log of millimetres less {MEAN_LOG_DEPTH:g}, 0 where not measured",
    }.get(modality, "as the net takes it")


def write(sheet: Sheet, name: str, modality: str, mean: Sequence[float]) -> str:
    """The nodes from the raw input called `name` to what the net takes; returns the name of that."""
    planes = sheet.add("Transpose", [name], sheet.new(name), perm=[0, 3, 1, 2])
    if modality == "color":
        order = sheet.constant(name, np.array([2, 1, 0], np.int64))
        planes = sheet.add("Gather", [planes, order], sheet.new(name), axis=1)
    values = sheet.add("Cast", [planes], sheet.new(name), to=1)  # float32
    if modality == "depth":
        return _depth(sheet, name, values)
    less = np.asarray(mean if modality == "color" else MEAN_HHA, np.float32).reshape(1, 3, 1, 1)
    return sheet.add("Sub", [values, sheet.constant(name, less)], sheet.new(name))


def _depth(sheet: Sheet, name: str, values: str) -> str:
    zero, one, mean = (sheet.constant(name, np.array(v, np.float32)) for v in (0, 1, MEAN_LOG_DEPTH))
    measured = sheet.add("Greater", [values, zero], sheet.new(name))
    logs = sheet.add("Log", [sheet.add("Where", [measured, values, one], sheet.new(name))], sheet.new(name))
    return sheet.add("Where", [measured, sheet.add("Sub", [logs, mean], sheet.new(name)), zero], sheet.new(name))


def example(modality: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A raw input (1, H, W, C) of random values, a few of the depth not measured."""
    shape, dtype = (1, *size, MODALITIES[modality].channels), RAW[modality][0]
    if modality == "depth":
        return (rng.integers(500, 9000, shape) * (rng.random(shape) > 0.1)).astype(dtype)
    return rng.integers(0, 256, shape, dtype)


def seen(raw: Sequence[np.ndarray], modalities: Sequence[str], mean: Sequence[float]) -> list[np.ndarray]:
    """What minifcn feeds its net with, for raw inputs of one picture."""
    beside = {}
    for modality, (array,) in zip(modalities, raw, strict=True):
        beside[modality] = _READ.get(modality, np.asarray)(array)
    image = beside.get("color", raw[0][0])
    return [blob[None] for blob in inputs_of(image, beside, modalities, mean)]


def _read_depth(raw: np.ndarray) -> np.ndarray:
    measured = raw > 0
    logs = np.log(np.where(measured, raw, 1).astype(np.float32)) - np.float32(MEAN_LOG_DEPTH)
    return np.where(measured, logs, 0).astype(np.float32)


_READ: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hha": lambda raw: raw.astype(np.float32) - np.asarray(MEAN_HHA, np.float32),
    "depth": _read_depth,
}
