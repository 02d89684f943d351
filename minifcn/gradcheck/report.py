"""What a gradient check found: one row for each array, printed as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Row(NamedTuple):
    """The gradient of one array in one case. `error` is relative to the gradient's size; `note` says what is odd."""

    op: str
    case: str
    array: str
    error: float
    tolerance: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return bool(self.error <= self.tolerance)


@dataclass(frozen=True)
class Report:
    """The rows of one or more checks. Reports add up: `sum(reports, Report())`."""

    rows: tuple[Row, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is at least one row and every row passed: a check of nothing shows nothing."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that did not pass."""
        return tuple(row for row in self.rows if not row.passed)

    def __add__(self, other: Report) -> Report:
        return Report(self.rows + other.rows)

    def __str__(self) -> str:
        return "\n".join([header(), *map(line, self.rows)])


_WIDTHS = (22, 44, 22, 9, 9, 4)


def header() -> str:
    """The table's head, two lines."""
    return _columns(("op", "case", "array", "error", "tolerance", "pass")) + "\n" + _columns("-" * w for w in _WIDTHS)


def line(row: Row) -> str:
    """One row of the table."""
    cells = (row.op, row.case, row.array, f"{row.error:.1e}", f"{row.tolerance:.0e}", "yes" if row.passed else "NO")
    return _columns(cells) + (f"  {row.note}" if row.note else "")


def _columns(cells: Iterable[str]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
