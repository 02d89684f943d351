"""Points as a table, and what went wrong under it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .outline import Outcome, Outline

#: Of a message, in characters.
MOST = 2000


def table(outline: Outline, outcomes: Sequence[Outcome]) -> str:
    """Question, its title, points of most, cases passed of all; and the total. If not all cases were tried: no points,
    and of the questions that were, how many of the cases that were tried have passed."""
    points = outline.points(outcomes)
    width = max(len(q.title) for q in outline.questions)
    if len(outcomes) < len(outline.trials):
        return _partly(outline, outcomes, width)
    lines = []
    for q in outline.questions:
        passed = sum(outcome.passed for outcome in outcomes if outcome.question == q.key)
        told = f"{points[q.key]:5.1f} of {q.points:3}   {passed} of {outline.cases(q.key)} cases"
        lines.append(f"{q.key}  {q.title:<{width}}  {told}")
    lines.append(f"   {'total':<{width}}  {outline.total(outcomes):5.1f} of {outline.most:3}")
    return "\n".join(lines)


def _partly(outline: Outline, outcomes: Sequence[Outcome], width: int) -> str:
    lines = []
    for q in outline.questions:
        if tried := [outcome.passed for outcome in outcomes if outcome.question == q.key]:
            lines.append(
                f"{q.key}  {q.title:<{width}}  {sum(tried)} of {len(tried)} cases tried, of {outline.cases(q.key)}"
            )
    tried_of = f"{len(outcomes)} of {len(outline.trials)} cases were tried"
    return "\n".join([*lines, f"   {tried_of}; `python -m pytest`, run to its end, says the points"])


def faults(outcomes: Sequence[Outcome]) -> str:
    """The first case of each question that was not passed: what was expected, what came, and a hint."""
    lines: list[str] = []
    told = set()
    for outcome in outcomes:
        if outcome.passed or outcome.question in told:
            continue
        told.add(outcome.question)
        lines += [f"{outcome.question}  {outcome.title}, case {outcome.case!r}", f"   {outcome.message}"]
        if outcome.hint:
            lines.append(f"   hint: {outcome.hint}")
    return "\n".join(lines)


def legible(text: str, most: int = MOST) -> str:
    """Text of a student's for terminals and tables: cut, and what has no picture (control characters, halves of
    surrogate pairs, marks that turn lines around) as Python escapes it. Ends of lines stay."""
    more = len(text) - most
    text = re.sub(r"\n{3,}", "\n\n", "".join(map(_seen, text[:most])))
    return f"{text} ... ({more} characters more)" if more > 0 else text


def _seen(letter: str) -> str:
    hidden = letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return letter.encode("unicode_escape").decode("ascii") if hidden else letter


def said(error: BaseException) -> str:
    """The kind and the message of an error, which may be of a class of the student's, with a message of gigabytes."""
    try:
        text = legible(str(error), MOST - 500)  # leaves room for where it was
    except (Exception, SystemExit, GeneratorExit):  # not a limit of time that strikes here, nor Ctrl-C
        text = "(its message cannot be made)"
    return f"{type(error).__name__}: {text}"
