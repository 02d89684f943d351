"""One source, two files: what stands between `# BEGIN SOLUTION` and `# END SOLUTION` is the instructor's alone."""

from __future__ import annotations

import difflib
import re

from minifcn.errors import ConfigError

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"

#: Lines of a solution that say nothing: the shortest that are looked for in what students get.
TELLING = 12


def stub(source: str, name: str) -> str:
    """`source` without its solutions: within functions an error that says what is to be written, else a comment.

    Raises ConfigError, with the line, for a marker that is unpaired, nested or mis-spelt, and if there is none.
    """
    lines, inside, function = [], 0, ""
    found = False
    for number, line in enumerate(source.splitlines(), start=1):
        text = line.strip()
        if match := re.match(r"(?:class|def)\s+(\w+)", text):
            function = match[1] if not inside else function
        mark = _mark(text, f"{name}:{number}")
        if mark == BEGIN:
            if inside:
                raise ConfigError(f"{name}:{number}: {BEGIN} within the solution that begins in line {inside}")
            inside, found = number, True
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(f'{indent}raise NotImplementedError("{function}")' if indent else "# Your answer here")
        elif mark == END:
            if not inside:
                raise ConfigError(f"{name}:{number}: {END} without a {BEGIN} before it")
            inside = 0
        elif not inside:
            lines.append(line)
    if inside:
        raise ConfigError(f"{name}:{inside}: {BEGIN} without an {END} after it")
    if not found:
        raise ConfigError(f"{name}: no {BEGIN} in it; students would get all of it")
    return "\n".join(lines) + "\n"


def solved(source: str) -> str:
    """`source` with its solutions and without the markers: what may be handed out once it is due."""
    return "".join(line for line in source.splitlines(keepends=True) if line.strip() not in (BEGIN, END))


def solution_lines(source: str) -> set[str]:
    """The lines of the solutions that would tell something: no comments, none of a few characters only."""
    found, inside = set(), False
    for line in source.splitlines():
        text = " ".join(line.split())
        if text in (BEGIN, END):
            inside = text == BEGIN
        elif inside and not text.startswith("#") and len(text) >= TELLING:
            found.add(text)
    return found


def _mark(text: str, where: str) -> str:
    """The marker that a line is, or ""; raises ConfigError for one that only looks like it."""
    if text in (BEGIN, END):
        return text
    words = re.sub(r"[^A-Z ]", " ", text.upper()).split()
    looks = text.startswith("#") and len(words) <= 4 and difflib.get_close_matches(
        " ".join(words), ("BEGIN SOLUTION", "END SOLUTION", "BEGINSOLUTION", "ENDSOLUTION"), n=1, cutoff=0.75
    )  # fmt: skip
    inside_text = re.search(r"#\s*(BEGIN|END)\s+SOLUTION", text)  # after code, or with words behind it
    if looks or inside_text:
        raise ConfigError(f"{where}: {text!r} is no marker; write {BEGIN} or {END}, alone in its line")
    return ""
