"""Every error that a user of minifcn can cause.

The text of each says where it happened, what was expected, what came, and what to do about it. Commands catch
`MinifcnError`, print its text and exit with status 2; anything else that escapes is a bug of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 10  # names that a message lists before it says how many more there are


class MinifcnError(Exception):
    """Base of all errors that minifcn raises on purpose."""


class ShapeError(MinifcnError):
    """Arrays, layers or nets whose shapes, dtypes or coordinates cannot go together."""


class BackendError(MinifcnError):
    """A device that is not there, or arrays of two backends in one operation."""


class DataError(MinifcnError):
    """Pictures, labels or data sets that cannot be used as they are."""


class WeightsError(MinifcnError):
    """A weight file that cannot be read, or that does not belong to the net."""


class CheckpointError(MinifcnError):
    """A run that cannot be resumed, or a checkpoint that cannot be written."""


class MemoryLimitError(MinifcnError):
    """A pass over a net that needs more memory than it may take."""


class ConfigError(MinifcnError):
    """A setting that is unknown, of the wrong type, or out of range."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How an error about an unknown word goes on: "; did you mean 'lr'?" for a slip, else what there is.

    >>> did_you_mean("tyni", ["vgg16", "tiny"])
    "; did you mean 'tiny'?"
    >>> did_you_mean("nope", ["crop", "sum"])
    '; there are crop, sum'
    """
    known = list(known)
    # difflib counts swapped letters as two that are missing, which in a short word is half of it
    close = difflib.get_close_matches(word, known, n=1) or [k for k in known if sorted(k) == sorted(word)]
    if close:
        return f"; did you mean {close[0]!r}?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED + 1 else ""
    return f"; there are {', '.join(known[:LISTED] if more else known) or 'none'}{more}"


def printable(text: str) -> str:
    r"""A text with a name in it that may hold anything, on one line: what does not print is escaped.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def counted(count: int, one: str, many: str = "") -> str:
    """A number and its noun: "1 picture", "2 pictures"."""
    return f"{count} {one if count == 1 else many or one + 's'}"
