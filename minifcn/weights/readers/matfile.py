"""MATLAB's MAT-file of version 5 (save -v6 or -v7), read as far as nets need it: numbers, text, cells and structs.

A file is a header and a row of elements, each with a tag: a type and a length in bytes. A variable is an element
"matrix", made of elements again: flags with its class, dimensions, name, and then numbers (by columns), or for cells
and structs further matrices. An element may be deflated.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from minifcn.weights.readers.raw import MOST

HEADER, ENDIAN = 128, 126  # bytes before the first element, and where two of them tell the order of bytes
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, TEXT = 1, 2, 4
#: Types of elements that hold numbers, and classes of matrices of numbers.
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
ENCODINGS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
DEEPEST = 12  # of cells in structs in cells: more is no net


def variables(data: memoryview, wanted: Collection[str]) -> dict[str, Any]:
    """The variables of those names: numbers as arrays, text as str, cells as lists, structs as lists of dictionaries.

    Raises ValueError if the file is broken, or unpacks to more than `MOST` times its size.
    """
    order = ">" if bytes(data[ENDIAN:HEADER]) == b"MI" else "<"
    room = MOST * max(len(data), 1 << 12)
    found = {}
    for kind, content in _elements(data[HEADER:], order):
        if kind == COMPRESSED:
            unpacked = _inflated(content, room)
            room -= len(unpacked)
            kind, content = next(_elements(unpacked, order))
        if kind == MATRIX and len(content):
            parts = _elements(content, order)
            _, _, name = next(parts), next(parts), next(parts)
            if bytes(name[1]).decode() in wanted:
                found[bytes(name[1]).decode()] = _matrix(content, order)
    return found


def _inflated(content: memoryview, room: int) -> memoryview:
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(content, room)
    if unpacker.unconsumed_tail:
        raise ValueError(f"would unpack to more than {MOST} times its size, which no weights do")
    if not unpacker.eof:
        raise ValueError("a deflated element is cut short")
    return memoryview(unpacked)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """(type, content) of each element in a row of them."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("an element without a whole tag")
        kind, length = (int(n) for n in np.frombuffer(data[at : at + 8], f"{order}u4"))
        if kind >> 16:  # a small element: four bytes at most, in the tag itself
            kind, length, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if length > 4:
                raise ValueError(f"a small element of {length} bytes")
        else:
            start = at + 8
            after = start + length if kind == COMPRESSED else start + -(-length // 8) * 8
        if start + length > len(data):
            raise ValueError(f"an element says {length} bytes, {len(data) - start} are left")
        yield kind, data[start : start + length]
        at = after


def _matrix(content: memoryview, order: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise ValueError("is nested as no net is")
    if not len(content):
        return np.zeros((0, 0))
    parts = _elements(content, order)
    kind = int(_numbers(*next(parts), order)[0]) & 0xFF
    shape = tuple(int(n) for n in _numbers(*next(parts), order))
    count = math.prod(shape)
    next(parts)  # its name
    if kind == CELL:
        return [_inside(parts, order, depth) for _ in range(_fits(count, content))]
    if kind == STRUCT:
        width = int(_numbers(*next(parts), order)[0])
        text = bytes(next(parts)[1])
        names = [text[k : k + width].rstrip(b"\0").decode() for k in range(0, len(text), width)] if width > 0 else []
        rows = range(_fits(count * len(names), content) // len(names) if names else 0)
        return [{name: _inside(parts, order, depth) for name in names} for _ in rows]
    if kind == TEXT:
        element, letters = next(parts)
        if element in ENCODINGS:
            return bytes(letters).decode(ENCODINGS[element])
        return "".join(map(chr, _numbers(element, letters, order)))
    if kind not in CLASSES:
        return None  # a function, an object: nothing that weights are made of
    numbers = _numbers(*next(parts), order)
    if len(numbers) != count or any(n < 0 for n in shape):
        raise ValueError(f"a matrix {shape} of {len(numbers)} numbers")
    return numbers.astype(CLASSES[kind], copy=False).reshape(shape, order="F")


def _inside(parts: Iterator[tuple[int, memoryview]], order: str, depth: int) -> Any:
    kind, content = next(parts)
    if kind != MATRIX:
        raise ValueError(f"an element of type {kind} where a matrix is expected")
    return _matrix(content, order, depth + 1)


def _fits(count: int, content: memoryview) -> int:
    """`count` matrices, if there is room for their tags."""
    if not 0 <= count <= len(content) // 8:
        raise ValueError(f"{count} matrices in {len(content)} bytes")
    return count


def _numbers(kind: int, content: memoryview, order: str) -> np.ndarray:
    if kind not in TYPES:
        raise ValueError(f"numbers of type {kind}")
    return np.frombuffer(content, f"{order}{TYPES[kind]}")
