"""Sound bytes made unsound: bits and bytes, cuts, pieces doubled or moved, and numbers at the edges of their range.

`changed` knows a few containers, so that changes reach what lies behind a checksum or a deflate stream: see containers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from fuzz import containers

EDGES = [0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40,
         2**53, 2**60, 2**62, 2**63 - 1, 2**63, 2**64 - 1]  # fmt: skip
WORDS = ["-1", "0", "1", "256", "65536", "2147483648", "4294967295", "9223372036854775808", "1e308", "1e999", "nan",
         "-0.0", "9" * 400, "9" * 5000, "", "null", "true", "[]", "{}", "\0", "\r", "\x85", "../..", "/", "é", "\ufeff",
         "%s%n", "a" * 300, "__class__"]  # fmt: skip
Change = Callable[[bytes, Generator], bytes]


def changed(data: bytes, rng: Generator, others: Sequence[bytes] = ()) -> bytes:
    """One to four changes, half of the time within the container that the bytes are; `others` to take pieces of."""
    opened = containers.opened(data, rng) if rng.random() < 0.5 else None
    if opened is not None:
        inner, close = opened
        return close(bytes_changed(inner, rng, others))
    return bytes_changed(data, rng, others)


def bytes_changed(data: bytes, rng: Generator, others: Sequence[bytes] = ()) -> bytes:
    """One to four changes of bytes that are nothing in particular."""
    for _ in range(rng.integers(1, 5)):
        if others and rng.random() < 0.05:
            data = _splice(data, others[rng.integers(len(others))], rng)
        else:
            data = CHANGES[rng.integers(len(CHANGES))](data, rng)
    return data[: 4 << 20]


def _place(data: bytes, rng: Generator) -> int:
    """Anywhere, but more often near the front, where headers lie, and near the end, where directories do."""
    size = len(data) + 1
    kind = rng.random()
    if kind < 0.35:
        return int(rng.integers(min(size, 256)))
    if kind < 0.5:
        return size - 1 - int(rng.integers(min(size, 256)))
    return int(rng.integers(size))


def _bit(data: bytes, rng: Generator) -> bytes:
    at = min(_place(data, rng), len(data) - 1)
    return data if at < 0 else data[:at] + bytes([data[at] ^ 1 << rng.integers(8)]) + data[at + 1 :]


def _byte(data: bytes, rng: Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + bytes([rng.choice([0, 1, 127, 128, 254, 255, rng.integers(256)])]) + data[at + 1 :]


def _cut(data: bytes, rng: Generator) -> bytes:
    return data[: _place(data, rng)]


def _gone(data: bytes, rng: Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.choice([1, 2, 4, 8, 16, 64, 1024])) :]


def _doubled(data: bytes, rng: Generator) -> bytes:
    at, length = _place(data, rng), int(rng.choice([1, 4, 8, 16, 64, 512]))
    return data[:at] + data[at : at + length] * int(rng.choice([2, 3, 40])) + data[at + length :]


def _noise(data: bytes, rng: Generator) -> bytes:
    at, length = _place(data, rng), int(rng.choice([1, 4, 16, 128]))
    return data[:at] + rng.bytes(length) + data[at + length * int(rng.integers(2)) :]


def _edge(data: bytes, rng: Generator) -> bytes:
    """A number at an edge of its range, of one to eight bytes, either end first."""
    width = int(rng.choice([1, 2, 4, 8]))
    value = EDGES[rng.integers(len(EDGES))] % (1 << 8 * width)
    at = _place(data, rng)
    return data[:at] + value.to_bytes(width, "little" if rng.random() < 0.7 else "big") + data[at + width :]


def _near(data: bytes, rng: Generator) -> bytes:
    """A number a little more or less than it was: lengths that just do not fit."""
    width = int(rng.choice([1, 2, 4]))
    at = _place(data, rng)
    order = "little" if rng.random() < 0.7 else "big"
    value = int.from_bytes(data[at : at + width], order) + int(rng.choice([-8, -4, -1, 1, 4, 8]))
    return data[:at] + (value % (1 << 8 * width)).to_bytes(width, order) + data[at + width :]


def _word(data: bytes, rng: Generator) -> bytes:
    """A number or a word of a text becomes another."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?|[A-Za-z_]{2,}", data[:65536]))
    if not found:
        return _edge(data, rng)
    where = found[rng.integers(len(found))]
    other = found[rng.integers(len(found))].group() if rng.random() < 0.4 else _text(rng)
    return data[: where.start()] + other + data[where.end() :]


def _text(rng: Generator) -> bytes:
    return WORDS[rng.integers(len(WORDS))].encode()


def _splice(data: bytes, other: bytes, rng: Generator) -> bytes:
    """The front of one and the end of another."""
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _moved(data: bytes, rng: Generator) -> bytes:
    """Two pieces of equal length change places."""
    length = int(rng.choice([1, 4, 16, 100]))
    one, two = sorted(int(n) for n in rng.integers(max(1, len(data) - length), size=2))
    if one + length > two:
        return data
    a, b = data[one : one + length], data[two : two + length]
    return data[:one] + b + data[one + length : two] + a + data[two + length :]


CHANGES: tuple[Change, ...] = (
    _bit, _bit, _byte, _byte, _cut, _gone, _doubled, _noise, _edge, _edge, _near, _near, _word, _word, _moved
)  # fmt: skip


def lines_changed(data: bytes, rng: Generator) -> bytes:
    """A text whose lines are doubled, gone, in another order, or words of which are others."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(len(lines))), rng.integers(5)
        if kind == 0:
            lines.insert(at, lines[rng.integers(len(lines))])
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        elif kind == 2:
            lines = [lines[i] for i in rng.permutation(len(lines))]
        elif kind == 3:
            lines.insert(at, _text(rng) + b"\n")
        else:
            lines[at] = _word(lines[at], rng)
    return b"".join(lines)


def is_text(data: bytes) -> bool:
    return bool(np.all(np.frombuffer(data[:2000] or b"a", np.uint8) < 127)) and b"\0" not in data[:2000]
