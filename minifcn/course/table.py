"""The table of grades: a row a student, in a file that is whole after each of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from minifcn.course.harness.report import legible
from minifcn.errors import ConfigError, counted
from minifcn.files import atomic_path

Row = Mapping[str, object]


class Table:
    """Rows by student, in a CSV file that is written anew, beside and renamed, with each row that is added.

    Rows of an earlier run stay until their students are marked again. Raises ConfigError if what lies there is no such
    table, is of another assignment, or has students who are not among `students`: their grades would be lost.
    """

    def __init__(self, path: Path, columns: list[str], assignment: str, students: list[str]) -> None:
        self._path, self._columns = path, columns
        self._rows: dict[str, Row] = {}
        self._order = list(map(_cell, students))
        if path.exists():
            self._rows = _earlier(path, assignment)
            strangers = [student for student in self._rows if student not in self._order]
            if strangers:
                raise ConfigError(
                    f"{path}: has grades of {counted(len(strangers), 'student')} not among the submissions "
                    f"({', '.join(strangers[:3])}{', ...' * (len(strangers) > 3)}); choose another file, or move this "
                    "one away"
                )
        self._write()  # before any work is done in vain

    def add(self, row: Row) -> None:
        """Put this row in the place of the student's earlier one, if there is one, and write the file."""
        cells = {key: _cell(value) if isinstance(value, str) else value for key, value in row.items()}
        self._rows[str(cells["student"])] = cells
        self._write()

    def _write(self) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, self._columns, restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows[student] for student in self._order if student in self._rows)
        with atomic_path(self._path) as beside:
            beside.write_text(text.getvalue(), encoding="utf-8")


def _earlier(path: Path, assignment: str) -> dict[str, Row]:
    try:
        table = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
        rows = list(table)
        if not {"student", "assignment"} <= {*(table.fieldnames or ("student", "assignment"))}:
            raise KeyError
        if any(row["assignment"] != assignment for row in rows):
            raise ConfigError(f"{path}: has grades of {rows[0]['assignment']}; choose another file for {assignment}")
        return {str(row["student"]): row for row in rows}
    except (OSError, ValueError, csv.Error, KeyError) as error:
        raise ConfigError(f"{path}: is no table of grades; choose another file, or move it away") from error


def _cell(value: str) -> str:
    """Text that no spreadsheet takes for a formula, whatever a student's error message begins with."""
    value = legible(value, len(value))
    return "'" + value if value.lstrip().startswith(("=", "+", "-", "@")) else value
