"""What students are told by `python -m pytest` in their folder: what the grader would say, and what else went wrong."""

import os
import subprocess
import sys

import pytest
import toy

from minifcn.course.build import build, unpacked
from minifcn.course.harness.parent import mark
from minifcn.errors import ConfigError

RIGHT = "def twice(x):\n    return 2 * x\n"
THREE = "CASES = {'a': [{'case': str(n), 'seed': n, 'x': (2, 3)} for n in range(3)]}\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(toy.make(tmp_path_factory.mktemp("toys"), cases=THREE))


def told(built, folder, files, *flags):
    """(exit status, what pytest prints) with these files in the folder that students get."""
    for name, content in {**built.student, **{name: text.encode() for name, text in files.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
    clean["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # students have none, and Hypothesis alone takes a second to import
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", *flags],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_ctrl_c_in_a_case_stops_pytest_and_no_points_are_told(built, tmp_path):
    stops = (
        "calls = []\n\ndef twice(x):\n    calls.append(x)\n    if len(calls) == 2:\n        raise KeyboardInterrupt\n"
    )
    status, said = told(built, tmp_path, {"toy.py": stops + "    return 3 * x\n"})
    assert status == 2 and "KeyboardInterrupt" in said
    assert "a  twice  0 of 1 cases tried, of 3\n   1 of 3 cases were tried; `python -m pytest`" in said
    assert "of 100" not in said


def test_cases_that_were_left_out_are_not_told_as_lost(built, tmp_path):
    status, said = told(built, tmp_path, {"toy.py": RIGHT}, "-k", "a/1")
    assert status == 0 and "a  twice  1 of 1 cases tried, of 3" in said and "of 100" not in said


@pytest.mark.parametrize("name", ["helper", "pytest"])
def test_an_import_that_is_not_there_where_it_is_marked_fails_at_once(name, built, tmp_path):
    """helper.py lies beside it, and pytest is installed: neither is where it is marked."""
    source = f"import json, numpy.linalg\nimport {name}\n{RIGHT}"
    status, said = told(built, tmp_path, {"toy.py": source, "helper.py": "", "test_own.py": "import helper"})
    advice = f"toy.py imports {name}, which is not there where it is marked; beside Python's own modules there is "
    assert status == 1 and said.count(advice) == 2 and "0.0 of 100" in said  # test_given's, and the first case's
    with unpacked(built.grader) as bundle:
        marked = mark(bundle, {"toy.py": source.encode()})
    assert {outcome.passed for outcome in marked.outcomes} == {False}
    assert advice in marked.outcomes[0].message


def test_an_assignment_may_allow_more_packages(tmp_path):
    source = "import pytest\n" + toy.FILES["toy.py"]
    with pytest.raises(ConfigError, match=r"toy\.py imports pytest, which is not there"):
        build(toy.make(tmp_path, toy=source))
    more = toy.FILES["checks.py"].replace("\ntoy =", "\nPACKAGES = ('numpy', 'pytest')\ntoy =")
    assert build(toy.make(tmp_path, toy=source, checks=more)).solution.problem == ""


def test_failures_beside_the_cases_are_told_and_those_of_cases_once(built, tmp_path):
    files = {
        "toy.py": RIGHT.replace("2", "3"),
        "test_a.py": "import numpy\nnumpy.__version__ = '1.24.0'\n",
        "test_mine.py": "def test_mine():\n    assert 2 + 2 == 5\n",
        "test_wrong.py": "def (\n",
    }
    _, said = told(built, tmp_path, files, "--continue-on-collection-errors")
    for text in ("pip install --upgrade numpy", "assert (2 + 2) == 5", "test_wrong.py", "SyntaxError"):
        assert text in said, text
    assert "test_case" not in said and said.count("every value is 1.5 times") == 1
    assert "3 cases lost" in said and "a  twice    0.0 of 100" in said
