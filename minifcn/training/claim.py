"""One process at a time writes in the folder of a run: two would each take the other's log and checkpoint for its own.

The claim is a lock of the operating system on a file `.lock` in the folder, which goes away with the process however
that ends; the file only says whose it is. Where there are no such locks (Windows, some network file systems), a run
goes on without.
"""

from __future__ import annotations

import datetime
import os
import platform
from contextlib import suppress
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from minifcn.errors import CheckpointError, printable

LOCK = ".lock"


class Claim:
    """Nothing at first; after `take` the folder, until the `with` or the process ends."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._path = Path()

    def take(self, folder: Path) -> None:
        """Claims a folder that is there; CheckpointError, which says whose it is, if another process has it."""
        path = folder / LOCK
        while fcntl is not None and self._file is None:
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError:  # a folder that may not be written to: told by whoever writes
                return
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(path, file):  # else whoever had it has removed it since it was opened
                    self._file, self._path = file, path
            except BlockingIOError as error:
                raise CheckpointError(
                    f"{folder}: {_owner(file)} is at work there, and two would spoil each other's log and checkpoint; "
                    "wait for it or stop it (Ctrl-C, or kill with its number), or choose another folder"
                ) from error
            except OSError:  # a file system without locks
                path.unlink(missing_ok=True)
                return
            finally:
                if self._file is None:
                    os.close(file)
        if self._file is not None:
            now = datetime.datetime.now()
            with suppress(OSError):  # no room: the lock holds without a name
                os.ftruncate(self._file, 0)
                os.write(self._file, f"process {os.getpid()} on {platform.node()} since {now:%Y-%m-%d %H:%M}".encode())

    def release(self) -> None:
        """Gives back what was taken, and removes the file."""
        if self._file is None:
            return
        with suppress(OSError):
            self._path.unlink()  # while it is locked: who opens it later opens another
        os.close(self._file)
        self._file = None

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _is_at(path: Path, file: int) -> bool:
    """Whether an open file is the one of that name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _owner(file: int) -> str:
    """What the process that has the lock says of itself, a moment after it took it."""
    try:
        text = os.pread(file, 200, 0).decode(errors="replace")
    except OSError:
        text = ""
    return printable(text) or "another process"
