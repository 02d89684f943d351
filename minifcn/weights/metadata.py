"""What a file says about its weights is used as it stands by all who predict: it is checked once, when read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from minifcn.errors import WeightsError

MOST = 3.4e38  # float32's largest number


def check(path: str | PathLike[str], metadata: Mapping[str, Any]) -> None:
    """WeightsError if one of the entries that minifcn uses is there, but is not what it must be."""
    for key, (fits, expected) in _ENTRIES.items():
        if key in metadata and not fits(metadata[key]):
            got = repr(metadata[key])
            raise WeightsError(
                f"{path}: {key} in its metadata: expected {expected}, got {got[:80]}{' ...' * (len(got) > 80)}"
            )


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= MOST  # NaN is not


def _mean(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_number, value))


def _colour(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(n) is int and 0 <= n <= 255 for n in value)


def _palette(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 256 and all(map(_colour, value))


def _classes(value: Any) -> bool:
    names = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    return names and len(value) > 0 and len(set(value)) == len(value)


def _of_each_task(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A test of what is one value, or for several tasks one under each task's name."""
    return lambda value: all(map(fits, value.values())) if isinstance(value, dict) and value else fits(value)


_ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "channels": (lambda value: isinstance(value, str), "text"),
    "mean": (_mean, "three finite numbers"),
    "scale": (_number, "a finite number"),
    "palette": (_of_each_task(_palette), "at most 256 colours of three whole numbers 0..255"),
    "classes": (_of_each_task(_classes), "a list of names, none empty and none twice"),
}
