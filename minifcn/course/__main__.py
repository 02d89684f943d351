"""`python -m minifcn.course build|solved|grade|selftest`: assignments handed out and graded without a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from minifcn.command import Parser, reports_errors
from minifcn.course import gradebook, markers
from minifcn.course.assignment import FOLDER, Assignment, names
from minifcn.course.build import build, write
from minifcn.course.grade import Grade, columns, grade
from minifcn.course.harness.report import legible
from minifcn.course.selftest import Report, Row, accidents, selftest
from minifcn.course.stopping import as_ctrl_c
from minifcn.course.submissions import collect
from minifcn.course.table import Table
from minifcn.errors import ConfigError, counted
from minifcn.files import atomic_path
from minifcn.outputs import out_folder

_DESCRIPTION = """\
Assignments, each made of one solved source: zips for students and for Gradescope, grades for a folder of submissions,
and a test of the grader itself with wrong solutions.

Each student's code runs in a process of its own, with limits of time and memory. That stops accidents (endless loops,
100 GB of zeros, os._exit), not attackers: who means to can do there whatever you may, and give themselves any points,
in Gradescope's container, too, which protects files and other students, but no grade. Read what is handed in.
"""
_EPILOG = """\
examples
  python -m minifcn.course build 01_conv2d --out dist/course
  python -m minifcn.course solved 01_conv2d --out solved   conv.py, solved: to hand out when it is due
  python -m minifcn.course grade 01_conv2d submissions/ --csv grades.csv
  python -m minifcn.course grade 01_conv2d submissions/ --csv grades.csv --into canvas.csv --key ID --column "A1 (77)"
  python -m minifcn.course selftest                        all assignments: a minute or two
FILE of --csv is whole after each student: Ctrl-C, SIGTERM, or a crash, leaves the rows so far. The same command again
marks everybody anew; rows of FILE stay until their students have been marked. A FILE of another assignment, or with
students who are not in SUBMISSIONS, is refused. The gradebook of --into is looked at first, and written at the end.

exit status: 0 done, 1 selftest found a fault, 2 bad input
"""


def parser() -> Parser:
    """The command's flags."""
    flags = Parser(prog="minifcn course", description=_DESCRIPTION, epilog=_EPILOG)
    commands = flags.add_subparsers(dest="command", required=True, metavar="build|solved|grade|selftest")
    found = ", ".join(names()) or "a folder of --assignments, as this is no checkout, which has some"
    made = commands.add_parser(
        "build",
        help="make NAME-student.zip and NAME-gradescope.zip",
        epilog="examples\n  python -m minifcn.course build 01_conv2d --out dist/course\n"
        "  python -m minifcn.course build 01_conv2d --tests private/    with cases of your own that stay private",
    )
    made.add_argument("--out", default="dist/course", metavar="DIR", help="where the zips go (default: dist/course)")
    told = commands.add_parser(
        "solved",
        help="write the solved files, without markers: to hand out when all is due",
        epilog="example\n  python -m minifcn.course solved 01_conv2d --out solved",
    )
    told.add_argument("--out", required=True, metavar="DIR", help="where they go: made if it is not there")
    graded = commands.add_parser(
        "grade",
        help="mark a folder of submissions",
        epilog="examples\n  python -m minifcn.course grade 01_conv2d submissions/ --csv grades.csv\n"
        "  python -m minifcn.course grade 01_conv2d submissions/ --csv grades.csv --into canvas.csv --key ID "
        '--column "A1 (77)"',
    )
    for command in (made, told, graded):
        command.add_argument("name", metavar="NAME", help=f"the assignment: {found}")
    graded.add_argument(
        "submissions", metavar="SUBMISSIONS", help="a folder that has a folder, zip or .py a student, as exported"
    )
    graded.add_argument(
        "--csv",
        required=True,
        metavar="FILE",
        help="the grades, with points by question and messages; written after each student",
    )
    graded.add_argument("--into", metavar="CSV", help="an exported gradebook (Canvas, Moodle) to put the points into")
    graded.add_argument("--key", metavar="COLUMN", help="its column that says who the student is")
    graded.add_argument("--column", metavar="COLUMN", help="its column that the points go into")
    tested = commands.add_parser(
        "selftest",
        help="build, and mark the solution, what is handed out, and mistakes",
        epilog="examples\n  python -m minifcn.course selftest                all assignments: a minute or two\n"
        "  python -m minifcn.course selftest 01_conv2d",
    )
    tested.add_argument("names", nargs="*", metavar="NAME", help=f"assignments (default: all): {found}")
    for command in (made, told, graded, tested):
        command.add_argument(
            "--assignments", type=Path, default=FOLDER, metavar="DIR", help="(default: tutorials/assignments)"
        )
        command.add_argument(
            "--tests", type=Path, metavar="DIR", help="private files: DIR/NAME/FILE takes the place of NAME/FILE"
        )
    return flags


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    arguments = parser().parse_args(argv)
    if arguments.tests is not None and not arguments.tests.is_dir():
        raise ConfigError(f"--tests {arguments.tests}: no such folder")
    if not names(arguments.assignments):
        raise ConfigError(f"no assignments in {arguments.assignments}: run in a checkout, or give --assignments DIR")
    with as_ctrl_c():
        return {"build": _build, "solved": _solved, "grade": _grade, "selftest": _selftest}[arguments.command](
            arguments
        )


def _assignment(arguments: argparse.Namespace, name: str) -> Assignment:
    return Assignment(name, arguments.assignments, arguments.tests)


def _build(arguments: argparse.Namespace) -> int:
    assignment = _assignment(arguments, arguments.name)
    with out_folder(arguments.out) as out:
        built = build(assignment)
        for path in write(assignment, built, out):
            print(path)
    print(f"the solution has 100 of 100 points, in {counted(len(built.solution.outcomes), 'case')}")
    return 0


def _solved(arguments: argparse.Namespace) -> int:
    assignment = _assignment(arguments, arguments.name)
    with out_folder(arguments.out) as out:
        if there := [name for name in assignment.solved if (out / name).exists()]:
            raise ConfigError(
                f"solved: {out / there[0]} is there already, and may be somebody's work; give another --out"
            )
        build(assignment)  # refuses a marker that is mis-spelt, and a solution that loses points
        for name, source in assignment.solved.items():
            with atomic_path(out / name) as beside:
                beside.write_text(markers.solved(source), encoding="utf-8")
            print(out / name)
    return 0


def _grade(arguments: argparse.Namespace) -> int:
    if (arguments.into is None) != (arguments.key is None) or (arguments.into is None) != (arguments.column is None):
        raise ConfigError("grade: --into, --key and --column go together")
    assignment = _assignment(arguments, arguments.name)
    submissions = collect(Path(arguments.submissions), assignment.files)
    if arguments.into:
        gradebook.check(Path(arguments.into), arguments.key, arguments.column, [made.names for made in submissions])
    built = build(assignment)
    table = Table(Path(arguments.csv), columns(built), assignment.name, [made.student for made in submissions])
    grades: list[Grade] = []
    try:
        for made in grade(built, submissions, assignment.stubs):
            grades.append(made)
            table.add(made.row(assignment.name))
            message = " ".join(made.message.split())
            _say(f"{made.submission.student:<16} {made.total:5.1f} of {made.most}   {message[:80]}")
    except KeyboardInterrupt:
        _say(f"\n{len(grades)} of {counted(len(submissions), 'submission')} graded, in {arguments.csv}")
        raise
    _say(f"{counted(len(grades), 'submission')} graded, in {arguments.csv}")
    if arguments.into:
        points = {made.submission.names: made.total for made in grades}
        filled = gradebook.fill(Path(arguments.into), arguments.key, arguments.column, points)
        shown = {made.submission.names: made.submission.student for made in grades}
        _say(f"{counted(filled.rows, 'row')} of {arguments.into} filled, column {arguments.column!r}")
        if filled.strangers:
            _say(f"not in its column {arguments.key!r}: {', '.join(map(shown.__getitem__, filled.strangers))}")
    return 0


def _say(text: str) -> None:
    """Print names and messages of students' on a terminal of any encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(legible(text, len(text)).encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _selftest(arguments: argparse.Namespace) -> int:
    chosen = [_assignment(arguments, name) for name in arguments.names or names(arguments.assignments)]
    print(f"{'assignment':<13}  {'implementation':<38}  score  expected")
    good = True
    for assignment in chosen:
        report = selftest(assignment, partial(_tell, assignment.name))
        good &= _told(assignment.name, report)
        print(f"{assignment.name:<13}  pytest in the student's folder, solved: {report.seconds:.2f} s of the processor")
    print("\naccidents, one folder graded")
    good &= _told("accidents", accidents(chosen[0], partial(_tell, chosen[0].name)))
    print("\nall as expected" if good else "\nFAULTS: see above")
    return 0 if good else 1


def _tell(name: str, row: Row) -> None:
    judged = "" if row.good else "  NO"
    print(f"{name:<13}  {row.implementation:<38}  {row.score:5.1f}  {row.wanted:<6}{judged}".rstrip(), flush=True)


def _told(name: str, report: Report) -> bool:
    """Prints what was found of an assignment; whether it was good."""
    for fault in report.faults:
        print(f"{name:<13}  FAULT: {fault}")
    return not report.faults and all(row.good for row in report.rows)


if __name__ == "__main__":
    sys.exit(main())
