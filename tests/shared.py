"""Where the tests find real data: the folder `shared` beside the checkout, or the one that MINIFCN_SHARED names.

The data are not ours to copy into the project, so a test that needs them is skipped, saying so, where they are missing.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_root() -> Path:
    return Path(os.environ.get("MINIFCN_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def shared_path(relative: str) -> Path:
    """The path of a shared file or folder; skips the calling test, with the reason, if it is not there."""
    path = shared_root() / relative
    if not path.exists():
        pytest.skip(f"needs {relative} in {shared_root()} (set MINIFCN_SHARED to the folder that holds it)")
    return path
