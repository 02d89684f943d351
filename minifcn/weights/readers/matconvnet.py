"""MatConvNet's .mat (needs scipy: pip install "minifcn[convert]"): a DagNN's `params`, or a SimpleNN's `layers`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers.raw import Reader, bounded

COMPRESSED, HEADER = 15, 128  # MAT-file 5: type of a compressed element; bytes before the first


def parse(path: Path) -> tuple[dict[str, np.ndarray], tuple[float, float, float] | None]:
    """A DagNN's keys are its own, "conv1_1_filter"; a SimpleNN's layer has "conv1_1.0" and "conv1_1.1"."""
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise WeightsError('.mat files need scipy: pip install "minifcn[convert]"') from error
    bounded(path, _unpacked(path))
    try:
        content = loadmat(path, variable_names=["params", "layers", "meta", "normalization"])
    except (MatReadError, NotImplementedError, zlib.error) as error:
        raise ValueError(f"{error}; if it is of version 7.3, save it with -v7") from error
    if "params" in content:
        arrays = {_text(one["name"]): _numbers(one["value"]) for one in content["params"].ravel()}
    elif "layers" in content:
        arrays = dict(_simple(content["layers"]))
    else:
        raise WeightsError("has neither `params` nor `layers`, so it is no net of MatConvNet")
    return arrays, _mean(content)


def _simple(layers: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for cell in layers.ravel():
        layer = cell.ravel()[0]
        fields = layer.dtype.names or ()
        if "weights" in fields:
            weights = list(layer["weights"].ravel())
        else:  # before 2015
            weights = [layer[field] for field in ("filters", "biases") if field in fields]
        for k, value in enumerate(weights):
            yield f"{_text(layer['name'])}.{k}", _numbers(value)


def _mean(content: dict[str, Any]) -> tuple[float, float, float] | None:
    """meta.normalization.averageImage, RGB; of a whole image, its mean."""
    found = content.get("normalization")
    if "meta" in content and "normalization" in (content["meta"].dtype.names or ()):
        found = content["meta"].ravel()[0]["normalization"]
    if found is None or "averageImage" not in (found.dtype.names or ()):
        return None
    image = _numbers(found.ravel()[0]["averageImage"])
    if image.size == 3:
        r, g, b = image.ravel()
    elif image.ndim == 3 and image.shape[2] == 3:
        r, g, b = image.mean(axis=(0, 1))
    else:
        return None
    return float(r), float(g), float(b)


def _text(value: Any) -> str:
    return str(np.asarray(value).ravel()[0])


def _numbers(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"numbers are expected, where {array.dtype} is")
    return array


def _unpacked(path: Path) -> int:
    """Bytes that the elements take when unpacked, found without keeping them."""
    total, data = 0, memoryview(path.read_bytes())
    order = ">" if bytes(data[126:128]) == b"MI" else "<"
    at = HEADER
    while at + 8 <= len(data):
        kind, length = struct.unpack(f"{order}II", data[at : at + 8])
        at += 8
        if length > len(data) - at:
            raise ValueError(f"an element says {length} bytes, {len(data) - at} are left")
        if kind == COMPRESSED:
            unpacker, rest = zlib.decompressobj(), bytes(data[at : at + length])
            while rest and not unpacker.eof:
                total += len(unpacker.decompress(rest, 1 << 20))
                bounded(path, total)
                rest = unpacker.unconsumed_tail
        else:
            total += length
        at += length
    return total


read = Reader("mat", "MAT file", parse)
