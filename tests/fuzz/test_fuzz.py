"""A few cases of each target, the same ones every time; `python -m tests.fuzz` runs as many as there is time for."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from fuzz import mutate, watch
from fuzz.targets import TARGETS
from minifcn import data
from minifcn.errors import MinifcnError

TESTS = Path(__file__).parents[1]
NEEDS = {"hdf5": "h5py", "mat": "scipy", "sets-mat": "scipy"}
pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux, which tells peaks")


def fuzzed(names, scratch, cases, seed=0, code="from fuzz.child import main"):
    """(totals by target, findings) of the first cases."""
    options = json.dumps({"seed": seed, "start": 0, "cases": cases, "seconds": 600})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    run = [sys.executable, "-c", f"import sys; {code}; main(*sys.argv[1:])", ",".join(names), str(scratch), options]
    done = subprocess.run(run, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    totals = {name: Counter() for name in names}
    for line in told:
        totals[line["target"]].update({key: line[key] for key in ("cases", "read", "refused", "found") if key in line})
    return totals, [line for line in told if "kind" in line]


def at_hand(names):
    for name in names:
        if name in NEEDS:
            pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} writes the sound files")
    return names


#: What is quick to begin with.
QUICK = ["safetensors", "torch", "pictures", "sets-mat", "sets-png", "config", "hdf5", "mat"]


def test_some_cases_of_each_target(tmp_path):
    totals, findings = fuzzed(at_hand(QUICK), tmp_path, cases=25)
    assert findings == []
    assert all(total["refused"] > 5 for total in totals.values())  # something was wrong with them
    assert sum(total["read"] for total in totals.values()) > 20  # and not with all


@pytest.mark.weather
@pytest.mark.parametrize("name", TARGETS)
def test_more_cases_of_each_target(name, tmp_path):
    assert fuzzed(at_hand([name]), tmp_path, cases=100, seed=1)[1] == []


#: What a reader could do wrong -> what is told of it.
WRONG = {
    "raise ValueError('x')": "ValueError: ",
    "import os; os.system('true')": "does: os.system",
    "import subprocess; subprocess.run(['true'])": "does: ",
    "import socket; socket.socket()": "does: socket",
    "exec('1')": "does: ",
    "open('/tmp/minifcn-fuzz-outside', 'w')": "does: open",
    "import os; os.replace('/tmp/minifcn-fuzz-nothing', '/tmp/minifcn-fuzz-outside')": "does: os.rename",
    "import os; os.symlink('a', '/tmp/minifcn-fuzz-outside')": "does: os.symlink",
    "import os; os.rmdir('minifcn-fuzz-nothing', dir_fd=os.open('/tmp', os.O_DIRECTORY))": "does: os.rmdir /tmp/",
    "import pickle; pickle.loads(pickle.dumps(print))": "does: pickle.find_class",
    "bytes(bytearray(200 << 20))": "takes ",
    "raise MinifcnError('')": "unclear message: empty",
    "while True: pass": "takes more than ",
    "raise MinifcnError('x') from MemoryError()": "MemoryError within",
}

#: What it may do. shutil.rmtree names files relative to an open folder, not to where the process stands.
FINE = "import shutil; made = folder / 'a'; (made / 'b').mkdir(parents=True); (made / 'c').touch(); shutil.rmtree(made)"


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the watch says of targets that do one of these, all in one process."""
    code = f"""
from dataclasses import replace
from fuzz.child import TARGETS, main
from minifcn.errors import MinifcnError
def doing(wrong):
    calls = []
    def run(folder):
        calls.append(1)
        if len(calls) > 1:
            wrong(folder)
    return run
for k, wrong in enumerate({[*WRONG, FINE]!r}):
    made = {{}}
    exec("def wrong(folder):\\n    " + wrong, globals(), made)
    TARGETS[str(k)] = replace(TARGETS["config"], name=str(k), run=doing(made["wrong"]), seconds=0.2)
"""
    names = [str(k) for k in range(len(WRONG) + 1)]
    totals, findings = fuzzed(names, tmp_path_factory.mktemp("wrong"), cases=1, code=f"exec({code!r})")
    assert [total["found"] for total in totals.values()] == [1] * len(WRONG) + [0]
    return dict(zip(WRONG, (found["kind"] for found in findings), strict=True))


@pytest.mark.parametrize("wrong", WRONG)
def test_the_watch_sees(wrong, seen):
    assert seen[wrong].startswith(WRONG[wrong])


def test_a_case_that_ends_the_process_costs_no_count(monkeypatch):
    """The driver counts what was told before, and goes on behind the case."""
    code = """
import os, sys, time
from dataclasses import replace
from fuzz.child import TARGETS, main
calls = []
def run(folder):
    calls.append(time.sleep(0.3))
    if len(calls) == 7:  # the sixth case: a sound one is read before the first
        os._exit(7)
TARGETS["config"] = replace(TARGETS["config"], run=run)
main(*sys.argv[1:])
"""
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **how: popen([command[0], "-c", code, *command[3:]], **how)
    )
    from fuzz.__main__ import fuzz

    result = fuzz("config", seed=0, cases=9)
    assert (result.cases, result.found) == (9, 1)
    assert result.read > 3  # more than those behind it; of the last second before it nothing is known
    assert [*result.findings.values()] == [5]


def test_a_case_is_the_same_every_time(tmp_path):
    from fuzz.child import Bench

    for name in ("sets-png", "config"):
        (tmp_path / name).mkdir()
        bench = Bench(TARGETS[name], tmp_path / name)
        one, two = ([bench.case(3, n) for n in range(30)] for _ in range(2))
        assert one == two and len({repr(edits) for _, edits in one}) > 25


def test_changes_reach_behind_checksums(rng, tmp_path):
    """Of a PNG with a checksum that does not fit nothing is decoded: most of the changed must have one that does."""
    data.write_label(tmp_path / "a.png", rng.integers(0, 20, (9, 12), np.uint8))
    whole = (tmp_path / "a.png").read_bytes()
    others = set()
    for _ in range(200):
        (tmp_path / "b.png").write_bytes(mutate.changed(whole, rng))
        with suppress(MinifcnError):
            others.add(data.read_label(tmp_path / "b.png").tobytes())
    assert len(others) > 10


def test_the_system_tells_peaks():
    before = watch.forget_peak()
    with mmap.mmap(-1, 30 << 20) as block:  # from the system, not from what the C library has kept
        block.write(b"1" * (30 << 20))
    assert watch.peak() - before > 25 << 20
    watch.forget_peak()
    assert watch.peak() - before < 25 << 20
