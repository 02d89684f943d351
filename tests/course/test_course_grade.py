"""Submissions as they come, marked one process each, and what the command makes of them."""

import csv
import io
import json
import sys
import tempfile
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
import toy

from minifcn.course import __main__ as command
from minifcn.course.__main__ import main
from minifcn.course.build import build, unpacked
from minifcn.course.grade import grade
from minifcn.course.harness import gradescope
from minifcn.course.harness.outline import Asked, Outcome, Outline, Tried
from minifcn.course.harness.parent import mark
from minifcn.course.submissions import collect

RIGHT = "def twice(x):\n    return 2 * x\n"


ACCIDENTS = {
    "syntax": ("def twice(x:\n", "toy.py, line 1"),
    "missing name": ("def thrice(x):\n    return 3 * x\n", "toy.py has no twice"),
    "exit": (
        "import os\n\ndef twice(x):\n    os._exit(0)\n",
        "ended by itself (exit status 0); the question",
    ),
    "loop": ("def twice(x):\n    while True:\n        pass\n", "it took longer than"),
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


IN_TWICE = "def twice(x):\n    {}\n    return 2 * x\n"
AT_IMPORT = "{}\n" + RIGHT
WILD = {
    "surrogate": (IN_TWICE.format(r"raise ValueError('\ud800 \x1b[31m')"), 0, r"ValueError: \ud800 \x1b[31m (toy.py"),
    "megabytes": (IN_TWICE.format("raise ValueError('x' * 50_000_000)"), 0, "characters more) (toy.py, line 2"),
    "no text": (
        "class E(Exception):\n    def __str__(self): raise SystemExit\n" + IN_TWICE.format("raise E"),
        0,
        "cannot be made",
    ),
    "endless text": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\n" + IN_TWICE.format("raise E"),
        0,
        "it took longer than",
    ),
    "a recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\n" + IN_TWICE.format("twice(x)"),
        0,
        "exceeded: a recursion that does not end? (toy.py, line 4: twice(x))",
    ),
    "no Exception": (IN_TWICE.format("raise GeneratorExit('x')"), 0, "GeneratorExit: x"),
    "exit at import": (AT_IMPORT.format("raise SystemExit(3)"), 0, "the code stops Python (SystemExit: 3)"),
    "end at import": (AT_IMPORT.format("import os; os._exit(3)"), 0, "cannot be imported: the process ended by itself"),
    "segfault": (IN_TWICE.format("import ctypes; ctypes.string_at(0)"), 0, "signal SIGSEGV"),
    "fork": (AT_IMPORT.format("import os; os.fork()"), 100, "all cases pass"),
    "fork in a function": (IN_TWICE.format("import os; os.fork()"), 100, "all cases pass"),
    "a fork that is wrong": (
        IN_TWICE.format("import os, time; x = x if os.fork() and not time.sleep(0.2) else -x"),
        100,
        "",
    ),
    "UTF-16": (RIGHT.encode("utf-16"), 0, "toy.py is in UTF-16, which Python cannot read; save it as UTF-8"),
    "zeros": (RIGHT.encode() + b"\0", 0, "toy.py is no text: there are zero bytes in it"),
    "forks without end": (AT_IMPORT.format("import os\nwhile True: os.fork()"), 0, "may start 32 processes"),
    "sleep": (IN_TWICE.format("import time; time.sleep(100)"), 0, "longer than 3 s by the clock"),
    "signals": (
        AT_IMPORT.format("import signal\nfor s in (27, 14): signal.signal(s, signal.SIG_IGN)"),
        100,
        "all cases pass",
    ),
    "deletes all": (
        AT_IMPORT.format(
            "import os, shutil, sys\nfor p in (os.path.dirname(__file__), os.getcwd(), sys.path[0]): shutil.rmtree(p)"
        ),
        100,
        "all cases pass",
    ),
    "closes 0, 1, 2": (AT_IMPORT.format("import os\nfor k in range(3): os.close(k)"), 100, "all cases pass"),
    "threads": (
        AT_IMPORT.format("import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()"),
        100,
        "all cases pass",
    ),
    "no builtins": (
        AT_IMPORT.format("import builtins, json, time\njson.dumps = builtins.print = time.monotonic = None"),
        100,
        "all cases pass",
    ),
}


def test_what_code_does_to_its_process_is_its_own_loss(tmp_path):
    assignment = toy.make(tmp_path)
    (tmp_path / "came").mkdir()
    for who, (source, _, _) in WILD.items():
        (tmp_path / "came" / f"{who}_toy.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    for made in grade(build(assignment), collect(tmp_path / "came", ["toy.py"]), assignment.stubs, case_seconds=1.0):
        _, points, told = WILD[made.submission.student]
        assert (made.total, told in made.message) == (points, True), (made.submission.student, made.message)
        assert (len(made.message) < 3000 and made.message.isprintable()) or "\n" in made.message
        assert not points or list(made.marked.proof) == ["toy.py"]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
def test_nothing_that_a_submission_started_lives_on(tmp_path, monkeypatch):
    built = build(toy.make(tmp_path))
    left = "import os, time, subprocess\nsubprocess.Popen(['sleep', '98'], start_new_session=True)\n"
    left += "if os.fork() == 0:\n    os.setsid()\n    time.sleep(98)\n"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # so that only this test's processes have it in their names
    with unpacked(built.grader) as bundle:
        marked = mark(bundle, {"toy.py": (left + RIGHT).encode()})
    assert marked.problem == "" and built.outline.total(marked.outcomes) == 100
    time.sleep(0.1)
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            assert f"HOME={tmp_path}".encode() not in path.read_bytes()


ENDLESS = """
def slow(x):
    while True:
        {}

def twice(x):
    return 2 * x
"""
SIX = (
    toy.FILES["checks.py"].replace("100", "50").replace("toy.twice", "toy.slow")
    + "\n\n@question('b', 'twice', 50, '')\ndef right(case, expect):\n    expect('b', toy.twice(case.normal('x')))\n"
)


@pytest.mark.parametrize(
    "body", ["pass", "try: slow(x)\n        except BaseException: pass"], ids=["stops", "catches all"]
)
def test_an_endless_loop_costs_its_question_alone(body, tmp_path):
    cases = "CASES = {k: [{'case': str(n), 'seed': n, 'x': (2, 3)} for n in range(4)] for k in 'ab'}\n"
    solved = toy.FILES["toy.py"] + "\n\ndef slow(x):\n    return twice(x)\n"
    built = build(toy.make(tmp_path, checks=SIX, cases=cases, hidden=cases, toy=solved))
    with unpacked(built.grader) as bundle:
        marked = mark(bundle, {"toy.py": ENDLESS.format(body).encode()}, case_seconds=0.5)
    assert built.outline.points(marked.outcomes) == {"a": 0, "b": 50}
    assert len(marked.outcomes) == 16 and marked.problem == ""
    assert marked.seconds < 30
    assert body == "pass" or "a loop or a recursion that catches everything?" in marked.outcomes[0].message


def test_a_case_counts_once_and_a_question_no_more_than_its_points():
    outline = Outline(["x.py"], [Asked("a", "", 10)], [Tried("a", "a/1", False, {})])
    passed = Outcome("a", "", "", False, True, "", "")
    assert outline.points([passed, passed, passed]) == {"a": 10}


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


def test_what_was_marked_is_in_the_table_when_the_marking_is_interrupted(tmp_path, monkeypatch, capsys):
    toy.make(tmp_path)
    (tmp_path / "came").mkdir()
    for who in "abc":
        (tmp_path / "came" / f"{who}_toy.py").write_text(RIGHT)

    def interrupted(built, submissions, stubs):
        yield from islice(grade(built, submissions, stubs), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "grade", interrupted)
    command_line = [
        "grade",
        "toy",
        str(tmp_path / "came"),
        "--csv",
        str(tmp_path / "g.csv"),
        "--assignments",
        str(tmp_path),
    ]
    assert main(command_line) == 130
    assert "2 of 3 submissions graded" in capsys.readouterr().out
    assert [line.partition(",")[0] for line in (tmp_path / "g.csv").read_text().splitlines()] == ["student", "a", "b"]


def test_two_claims_on_one_row_end_the_command_before_it_writes(tmp_path, capsys):
    toy.make(tmp_path)
    (tmp_path / "came").mkdir()
    for name in ("jo_12_1_toy.py", "jo-2_12_2_toy.py"):
        (tmp_path / "came" / name).write_text(RIGHT)
    (tmp_path / "canvas.csv").write_bytes(CANVAS.encode())
    line = ["grade", "toy", str(tmp_path / "came"), "--csv", str(tmp_path / "g.csv"), "--assignments", str(tmp_path)]
    assert main([*line, "--into", str(tmp_path / "canvas.csv"), "--key", "ID", "--column", "A1 (7)"]) == 2
    assert "two submissions" in capsys.readouterr().err
    assert not (tmp_path / "g.csv").exists()


def test_who_is_in_no_row_is_told_by_what_tells_apart(tmp_path, capsys):
    """Blind, Moodle calls everybody Participant; and a column of other numbers has none of them."""
    toy.make(tmp_path)
    for number in (2003, 2004):
        (tmp_path / "came" / f"Participant_{number}_assignsubmission_file_").mkdir(parents=True)
    (tmp_path / "book.csv").write_text("Identifier,Grade\n77,\n")
    line = ["grade", "toy", str(tmp_path / "came"), "--csv", str(tmp_path / "g.csv"), "--assignments", str(tmp_path)]
    assert main([*line, "--into", str(tmp_path / "book.csv"), "--key", "Identifier", "--column", "Grade"]) == 0
    told = "not in its column 'Identifier': Participant (Participant 2003), Participant (Participant 2004)\n"
    assert capsys.readouterr().out.endswith(told)


def test_messages_can_be_printed_on_a_terminal_of_ascii(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    command._say("Zoë \x1b[31m")
    assert raw.getvalue() == b"Zo\\xeb \\x1b[31m\n"
