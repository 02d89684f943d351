"""Containers opened for a change within, and closed so that checksums, lengths and deflate streams are whole again."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from numpy.random import Generator

PNG = b"\x89PNG\r\n\x1a\n"
Opened = tuple[bytes, Callable[[bytes], bytes]]  # what lies within, and how to put it back


def opened(data: bytes, rng: Generator) -> Opened | None:
    """A piece of the container that `data` is, and how to put it back; None for what is no container."""
    try:
        for start, opener in OPENERS:
            if data.startswith(start):
                return opener(data, rng)
        if data[8:9] == b"{":
            return _safetensors(data, rng)
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, LookupError):
        pass
    return None


def _zip(data: bytes, rng: Generator) -> Opened:
    """A member of a zip archive: its bytes, and now and then its name; packed anew, deflated or not, perhaps twice."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    chosen = int(rng.integers(len(members)))
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.4 else zipfile.ZIP_STORED
    twice, renamed, dropped = rng.random() < 0.05, rng.random() < 0.05, rng.random() < 0.05

    def close(inner: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as packed:
            for k, (name, content) in enumerate(members):
                if k == chosen and dropped:
                    continue
                entry = zipfile.ZipInfo(("../" + name if renamed else name) if k == chosen else name)
                entry.compress_type = method
                packed.writestr(entry, inner if k == chosen else content)
                if k == chosen and twice:
                    packed.NameToInfo.pop(entry.filename, None)  # it would warn
                    packed.writestr(entry, inner)
        return file.getvalue()

    return members[chosen][1], close


def _png(data: bytes, rng: Generator) -> Opened:
    """A chunk of a PNG, of IDAT what it inflates to; its length and checksum are made right."""
    chunks, at = [], len(PNG)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    chosen = int(rng.integers(len(chunks)))
    kind, content = chunks[chosen]
    deflated = kind == b"IDAT"

    def close(inner: bytes) -> bytes:
        made = [(k, zlib.compress(inner) if deflated else inner) if n == chosen else (k, c)
                for n, (k, c) in enumerate(chunks)]  # fmt: skip
        return PNG + b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in made)

    return (zlib.decompress(content) if deflated else content), close


def _mat(data: bytes, rng: Generator) -> Opened:
    """An element of a MATLAB file, of a deflated one what it inflates to."""
    elements, at = [], 128
    while at < len(data):
        kind, length = struct.unpack("<II", data[at : at + 8])
        after = at + 8 + (length if kind == 15 else -(-length // 8) * 8)
        elements.append((kind, data[at + 8 : after]))
        at = after
    chosen = int(rng.integers(len(elements)))
    kind, content = elements[chosen]
    if kind == 15:
        content = zlib.decompress(content)

    def close(inner: bytes) -> bytes:
        body = zlib.compress(inner) if kind == 15 else inner
        made = [(k, body if n == chosen else c) for n, (k, c) in enumerate(elements)]
        return data[:128] + b"".join(struct.pack("<II", k, len(c)) + c for k, c in made)

    return content, close


def _safetensors(data: bytes, rng: Generator) -> Opened:
    """The JSON in front; its length is made right."""
    (length,) = struct.unpack("<Q", data[:8])
    return data[8 : 8 + length], lambda inner: struct.pack("<Q", len(inner)) + inner + data[8 + length :]


def _npy(data: bytes, rng: Generator) -> Opened:
    """The header of a .npy, or the pickle after it."""
    (length,) = struct.unpack("<H", data[8:10])
    if rng.random() < 0.4:
        return data[
            10 : 10 + length
        ], lambda inner: data[:8] + struct.pack("<H", len(inner) & 0xFFFF) + inner + data[10 + length :]
    return data[10 + length :], lambda inner: data[: 10 + length] + inner


OPENERS: tuple[tuple[bytes, Callable[[bytes, Generator], Opened]], ...] = (
    (b"PK\3\4", _zip),
    (PNG, _png),
    (b"MATLAB 5.0", _mat),
    (b"\x93NUMPY", _npy),
)
