"""The pieces of minifcn in a student's folder: cut off where the work begins.

Files go whole or not at all, and only those that are named here, so that a helper which somebody adds to the engine
can never give an answer away. What the graded functions hang in, from assignment 5 on, is a small engine of its own
with the same names and contracts, in tutorials/assignments/engine; a test compares it with minifcn.
"""

from __future__ import annotations

from pathlib import Path

import minifcn
from minifcn.errors import ConfigError, did_you_mean

PACKAGE = Path(minifcn.__file__).resolve().parent

#: Piece -> files of minifcn that are copied as they are.
WHOLE = {
    "gradcheck": ("errors.py", "backend.py", "gradcheck/check.py", "gradcheck/report.py"),
    "shapes": ("errors.py", "data/shapes.py"),
}

#: Files that take the place of larger ones.
WRITTEN = {
    "minifcn/__init__.py": '"""A piece of minifcn: what this assignment needs, and nothing that answers it."""\n',
    "minifcn/gradcheck/__init__.py": '"""Gradient checks."""\n\nfrom minifcn.gradcheck.check import check\n'
    'from minifcn.gradcheck.report import Report, Row\n\n__all__ = ["Report", "Row", "check"]\n',
}


def pieces(names: list[str], assignments: Path) -> dict[str, bytes]:
    """Path in the student's folder -> content, of the named pieces. Raises ConfigError for an unknown one."""
    found: dict[str, bytes] = {}
    for name in names:
        folder = assignments / "engine" / name
        if name in WHOLE:
            for path in WHOLE[name]:
                found[f"minifcn/{path}"] = (PACKAGE / path).read_bytes()
        elif folder.is_dir():
            for file in sorted(folder.rglob("*.py")):
                found[f"minifcn/{file.relative_to(folder).as_posix()}"] = file.read_bytes()
        else:
            known = [*WHOLE, *(path.name for path in sorted((assignments / "engine").glob("*")))]
            raise ConfigError(f"no piece {name!r} of the engine{did_you_mean(name, known)}")
    for path, text in WRITTEN.items():
        if any(other.startswith(str(Path(path).parent)) for other in found):
            found.setdefault(path, text.encode())
    return found
