"""A test for each case of each question: `python -m pytest` says how many points your files would get for these."""

from pathlib import Path

import conftest
import pytest
from course import submitted
from course.questions import Sheet

submitted.take_from(Path(__file__).parent)
SHEET = Sheet(Path(__file__).parent)


@pytest.mark.parametrize("k", range(len(SHEET.trials)), ids=[trial.place for trial in SHEET.trials])
def test_case(k):
    outcome = SHEET.run(SHEET.trials[k])
    conftest.OUTCOMES.append(outcome)
    if not outcome.passed:
        pytest.fail(outcome.message, pytrace=False)
