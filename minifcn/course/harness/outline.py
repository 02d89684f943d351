"""What an assignment asks, how much each question is worth, and what came of it: known without running any of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A question."""

    key: str
    title: str
    points: int


class Tried(NamedTuple):
    """A case of a question, with its place ("c/2", "c/hidden 2") and its settings."""

    question: str
    place: str
    hidden: bool
    settings: dict[str, Any]


class Outcome(NamedTuple):
    """What came of a case. `message` says what was expected and what came; "" if it passed."""

    question: str
    title: str
    case: str
    hidden: bool
    passed: bool
    message: str
    hint: str


class Outline(NamedTuple):
    """The files that students hand in, the questions, and all cases."""

    files: list[str]
    questions: list[Asked]
    trials: list[Tried]

    def cases(self, key: str, hidden: bool | None = None) -> int:
        """How many cases a question has: public, hidden, or (None) all."""
        return sum(t.question == key and hidden in (None, t.hidden) for t in self.trials)

    def points(self, outcomes: Sequence[Outcome]) -> dict[str, float]:
        """Question -> points, each case of a question counting the same; cases without an outcome are lost."""
        passed = [outcome.question for outcome in outcomes if outcome.passed]
        cases = {q.key: max(1, self.cases(q.key)) for q in self.questions}
        return {q.key: q.points * min(1.0, passed.count(q.key) / cases[q.key]) for q in self.questions}

    def total(self, outcomes: Sequence[Outcome]) -> float:
        """The points of all questions, rounded to a tenth."""
        return round(sum(self.points(outcomes).values()), 1)

    @property
    def most(self) -> int:
        """The points of a perfect solution."""
        return sum(q.points for q in self.questions)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self._asdict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Outline:
        """Read what `save` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(told["files"], [Asked(*q) for q in told["questions"]], [Tried(*t) for t in told["trials"]])
