"""What a folder of submissions holds: one folder, zip or file a student, named as Canvas, Moodle and Gradescope do."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from minifcn.course.harness.report import legible
from minifcn.course.uploads import MOST_BYTES, Upload, uploads
from minifcn.errors import ConfigError

#: doejane_LATE_1234_56789_conv-1.py: name, whether late, Canvas's number of the student and of the upload, file.
CANVAS = re.compile(r"(?P<who>.+?)(?:_LATE)?_(?P<id>\d+)_(?P<upload>\d+)_(?P<file>.+)", re.IGNORECASE | re.DOTALL)
#: Jane Doe_1234_assignsubmission_file_: full name, and the number that Moodle's worksheet calls Participant 1234; files
#: lie in a folder of that name, or bear it before their own. What is typed into a form comes as ..._onlinetext_.
MOODLE = re.compile(r"(?P<who>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)", re.DOTALL)
#: What a browser or Canvas puts after the name of a file that is there already: conv-1.py, conv (2).py.
AGAIN = re.compile(r"(-\d+| ?\(\d+\))(?=\.py$)")

#: Files beside the submissions that are none: tables, Gradescope's list, what systems leave.
OTHERS = (".csv", ".tsv", ".xlsx", ".ods", ".yml", ".yaml", ".log", ".ini", ".db")
_LISTED = 10
_UNPACK = "; unpack what the course's site gave into a folder of its own, and give that"


class Submission(NamedTuple):
    """A student's files. `names`: all that a gradebook may know the student by; `student`: what to call them, unlike
    all others; `note`: what was odd about the upload."""

    names: tuple[str, ...]
    files: dict[str, bytes]
    note: str
    student: str


class _Came(NamedTuple):
    """A file, and Canvas's number of the upload that it came in, which grows; 0 if it did not come from Canvas."""

    number: int
    upload: Upload


def collect(folder: Path, wanted: list[str]) -> list[Submission]:
    """One submission a student, in alphabetical order. Raises ConfigError if there is none."""
    if folder.is_file():
        raise ConfigError(f"{folder}: expected a folder of submissions, this is a file{_UNPACK}")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of submissions")
    entries = [path for path in sorted(folder.iterdir()) if not _is_other(path)]
    if not entries:
        raise ConfigError(f"{folder}: no submissions in it; expected one folder, .zip or .py a student")
    for path in entries:
        if whole := _class_in(path, wanted):
            raise ConfigError(f"{path}: has submissions of several students ({_listed(whole)}){_UNPACK}")
    found: dict[tuple[str, ...], list[tuple[Path, str]]] = {}
    unsure: list[Path] = []
    for path in entries:
        names, file = _names(path, wanted)
        if names:
            found.setdefault(names, []).append((path, file))
        else:
            unsure.append(path)
    known = {names[0]: names for names in found}
    for path in unsure:  # hal_notes.py is Hal's if hal_conv.py is; else whose it is only its name can say
        cuts = [path.name[:k] for k, letter in enumerate(path.name) if letter in "_-. "]
        owner = next((known[cut] for cut in reversed(cuts) if cut in known), (path.stem,))
        found.setdefault(owner, []).append((path, path.name))
    firsts = [names[0] for names in found]
    return sorted(
        (_read(names, firsts.count(names[0]) == 1, paths, wanted) for names, paths in found.items()),
        key=lambda submission: submission.student,
    )


def _is_other(path: Path) -> bool:
    """Not a student's: hidden, or a table that nobody's name is on."""
    name = path.name.lower()
    if MOODLE.fullmatch(name) or CANVAS.fullmatch(name):
        return False
    return name.startswith((".", "__macosx", "readme")) or (not path.is_dir() and name.endswith(OTHERS))


def _names(path: Path, wanted: list[str]) -> tuple[tuple[str, ...], str]:
    """(whose this is, () if its name does not say; the file's own name)."""
    if match := MOODLE.fullmatch(path.name):
        return (match["who"], f"Participant {match['id']}", match["id"]), match["file"] or path.name
    if match := CANVAS.fullmatch(path.name):
        return (match["who"], match["id"]), match["file"]
    if path.is_dir():
        return (path.name,), path.name
    for file in wanted:  # jane_conv.py, jane_conv (1).py, jane_conv.zip, and jane_conv.txt
        own = rf"{re.escape(Path(file).stem)}(-\d+| ?\(\d+\))?(\.\w+)+"
        if match := re.fullmatch(rf"(?P<who>.+)_(?P<file>{own})", path.name, re.IGNORECASE | re.DOTALL):
            return (match["who"],), match["file"]
    return ((path.stem,) if path.suffix.lower() == ".zip" else ()), path.name


def _number(path: Path) -> int:
    match = None if MOODLE.fullmatch(path.name) else CANVAS.fullmatch(path.name)
    return int(match["upload"]) if match else 0


def _class_in(path: Path, wanted: list[str]) -> list[str]:
    """The students whom files in a zip or folder are named for, if it is nobody's and they are several: a class's."""
    if path.is_symlink() or _names(path, wanted)[1] != path.name:
        return []
    if MOODLE.fullmatch(path.name):
        return []
    inside: list[tuple[str, ...]] = []
    with suppress(Exception):  # a spoilt zip: told, as its author's, when it is read
        if path.is_dir():
            inside = [(entry.name,) for entry in path.iterdir()]
        elif path.suffix.lower() == ".zip" and path.is_file():
            with zipfile.ZipFile(path) as archive:
                inside = [PurePosixPath(entry).parts[:2] for entry in archive.namelist()]
    if any(parts[-1:] and parts[-1] in wanted and not any(map(MOODLE.fullmatch, parts)) for parts in inside):
        return []  # one student's own, whatever else lies there
    names = {name for parts in inside for name in parts}
    found = [match for name in names if (match := MOODLE.fullmatch(name) or CANVAS.fullmatch(name))]
    owners = {(match["who"], match["id"]) for match in found}
    return [f"{who} ({number})" for who, number in sorted(owners)] if len(owners) > 1 else []


def _read(names: tuple[str, ...], alone: bool, paths: list[tuple[Path, str]], wanted: list[str]) -> Submission:
    notes: list[str] = []
    came = [_Came(_number(path), upload) for path, file in paths for upload in uploads(path, file, notes)]
    files = {name: content for name in wanted if (content := _chosen(name, came, notes)) is not None}
    missing = [name for name in wanted if name not in files]
    if missing:
        notes.append(f"missing: {', '.join(missing)}; handed in: {_listed(made.upload.shown for made in came)}")
        if not {made.upload.name for made in came} & {*missing} and came:
            notes.append("names must be as they were handed out, capitals and suffix included")
    student = names[0] if alone else f"{names[0]} ({names[1] if len(names) > 1 else paths[0][0].name})"
    return Submission(names, files, "; ".join(legible(note, 1000) for note in notes), _one_line(student))


def _chosen(wanted: str, came: list[_Came], notes: list[str]) -> bytes | None:
    """The content of the file of that name, or of its later versions; None, with a note, if that takes a guess.

    Of several in Canvas the last counts, by the number that Canvas gave the upload, whether it is conv.py or conv-1.py.
    """
    theirs = [made for made in came if AGAIN.sub("", made.upload.name) == wanted or made.upload.name == wanted]
    numbers = [made.number for made in theirs]
    last = max(numbers) if all(numbers) and numbers else 0
    earlier = [made.upload.shown for made in theirs if last and made.number < last]
    left = [made.upload for made in theirs if made.number >= last]
    exactly = [upload for upload in left if upload.name == wanted]
    again = [upload for upload in left if upload.name != wanted]
    contents: dict[bytes, str] = {}
    for upload in (exactly or again)[:_LISTED]:
        content = upload.read(notes)
        if content is not None:
            contents.setdefault(content, upload.shown)
    if len(contents) > 1:
        notes.append(
            f"{wanted} is there {len(contents)} times, and differs: {_listed(contents.values())}; none was marked, "
            "leave one of them there and grade again"
        )
        return None
    passed_over = [*earlier, *([upload.shown for upload in again] if exactly else [])]
    if passed_over and contents:
        why = ", the last in Canvas," if earlier else ""
        shown = _listed(upload.shown for upload in exactly or again)
        notes.append(f"{shown}{why} was marked, not {_listed(passed_over)}")
    return next(iter(contents), None)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more or "nothing"


def _one_line(name: str) -> str:
    return legible(name.replace("\n", "\\n"), 200)


__all__ = ["MOST_BYTES", "Submission", "collect"]
