"""Label maps in MATLAB files, as SBD, NYUDv2, SIFT Flow and PASCAL-Context are published (versions 5 to 7.2).

A file is a header of 128 bytes and then elements: type, size, data, padding to eight bytes; a compressed variable is
an element within a zlib stream. Of all that, label maps need arrays of numbers, and SBD's as fields of structures.
SciPy reads more, but some damaged files make it crash, Python and all, and a data set must be checked to its end.
Source: MathWorks, "MAT-File Format", chapter 1, level 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.errors import DataError, did_you_mean

#: Types of elements: numbers by NumPy's names, and two that hold further elements.
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MATRIX, COMPRESSED = 14, 15
#: Classes of matrices: structures, and numbers from double to uint64.
STRUCTURE, NUMERIC = 2, range(6, 16)
MOST = 256 << 20  # bytes of a file, and of what a stream in it may unpack to
PEEK = 4096  # unpacked bytes that are enough for a variable's name


def read_label_mat(path: Path, names: Sequence[str], first: int = 0) -> NDArray[np.int64]:
    """The label map (H, W) of the variable `names[0]`, of its field `names[1]`, ...; number `first` is class 0.

    What lies below `first`, and all that is negative, is -1: ignored. DataError, naming the file, if it cannot be read
    or has no such map of whole numbers.
    """
    values = read_mat(path, names)
    whole = values.dtype.kind != "f" or bool(((abs(values) < 2**31) & (np.rint(values) == values)).all())
    if values.ndim != 2 or not values.size or not whole:
        raise DataError(f"{path}: expected a label map of whole numbers (H, W), got {values.dtype.name} {values.shape}")
    label = values.astype(np.int64)
    return np.where(label < max(first, 0), -1, label - first)


def read_mat(path: Path, names: Sequence[str]) -> NDArray:
    """The numbers of a variable, or of a field of it: see `read_label_mat`."""
    try:
        if path.stat().st_size > MOST:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes are no label map's; expected at most {MOST:,}")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise DataError(f"{path}: not a MATLAB file of version 5 or later; fetch it again")
    if content[124:126] not in (b"\0\1", b"\1\0"):
        raise DataError(f"{path}: a MATLAB file of version 7.3; save it with -v7, as label maps were published")
    try:
        return _find(path, memoryview(content)[128:], order, names)
    except (ValueError, struct.error, zlib.error, IndexError, KeyError, StopIteration) as error:
        raise DataError(f"{path}: damaged or cut off ({error}); fetch it again") from error


def _find(path: Path, data: memoryview, order: str, names: Sequence[str]) -> NDArray:
    """The variable of that name among a file's elements."""
    known = []
    for kind, content in _elements(data, order):
        if kind == COMPRESSED:
            name = _name(_unpacked(content, order, PEEK), order)
        elif kind == MATRIX:
            name = _name(content, order)
        else:
            continue
        known.append(name)
        if name == names[0]:
            return _numbers(path, _unpacked(content, order, MOST) if kind == COMPRESSED else content, order, names)
    raise DataError(f"{path}: has no variable {names[0]!r}{did_you_mean(names[0], known)}; is it another kind of file?")


def _unpacked(content: memoryview, order: str, most: int) -> memoryview:
    """At most so many bytes of the one matrix in a zlib stream, without its tag."""
    stream = zlib.decompressobj()
    data = stream.decompress(content, most)
    kind, size = struct.unpack_from(f"{order}II", data)
    if kind != MATRIX or (most == MOST and not (stream.eof and len(data) == 8 + size)):
        raise ValueError(f"a stream of type {kind} with {len(data) - 8:,} of {size:,} bytes")
    return memoryview(data)[8 : 8 + size]


def _name(matrix: memoryview, order: str) -> str:
    elements = _elements(matrix, order)
    next(elements), next(elements)  # flags and dimensions
    return bytes(next(elements)[1]).decode("latin-1")


def _numbers(path: Path, matrix: memoryview, order: str, names: Sequence[str]) -> NDArray:
    """The array of numbers in a matrix, or for `names[1:]` in fields within it."""
    elements = _elements(matrix, order)
    flags, dimensions, _ = [next(elements) for _ in range(3)]
    kind, shape = _values(flags, order)[0] & 255, _values(dimensions, order).tolist()
    if len(names) == 1:
        if kind not in NUMERIC:
            raise DataError(f"{path}: {names[0]} is no array of numbers; is it another kind of file?")
        if min(shape) < 0:
            raise ValueError(f"an array of {shape}")
        return _values(next(elements), order).reshape(shape, order="F")
    if kind != STRUCTURE or shape != [1, 1]:
        raise DataError(f"{path}: {names[0]} is no structure with a field {names[1]!r}; is it another kind of file?")
    width = int(_values(next(elements), order)[0])
    text = bytes(next(elements)[1]).decode("latin-1")
    fields = [text[k : k + width].partition("\0")[0] for k in range(0, len(text), width)]
    for field, (_, content) in zip(fields, elements, strict=False):
        if field == names[1]:
            return _numbers(path, content, order, names[1:])
    raise DataError(f"{path}: {names[0]} has no field {names[1]!r}{did_you_mean(names[1], fields)}")


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """(type, content) of one element after another."""
    place = 0
    while place < len(data):
        (word,) = struct.unpack_from(f"{order}I", data, place)
        if word >> 16:  # up to four bytes are packed into the tag itself
            kind, size, start, place = word & 0xFFFF, word >> 16, place + 4, place + 8
        else:
            kind, size = struct.unpack_from(f"{order}II", data, place)
            start = place + 8
            place = start + size + (0 if kind == COMPRESSED else -size % 8)
        yield kind, data[start : start + size]


def _values(element: tuple[int, memoryview], order: str) -> NDArray:
    return np.frombuffer(element[1], order + NUMBERS[element[0]])
