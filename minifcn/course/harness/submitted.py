"""The student's files: imported when they are first used, and proven to be the ones that were handed in."""

from __future__ import annotations

import builtins
import hashlib
import importlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from .expected import Wrong

#: Where the student's files lie; set by whoever marks them.
folder = Path.cwd()

_failed: dict[str, BaseException] = {}
_digests: dict[str, str] = {}


def take_from(where: Path) -> None:
    """Take the student's files from this folder, before any other of the same name."""
    global folder
    folder = where.resolve()
    sys.path.insert(0, str(folder))


def may_import(files: Iterable[str], packages: Iterable[str]) -> None:
    """From now on `files`, the student's, import each other, these packages, Python's own modules, and minifcn's piece.

    So a file that needs SciPy, or one beside it that is not handed in, fails on the student's machine as it does where
    it is marked, whatever is installed on either. What libraries import themselves is none of this.
    """
    files = list(files)
    theirs = [*files, *packages]
    allowed = {*sys.stdlib_module_names, "minifcn", *packages, *(Path(name).stem for name in files)}
    python = builtins.__import__

    def guarded(
        name: str, globals: Mapping | None = None, locals: Mapping | None = None, fromlist: Any = (), level: int = 0
    ) -> ModuleType:
        file = Path((globals or {}).get("__file__") or "nowhere")
        top = name.partition(".")[0]
        if file.name in files and top not in allowed and not level and file.resolve().parent == folder:
            raise ModuleNotFoundError(
                f"{file.name} imports {top}, which is not there where it is marked; beside Python's own modules there "
                f"is {', '.join(theirs)}",
                name=top,
            )
        return python(name, globals, locals, fromlist, level)

    builtins.__import__ = guarded


class student:
    """A module of the student's: `student("conv").conv2d` is conv2d in the student's conv.py.

    Nothing is imported before a name is asked for, so that a file that cannot be read fails cases, not the whole run.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        module = load(self._name)
        if not hasattr(module, name):
            raise Wrong(f"{self._name}.py has no {name}; its name must stay as it was handed out")
        return getattr(module, name)


def load(name: str) -> ModuleType:
    """A module of the student's. One that failed once fails again at once, with the same error."""
    if name in _failed:
        raise _failed[name]
    try:
        _look_at(folder / f"{name}.py")
        module = importlib.import_module(name)
        prove(module, name)
    except BaseException as error:
        _failed[name] = error
        raise
    return module


def _look_at(file: Path) -> None:
    """Keep its SHA-256, before it is run: code may delete its folder. Raises Wrong if it is no text."""
    if not file.exists():
        return
    content = file.read_bytes()
    _digests.setdefault(file.stem, hashlib.sha256(content).hexdigest())
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Wrong(f"{file.name} is in UTF-16, which Python cannot read; save it as UTF-8")
    if b"\0" in content:
        raise Wrong(f"{file.name} is no text: there are zero bytes in it; save it as UTF-8")


def refuse(name: str, error: BaseException) -> None:
    """This module is not imported (again): whoever needs it gets the error."""
    _failed[name] = error


def prove(module: ModuleType, name: str) -> Path:
    """The file that a module came from; raises Wrong unless it is `name`.py in the student's folder."""
    came = Path(getattr(module, "__file__", None) or "nowhere").resolve()
    if came != folder / f"{name}.py":
        raise Wrong(f"{name} was imported from {came.name} elsewhere, not from {name}.py in your folder")
    return came


def fingerprint(names: list[str]) -> dict[str, str]:
    """The SHA-256 of each of the student's files that was imported, proven to be where Python found it."""
    found = {}
    for name in names:
        if name in sys.modules and name in _digests:
            prove(sys.modules[name], name)
            found[f"{name}.py"] = _digests[name]
    return found
