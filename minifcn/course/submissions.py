"""What a folder of submissions holds: one folder, zip or file a student, named as Canvas, Moodle and Gradescope do."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from minifcn.errors import ConfigError

#: Nobody writes more by hand.
MOST_BYTES = 1 << 20

#: doejane_LATE_1234_56789_conv-1.py: name, whether late, Canvas's number of the student and of the upload, file.
CANVAS = re.compile(r"(?P<who>.+?)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)", re.IGNORECASE)
#: Jane Doe_1234_assignsubmission_file_: full name, and the number that Moodle's worksheet calls Participant 1234.
MOODLE = re.compile(r"(?P<who>.+?)_(?P<id>\d+)_assignsubmission_file.*")


class Submission(NamedTuple):
    """A student's files. `names`: all that a gradebook may know the student by; the first is shown. `note`: what was
    odd about the upload."""

    names: tuple[str, ...]
    files: dict[str, bytes]
    note: str


def collect(folder: Path, wanted: list[str]) -> list[Submission]:
    """One submission a student, in alphabetical order. Raises ConfigError if there is none."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of submissions")
    found: dict[tuple[str, ...], list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_dir() or path.suffix.lower() in (".zip", ".py"):
            found.setdefault(_names(path, wanted), []).append(path)
    if not found:
        raise ConfigError(f"{folder}: no submissions in it; expected one folder, .zip or .py a student")
    return [_read(names, paths, wanted) for names, paths in found.items()]


def _names(path: Path, wanted: list[str]) -> tuple[str, ...]:
    name = path.name if path.is_dir() else path.stem
    if match := MOODLE.fullmatch(name):
        return match["who"], f"Participant {match['id']}", match["id"]
    if match := CANVAS.fullmatch(name):
        return match["who"], match["id"]
    for file in wanted:  # jane_conv.py
        if path.suffix == ".py" and name.endswith(f"_{Path(file).stem}"):
            return (name.removesuffix(f"_{Path(file).stem}"),)
    return (name,)


def _read(names: tuple[str, ...], paths: list[Path], wanted: list[str]) -> Submission:
    files: dict[str, bytes] = {}
    notes: list[str] = []
    for path in paths:
        for name, content in _members(path, notes):
            target = _target(name, wanted, alone=path.suffix == ".py")
            if target and target in files and files[target] != content:
                notes.append(f"{target} is there twice, and the first was taken")
            elif target:
                files.setdefault(target, content)
    missing = [name for name in wanted if name not in files]
    if missing:
        notes.append(f"missing: {', '.join(missing)}")
    return Submission(names, files, "; ".join(notes))


def _members(path: Path, notes: list[str]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the Python files of a folder, a zip or a file, those nearest to its top first."""
    if path.suffix.lower() == ".zip" and path.is_file():
        yield from _zipped(path, notes)
    elif path.is_dir():
        inside = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
        for file in sorted(inside, key=lambda file: (len(file.parts), str(file))):
            if file.suffix.lower() == ".zip":
                yield from _zipped(file, notes)
            elif file.suffix == ".py" and file.stat().st_size <= MOST_BYTES:
                yield file.name, file.read_bytes()
    elif path.stat().st_size <= MOST_BYTES:
        yield path.name, path.read_bytes()
    else:
        notes.append(f"{path.name} is larger than {MOST_BYTES >> 20} MiB")


def _zipped(path: Path, notes: list[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if e.filename.endswith(".py") and "__MACOSX" not in e.filename]
            for entry in sorted(entries, key=lambda e: (e.filename.count("/"), e.filename)):
                if entry.file_size <= MOST_BYTES:
                    yield entry.filename.rpartition("/")[2], archive.read(entry)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        notes.append(f"{path.name} cannot be unpacked ({error})")


def _target(name: str, wanted: list[str], alone: bool) -> str:
    """Which of the wanted files this is: conv.py, conv-1.py, conv (2).py, doejane_12_34_conv.py; "" for none."""
    match = CANVAS.fullmatch(name)
    plain = re.sub(r"(-\d+| ?\(\d+\))?\.py$", ".py", match["file"] if match else name)
    for file in wanted:
        if plain == file or (alone and plain.endswith(f"_{file}")):
            return file
    return wanted[0] if alone and len(wanted) == 1 else ""
