"""Gradebooks that Canvas, Moodle and others export and take back: points go into one column, all else stays."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from minifcn.errors import ConfigError, did_you_mean
from minifcn.files import atomic_path

#: A student, by all the names that a gradebook may have; the first is shown.
Names = tuple[str, ...]

#: Canvas's second line, which is no student's.
_MOST_POINTS = "points possible"
_DELIMITERS = ",;\t|"
_EXPORT = 'export it again, or save it in the spreadsheet as "CSV UTF-8"'


class Filled(NamedTuple):
    """How many rows of a gradebook got points, and the students who are not in it."""

    rows: int
    strangers: list[Names]


class _Book(NamedTuple):
    """A gradebook as it lies in a file."""

    rows: list[list[str]]
    delimiter: str
    ending: str
    mark: str  # the byte-order mark, or ""


def fill(path: Path, key: str, column: str, points: Mapping[Names, float]) -> Filled:
    """Put points into `column` of an exported gradebook, in the rows whose `key` is one of a student's names.

    All else stays as it was: other columns, order, rows of students without a submission, the byte-order mark, and how
    lines end. Raises ConfigError if a column is not there or is there twice, or both are one, or two submissions claim
    one row, or one claims two.
    """
    book = _read(path, key, column)
    claims, target = _claims(path, book, key, column, points)
    for number, student in claims.items():
        row = book.rows[number]
        row += [""] * (target + 1 - len(row))
        row[target] = f"{points[student]:g}"
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=book.delimiter, lineterminator=book.ending).writerows(book.rows)
    with atomic_path(path) as beside:
        beside.write_bytes((book.mark + out.getvalue()).encode("utf-8"))
    found = set(claims.values())
    return Filled(len(claims), [names for names in points if names not in found])


def check(path: Path, key: str, column: str, students: Iterable[Names]) -> None:
    """Raises ConfigError where `fill` would, and writes nothing: before an hour of marking."""
    _claims(path, _read(path, key, column), key, column, students)


def _claims(path: Path, book: _Book, key: str, column: str, students: Iterable[Names]) -> tuple[dict[int, Names], int]:
    """(row -> whose it is, the number of the column for points)."""
    head = book.rows[0] if book.rows else []
    where, target = (_column(path, head, name) for name in (key, column))
    if where == target:
        raise ConfigError(
            f"{path}: the points would take the place of column {key!r}, which says who the students are; give another "
            "--column"
        )
    owners: dict[str, list[Names]] = {}
    for names in students:
        for name in {_plain(name) for name in names}:
            owners.setdefault(name, []).append(names)
    claims: dict[int, Names] = {}
    for number, row in enumerate(book.rows[1:], start=1):
        if len(row) <= where or not row[where].strip() or _plain(row[0]) == _MOST_POINTS:
            continue
        claiming = owners.get(_plain(row[where]), [])
        if len(claiming) > 1:
            raise ConfigError(
                f"{path}: two submissions, {' and '.join(map(_shown, claiming[:2]))}, claim the row of "
                f"{row[where]!r} in column {key!r}; choose a column that tells them apart, or remove one of them"
            )
        if claiming and claiming[0] in claims.values():
            raise ConfigError(
                f"{path}: {_shown(claiming[0])} is in several rows of column {key!r}; choose a column that tells apart"
            )
        if claiming:
            claims[number] = claiming[0]
    return claims, target


def _read(path: Path, key: str, column: str) -> _Book:
    """The file's rows, taken apart by whichever delimiter makes its first line name both columns."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        raise ConfigError(f"{path}: expected a CSV file in UTF-8, this is UTF-16, or no text at all; {_EXPORT}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected a CSV file in UTF-8, got {raw[error.start : error.end]!r} at byte {error.start}, as "
            f"spreadsheets write that save in Latin-1 (Windows-1252); {_EXPORT}"
        ) from error
    ending = "\r\n" if "\r\n" in text else "\n"
    books = []
    for delimiter in _DELIMITERS:
        try:
            with _long_fields(len(text)):
                rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error as error:
            raise ConfigError(f"{path}: cannot be read as a CSV file ({error}); {_EXPORT}") from error
        books.append(_Book(rows, delimiter, ending, "\ufeff" if raw.startswith(b"\xef\xbb\xbf") else ""))

    def fits(book: _Book) -> tuple[int, int]:
        head = list(map(_title, book.rows[0])) if book.rows else []
        return sum(_title(name) in head for name in (key, column)), len(head)

    return max(books, key=fits)


@contextmanager
def _long_fields(most: int) -> Iterator[None]:
    """The module csv refuses fields of more than 131 072 characters; in Moodle's worksheets there are whole essays."""
    before = csv.field_size_limit(max(most, 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _column(path: Path, head: list[str], name: str) -> int:
    titles = list(map(_title, head))
    if _title(name) not in titles:
        raise ConfigError(f"{path}: no column {name!r}{did_you_mean(name, head)}")
    if titles.count(_title(name)) > 1:
        raise ConfigError(f"{path}: {titles.count(_title(name))} columns are called {name!r}; rename all but one")
    return titles.index(_title(name))


def _title(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _plain(name: str) -> str:
    """A name or number as it is compared: whatever its case, its spaces, how accents are coded; 1201.0 is 1201."""
    text = " ".join(unicodedata.normalize("NFC", name).casefold().split())
    return re.sub(r"^(\d+)\.0+$", r"\1", unicodedata.normalize("NFC", text))


def _shown(names: Names) -> str:
    return f"{names[0]!r} ({', '.join(names[1:])})" if names[1:] else repr(names[0])
