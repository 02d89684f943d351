"""From an assignment's source to the two zips: one for the students, one for Gradescope."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from minifcn.course.archive import zipped
from minifcn.course.assignment import Assignment
from minifcn.course.harness.outline import Outcome, Outline
from minifcn.course.harness.parent import Marked, mark
from minifcn.errors import ConfigError
from minifcn.files import atomic_path

RECORDS = ("expected.npz", "expected_hidden.npz", "outline.json")


class Built(NamedTuple):
    """The files of the student's folder and of the grader's, what is asked, and how the solution was marked."""

    student: dict[str, bytes]
    grader: dict[str, bytes]
    outline: Outline
    solution: Marked


def build(assignment: Assignment) -> Built:
    """Records the solution's numbers, and marks the solution with what was built.

    Raises ConfigError for a marker that is wrong, and if the solution loses a point.
    """
    student, grader = assignment.handout(), assignment.grader()
    solved = {name: source.encode() for name, source in assignment.solved.items()}
    with unpacked(grader) as bundle:
        recorded = mark(bundle, solved, record=True)
        _refuse_faults(assignment, recorded)
        for name in RECORDS:
            grader[name] = (bundle / name).read_bytes()
        outline = Outline.load(bundle / "outline.json")
    student[RECORDS[0]] = grader[RECORDS[0]]
    with unpacked(grader) as bundle:
        marked = mark(bundle, solved)
    _refuse_faults(assignment, marked)
    return Built(student, grader, outline, marked)


def write(assignment: Assignment, built: Built, out: Path) -> list[Path]:
    """The two zips, in `out`."""
    made = {
        f"{assignment.name}-student.zip": zipped(built.student, assignment.name),
        f"{assignment.name}-gradescope.zip": zipped(built.grader),
    }
    for name, content in made.items():
        with atomic_path(out / name) as beside:
            beside.write_bytes(content)
    return [out / name for name in made]


@contextmanager
def unpacked(files: dict[str, bytes]) -> Iterator[Path]:
    """A folder with these files, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        folder = Path(scratch).resolve()
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield folder


def _refuse_faults(assignment: Assignment, marked: Marked) -> None:
    lost: list[Outcome] = [outcome for outcome in marked.outcomes if not outcome.passed]
    if marked.problem:
        raise ConfigError(f"{assignment.name}: the solution could not be marked: {marked.problem}")
    if lost:
        first = lost[0]
        raise ConfigError(
            f"{assignment.name}: the solution loses points, in {len(lost)} of {len(marked.outcomes)} cases. "
            f"{first.question}, {first.title}, case {first.case!r}: {first.message}"
        )
