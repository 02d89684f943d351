"""ONNX's TensorProto, and the files that its numbers may lie in.

The numbers of the fields are those of onnx.proto. Numbers that lie in a file beside it (PyTorch's exporter puts them
there unless told otherwise) are read if that file is in the same folder or below; nothing else is ever opened.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers.caffemodel import BYTES, FOUR, VARINT, fields, varints

DIMS, TYPE, FLOATS, NAME, RAW, DOUBLES, ELSEWHERE, LOCATION = 1, 2, 4, 8, 9, 10, 13, 14
INTS = (5, 7)  # the second of 64 bits
EXTERNAL = 1  # TensorProto.data_location
#: TensorProto.data_type -> what NumPy calls it. bfloat16, which it has not, is the upper half of a float32.
DTYPES = {1: "<f4", 2: "u1", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 9: "u1", 10: "<f2", 11: "<f8", 16: "<u2"}
BFLOAT16, HALVES = 16, (10, 16)

LARGEST = 1 << 48  # of an axis; beyond, even of no numbers NumPy makes no array


class Beside:
    """The files that hold numbers of this one. Each is read once over at most: a few bytes stand for no more."""

    def __init__(self, path: Path) -> None:
        self._folder = path.resolve().parent
        self._left: dict[Path, int] = {}

    def read(self, where: dict[str, str], size: int) -> np.ndarray:
        """`size` bytes of the file that `where` tells, with the place in it."""
        name = where.get("location", "")
        path = (self._folder / name).resolve()
        if not name or "\\" in name or not path.is_relative_to(self._folder) or not path.is_file():
            raise WeightsError(
                f"its weights lie in {name!r}, which is no file in its folder; put that beside it, or save it as one "
                "file (onnx.save of onnx.load)"
            )
        whole = path.stat().st_size
        offset, length = (int(where.get(key, default)) for key, default in (("offset", 0), ("length", size)))
        left = self._left.setdefault(path, whole)
        if length != size or not 0 <= offset <= whole - size or size > left:
            raise ValueError(f"{size} bytes at {offset} of {name!r}, which has {whole}, {left} of them not yet read")
        self._left[path] = left - size
        return np.fromfile(path, "u1", size, offset=offset)


def entry(message: memoryview) -> tuple[str, str]:
    """A StringStringEntryProto: its key and its value."""
    texts = {number: bytes(value).decode() for number, kind, value in fields(message) if kind == BYTES and number < 3}
    return texts.get(1, ""), texts.get(2, "")


def tensor(message: memoryview, beside: Beside) -> tuple[str, np.ndarray | None]:
    """A TensorProto's name and array; None for one that is not of numbers that NumPy has."""
    dims: list[int] = []
    where: dict[str, str] = {}
    name, kind, place, chunks, raw = "", 0, 0, [], None
    for number, of, value in fields(message):
        if number == DIMS:
            dims.extend(varints(of, value))
        elif number == TYPE and of == VARINT:
            kind = value
        elif number == NAME and of == BYTES:
            name = bytes(value).decode()
        elif number == RAW and of == BYTES:
            raw = value
        elif number == FLOATS and of in (BYTES, FOUR):
            chunks.append(np.frombuffer(value, "<f4"))
        elif number == DOUBLES and of != VARINT:
            chunks.append(np.frombuffer(value, "<f8"))
        elif number in INTS and of in (BYTES, VARINT):
            chunks.append(np.fromiter(varints(of, value), "<u8"))
        elif number == ELSEWHERE and of == BYTES:
            where.update([entry(value)])
        elif number == LOCATION and of == VARINT:
            place = value
    if kind not in DTYPES:
        return name, None
    if max(dims, default=0) > LARGEST:
        raise ValueError(f"{name!r} says shape {dims[:8]}")
    dtype, count = np.dtype(DTYPES[kind]), math.prod(dims)
    if place == EXTERNAL:
        data = beside.read(where, count * dtype.itemsize).view(dtype)
    elif raw is not None:
        data = np.frombuffer(raw, dtype)
    else:
        data = chunks[0] if len(chunks) == 1 else np.concatenate([*chunks, np.zeros(0, "<f4")])
        if data.dtype == np.uint64:  # halves are written as the whole numbers that have their bits
            data = data.astype("<u2").view(dtype) if kind in HALVES else data.astype(dtype)
    if kind == BFLOAT16:
        data = (data.astype("<u4") << 16).view("<f4")
    if data.size != count:
        raise ValueError(f"{name!r} says shape {dims[:8]}, and has {data.size} numbers")
    return name, data.reshape(dims)
