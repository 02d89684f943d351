"""What `import` brings along: who builds a net waits for no drawing, and a command starts before it draws."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Each takes long to import, beside NumPy: matplotlib half a second.
SLOW = ("matplotlib", "PIL", "tqdm", "safetensors", "argparse")


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("minifcn", ()),
        ("minifcn.ops", ()),
        ("minifcn.models", ()),
        ("minifcn.gradcheck", ()),
        ("minifcn.train", ("PIL", "tqdm", "safetensors", "argparse")),
        ("minifcn.predict", ("PIL", "tqdm", "safetensors", "argparse")),
        ("minifcn.evaluate", ("PIL", "tqdm", "safetensors", "argparse")),
        ("minifcn.explain", ("argparse",)),
    ],
)
def test_import_brings_nothing_slow_that_is_not_used_at_once(module: str, allowed: tuple[str, ...]):
    code = f"import sys, {module}; print(*[name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(allowed)


def test_engine_is_imported_in_a_moment():
    """Under 0.3 s beside NumPy's own time is the aim; 2 s leave room for a machine with other things to do."""
    code = "import time, numpy; start = time.perf_counter(); import minifcn.models; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2
