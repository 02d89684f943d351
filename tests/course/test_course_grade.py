"""Submissions as they come, marked one process each, and the tables that grades go into."""

import csv
import json
import zipfile

import pytest
import toy

from minifcn.course import gradebook
from minifcn.course.__main__ import main
from minifcn.course.build import build, unpacked
from minifcn.course.grade import grade
from minifcn.course.harness import gradescope
from minifcn.course.harness.parent import mark
from minifcn.course.submissions import collect
from minifcn.errors import ConfigError

RIGHT = "def twice(x):\n    return 2 * x\n"


def test_submissions_are_found_as_canvas_moodle_and_gradescope_name_them(tmp_path):
    (tmp_path / "doejane_LATE_12_345_toy-1.py").write_text(RIGHT)
    (tmp_path / "Max Poe_77_assignsubmission_file_").mkdir()
    (tmp_path / "Max Poe_77_assignsubmission_file_" / "toy.py").write_text(RIGHT)
    (tmp_path / "submission_99" / "inner").mkdir(parents=True)
    (tmp_path / "submission_99" / "inner" / "toy.py").write_text(RIGHT)
    (tmp_path / "ann_toy.py").write_text(RIGHT)
    with zipfile.ZipFile(tmp_path / "roe_13_346_mine.zip", "w") as archive:
        archive.writestr("toy/toy.py", RIGHT)
        archive.writestr("../../escape.py", "x")
        archive.writestr("__MACOSX/toy/toy.py", "x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_text("no zip")
    (tmp_path / ".DS_Store").write_text("")
    found = {submission.names: submission for submission in collect(tmp_path, ["toy.py"])}
    right = [("doejane", "12"), ("Max Poe", "Participant 77", "77"), ("submission_99",), ("ann",), ("roe", "13")]
    for names in right:
        assert found[names].files == {"toy.py": RIGHT.encode()}, names
    assert found[("empty",)].note == "missing: toy.py"
    assert "cannot be unpacked" in found[("broken",)].note
    assert len(found) == 7


def test_a_folder_without_submissions_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no submissions in it"):
        collect(tmp_path, ["toy.py"])
    with pytest.raises(ConfigError, match="no such folder"):
        collect(tmp_path / "nowhere", ["toy.py"])


ACCIDENTS = {
    "syntax": ("def twice(x:\n", "toy.py, line 1"),
    "missing name": ("def thrice(x):\n    return 3 * x\n", "toy.py has no twice"),
    "exit": ("import os\n\ndef twice(x):\n    os._exit(0)\n", "the process ended by itself (exit status 0) before"),
    "loop": ("def twice(x):\n    while True:\n        pass\n", "longer than 0.5 s"),
    "memory": ("import numpy\n\ndef twice(x):\n    return numpy.ones(100 << 27)\n", "MemoryError"),
    "wrong": ("def twice(x):\n    return 3 * x\n", "every value is 1.5 times the expected one"),
    "in place": ("def twice(x):\n    x += x\n    return x\n", "toy.py, line 2: x += x"),
    "dtype": ("def twice(x):\n    return 2.0 * x.astype('float64')\n", "float32 went in, so expected float32, float64"),
    "shape": ("def twice(x):\n    return 2 * x[0]\n", "expected the shape (2, 3), (3,) came"),
    "none": ("def twice(x):\n    pass\n", "nothing came (None)"),
    "nan": ("def twice(x):\n    return 2 * x / (x > 0)\n", "there is a NaN or an infinity in it"),
    "as handed out": ("def twice(x):\n    raise NotImplementedError('twice')\n", "not written yet (twice)"),
}


def test_each_accident_costs_its_author_points_and_says_why(tmp_path):
    assignment = toy.make(tmp_path)
    (tmp_path / "came").mkdir()
    for who, (source, _) in {**ACCIDENTS, "a right one": (RIGHT, ""), "z right one": (RIGHT, "")}.items():
        (tmp_path / "came" / f"{who}_toy.py").write_text(source)
    found = {
        made.submission.names[0]: made
        for made in grade(build(assignment), collect(tmp_path / "came", ["toy.py"]), assignment.stubs, case_seconds=0.5)
    }
    assert found.pop("a right one").total == found.pop("z right one").total == 100
    for who, made in found.items():
        assert made.total == (50 if who == "dtype" else 0), who
        assert ACCIDENTS[who][1] in made.message, made.message


def test_the_file_that_was_handed_in_is_the_one_that_is_marked(tmp_path):
    """A module of the same name that is there already is refused, not marked."""
    built = build(toy.make(tmp_path))
    built.grader["cases.py"] = (
        b"import sys, types\nsys.modules['toy'] = types.ModuleType('toy')\n" + built.grader["cases.py"]
    )
    with unpacked(built.grader) as bundle:
        marked = mark(bundle, {"toy.py": RIGHT.encode()})
    assert "not from toy.py" in marked.problem
    assert not any(outcome.passed for outcome in marked.outcomes)


def test_results_for_gradescope(tmp_path, monkeypatch):
    built = build(toy.make(tmp_path))
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "toy.py").write_text("def twice(x):\n    return 2.0 * x.astype('float64')\n")
    with unpacked(built.grader) as bundle:
        monkeypatch.chdir(bundle)
        gradescope.main([str(tmp_path / "submission"), str(tmp_path / "results" / "results.json")])
    told = json.loads((tmp_path / "results" / "results.json").read_text())
    assert told["score"] == 50
    assert {test["visibility"] for test in told["tests"]} == {"visible", "after_due_date", "after_published", "hidden"}
    assert sum(test["max_score"] for test in told["tests"]) == 100
    (proof,) = [test for test in told["tests"] if test["visibility"] == "hidden"]
    assert proof["output"].startswith("toy.py  ")


CANVAS = '\ufeffStudent,ID,Section,A1 (7)\r\nPoints Possible,,,100\r\n"Doe, Jane",12,S1,\r\n"Poe, Max",77,S1,3\r\n'


def test_points_go_into_an_exported_gradebook_and_all_else_stays(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_bytes(CANVAS.encode())
    filled = gradebook.fill(path, "ID", "A1 (7)", {("doejane", "12"): 87.5, ("stranger",): 3.0})
    assert filled == (1, ["stranger"])
    assert path.read_bytes().decode() == CANVAS.replace("12,S1,", "12,S1,87.5")


def test_a_gradebook_of_semicolons_is_matched_by_names_whatever_their_case(tmp_path):
    path = tmp_path / "moodle.csv"
    path.write_text("Full name;Grade\nmax  poe;\n")
    assert gradebook.fill(path, "Full name", "Grade", {("Max Poe", "Participant 77"): 12.5}).rows == 1
    assert path.read_text() == "Full name;Grade\nmax  poe;12.5\n"


@pytest.mark.parametrize(
    ("key", "column", "told"),
    [("Id", "A1 (7)", "no column 'Id'"), ("ID", "A1", "no column 'A1'"), ("Section", "A1 (7)", "in several rows")],
)
def test_a_gradebook_that_does_not_fit_is_left_as_it_was(key, column, told, tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_bytes(CANVAS.encode())
    with pytest.raises(ConfigError, match=told):
        gradebook.fill(path, key, column, {("S1", "12"): 1.0})
    assert path.read_bytes() == CANVAS.encode()


def test_the_table_of_grades_is_no_formula(tmp_path):
    gradebook.write([{"student": "=1+1", "points": 3.0}], tmp_path / "grades.csv")
    assert (tmp_path / "grades.csv").read_text() == "student,points\n'=1+1,3.0\n"


def test_the_command_builds_and_grades(tmp_path, capsys):
    toy.make(tmp_path / "toys" if (tmp_path / "toys").mkdir() is None else tmp_path)
    where = ["--assignments", str(tmp_path / "toys")]
    assert main(["build", "toy", "--out", str(tmp_path / "out"), *where]) == 0
    assert "the solution has 100 of 100 points, in 2 cases" in capsys.readouterr().out
    (tmp_path / "came").mkdir()
    (tmp_path / "came" / "12_toy.py").write_text(RIGHT)
    (tmp_path / "canvas.csv").write_bytes(CANVAS.encode())
    into = ["--into", str(tmp_path / "canvas.csv"), "--key", "ID", "--column", "A1 (7)"]
    assert main(["grade", "toy", str(tmp_path / "came"), "--csv", str(tmp_path / "grades.csv"), *into, *where]) == 0
    (row,) = csv.DictReader((tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines())
    assert (row["student"], row["points"], row["message"]) == ("12", "100.0", "all cases pass")
    assert row["imported"].startswith("toy.py ")
    assert "1 row of" in capsys.readouterr().out
    assert "12,S1,100" in (tmp_path / "canvas.csv").read_text()


def test_bad_input_is_one_message(tmp_path, capsys):
    assert main(["grade", "01_conv2d", str(tmp_path / "no"), "--csv", "x.csv"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert main(["grade", "01_conv2d", str(tmp_path), "--csv", "x.csv", "--into", "y.csv"]) == 2
    assert "go together" in capsys.readouterr().err
    assert main(["build", "02_none"]) == 2
