"""What the documentation shows, runs: the README's Python, its commands' names, and every docstring's examples."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import minifcn
from minifcn.__main__ import COMMANDS
from minifcn.__main__ import main as minifcn_main
from minifcn.errors import did_you_mean

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(minifcn.__path__, "minifcn.")
    if not module.name.endswith("__main__")
]


def test_the_readme_s_python_runs(capsys):
    (code,) = re.findall(r"(?<!-->\n)```python\n(.*?)```", README, re.DOTALL)  # others have a test of their own
    exec(compile(code, "README.md", "exec"), {})
    told = capsys.readouterr().out
    assert "score (1, 21, 375, 500)" in told
    assert told.splitlines()[-1] == "404 (4, 4)"


def test_the_readme_has_the_two_commands_that_ci_runs():
    for name in ("train", "test"):
        (command,) = re.findall(rf"<!-- ci: {name} -->\n```sh\n(.*?)\n```", README)
        assert command.startswith("python3 -m venv .venv && ")


def test_the_readme_names_every_command():
    for name in COMMANDS:
        assert re.search(rf"(minifcn[ .]|### |\*\*){name}\b", README), f"the README does not speak of `minifcn {name}`"


def test_files_that_the_readme_names_are_there():
    root = Path(__file__).parent.parent
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README) + re.findall(r"`(minifcn/[\w/.]+)`", README):
        assert (root / path).exists(), path


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": importlib.import_module("numpy")})
    assert result.failed == 0


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(bool(test.examples) for module in modules for test in finder.find(module)) >= 10


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_s_help_calls_it_by_its_name(name, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(COMMANDS[name][0]).main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: minifcn {name} ")


def help_of(capsys, *words):
    with pytest.raises(SystemExit):
        minifcn_main([*words, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_s_help_says_its_exit_statuses(name, capsys):
    words = [name, "check"] if name == "data" else [name]
    assert "exit status: 0" in help_of(capsys, *words)


@pytest.mark.parametrize("name", ["evaluate", "predict", "classify"])
def test_help_says_that_weights_may_be_of_another_framework(name, capsys):
    assert "or one of another framework, as `minifcn convert` reads it" in help_of(capsys, name)


@pytest.mark.parametrize(
    "words",
    [["course", "build"], ["course", "grade"], ["course", "solved"], ["course", "selftest"],
     ["experiments", "ladder"], ["experiments", "bounds"]],
)  # fmt: skip
def test_commands_within_commands_teach_with_examples(words, capsys):
    text = help_of(capsys, *words)
    assert re.findall(rf"^  (?:python -m )?minifcn[ .]{' '.join(words)}", text, re.MULTILINE)
    if words[0] == "course":
        assert "01_conv2d" in text.partition("\nexample")[0]


def test_a_slip_in_a_choice_gets_a_suggestion(capsys):
    for words, meant in (("data chek", "check"), ("course grad", "grade"), ("export --table ful", "full")):
        assert minifcn_main(words.split()) == 2
        assert f"; did you mean '{meant}'?" in capsys.readouterr().err


def test_runs_that_the_readme_uses_are_runs_that_it_makes():
    made = set(re.findall(r"--out (runs/\w+)", README))
    assert set(re.findall(r"(?:--resume |\s)(runs/[a-z]+)\b", README)) <= made


def test_a_long_list_of_names_is_cut():
    assert did_you_mean("?", [f"name{k}" for k in range(30)]).endswith("name8, name9 and 20 more")
