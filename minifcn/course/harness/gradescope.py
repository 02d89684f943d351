"""`run_autograder`: marks /autograder/submission and writes Gradescope's results.json, whatever happens.

Four visibilities, as Gradescope has them: public cases are `visible` at once, points for the hidden cases
`after_due_date`, what was expected and what came there `after_published`, and `hidden`, for the instructor alone, is
the proof of what was imported and how long it took.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from . import report
from .outline import Asked, Outline
from .parent import Marked, mark


def main(arguments: list[str]) -> None:
    """SUBMISSION RESULTS: a folder, and the file to write."""
    submission, results = Path(arguments[0]), Path(arguments[1])
    try:
        told = results_of(Path.cwd(), submission)
    except Exception as error:  # a bug of the grader must not look like the student's
        text = f"The autograder failed ({type(error).__name__}: {error}). This is not your fault; tell your instructor."
        told = {"score": 0.0, "output": text, "visibility": "visible"}
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def results_of(bundle: Path, submission: Path) -> dict[str, Any]:
    """The content of results.json."""
    outline = Outline.load(bundle / "outline.json")
    files = {name: (submission / name).read_bytes() for name in outline.files if (submission / name).is_file()}
    missing = [name for name in outline.files if name not in files]
    if missing:
        lies = ", ".join(sorted(path.name for path in submission.iterdir())[:10]) or "nothing"
        text = f"Missing: {', '.join(missing)}. What was handed in: {lies}. File names must stay as they were."
        if len(missing) == len(outline.files):
            return {"score": 0.0, "output": text, "visibility": "visible"}
    marked = mark(bundle, files)
    tests = [test for q in outline.questions for test in _tests(outline, q, marked)]
    told = report.faults([outcome for outcome in marked.outcomes if not outcome.hidden])
    notes = [marked.problem, text if missing else "", told]
    proof = "\n".join([f"{name}  {sha}" for name, sha in marked.proof.items()] + [f"{marked.seconds:.1f} s"])
    tests.append(_test("what was imported", 0.0, 0.0, proof, "hidden"))
    return {
        "score": outline.total(marked.outcomes),
        "execution_time": round(marked.seconds, 1),
        "output": "\n\n".join(filter(None, notes)) or "All public cases pass.",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def _tests(outline: Outline, q: Asked, marked: Marked) -> list[dict[str, Any]]:
    """A question's public cases, its hidden cases, and what came in these."""
    made = []
    for hidden, visibility in ((False, "visible"), (True, "after_due_date")):
        count = outline.cases(q.key, hidden)
        if not count:
            continue
        mine = [o for o in marked.outcomes if o.question == q.key and o.hidden == hidden]
        passed = sum(o.passed for o in mine)
        worth = q.points / outline.cases(q.key)
        text = report.faults(mine) if not hidden else f"{passed} of {count} hidden cases"
        name = f"{q.title}{', other shapes and seeds' if hidden else ''}"
        made.append(_test(name, passed * worth, count * worth, text, visibility, q.key))
        if hidden and passed < count:
            told = report.faults(mine) or marked.problem
            made.append(_test(f"{name}: what came", 0.0, 0.0, told, "after_published", q.key))
    return made


def _test(name: str, score: float, most: float, output: str, visibility: str, number: str = "") -> dict[str, Any]:
    test = {"name": name, "score": round(score, 3), "max_score": round(most, 3), "output": output}
    return {**test, "visibility": visibility, **({"number": number} if number else {})}


if __name__ == "__main__":
    main(sys.argv[1:])
