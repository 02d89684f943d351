"""What `import` brings along: who builds a net waits for no drawing, and a command starts before it draws."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.skipif(sys.platform == "win32", reason="needs a system whose signals end processes")
@pytest.mark.parametrize("command", ["minifcn train", "python -m minifcn.train", "python -m minifcn train"])
@pytest.mark.parametrize("module", ["threadpoolctl", "tqdm"])
def test_ctrl_c_while_a_command_is_loaded(command, module, tmp_path):
    """It ends the command, without twenty lines about the import that was under way."""
    (tmp_path / f"{module}.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT); 1 / 0")
    words = command.split()
    run = [sys.executable, *words[1:]] if words[0] == "python" else [sys.executable, "-c", MINIFCN, *words[1:]]
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    ended = (130, "stopped\n") if "minifcn train" in command and module == "tqdm" else (-signal.SIGINT, "")
    assert (done.returncode, done.stderr, done.stdout) == (*ended, "")  # 130: `minifcn` itself was there already


#: What pip puts into the file `minifcn`.
MINIFCN = "import sys; sys.argv[0] = 'bin/minifcn'; from minifcn.__main__ import main; sys.exit(main())"


def test_who_imports_minifcn_keeps_his_handler():
    code = "import signal, minifcn.train; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
