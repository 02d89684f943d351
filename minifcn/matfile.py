"""MATLAB's MAT-file of version 5 (save -v6 or -v7), as far as nets and label maps need it.

A file is a header and a row of elements, each with a tag: a type and a length in bytes. A variable is an element
"matrix", made of elements again: flags with its class, dimensions, name, and then numbers (by columns), or for cells
and structs further matrices. An element may be deflated. SciPy reads more, but some damaged files make it crash, Python
and all. Source: MathWorks, "MAT-File Format", chapter 1, level 5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

HEADER, ENDIAN = 128, 126  # bytes before the first element, and where two of them tell the order of bytes
PEEK = 4096  # inflated bytes that are enough for a variable's name
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, TEXT = 1, 2, 4
#: Types of elements that hold numbers, and classes of matrices of numbers.
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
ENCODINGS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
DEEPEST = 12  # of cells in structs in cells: more is neither net nor label map


def variables(data: bytes, wanted: Collection[str], most: int) -> dict[str, Any]:
    """The variables of a file, those not `wanted` as None.

    Numbers come as arrays, text as str, cells as lists, structs as lists of dictionaries, all else as None. Raises
    ValueError if the file is broken, or what is wanted inflates to more than `most` bytes.
    """
    order = ">" if data[ENDIAN:HEADER] == b"MI" else "<"
    found: dict[str, Any] = {}
    try:
        for kind, content in _elements(memoryview(data)[HEADER:], order):
            if kind not in (MATRIX, COMPRESSED) or not len(content):
                continue
            name = _name(_peeked(content, order) if kind == COMPRESSED else content, order)
            found.setdefault(name, None)
            if name in wanted:
                if kind == COMPRESSED:
                    content = _inflated(content, order, most)
                    most -= len(content)
                found[name] = _matrix(content, order)
    except (StopIteration, LookupError, OverflowError, TypeError, zlib.error) as error:
        raise ValueError(str(error) or "cut short") from error
    return found


def _peeked(content: memoryview, order: str) -> memoryview:
    """The first bytes of the matrix in a deflated element."""
    return memoryview(zlib.decompressobj().decompress(content, PEEK))[8:]


def _inflated(content: memoryview, order: str, most: int) -> memoryview:
    """The matrix in a deflated element."""
    stream = zlib.decompressobj()
    data = memoryview(stream.decompress(content, max(1, most)))
    if stream.unconsumed_tail:
        raise ValueError(f"a variable that unpacks to more than {most:,} bytes")
    kind, matrix = next(_elements(data, order))
    if kind != MATRIX or not stream.eof:
        raise ValueError("a deflated element that is no matrix, or is cut short")
    return matrix


def _name(matrix: memoryview, order: str) -> str:
    parts = _elements(matrix, order)
    next(parts), next(parts)  # flags and dimensions
    return bytes(next(parts)[1]).decode("latin-1")


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
        raise ValueError("is nested too deeply")
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
