"""The files of one student's upload: in a folder, in a zip, or one alone; nothing is unpacked or followed."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from minifcn.course.harness.report import said

#: Nobody writes more by hand.
MOST_BYTES = 1 << 20
#: Beyond, it is a whole system that was handed in by accident.
MOST_FILES = 2000
#: Folders that students do not write in.
_NOT_THEIRS = ("__MACOSX", "__pycache__", "site-packages", "node_modules")
_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")


class Upload(NamedTuple):
    """A file: its own name, what to call it, its bytes, and the function that reads so many of them at most."""

    name: str
    shown: str
    size: int
    content: Callable[[int], bytes]

    def read(self, notes: list[str]) -> bytes | None:
        """The content; None, with a note, if it is too large or cannot be read."""
        if self.size > MOST_BYTES:
            notes.append(f"{self.shown} is larger than {MOST_BYTES >> 20} MiB ({self.size / (1 << 20):.1f} MiB)")
            return None
        try:
            return self.content(MOST_BYTES)
        except Exception as error:  # a spoilt archive makes zipfile and its decompressors raise nearly anything
            notes.append(f"{self.shown} cannot be read ({said(error)}); it has to be handed in anew")
            return None


def uploads(path: Path, name: str, notes: list[str]) -> Iterator[Upload]:
    """All files of a folder, a zip, or a file that the student calls `name`; notes say what is passed over."""
    if path.is_symlink():
        notes.append(f"{path.name} is a link, and is not followed")
    elif path.is_dir():
        yield from _in_folder(path, notes)
    elif not path.is_file():
        notes.append(f"{path.name} is not a file")
    elif path.suffix.lower() == ".zip":
        yield from _in_zip(path, path.name, notes)
    else:
        yield _file(path, name, path.name, notes)


def _in_folder(top: Path, notes: list[str]) -> Iterator[Upload]:
    count = 0
    for folder, inner, names in os.walk(top):
        inner[:] = sorted(name for name in inner if not _hidden(name))
        for name in sorted(names) + [name for name in inner if (Path(folder) / name).is_symlink()]:
            path = Path(folder) / name
            shown = path.relative_to(top).as_posix()
            count += not _hidden(name)
            if count > MOST_FILES:
                notes.append(f"more than {MOST_FILES} files; the others were not looked at")
                return
            if path.is_symlink():
                notes.append(f"{shown} is a link, and is not followed")
            elif _hidden(name) or not path.is_file():
                continue
            elif path.suffix.lower() == ".zip":
                yield from _in_zip(path, shown, notes)
            else:
                yield _file(path, name, shown, notes)


def _file(path: Path, name: str, shown: str, notes: list[str]) -> Upload:
    def content(most: int) -> bytes:
        with path.open("rb") as file:
            return file.read(most)

    if path.suffix.lower() in _ARCHIVES:
        notes.append(f"{shown} is an archive that is not opened; expected a zip, or the files themselves")
    return Upload(name, shown, path.stat().st_size, content)


def _in_zip(path: Path, shown: str, notes: list[str]) -> Iterator[Upload]:
    """What a zip lists, whatever it claims: an entry is read in memory, and no further than it may be long."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [(_parts(entry), entry) for entry in archive.infolist() if not entry.is_dir()]
    except Exception as error:  # as above
        notes.append(f"{shown} cannot be unpacked ({said(error)}); it has to be handed in anew")
        return
    theirs = [(parts, entry) for parts, entry in entries if parts and not any(map(_hidden, parts))]
    for count, (parts, entry) in enumerate(sorted(theirs, key=lambda pair: len(pair[0]))):
        inside = f"{shown}/{entry.filename}"
        if count >= MOST_FILES:
            notes.append(f"{shown} has more than {MOST_FILES} files; the others were not looked at")
            return
        if ".." in parts or parts[0].endswith((":", "/")):
            notes.append(f"{inside} leads out of the zip, and was passed over")
        elif stat.S_ISLNK(entry.external_attr >> 16):
            notes.append(f"{inside} is a link, and is not followed")
        elif entry.flag_bits & 1:
            notes.append(f"{inside} is encrypted; hand it in without a password")
        elif parts[-1].lower().endswith((".zip", *_ARCHIVES)):
            notes.append(f"{inside} is an archive within an archive, which is not opened; hand in the files themselves")
        else:
            yield Upload(parts[-1], inside, entry.file_size, _reader(path, entry))


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(entry.filename.replace("\\", "/")).parts


def _reader(path: Path, entry: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def content(most: int) -> bytes:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as file:
            return file.read(most + 1)[:most]

    return content


def _hidden(name: str) -> bool:
    return name in _NOT_THEIRS or (name.startswith(".") and name != "..")
