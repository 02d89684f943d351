"""Files that are either whole or not there: written beside their place, then renamed into it.

Files that only grow are appended to, whole rows at a time.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minifcn.errors import MinifcnError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, in a folder of its own beside `path`; it takes the place of `path` if the block ends well,
    and goes if not.

    The name is kept, so that writers that go by its suffix (Pillow, matplotlib) still can. The folder is there for
    those that write files beside theirs (safetensors): they go with it. What a process that was killed over the same
    file has left goes first. Raises MinifcnError when the system refuses (no such folder, no permission, disk full);
    what `path` held before is then still there, whole.

    >>> with atomic_path("note.txt") as beside:             # doctest: +SKIP
    ...     beside.write_text("all of it or nothing")
    """
    path = Path(path)
    if not path.name:  # ".", "/"
        raise MinifcnError(f"{path}: is a folder; expected the name of a file")
    folder = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    beside = folder / path.name
    _remove_stale(path)
    try:
        folder.mkdir()
        beside.touch()  # before any work is done in vain
        mode = beside.stat().st_mode
        yield beside
        beside.chmod(mode)  # as any new file's: safetensors makes files that only their owner can read
        _to_disk(beside)
        os.replace(beside, path)
    except OSError as error:
        raise MinifcnError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "check that the folder exists, may be written to, and has room; an earlier file there is untouched"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def append(path: str | os.PathLike[str], data: bytes) -> None:
    """Adds `data` to the end of a file that grows: all of it, on the disk, or none of it.

    One call of the system, which a kill cannot split as it would a buffer's many; where the disk is full after a part,
    that part is taken back. Raises OSError then.
    """
    with open(path, "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())  # what is written next, a checkpoint say, may rely on it even if the power fails
        except OSError:
            file.truncate(before)
            raise


def is_partial(path: Path) -> bool:
    """Whether this is what `atomic_path` begins, and a killed process may have left."""
    return _partial(r".+", r"(\..*)?").fullmatch(path.name) is not None


def _partial(stem: str, suffix: str) -> re.Pattern[str]:
    return re.compile(rf"\.{stem}\.(\d{{1,9}})\.part{suffix}", re.ASCII | re.DOTALL)


def _remove_stale(path: Path) -> None:
    """Remove what processes that were killed while they wrote `path` have left beside it."""
    if os.name != "posix":  # elsewhere os.kill would end the process that it is to ask about
        return
    name = _partial(re.escape(path.stem), re.escape(path.suffix))
    with suppress(OSError):  # no such folder: told when the file is to be written
        for match in filter(None, map(name.fullmatch, os.listdir(path.parent))):  # fast: there may be thousands
            # A process of this one's number was another, in an earlier life of the machine or the container.
            if int(match[1]) == os.getpid() or not _is_alive(int(match[1])):
                shutil.rmtree(path.with_name(match[0]), ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, in hexadecimal: which file it was, wherever it lay."""
    return digest(path, "sha256")


def digest(path: str | os.PathLike[str], kind: str) -> str:
    """The hash of a file's content, in hexadecimal; kind: "md5", "sha1" or "sha256"."""
    made = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest()


def _to_disk(path: Path) -> None:
    """Wait until the content is on the disk: a rename must not overtake it when the power fails."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
