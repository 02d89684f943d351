"""Puts an assignment to the test, on the zips as they are built: who gets how many points, and what students see."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from minifcn.course import alone, markers
from minifcn.course.archive import zipped
from minifcn.course.assignment import Assignment
from minifcn.course.build import Built, build
from minifcn.course.grade import grade
from minifcn.course.harness.parent import ONE_THREAD
from minifcn.course.submissions import collect

#: Gradescope's.
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}

#: What the student's folder may hold, by suffix, and what its own tests may take of a processor.
SUFFIXES = {".py", ".md", ".ini", ".npz"}
STUDENT_SECONDS = 2.0

LEAST_MUTANTS = 5


class Row(NamedTuple):
    """Who got how many points, what that was to be, and whether it was."""

    implementation: str
    score: float
    wanted: str
    good: bool


class Report(NamedTuple):
    """What was found of one assignment."""

    rows: list[Row]
    faults: list[str]
    seconds: float  # of the processor, that pytest takes in the student's folder once all is solved


def selftest(assignment: Assignment, tell: Callable[[Row], None] = lambda row: None) -> Report:
    """All there is to prove of an assignment. Raises ConfigError where it cannot even be built."""
    built = build(assignment)
    student = zipped(built.student, assignment.name)
    again = build(assignment)
    faults = []
    if (student, zipped(built.grader)) != (zipped(again.student, assignment.name), zipped(again.grader)):
        faults.append("built twice, the zips differ")
    faults += leaks(assignment, student) + unlike(built)
    found, seconds = _students_folder(assignment, student)
    faults += found
    if len(assignment.mutants) < LEAST_MUTANTS:
        faults.append(f"{len(assignment.mutants)} mutants; expected at least {LEAST_MUTANTS}")
    rows = []
    with _Gradescope(zipped(built.grader)) as marks:
        for name, files, wanted, good in _implementations(assignment):
            result = marks(files)
            faults += [f"{name}: {fault}" for fault in _badly_told(result)]
            rows.append(Row(name, float(result["score"]), wanted, good(float(result["score"]))))
            tell(rows[-1])
    return Report(rows, faults, seconds)


def _implementations(assignment: Assignment) -> list[tuple[str, Mapping[str, str], str, Callable[[float], bool]]]:
    """(name, files, the score that it is to have, whether a score is that)."""
    return [
        ("solution", assignment.solved, "100", lambda score: score == 100),
        ("as handed out", assignment.stubs, "0", lambda score: score == 0),
        *((name, files, "< 100", lambda score: score < 100) for name, files in assignment.mutants.items()),
    ]


# --- what students see ------------------------------------------------------------------------------------------------


def leaks(assignment: Assignment, student: bytes) -> list[str]:
    """What is in the student's zip and should not be."""
    answers = set().union(*map(markers.solution_lines, assignment.solved.values()))
    faults = []
    with zipfile.ZipFile(io.BytesIO(student)) as archive:
        for name in archive.namelist():
            path = Path(name)
            if path.suffix not in SUFFIXES or "__pycache__" in path.parts or path.name in ("hidden.py", "mutants.py"):
                faults.append(f"the student's zip has {name}")
            if name.endswith(".npz"):
                continue
            text = archive.read(name).decode()
            if re.search(r"(BEGIN|END) SOLUTION", text):
                faults.append(f"{name}: a marker's text is left in it")
            for number, line in enumerate(text.splitlines(), start=1):
                if " ".join(line.split()) in answers:
                    faults.append(f"{name}:{number}: a line of the solution, {line.strip()!r}")
    return faults


def unlike(built: Built) -> list[str]:
    """Where hidden cases differ from the public ones of their question in more than shapes, seeds and dtypes."""
    outline, faults = built.outline, []
    for q in outline.questions:
        mine = [trial for trial in outline.trials if trial.question == q.key]
        kinds = {_kind(trial.settings) for trial in mine if not trial.hidden}
        if not kinds:
            faults.append(f"{q.key}: no public case")
        for trial in mine:
            if trial.hidden and _kind(trial.settings) not in kinds:
                faults.append(f"{trial.place}: not of the kind of any public case of {q.key}")
    if outline.most != 100:
        faults.append(f"the questions have {outline.most} points together, not 100")
    return faults


def _kind(settings: dict[str, Any]) -> str:
    """All of a case but its numbers and its dtype: names of settings, words, and what is left out (None)."""

    def kind(value: Any) -> Any:
        if isinstance(value, (bool, int, float)):
            return "number"
        if isinstance(value, (tuple, list)):
            kinds = {repr(kind(v)) for v in value if not isinstance(v, (int, float))}
            return ["numbers", *sorted(kinds)]
        return value

    return repr(sorted((k, kind(v)) for k, v in settings.items() if k not in ("case", "dtype", "seed")))


def _students_folder(assignment: Assignment, student: bytes) -> tuple[list[str], float]:
    """pytest as students run it, on what they get and on the solution: (faults, seconds of the processor)."""
    faults = []
    with tempfile.TemporaryDirectory(prefix="student-") as scratch:
        with zipfile.ZipFile(io.BytesIO(student)) as archive:
            archive.extractall(scratch)
        folder = Path(scratch) / assignment.name
        tests, said, _ = _pytest(folder)
        wrong = {name for name, failed in tests.items() if failed != name.startswith("test_case[")}
        if wrong or not any(tests.values()):
            faults.append(f"as handed out, other tests fail than its own: {sorted(wrong)[:5]} {said[-500:]}")
        if "  0.0 of 100" not in said:
            faults.append(f"as handed out, pytest does not say 0.0 of 100: {said[-500:]}")
        for name, source in assignment.solved.items():
            (folder / name).write_text(source, encoding="utf-8")
        seconds = float("inf")
        for _ in range(3):
            tests, said, took = _pytest(folder)
            seconds = min(seconds, took)
            if seconds < STUDENT_SECONDS:
                break
        if any(tests.values()) or "100.0 of 100" not in said:
            faults.append(f"solved, pytest does not say 100.0 of 100: {said[-1000:]}")
        if seconds >= STUDENT_SECONDS:
            faults.append(f"solved, pytest takes {seconds:.1f} s")
    return faults, seconds


def _pytest(folder: Path) -> tuple[dict[str, bool], str, float]:
    """(test -> whether it failed, what was printed, seconds of the processor)."""
    before = _children_seconds()
    with tempfile.TemporaryDirectory(prefix="report-") as scratch:
        junit = Path(scratch) / "report.xml"
        done = subprocess.run(
            [sys.executable, "-B", str(Path(alone.__file__).resolve()), str(junit)],
            cwd=folder,
            env={**{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}, **ONE_THREAD},
            capture_output=True,
            text=True,
            timeout=300,
        )
        tests = {}
        if junit.exists():
            for case in ElementTree.parse(junit).iter("testcase"):
                tests[case.get("name", "")] = case.find("failure") is not None or case.find("error") is not None
    return tests, done.stdout + done.stderr, _children_seconds() - before


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


# --- what Gradescope sees ---------------------------------------------------------------------------------------------


class _Gradescope:
    """`run_autograder` of the built zip, in a folder laid out as Gradescope's: files -> results.json."""

    def __init__(self, grader: bytes) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="autograder-")).resolve()
        with zipfile.ZipFile(io.BytesIO(grader)) as archive:
            archive.extractall(self.base / "source")
        (self.base / "source" / "run_autograder").chmod(0o755)

    def __enter__(self) -> Callable[[Mapping[str, str]], dict[str, Any]]:
        return self._mark

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.base)

    def _mark(self, files: Mapping[str, str]) -> dict[str, Any]:
        submission, results = self.base / "submission", self.base / "results" / "results.json"
        shutil.rmtree(submission, ignore_errors=True)
        submission.mkdir()
        results.unlink(missing_ok=True)
        for name, source in files.items():
            (submission / name).write_text(source, encoding="utf-8")
        subprocess.run(
            [str(self.base / "source" / "run_autograder")],
            env={**os.environ, "AUTOGRADER": str(self.base), "PYTHON": sys.executable, "PYTHONPATH": ""},
            check=True,
            capture_output=True,
            timeout=300,
        )
        return json.loads(results.read_text())


def _badly_told(result: dict[str, Any]) -> list[str]:
    """What Gradescope would refuse in a results.json, or a student miss."""
    faults = []
    tests = result.get("tests", [])
    unknown = {test["visibility"] for test in [*tests, result]} - VISIBILITIES
    if unknown:
        faults.append(f"results.json has visibility {unknown}")
    if not result["output"]:
        faults.append("results.json has no message")
    if tests and abs(sum(test["score"] for test in tests) - result["score"]) > 0.1:
        faults.append(f"the tests' points do not add up to {result['score']}")
    if tests and abs(sum(test["max_score"] for test in tests) - 100) > 0.1:
        faults.append("the tests' most points do not add up to 100")
    return faults


# --- accidents --------------------------------------------------------------------------------------------------------

#: What students hand in by accident: put before a right solution, each costs its author points, and nobody else.
ACCIDENTS = {
    "syntax error": "def (\n",
    "os._exit at import": "import os\nos._exit(0)\n",
    "sys.exit at import": "import sys\nsys.exit()\n",
    "endless loop at import": "while True:\n    pass\n",
    "endless loop that catches": "while True:\n    try:\n        while 1: pass\n    except BaseException: pass\n",
    "100 GB of zeros": "import numpy\nx = numpy.ones(100 << 27)\n",
    "100 GB bit by bit": "x = []\nwhile True:\n    x.append(bytearray(1 << 24))\n",
    "a file of 100 GB": "with open('large', 'wb') as f:\n    while True:\n        f.write(bytes(1 << 24))\n",
    "a recursion": "def f():\n    f()\nf()\n",
}
#: What costs no points.
HARMLESS = {"a flood of prints": "import sys\nfor _ in range(10_000):\n    print('x' * 10_000, file=sys.stderr)\n"
            "    print('x' * 10_000)\n"}  # fmt: skip


def accidents(assignment: Assignment, tell: Callable[[Row], None] = lambda row: None) -> Report:
    """Grades a folder in which all accidents lie between two right solutions."""
    start = time.monotonic()
    built, rows, faults = build(assignment), [], []
    with tempfile.TemporaryDirectory(prefix="submissions-") as scratch:
        for who, before in {"a right one": "", **ACCIDENTS, **HARMLESS, "z right one": ""}.items():
            (Path(scratch) / who).mkdir()
            for name, source in assignment.solved.items():
                (Path(scratch) / who / name).write_text(before + source, encoding="utf-8")
        (Path(scratch) / "nothing").mkdir()
        for made in grade(built, collect(Path(scratch), assignment.files), assignment.stubs, 2.0):
            name = made.submission.student
            right = "right" in name or name in HARMLESS
            rows.append(Row(name, made.total, "100" if right else "0", made.total == (100 if right else 0)))
            tell(rows[-1])
            if not made.message:
                faults.append(f"{name}: no message")
            if right and set(made.marked.proof) != set(assignment.files):
                faults.append(f"{name}: no proof of what was imported")
    return Report(rows, faults, time.monotonic() - start)
