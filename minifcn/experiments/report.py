"""Rows of figures, on the screen and in a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minifcn.files import atomic_path

Row = Mapping[str, Any]


def table(rows: Sequence[Row], digits: int = 1) -> str:
    """The rows as aligned columns, named by their keys. A missing value or None is a dash.

    >>> print(table([{"net": "fcn32s", "mean IU": 59.44, "paper": 59.4}, {"net": "fcn8s", "mean IU": 62.7}]))
    net     mean IU  paper
    fcn32s     59.4   59.4
    fcn8s      62.7      -
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name), digits) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    left = [all(isinstance(row.get(name), str) for row in rows) for name in names]
    return "\n".join(
        "  ".join(
            f"{text:<{w}}" if l else f"{text:>{w}}" for text, w, l in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in cells
    )


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """The rows with all their digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def counted(number: int, word: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number} {word}{'s' * (number != 1)}"


def _cell(value: Any, digits: int) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
