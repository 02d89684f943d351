"""The other half of the caffemodel reader: a writer of protobuf's wire format, for tests."""

from __future__ import annotations

import numpy as np


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes, length: int | None = None) -> bytes:
    return varint(field << 3 | 2) + varint(len(content) if length is None else length) + content


def blob(array: np.ndarray, legacy: bool = False, packed: bool = True) -> bytes:
    """A BlobProto; legacy ones have four dimensions, filled up with ones in front."""
    if legacy:
        shape = (1,) * (4 - array.ndim) + array.shape
        dims = b"".join(number(field, size) for field, size in enumerate(shape, start=1))
    else:
        dims = block(7, block(1, b"".join(map(varint, array.shape))))
    if array.dtype == np.float64:
        return dims + block(8, array.tobytes())
    if packed:
        return dims + block(5, array.tobytes())
    return dims + b"".join(varint(5 << 3 | 5) + value.tobytes() for value in array.ravel())


def layer(name: str, kind: str, blobs: list[bytes]) -> bytes:
    """A field of NetParameter, as Caffe writes it since 2014."""
    content = block(1, name.encode()) + block(2, kind.encode()) + b"".join(block(7, one) for one in blobs)
    return block(100, content)


def v1_layer(name: str, kind: int, blobs: list[bytes]) -> bytes:
    content = block(4, name.encode()) + number(5, kind) + b"".join(block(6, one) for one in blobs)
    return block(2, content)


def v0_layer(name: str, kind: str, blobs: list[bytes]) -> bytes:
    content = block(1, name.encode()) + block(2, kind.encode()) + b"".join(block(50, one) for one in blobs)
    return block(2, block(1, content))


def caffemodel(net: dict[str, list[np.ndarray]], kinds: dict[str, str] | None = None) -> bytes:
    """A net of the new format: {layer: its blobs}."""
    kinds = kinds or {}
    layers = (layer(name, kinds.get(name, "Convolution"), [blob(a) for a in blobs]) for name, blobs in net.items())
    return block(1, b"net") + b"".join(layers)
