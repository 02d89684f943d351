"""The questions of an assignment, with their points, and the run of one case of one of them."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import submitted
from .cases import Case
from .expected import Expect, Wrong


class Question(NamedTuple):
    """What is asked. Its points are shared equally among its cases."""

    key: str
    title: str
    points: int
    hint: str
    check: Callable[[Case, Expect], None]


def question(key: str, title: str, points: int, hint: str = "") -> Callable[[Callable[[Case, Expect], None]], Question]:
    """Makes a question of `check(case, expect)`, which hands what the student's function returns to `expect`."""
    return lambda check: Question(key, title, points, hint, check)


class Trial(NamedTuple):
    """One case of one question: the public ones are in the student's folder, the hidden ones with the grader."""

    question: Question
    number: int
    case: Case
    hidden: bool

    @property
    def place(self) -> str:
        """Its name: "c/2", or "c/hidden 2"."""
        return f"{self.question.key}/{'hidden ' if self.hidden else ''}{self.number}"


class Outcome(NamedTuple):
    """What came of a trial. `message` says what was expected and what came; "" if it passed."""

    question: str
    title: str
    case: str
    hidden: bool
    passed: bool
    message: str
    hint: str


class Sheet:
    """All questions of an assignment, the cases, and the recorded numbers: read from the folder that `build` made."""

    def __init__(self, folder: Path, recording: bool = False) -> None:
        sys.path.insert(0, str(folder))
        checks = importlib.import_module("checks")
        self.questions = [value for value in vars(checks).values() if isinstance(value, Question)]
        self.files: list[str] = list(checks.FILES)
        self.recording = recording
        self.store: dict[str, np.ndarray] = {}
        tables: dict[bool, Mapping[str, list[dict]]] = {False: importlib.import_module("cases").CASES}
        if (folder / "hidden.py").exists():
            tables[True] = importlib.import_module("hidden").CASES
        for name in ("expected.npz", "expected_hidden.npz"):
            if not recording and (folder / name).exists():
                with np.load(folder / name, allow_pickle=False) as file:
                    self.store.update(file)
        self.trials = [
            Trial(asked, number, Case(settings), hidden)
            for asked in self.questions
            for hidden, table in tables.items()
            for number, settings in enumerate(table.get(asked.key, []), start=1)
        ]

    def points(self, outcomes: list[Outcome]) -> dict[str, float]:
        """Question -> points, each case of a question counting the same; cases without an outcome are lost."""
        return {q.key: share * q.points for q, share in zip(self.questions, self._shares(outcomes), strict=True)}

    def total(self, outcomes: list[Outcome]) -> float:
        """The points of all questions, rounded to a tenth."""
        return round(sum(self.points(outcomes).values()), 1)

    @property
    def most(self) -> int:
        """The points of a perfect solution."""
        return sum(q.points for q in self.questions)

    def _shares(self, outcomes: list[Outcome]) -> Iterator[float]:
        for q in self.questions:
            cases = sum(trial.question.key == q.key for trial in self.trials)
            passed = sum(outcome.passed for outcome in outcomes if outcome.question == q.key)
            yield passed / cases if cases else 0.0

    def run(self, trial: Trial) -> Outcome:
        """Try the student's functions on one case. Whatever they raise is a message; exits of Python pass through."""
        asked, case = trial.question, trial.case
        expect = Expect(self.store, trial.place, case.dtype, self.recording)
        message = ""
        try:
            with np.errstate(all="ignore"):
                asked.check(case, expect)
        except Wrong as wrong:
            message = str(wrong)
        except NotImplementedError as todo:
            message = f"not written yet ({todo})"
        except (SystemExit, KeyboardInterrupt) as stop:
            message = f"{type(stop).__name__}: the code stops Python ({stop})"
        except SyntaxError as error:
            where = f"{Path(error.filename or '?').name}, line {error.lineno}"
            message = f"{where}: {error.msg}: {(error.text or '').strip()}"
        except MemoryError:
            message = "MemoryError: it asks for more memory than there is"
        except Exception as error:
            message = f"{type(error).__name__}: {error}{_where(error)}"
        return Outcome(
            asked.key, asked.title, case.title, trial.hidden, not message, message[:2000], asked.hint if message else ""
        )


_NOT_THEIRS = ("checks.py", "test_points.py")


def _where(error: Exception) -> str:
    """The last line of the student's own that the error came through."""
    frames = [(Path(frame.filename), frame) for frame in traceback.extract_tb(error.__traceback__)]
    mine = [f for path, f in frames if path.resolve().parent == submitted.folder and path.name not in _NOT_THEIRS]
    return f" ({Path(mine[-1].filename).name}, line {mine[-1].lineno}: {mine[-1].line})" if mine else ""
