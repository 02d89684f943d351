"""An assignment of one function, as small as one can be, in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from minifcn.course.assignment import FOLDER, Assignment

FILES = {
    "assignment.toml": 'title = "Toy"\ngiven = ["gradcheck"]\n',
    "README.md": "# Toy\n",
    "answers.md": "",
    "toy.py": '"""Toy."""\n\n\ndef twice(x):\n    """2 x"""\n    # BEGIN SOLUTION\n    made = x + x\n    return made\n'
    "    # END SOLUTION\n",
    "checks.py": "from course import question, student\n\nFILES = ('toy.py',)\ntoy = student('toy')\n\n\n"
    "@question('a', 'twice', 100, 'add it to itself')\ndef twice(case, expect):\n"
    "    expect('twice', toy.twice(case.normal('x')))\n",
    "cases.py": "CASES = {'a': [{'case': 'small', 'seed': 1, 'x': (2, 3)}]}\n",
    "hidden.py": "CASES = {'a': [{'case': 'hidden', 'seed': 2, 'x': (3, 4), 'dtype': 'float32'}]}\n",
    "mutants.py": "MUTANTS = {'thrice': ('toy.py', 'x + x', 'x + x + x')}\n",
}


def make(folder: Path, private: Path | None = None, **changes: str) -> Assignment:
    """The toy with some files changed: `toy="..."` is toy.py, `README_md` would be README.md."""
    if not (folder / "common").exists():
        shutil.copytree(FOLDER / "common", folder / "common")
    for name, text in FILES.items():
        path = folder / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changes.get(name.removesuffix(".py"), text))
    return Assignment("toy", folder, private)
