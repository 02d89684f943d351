"""Where a command's results go: told to be impossible before there is any work, and nothing is replaced unasked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from minifcn.errors import ConfigError, counted


@contextmanager
def out_folder(out: str) -> Iterator[Path]:
    """The folder of --out, made before the work if it is not there; what was made and is empty at the end goes again.

    Raises ConfigError if it cannot be made or written to.
    """
    if not out:
        raise ConfigError("--out: expected the name of a folder, got ''")
    path = Path(out)
    made = [folder for folder in (path, *path.parents) if not os.path.exists(folder)]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make this folder ({error.strerror})") from error
    if not os.access(path, os.W_OK):
        raise ConfigError(f"--out {out}: this folder may not be written to")
    try:
        yield path
    finally:
        for folder in made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def check_file(what: str, out: str, suffixes: Sequence[str], overwrite: bool, reads: Iterable[str | None] = ()) -> Path:
    """The file `out`, which `what` (a flag, or an argument's name) says, as a path that can be written.

    Raises ConfigError for what is no name of a file, one that ends in none of `suffixes`, a folder that is not there,
    and one that would replace a file of `reads`, or any other unless `overwrite`.
    """
    if not out:
        raise ConfigError(f"{what}: expected the name of a file, got ''")
    path = Path(out)
    if os.path.isdir(path):
        raise ConfigError(f"{what} {out}: is a folder; expected the name of a file that ends in {suffixes[0]}")
    for read in filter(None, reads):
        if os.path.exists(path) and os.path.exists(read) and os.path.samefile(path, read):
            raise ConfigError(f"{what} {out}: would replace {read}, which is read; choose another name")
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"{what} {out}: expected a name that ends in {' or '.join(suffixes)}")
    if not os.path.isdir(path.parent):
        raise ConfigError(f"{what} {out}: there is no folder {path.parent}; make it, or choose another name")
    if os.path.exists(path) and not overwrite:
        raise ConfigError(f"{what} {out}: would be replaced; say --overwrite, or choose another name")
    return path


def check_free(files: Iterable[Path], overwrite: bool) -> None:
    """ConfigError if one of the files of an --out folder is there already, unless `overwrite`."""
    there = [file for file in files if os.path.exists(file)]
    if there and not overwrite:
        more = f" and {counted(len(there) - 1, 'more file')}" if len(there) > 1 else ""
        raise ConfigError(f"{there[0]}{more} would be replaced; say --overwrite, or choose another --out")
