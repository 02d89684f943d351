"""Caffe's .caffemodel: a NetParameter message of protobuf, read from its wire format.

A message is a row of fields. Each starts with a varint, number * 8 + wire type; the type says what follows: 0 a varint,
1 eight bytes, 2 a length and that many bytes (text, arrays, messages inside messages), 5 four bytes. The numbers of
the fields are those of caffe.proto; all others are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers.raw import Reader

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
#: NetParameter: where its layers are -> their fields (name, type, blobs), and the type that a dense layer has.
LAYERS = {100: (1, 2, 7, b"InnerProduct"), 2: (4, 5, 6, 14)}
V0 = 1, (1, 2, 50, b"innerproduct")  # within an element of the old `layers`, the oldest nets have another message
SHAPE, DATA, DOUBLES = 7, 5, 8  # of BlobProto; its fields 1..4 are the legacy num, channels, height and width


def parse(path: Path) -> tuple[dict[str, np.ndarray], None]:
    """A layer's first blob, its weight, is "conv1_1.0"; the second, its bias, "conv1_1.1"."""
    arrays: dict[str, np.ndarray] = {}
    for number, kind, value in fields(memoryview(path.read_bytes())):
        if number in LAYERS and kind == BYTES:
            for name, array in _layer(value, *LAYERS[number]):
                if name in arrays:
                    raise WeightsError(f"has two layers with a blob {name}")
                arrays[name] = array
    return arrays, None


def fields(message: memoryview) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field: an int, or a view of bytes that are there. ValueError if cut short."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(message, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, at = varint(message, at)
        elif kind in (EIGHT, FOUR):
            length = 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"field {number} has wire type {kind}, which does not exist here")
        if length > len(message) - at:
            raise ValueError(f"field {number} says {length} bytes, {len(message) - at} are left")
        yield number, kind, message[at : at + length]
        at += length


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """(value, where it ends): seven bits a byte, lowest first; the eighth says that more follow."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("ends within a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")


def _layer(message: memoryview, name_field: int, type_field: int, blobs_field: int, dense: Any) -> Iterator:
    name, layer_type, blobs = "", None, []
    for number, kind, value in fields(message):
        if number == name_field and kind == BYTES:
            name = bytes(value).decode()
        elif number == type_field:
            layer_type = value if kind == VARINT else bytes(value)
        elif number == blobs_field and kind == BYTES:
            blobs.append(value)
        elif number == V0[0] and kind == BYTES and name_field == LAYERS[2][0]:
            yield from _layer(value, *V0[1])
    for k, blob in enumerate(blobs):
        yield f"{name}.{k}", _blob(f"{name}.{k}", blob, matrix=layer_type == dense, vector=k > 0)


def _blob(name: str, message: memoryview, matrix: bool, vector: bool) -> np.ndarray:
    """A BlobProto's array. Legacy ones always have four dimensions, of which a dense layer means the last two."""
    legacy, shape, chunks = [1, 1, 1, 1], None, []
    for number, kind, value in fields(message):
        if number == SHAPE and kind == BYTES:
            shape = [size for field, kind, dims in fields(value) if field == 1 for size in varints(kind, dims)]
        elif 1 <= number <= 4 and kind == VARINT:
            legacy[number - 1] = value
        elif number == DATA and kind in (BYTES, FOUR):
            chunks.append(np.frombuffer(value, "<f4"))
        elif number == DOUBLES and kind in (BYTES, EIGHT):
            chunks.append(np.frombuffer(value, "<f8"))
    data = chunks[0] if len(chunks) == 1 else np.concatenate([*chunks, np.zeros(0, "<f4")])
    if shape is None:
        shape = [math.prod(legacy)] if vector else legacy[2:] if matrix and legacy[:2] == [1, 1] else legacy
    if math.prod(shape) != data.size:
        raise ValueError(f"{name} says shape {shape}, and has {data.size} numbers")
    return data.reshape(shape)


def varints(kind: int, value: Any) -> Iterator[int]:
    """The numbers of a repeated field: one, or several packed together."""
    if kind == VARINT:
        yield value
        return
    at = 0
    while at < len(value):
        size, at = varint(value, at)
        yield size


read = Reader("caffemodel", "caffemodel", parse)
