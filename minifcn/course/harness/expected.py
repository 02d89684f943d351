"""What the right answer to a case is: numbers that the solution left when the assignment was built.

An assignment's checks are run twice: once with the solution, to record, and ever after to compare. So what students
get holds numbers, and no code that makes them. Answers to questions are kept as hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import Any

import numpy as np

from .compare import difference

#: Decimals that are recorded: what is beyond differs from one machine's arithmetic to another's.
DECIMALS = 12


class Wrong(Exception):
    """A case that was not passed; the text is for the student."""


class Expect:
    """Compares what came with what was recorded, or records it. `store` is by "question/case/name"."""

    def __init__(self, store: MutableMapping[str, np.ndarray], place: str, dtype: np.dtype, recording: bool) -> None:
        self._store, self._place, self._dtype, self._recording = store, place, dtype, recording

    def __call__(self, name: str, came: Any) -> None:
        """`came` must be the array or number that the solution has under this name; raises Wrong if it is not."""
        if self._recording:
            self._record(name, np.asarray(came))
        elif text := difference(name, came, self._known(name), self._dtype):
            raise Wrong(text)

    def shape(self, name: str, came: Any) -> tuple[int, ...]:
        """The shape that the solution's array has, whatever the one that came has."""
        if self._recording:
            self._record(f"shape of {name}", np.asarray(np.shape(came), np.int64))
        return tuple(map(int, self._known(f"shape of {name}")))

    def answer(self, name: str, given: Any) -> None:
        """`given` must be the answer to a question: a word, a number, or a tuple of them."""
        if given is None:
            raise Wrong(f"{name}: not answered yet (None)")
        digest = hashlib.sha256(f"{self._place}/{name}: {_plain(given)}".encode()).digest()
        if self._recording:
            self._record(name, np.frombuffer(digest, np.uint8))
        elif digest != self._known(name).tobytes():
            raise Wrong(f"{name}: {given!r} is not the answer")

    def true(self, claim: bool, text: str) -> None:
        """For what needs no record: raises Wrong with this text unless the claim holds."""
        if not claim:
            raise Wrong(text)

    def _record(self, name: str, value: np.ndarray) -> None:
        if value.dtype.kind == "f":
            value = np.round(value.astype(np.float64), DECIMALS) + 0.0  # no negative zeros
        self._store[f"{self._place}/{name}"] = value

    def _known(self, name: str) -> np.ndarray:
        return self._store[f"{self._place}/{name}"]


def _plain(value: Any) -> str:
    """An answer as text, however it was written: 3, 3.0 and np.int64(3), a list or a tuple, "Mean" or " mean"."""
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(_plain, value)) + ")"
    if isinstance(value, str):
        return " ".join(value.lower().split())
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return f"{float(value):.10g}" if isinstance(value, (int, float, np.number)) else repr(value)
