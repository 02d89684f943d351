"""The instructor's guide: its transcript is what the commands print, and what it names is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import toy

from minifcn.course.__main__ import parser
from minifcn.course.assignment import FOLDER, Assignment, names
from minifcn.course.build import build, unpacked
from minifcn.course.harness import gradescope
from minifcn.course.harness.child import CLOCK
from minifcn.course.harness.parent import CASE_SECONDS
from minifcn.course.markers import BEGIN, END

ROOT = FOLDER.parents[1]
GUIDE = FOLDER.parent / "INSTRUCTORS.md"

CANVAS = (
    "Student,ID,SIS Login ID,Section,A1 (77)\n"
    "    Points Possible,,,,100\n"
    '"Doe, Jane",1201,jdoe,S1,\n'
    '"Poe, Max",1202,mpoe,S1,\n'
    '"Roe, Ann",1203,aroe,S1,\n'
    '"Vic, Bob",1204,bvic,S1,\n'
)


def without_backward(source: str) -> str:
    """A student's file in which conv2d_backward is still to be written."""
    done, backward = source.split("def conv2d_backward")
    backward = re.sub(
        rf" *{BEGIN}.*{END}", '    raise NotImplementedError("conv2d_backward")', backward, flags=re.DOTALL
    )
    return f"{done}def conv2d_backward{backward}".replace(BEGIN, "# mine").replace(END, "#")


@pytest.fixture
def desk(tmp_path):
    """A folder with a student's half of assignment 1, three submissions as Canvas names them, and its gradebook."""
    assignment = Assignment("01_conv2d")
    half = without_backward(assignment.solved["conv.py"])
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "conv.py").write_text(half, encoding="utf-8")
    (tmp_path / "submissions").mkdir()
    came = {
        "doejane_1201_88001_conv.py": half,
        "poemax_LATE_1202_88002_conv-1.py": assignment.mutants["kernel not rotated"]["conv.py"],
        "roeann_1203_88003_conv.py": half.replace("def conv2d(x, w,", "def conv2d(x, w;"),
    }
    for name, source in came.items():
        (tmp_path / "submissions" / name).write_text(source, encoding="utf-8")
    (tmp_path / "canvas.csv").write_text(CANVAS, encoding="utf-8")
    return tmp_path


def masked(text: str) -> str:
    """Without what differs from run to run: how long things took."""
    return re.sub(r"\d+\.\d+s\b", "...s", text).strip()


def transcript() -> str:
    (block,) = re.findall(r"```console\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return block


def replay(desk: Path) -> str:
    """The transcript as it comes out when its commands are run one after the other, in one shell."""
    commands = re.findall(r"^\$ (.*)$", transcript(), re.MULTILINE)
    script = "\n".join(f"printf '%s\\n' {_quoted('$ ' + command)}\n{command} 2>&1" for command in commands)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
    env = {**clean, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", script], cwd=desk, env=env, capture_output=True, text=True, timeout=300)
    return done.stdout


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_the_transcript_is_what_the_commands_print(desk):
    assert masked(replay(desk)) == masked(transcript())


def test_files_that_the_guide_names_are_there():
    text = GUIDE.read_text(encoding="utf-8")
    named = re.findall(r"\]\(([\w./-]+)\)", text)
    assert len(named) >= 6
    for path in named:
        assert (GUIDE.parent / path).exists(), path


def test_its_lines_and_those_of_assignments_fit_the_page():
    texts = [GUIDE, *FOLDER.glob("*/*.md")]
    assert len(texts) > 3 * len(names())
    for path in texts:
        prose = re.sub(r"```console\n.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert [line for line in prose.splitlines() if len(line) > 120 and line[0] != "|"] == [], path


def test_weeks_take_the_notebooks_in_an_order_that_builds_up():
    """Each notebook is in one week, and those that assignments are prepared by come no later than they."""
    rows = re.findall(r"^\| (\d) \|(.*?)\|(.*?)\|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    weeks = {int(week): [*map(int, re.findall(r"\((\d\d)_", told))] for week, told, _ in rows if "ipynb" in told}
    assert sorted(number for told in weeks.values() for number in told) == [*range(1, 15)]
    assert [week for week, _, asked in rows if "README.md" in asked] == [*map(str, weeks)]
    read = [number for told in weeks.values() for number in told]
    assert read.index(8) < read.index(9) < read.index(11)  # skips, before a net that has them is stepped and trained


def test_the_guide_and_the_help_say_that_who_means_to_gives_themselves_points(tmp_path):
    """It can be done, in the process that Gradescope has, too: should that change, so must what is said of it."""
    assignment = toy.make(tmp_path)
    cheat = "import sys\nsys.modules['course.expected'].Expect.__call__ = lambda *given: None\ntwice = print\n"
    built = build(assignment)
    with unpacked(built.grader) as bundle:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "toy.py").write_text(cheat)
        told = gradescope.results_of(bundle, tmp_path / "in")
    assert told["score"] == 100
    assert "not attackers, on Gradescope too." in GUIDE.read_text(encoding="utf-8")
    assert "in Gradescope's container, too" in " ".join(parser().format_help().split())


def test_the_guide_has_the_limits_of_a_case_by_the_processor_and_by_the_clock():
    text = GUIDE.read_text(encoding="utf-8")
    assert f"A case has {CASE_SECONDS:g} seconds of the processor" in text
    assert f"cut after {CLOCK * CASE_SECONDS:g} seconds by the clock, too" in text


def test_the_guide_speaks_of_every_assignment():
    text = GUIDE.read_text(encoding="utf-8")
    for name in names():
        assert name in text
        assert (FOLDER / name / "key.md").exists()


if __name__ == "__main__":  # prints the transcript anew: python tests/course/test_course_guide.py FOLDER
    print(replay(desk.__wrapped__(Path(sys.argv[1]))))
