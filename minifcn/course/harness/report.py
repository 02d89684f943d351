"""Points as a table, and what went wrong under it."""

from __future__ import annotations

from .questions import Outcome, Sheet


def table(sheet: Sheet, outcomes: list[Outcome]) -> str:
    """Question, its title, points of most, cases passed of all; and the total."""
    points = sheet.points(outcomes)
    width = max(len(q.title) for q in sheet.questions)
    lines = []
    for q in sheet.questions:
        mine = [outcome for outcome in outcomes if outcome.question == q.key]
        cases = sum(trial.question.key == q.key for trial in sheet.trials)
        passed = sum(outcome.passed for outcome in mine)
        lines.append(f"{q.key}  {q.title:<{width}}  {points[q.key]:5.1f} of {q.points:3}   {passed} of {cases} cases")
    lines.append(f"   {'total':<{width}}  {sheet.total(outcomes):5.1f} of {sheet.most:3}")
    return "\n".join(lines)


def faults(outcomes: list[Outcome]) -> str:
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
