"""Grades as tables: our own, and those that Canvas, Moodle and others export and take back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from minifcn.errors import ConfigError, did_you_mean
from minifcn.files import atomic_path


def write(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """A CSV file of these rows, with their keys as its first line."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows([{key: _harmless(value) for key, value in row.items()} for row in rows])
    with atomic_path(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")


class Filled(NamedTuple):
    """How many rows of a gradebook got points, and the students who are not in it."""

    rows: int
    strangers: list[str]


def fill(path: Path, key: str, column: str, points: Mapping[tuple[str, ...], float]) -> Filled:
    """Put points into `column` of an exported gradebook, in the rows whose `key` is one of a student's names.

    All else stays as it was: other columns, order, rows of students without a submission, the byte-order mark, and how
    lines end. Raises ConfigError if a column is not there, or two submissions claim one row.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a CSV file in UTF-8 ({error})") from error
    mark = "\ufeff" if raw.startswith(b"\xef\xbb\xbf") else ""
    ending = "\r\n" if "\r\n" in text else "\n"
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    head = rows[0] if rows else []
    for name in (key, column):
        if name not in head:
            raise ConfigError(f"{path}: no column {name!r}{did_you_mean(name, head)}")
    where, target = head.index(key), head.index(column)
    owner = {_plain(name): names for names in points for name in names}
    claimed: dict[int, tuple[str, ...]] = {}
    for number, row in enumerate(rows[1:], start=1):
        student = owner.get(_plain(row[where])) if len(row) > where and row[where].strip() else None
        if student is not None:
            claimed[number] = student
            row += [""] * (target + 1 - len(row))
            row[target] = f"{points[student]:g}"
    twice = [names[0] for names in points if list(claimed.values()).count(names) > 1]
    if twice:
        raise ConfigError(f"{path}: {twice[0]} is in several rows of column {key!r}; choose a column that tells apart")
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=ending).writerows(rows)
    with atomic_path(path) as beside:
        beside.write_bytes((mark + out.getvalue()).encode("utf-8"))
    found = set(claimed.values())
    return Filled(len(claimed), [names[0] for names in points if names not in found])


def _plain(name: str) -> str:
    return " ".join(name.lower().split())


def _harmless(value: object) -> object:
    """Text that no spreadsheet takes for a formula, whatever a student's error message begins with."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return "'" + value
    return value
