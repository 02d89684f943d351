"""Marks a folder of submissions, each student in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from minifcn.course.build import Built, unpacked
from minifcn.course.harness import report
from minifcn.course.harness.outline import Outline
from minifcn.course.harness.parent import CASE_SECONDS, Marked, mark
from minifcn.course.harness.report import legible
from minifcn.course.submissions import Submission

#: Of all that a student is told; a spreadsheet's cell takes some 32 000.
MESSAGE = 20_000


class Grade(NamedTuple):
    """A student's points, by question and in all, with a message that is never empty."""

    submission: Submission
    points: dict[str, float]
    total: float
    most: int
    message: str
    marked: Marked

    def row(self, assignment: str) -> dict[str, object]:
        """A line of the table of grades."""
        return {
            "student": self.submission.student,
            "points": self.total,
            "of": self.most,
            **{f"question {key}": round(value, 2) for key, value in self.points.items()},
            "message": self.message,
            "seconds": round(self.marked.seconds, 1),
            "imported": " ".join(f"{name} {sha[:12]}" for name, sha in self.marked.proof.items()),
            "assignment": assignment,
        }


def columns(built: Built) -> list[str]:
    """The columns of the table of grades."""
    nobody = Submission((), {}, "", "")
    points = built.outline.points([])
    return list(Grade(nobody, points, 0.0, 0, "", Marked([], "", {}, 0.0)).row(""))


def grade(
    built: Built,
    submissions: list[Submission],
    stubs: dict[str, str],
    case_seconds: float = CASE_SECONDS,
) -> Iterator[Grade]:
    """A grade for each submission, as it is done. A file that is missing is as it was handed out."""
    with unpacked(built.grader) as bundle:
        for submission in submissions:
            yield _grade(bundle, built.outline, submission, stubs, case_seconds)


def _grade(
    bundle: Path,
    outline: Outline,
    submission: Submission,
    stubs: dict[str, str],
    case_seconds: float,
) -> Grade:
    if submission.files:
        files = {name: source.encode() for name, source in stubs.items()} | submission.files
        marked = mark(bundle, files, case_seconds)
    else:
        marked = Marked([], "nothing to mark", {}, 0.0)
    told = report.faults(marked.outcomes)
    message = legible("\n".join(filter(None, [submission.note, marked.problem, told])), MESSAGE) or "all cases pass"
    outcomes = marked.outcomes
    return Grade(submission, outline.points(outcomes), outline.total(outcomes), outline.most, message, marked)
