"""Runs pytest in a student's folder as on a Windows machine without a network, with NumPy, pytest and nothing else.

`python alone.py REPORT.xml`, in that folder; imports nothing of minifcn, which must not be there.
"""

import socket
import sys
import sysconfig
from importlib.abc import MetaPathFinder
from pathlib import Path

ALLOWED = {"numpy", "pytest"}
ALLOWED |= {"_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup", "tomli"}  # pytest's own


class Bare(MetaPathFinder):
    """Refuses every installed package but the allowed ones."""

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        here = (Path.cwd() / top).exists() or (Path.cwd() / f"{top}.py").exists()
        if here or top in ALLOWED or top in sys.stdlib_module_names:
            return None
        raise ModuleNotFoundError(f"{name}: not on a machine with NumPy and pytest alone", name=name)


def _refuse(*_args, **_kwargs):
    raise OSError("no network here")


def main() -> int:
    """The exit status of pytest."""
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    sys.path = [p for p in sys.path if p in installed or "site-packages" not in p]
    sys.path.insert(0, str(Path.cwd()))
    sys.meta_path.insert(0, Bare())
    sys.modules.update(dict.fromkeys(("resource", "fcntl", "termios")))  # type: ignore[arg-type]  # of Unix
    socket.socket.connect = _refuse  # type: ignore[method-assign,assignment]
    import pytest

    return pytest.main([f"--junitxml={sys.argv[1]}"])


if __name__ == "__main__":
    sys.exit(main())
