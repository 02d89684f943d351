"""An assignment's questions and cases in this process: read from a bundle, and forgotten again.

Checks import nothing of a student's before they run, and here they are not run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minifcn.course import harness
from minifcn.course.harness.questions import Sheet

_OWN = ("checks", "cases", "hidden")


@contextmanager
def opened(bundle: Path) -> Iterator[Sheet]:
    """The sheet of a bundle. Its modules have names that the next one's have, too, so they do not stay."""
    path, before = list(sys.path), {name: sys.modules.pop(name, None) for name in (*_OWN, "course")}
    quiet, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        sys.modules["course"] = harness  # what the checks import
        yield Sheet(bundle)
    finally:
        sys.path[:], sys.dont_write_bytecode = path, quiet
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
