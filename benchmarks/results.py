"""What was measured, as JSON: one file a subject, each row kept until its case is measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from minifcn.errors import MinifcnError
from minifcn.files import atomic_path

Row = dict[str, Any]
Say = Callable[[str], None]


class Results:
    """The rows of `folder`/`subject`.json, which all belong to one machine and its libraries' versions.

    A row is known by its "case" and "threads"; it has the commit that it was measured at. An opponent that was absent
    before may come in; `say` is told when rows go because the machine, or a version, is another now.
    """

    def __init__(self, folder: Path, subject: str, machine: Mapping[str, str], say: Say = print) -> None:
        self.path = folder / f"{subject}.json"
        self.machine = dict(machine)
        self.rows: list[Row] = []
        before = read(self.path)
        changed = [key for key, value in before["machine"].items() if self.machine.get(key, value) != value]
        if not changed:
            self.rows = before["rows"]
            self.machine = before["machine"] | self.machine
        elif before["rows"]:
            told = ", ".join(changed)
            say(f"{subject}: {len(before['rows'])} earlier rows go, they were measured with another {told}")

    def add(self, row: Row) -> None:
        """Takes the place of an earlier row of the case, and is written at once: what was measured is not lost."""
        same = [k for k, old in enumerate(self.rows) if _key(old) == _key(row)]
        if same:
            self.rows[same[0]] = row
        else:
            self.rows.append(row)
        with atomic_path(self.path) as beside:
            beside.write_text(json.dumps({"machine": self.machine, "rows": self.rows}, indent=1) + "\n")


def read(path: Path) -> dict[str, Any]:
    """{"machine", "rows"} of a file; of none there, empty ones. MinifcnError if it is another file."""
    if not path.exists():
        return {"machine": {}, "rows": []}
    try:
        found = json.loads(path.read_text())
        return {"machine": dict(found["machine"]), "rows": list(found["rows"])}
    except (ValueError, KeyError, TypeError) as error:
        raise MinifcnError(f"{path}: not a file of results ({error!r}); move it away, and measure again") from error


def _key(row: Row) -> tuple:
    return row["case"], row["threads"], row.get("key")
