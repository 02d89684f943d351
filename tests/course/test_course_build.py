"""From a source to zips: the same bytes each time, nothing that answers the task, and no wrong solution."""

import io
import zipfile

import pytest
import toy

from minifcn.course import selftest
from minifcn.course.__main__ import main
from minifcn.course.archive import zipped
from minifcn.course.assignment import FOLDER, Assignment, names
from minifcn.course.build import build, write
from minifcn.errors import ConfigError


def test_the_toy_passes_its_selftest(tmp_path, monkeypatch):
    monkeypatch.setattr(selftest, "LEAST_MUTANTS", 1)
    found = selftest.selftest(toy.make(tmp_path))
    assert found.faults == []
    assert [(row.implementation, row.score, row.good) for row in found.rows] == [
        ("solution", 100.0, True),
        ("as handed out", 0.0, True),
        ("thrice", 0.0, True),
    ]


def test_zips_are_the_same_bytes_and_hold_what_they_should(tmp_path):
    assignment = toy.make(tmp_path)
    first, second = (write(assignment, build(assignment), tmp_path) for _ in range(2))
    one = [path.read_bytes() for path in first]
    write(assignment, build(assignment), tmp_path)
    assert one == [path.read_bytes() for path in second]
    student = set(zipfile.ZipFile(io.BytesIO(one[0])).namelist())
    assert {"toy/toy.py", "toy/expected.npz", "toy/README.md", "toy/course/questions.py"} <= student
    assert not {"toy/hidden.py", "toy/mutants.py", "toy/expected_hidden.npz", "toy/course/child.py"} & student
    grader = set(zipfile.ZipFile(io.BytesIO(one[1])).namelist())
    assert {"run_autograder", "setup.sh", "hidden.py", "expected_hidden.npz", "course/child.py"} <= grader
    assert not {"toy.py", "mutants.py"} & grader


def test_solved_files_have_no_markers_and_take_nobodys_place(tmp_path, capsys):
    toy.make(tmp_path / "here")
    command = ["solved", "toy", "--assignments", str(tmp_path / "here"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'toy.py'}\n"
    text = (tmp_path / "out" / "toy.py").read_text()
    assert "SOLUTION" not in text and "    made = x + x\n    return made\n" in text
    (tmp_path / "out" / "toy.py").write_text("mine")
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "out" / "toy.py").read_text() == "mine"


@pytest.mark.parametrize("command", ["build", "solved"])
def test_a_folder_that_cannot_be_made_is_told_before_the_work(command, tmp_path, capsys, monkeypatch):
    toy.make(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    monkeypatch.setattr("minifcn.course.__main__.build", lambda assignment: pytest.fail("has begun to work"))
    for out in (tmp_path / "README.md", tmp_path / "README.md" / "x"):
        assert main([command, "toy", "--out", str(out), "--assignments", str(tmp_path)]) == 2
        assert f"error: --out {out}: cannot make this folder" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "mine"


def test_help_away_from_a_checkout_says_where_names_come_from(capsys, monkeypatch):
    monkeypatch.setattr("minifcn.course.__main__.names", lambda *folder: [])
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    assert "the assignment: a folder of --assignments" in " ".join(capsys.readouterr().out.split())


def test_a_solution_that_loses_a_point_is_not_built(tmp_path):
    body = "    # BEGIN SOLUTION\n    import numpy\n    return x + numpy.random.rand()\n    # END SOLUTION\n"
    with pytest.raises(ConfigError, match=r"the solution loses points, in \d of 2 cases\. a, twice"):
        build(toy.make(tmp_path, toy=f"def twice(x):\n{body}"))


def test_a_solution_that_stops_the_process_is_not_built(tmp_path):
    body = "    # BEGIN SOLUTION\n    import os\n    os._exit(3)\n    # END SOLUTION\n"
    with pytest.raises(ConfigError, match="exit status 3"):
        build(toy.make(tmp_path, toy=f"def twice(x):\n{body}"))


FAULTS = {
    "a line of the solution": ({"README.md": "# Toy\n    made = x + x\n"}, "README.md:2: a line of the solution"),
    "a marker": ({"README.md": "between # BEGIN SOLUTION and\n"}, "a marker's text"),
    "another kind of case": ({"hidden": "CASES = {'a': [{'case': '', 'seed': 2, 'x': 5}]}\n"}, "not of the kind"),
    "a case of another setting": (
        {"hidden": "CASES = {'a': [{'case': '', 'seed': 2, 'x': (2, 3), 'y': 1}]}\n"},
        "kind",
    ),
    "points that are not 100": ({"checks": toy.FILES["checks.py"].replace("100", "90")}, "90 points together"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_the_selftest_finds(what, tmp_path):
    changes, told = FAULTS[what]
    assignment = toy.make(tmp_path, **changes)
    built = build(assignment)
    found = selftest.leaks(assignment, zipped(built.student, "toy")) + selftest.unlike(built)
    assert any(told in fault for fault in found), found


def test_a_mutant_that_does_not_fit_the_solution_is_refused(tmp_path):
    made = toy.make(tmp_path, mutants="MUTANTS = {'m': ('toy.py', 'not there', 'x')}\n")
    with pytest.raises(ConfigError, match=r"'not there' is there 0 times in toy\.py"):
        _ = made.mutants


def test_private_files_take_the_place_of_public_ones(tmp_path):
    public, private = tmp_path / "public", tmp_path / "private"
    for folder in (public, private / "toy"):
        folder.mkdir(parents=True)
    assignment = toy.make(public, private)
    for name in ("toy.py", "hidden.py", "mutants.py"):
        (public / "toy" / name).rename(private / "toy" / name)
    assert build(assignment).solution.problem == ""
    with pytest.raises(ConfigError, match=r"toy\.py, which is in no assignment; --tests DIR"):
        _ = toy.Assignment("toy", public).solved


def test_unknown_assignments_are_refused():
    with pytest.raises(ConfigError, match="did you mean '01_conv2d'"):
        Assignment("01_conv")
    assert "01_conv2d" in names(FOLDER)
