"""The questions of an assignment, with their points, and the run of one case of one of them."""

from __future__ import annotations

import importlib
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import report, submitted
from .cases import Case
from .expected import Expect, Wrong
from .outline import Asked, Outcome, Outline, Tried


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


class Sheet:
    """All questions of an assignment, the cases, and the recorded numbers: read from the folder that `build` made."""

    def __init__(self, folder: Path, recording: bool = False) -> None:
        sys.path.insert(0, str(folder))
        checks = importlib.import_module("checks")
        self.questions = [value for value in vars(checks).values() if isinstance(value, Question)]
        self.files: list[str] = list(checks.FILES)
        submitted.may_import(self.files, getattr(checks, "PACKAGES", ("numpy",)))
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

    @property
    def outline(self) -> Outline:
        """What is asked, and of how much."""
        return Outline(
            self.files,
            [Asked(q.key, q.title, q.points) for q in self.questions],
            [Tried(t.question.key, t.place, t.hidden, dict(t.case)) for t in self.trials],
        )

    def run(self, trial: Trial) -> Outcome:
        """Try the student's functions on one case. Whatever they raise is a message, but for KeyboardInterrupt: in the
        student's folder that is Ctrl-C, and is to stop pytest."""
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
        except SystemExit as stop:
            message = f"the code stops Python ({report.said(stop)})"
        except SyntaxError as error:
            where = f"{Path(error.filename or '?').name}, line {error.lineno}"
            message = f"{where}: {error.msg}: {(error.text or '').strip()}"
        except MemoryError:
            message = "MemoryError: it asks for more memory than there is"
        except RecursionError as error:
            message = f"{report.said(error)}: a recursion that does not end?{_where(error)}"
        except Exception as error:
            message = f"{report.said(error)}{_where(error)}"
        return Outcome(
            asked.key,
            asked.title,
            case.title,
            trial.hidden,
            not message,
            report.legible(message),
            asked.hint if message else "",
        )


_NOT_THEIRS = ("checks.py", "test_points.py")


def _where(error: Exception) -> str:
    """The last line of the student's own that the error came through."""
    for frame, number in reversed([*traceback.walk_tb(error.__traceback__)]):  # of a recursion, thousands
        path = Path(frame.f_code.co_filename)
        if path.name not in _NOT_THEIRS and path.resolve().parent == submitted.folder:
            line = linecache.getline(str(path), number).strip()
            return f" ({path.name}, line {number}: {line})"
    return ""
