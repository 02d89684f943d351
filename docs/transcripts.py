"""`python -m docs.transcripts`: runs every command and example of the "How do I" pages, and compares what they print.

In ```console blocks a line that begins with `$ minifcn` is run; in ```pycon blocks, `>>>`. All blocks of a page run in
one process and in one empty folder, one after the other. `...` in a page stands for anything. `--write` fills in what
a command prints where a page has nothing yet.
"""

from __future__ import annotations

import argparse
import code
import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minifcn import parallel
from minifcn.__main__ import main as minifcn

HOWTO = Path(__file__).parent / "howto"
BLOCK = re.compile(r"```(console|pycon)\n(.*?)```", re.DOTALL)
#: Pages that take more than two seconds of a quiet core: `pytest -m slow tests/test_site.py` runs them.
SLOW = frozenset({"04-all-background", "05-weights"})


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the pages that are named, or all; 1 if one of them does not tell what happens."""
    parser = argparse.ArgumentParser(prog="python -m docs.transcripts", description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, help="files in docs/howto (default: all)")
    parser.add_argument("--write", action="store_true", help="fill in the output of commands that have none yet")
    arguments = parser.parse_args(argv)
    for path in arguments.pages:
        if not path.is_file():
            parser.error(f"{path}: no such page")
    wrong = 0
    for path in arguments.pages or sorted(HOWTO.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        played = replay(text)
        if arguments.write:
            path.write_text(merged(text, played), encoding="utf-8")
        for told, got in differences(text, played):
            wrong += 1
            print(f"{path}: the page has\n{told}\nand what comes out is\n{got}\n")
    return 1 if wrong else 0


def replay(text: str) -> list[str]:
    """What the page's blocks look like when they are run, in an empty folder, on the pages' two threads."""
    here, names = Path.cwd(), {"__name__": "__console__"}
    threads = parallel.get_threads()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        parallel.set_threads(2)  # what a pass takes of the memory depends on it
        try:
            return [_console(block) if kind == "console" else _pycon(block, names) for kind, block in blocks(text)]
        finally:
            parallel.set_threads(threads)
            os.chdir(here)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(console or pycon, block) of a page, in order."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2]


def differences(text: str, played: list[str]) -> list[tuple[str, str]]:
    """(what the page has, what came out) of each block in which they differ."""
    pairs = zip((block for _, block in blocks(text)), played, strict=True)
    return [(told, got) for told, got in pairs if not matches(told, got)]


def matches(told: str, got: str) -> bool:
    """Whether `got` is what was told: `...` stands for anything, and other processors round fractions differently."""
    parts = (_NUMBER.sub(r"([\\d.e+-]+)", re.escape(part)) for part in told.strip().split("..."))
    found = re.fullmatch(".*".join(parts), got.strip(), re.DOTALL)
    numbers = _NUMBER.findall(re.escape(told))
    return found is not None and all(map(_near, numbers, found.groups()))


#: A fraction, as `re.escape` leaves it.
_NUMBER = re.compile(r"\d+\\\.\d+(?:e(?:\\[+-]|\+)\d+)?(?![\d\w])")


def _near(told: str, got: str) -> bool:
    """Two fractions that differ by less than a twentieth, or are both of rounding's size."""
    try:
        a, b = float(told.replace("\\", "")), float(got)
    except ValueError:
        return False
    return abs(a - b) <= 0.05 * abs(a) or max(abs(a), abs(b)) < 1e-5


def merged(text: str, played: list[str]) -> str:
    """The page with the output of blocks that have only commands yet."""
    left = iter(played)

    def fill(match: re.Match[str]) -> str:
        got = next(left)
        bare = all(line.startswith(("$ ", ">>> ", "... ")) for line in match[2].splitlines())
        return f"```{match[1]}\n{got}```" if bare else match[0]

    return BLOCK.sub(fill, text)


def _console(block: str) -> str:
    out = io.StringIO()
    for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        print(f"$ {line}", file=out)
        name, *arguments = shlex.split(line)
        if name != "minifcn":
            raise ValueError(f"{line!r}: only minifcn's own commands are run")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(_Plain(out)):
            minifcn(arguments)
    return _tidy(out.getvalue())


class _Plain(io.TextIOBase):
    """Standard error that is no terminal: bars are left out, messages are not."""

    def __init__(self, out: io.StringIO) -> None:
        self.out = out

    def write(self, text: str) -> int:
        """Passes on what does not draw over itself."""
        return self.out.write("" if "\r" in text or not text.strip("\n") else f"{text.rstrip()}\n")


def _pycon(block: str, names: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        console = code.InteractiveConsole(names)
        lines = [line for line in block.splitlines() if line.startswith((">>>", "..."))]
        for k, line in enumerate(lines):
            print(line, file=out)
            console.push(line[4:])
            if line.startswith("...") and not (lines[k + 1 : k + 2] or [">>>"])[0].startswith("..."):
                console.push("")
    return _tidy(out.getvalue())


def _tidy(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
