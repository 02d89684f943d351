"""Pages made of the code, so that they cannot go stale: every command's help, and every module's docstrings."""

from __future__ import annotations

import configparser
import contextlib
import importlib
import io
import os
import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import minifcn
from minifcn.__main__ import COMMANDS

Pages = dict[str, str]


def commands() -> Pages:
    """A page for each command, with what its parser prints for --help, and one that lists them."""
    made = {}
    for name, (module, about) in COMMANDS.items():
        found = importlib.import_module(module)
        main = found.main
        text = [f"# {name}", f"{about[0].upper()}{about[1:]}.", _console(f"minifcn {name} --help", _help(main))]
        for sub in getattr(found, "NAMES", None) or _subcommands(_help(main)):
            text += [f"## {name} {sub}", _console(f"minifcn {name} {sub} --help", _help(main, sub))]
        made[f"commands/{name}.md"] = "\n\n".join(text) + "\n"
    rows = [f"| [`minifcn {name}`]({name}.md) | {about} |" for name, (_, about) in COMMANDS.items()]
    made["commands/index.md"] = "\n".join(
        [
            "# Commands",
            "",
            "`minifcn NAME` and `python -m minifcn.NAME` are the same. Each page is what `--help` prints; the",
            "[guide](../guide.md) shows them at work.",
            "",
            "| command | what it does |",
            "| --- | --- |",
            *rows,
            "",
            toctree(COMMANDS),
        ]
    )
    return made


def _help(main, *names: str) -> str:
    """What a command prints for --help, 100 characters wide."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "102", "NO_COLOR": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main([*names, "--help"])
    return printed.getvalue().rstrip()


def _subcommands(text: str) -> list[str]:
    """The names of a usage such as `minifcn course [-h] build|grade ...` or `minifcn data [-h] check ...`."""
    usage = text.partition("\n\n")[0]
    match = re.match(r"usage: minifcn \w+ \[-h\] \{?([a-z|,-]+)\}? \.\.\.(?: |$)", " ".join(usage.split()))
    return re.split(r"[|,]", match[1]) if match else []


def _console(command: str, output: str) -> str:
    return f"```console\n$ {command}\n{output}\n```"


#: What the extras of setup.cfg are for.
EXTRAS = {
    "cuda12": "`--device gpu`, on CUDA 12",
    "cuda13": "`--device gpu`, on CUDA 13",
    "convert": "weights in HDF5: Keras, MATLAB 7.3",
    "download": "weights straight from their address, with their hash checked",
    "mpi": "`train --distributed`: several processes or machines",
    "onnx": "`export`",
    "tutorials": "stepping through the notebooks",
    "docs": "this site",
    "browser": "tests that open pages in Chromium",
    "test": "the tests",
}


def extras(setup: str) -> str:
    """The table of extras; KeyError for one that `EXTRAS` does not explain."""
    parser = configparser.ConfigParser()
    parser.read_string(setup)
    rows = [f"| `{name}` | {EXTRAS[name]} |" for name in parser["options.extras_require"]]
    return "\n".join(["| extra | what for |", "| --- | --- |", *rows])


def questions(folder: Path) -> str:
    """The pages of a folder by their titles, in order, and the toctree that has them."""
    pages = [path for path in sorted(folder.glob("*.md")) if path.stem != "index"]
    titles = [path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for path in pages]
    lines = [f"{k}. [{title}]({path.name})" for k, (path, title) in enumerate(zip(pages, titles, strict=True), 1)]
    return "\n".join([*lines, toctree(path.stem for path in pages)])


def house(readme: str) -> list[tuple[list[str], str]]:
    """Rows of the README's table "What is in the house": modules or packages of minifcn, and what one learns there."""
    table = readme.partition("## What is in the house")[2].partition("\n## ")[0]
    rows = []
    for cells in re.findall(r"^\| (`minifcn/.*?) \| (.*) \|$", table, re.MULTILINE):
        paths = re.findall(r"`([\w/.]+)`", cells[0])
        names = [path.removeprefix("minifcn/").removesuffix(".py").rstrip("/").replace("/", ".") for path in paths]
        rows.append(([f"minifcn.{name}" for name in names], cells[1]))
    return rows


def modules() -> list[str]:
    """Every public module of the package, sorted; `__main__`s are commands and have pages of their own."""
    found = (module.name for module in pkgutil.walk_packages(minifcn.__path__, "minifcn."))
    return sorted(name for name in found if "__main__" not in name and not name.rpartition(".")[2].startswith("_"))


def api(readme: str) -> Pages:
    """A page for each module or package, in the reading order of the README; then those that it does not name."""
    every, table = modules(), house(readme)
    named = {name for names, _ in table for name in names}
    rest = [name for name in every if name.count(".") == 1 and name not in named]
    table.append((rest, "errors, files, settings, and the commands' own modules"))
    lines = ["# API", "", "In the order in which it is best read: each module leans only on those before it.", ""]
    lines += ["| module | what you learn there |", "| --- | --- |"]
    made = {}
    for names, about in table:
        links = ", ".join(f"[`{name.removeprefix('minifcn.')}`]({name}.rst)" for name in names)
        lines.append(f"| {links} | {about} |")
        for name in names:
            inner = [other for other in every if other.startswith(f"{name}.")]
            made[f"api/{name}.rst"] = "\n".join(
                [*_module(name, "="), *(line for o in inner for line in _module(o, "-"))]
            )
    made["api/index.md"] = "\n".join([*lines, toctree(path.split("/")[1].removesuffix(".rst") for path in made)])
    return made


def _module(name: str, underline: str) -> list[str]:
    """The part of a page that a module has: its docstring and members, and what it hands on from others."""
    title = name.removeprefix("minifcn.")
    lines = [title, underline * len(title), "", f".. automodule:: {name}", "   :members:", "   :show-inheritance:"]
    lines += ["   :ignore-module-all:", ""]
    given = list(_given_on(importlib.import_module(name)))
    if given:
        lines += [f"It also hands on {', '.join(f':py:obj:`{short} <{full}>`' for short, full in given)}.", ""]
    return lines


def _given_on(module: ModuleType) -> Iterator[tuple[str, str]]:
    """(name, full name) of what a package's `__all__` offers of its modules' work."""
    for name in getattr(module, "__all__", ()):
        home = getattr(getattr(module, name), "__module__", None)
        if home and home != module.__name__ and home.startswith("minifcn."):
            yield name, f"{home}.{name}"


def toctree(names: Iterable[str]) -> str:
    """A table of contents that only the site's own navigation shows."""
    return "\n".join(["", "```{toctree}", ":hidden:", "", *names, "```", ""])
