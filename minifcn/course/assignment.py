"""An assignment as it lies in its folder: one solved source of each file, checks, cases, and typical mistakes."""

from __future__ import annotations

import ast
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from minifcn.course import engine, markers
from minifcn.errors import ConfigError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HERE = Path(__file__).resolve().parents[2] / "tutorials" / "assignments"
#: Where assignments lie: beside the package in a checkout of minifcn, else in the checkout that one stands in.
FOLDER = _HERE if _HERE.is_dir() else Path("tutorials/assignments").resolve()

HARNESS = Path(__file__).resolve().parent / "harness"
#: What of the harness students get: not what limits processes and talks to Gradescope.
STUDENTS_HARNESS = ("__init__", "cases", "compare", "expected", "outline", "questions", "report", "submitted")

STUDENTS_COMMON = ("conftest.py", "test_given.py", "test_points.py", "pytest.ini")
GRADERS_COMMON = ("setup.sh", "run_autograder")


class Assignment:
    """One assignment. A file in `private`/NAME takes the place of the public one of that name.

    So solutions, hidden cases and mutants need not be public: they may lie in a folder of their own (--tests DIR).
    """

    def __init__(self, name: str, folder: Path = FOLDER, private: Path | None = None) -> None:
        known = names(folder)
        if name not in known:
            raise ConfigError(f"no assignment {name!r} in {folder}{did_you_mean(name, known)}")
        self.name, self.folder, self.private = name, folder, private

    # --- what it is made of -------------------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> dict[str, Any]:
        """assignment.toml."""
        try:
            return tomllib.loads(self.text("assignment.toml"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{self.path('assignment.toml')}: {error}") from error

    @cached_property
    def files(self) -> list[str]:
        """The names of the files that students hand in, as the checks list them."""
        return list(self._constant("checks.py", "FILES"))

    @cached_property
    def solved(self) -> dict[str, str]:
        """Name -> solved source, markers included; files of earlier assignments are found there."""
        return {name: self._owner(name).text(name) for name in self.files}

    @cached_property
    def stubs(self) -> dict[str, str]:
        """Name -> what students get."""
        return {name: markers.stub(source, str(self._owner(name).path(name))) for name, source in self.solved.items()}

    @cached_property
    def mutants(self) -> dict[str, dict[str, str]]:
        """Name of a typical mistake -> the files of a solution that makes it; ConfigError if one does not fit."""
        made = {}
        for name, (file, old, new) in self._constant("mutants.py", "MUTANTS").items():
            source = self.solved.get(file, "")
            if source.count(old) != 1 or old == new:
                times = f"{source.count(old)} times" if source.count(old) != 1 else "unchanged"
                raise ConfigError(f"{self.path('mutants.py')}: {name!r}: {old!r} is there {times} in {file}, not once")
            made[name] = {**self.solved, file: source.replace(old, new)}
        return made

    def path(self, name: str) -> Path:
        """The private file of that name if there is one, else the public one."""
        if self.private is not None and (self.private / self.name / name).is_file():
            return self.private / self.name / name
        return self.folder / self.name / name

    def text(self, name: str) -> str:
        """The content of a file of the assignment; raises ConfigError if it is not there."""
        try:
            return self.path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{self.path(name)}: cannot be read ({error.strerror}); --tests DIR?") from error

    # --- what it is built into ----------------------------------------------------------------------------------------

    def handout(self) -> dict[str, bytes]:
        """The student's folder, but for the recorded numbers."""
        own = ("README.md", "checks.py", "cases.py", "answers.md", *self.settings.get("extra", []))
        files = {name: self.text(name).encode() for name in own}
        files |= {name: source.encode() for name, source in self.stubs.items()}
        files |= {name: (self.folder / "common" / name).read_bytes() for name in STUDENTS_COMMON}
        files |= {f"course/{name}.py": (HARNESS / f"{name}.py").read_bytes() for name in STUDENTS_HARNESS}
        return files | engine.pieces(self.settings.get("given", []), self.folder)

    def grader(self) -> dict[str, bytes]:
        """The grader's folder, but for the recorded numbers: the student's files are none of it."""
        own = {*self.files, *STUDENTS_COMMON, "README.md", "answers.md"}
        files = {name: content for name, content in self.handout().items() if name not in own}
        files["hidden.py"] = self.text("hidden.py").encode()
        files |= {name: (self.folder / "common" / name).read_bytes() for name in GRADERS_COMMON}
        return files | {f"course/{path.name}": path.read_bytes() for path in sorted(HARNESS.glob("*.py"))}

    # --- inside -------------------------------------------------------------------------------------------------------

    def _constant(self, file: str, name: str) -> Any:
        """The literal that is assigned to `name` in one of the assignment's files: read, not run."""
        for node in ast.parse(self.text(file), str(self.path(file))).body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return ast.literal_eval(node.value)
        raise ConfigError(f"{self.path(file)}: no {name} = ... in it")

    def _owner(self, name: str) -> Assignment:
        """The assignment that a file was first asked for in: this one, or an earlier one."""
        if self.path(name).is_file():
            return self
        for other in names(self.folder):
            earlier = Assignment(other, self.folder, self.private)
            if earlier.path(name).is_file():
                return earlier
        raise ConfigError(f"{self.path('checks.py')}: FILES has {name}, which is in no assignment; --tests DIR?")


def names(folder: Path = FOLDER) -> list[str]:
    """The assignments in a folder, in order."""
    return sorted(path.parent.name for path in folder.glob("*/assignment.toml"))
