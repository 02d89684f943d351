"""Grading that is stopped from outside: nothing that it has started, or laid down, stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import toy

from minifcn.course.stopping import as_ctrl_c

RIGHT = "def twice(x):\n    return 2 * x\n"
ENDLESS = """
import pathlib

def twice(x):
    pathlib.Path("began").touch()
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
#: With the signals' own meaning, whatever the tests were started by (`nohup` has SIGHUP ignored).
COMMAND = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from minifcn.course.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def until(reached, seconds=60.0):
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        time.sleep(0.05)
    return reached()


def alive(folder):
    """Processes of students' that run in temporary folders within `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            found += [path.parent.name] * (f"HOME={folder}/mark-".encode() in path.read_bytes())
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_grader_that_is_stopped_takes_what_it_has_started_along(name, tmp_path):
    toy.make(tmp_path)
    for folder in ("came", "scratch"):
        (tmp_path / folder).mkdir()
    for who, source in {"a": RIGHT, "b": ENDLESS, "c": RIGHT}.items():
        (tmp_path / "came" / f"{who}_toy.py").write_text(source)
    scratch = (tmp_path / "scratch").resolve()
    line = ["grade", "toy", str(tmp_path / "came"), "--csv", str(tmp_path / "g.csv"), "--assignments", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *line], env={**os.environ, "TMPDIR": str(scratch)}, stdout=subprocess.PIPE
    )
    try:
        assert until(lambda: [*scratch.glob("mark-*/work/began")]) and alive(scratch)
        process.send_signal(getattr(signal, name))
        said = process.communicate(timeout=60)[0].decode()
        assert until(lambda: not alive(scratch), 5.0)
    finally:
        process.kill()
        for left in alive(scratch):
            with suppress(ProcessLookupError):
                os.kill(int(left), signal.SIGKILL)
    if name != "SIGKILL":  # which leaves no time to say or remove anything
        assert process.returncode == 130 and "1 of 3 submissions graded" in said
        assert [*scratch.iterdir()] == []


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP")
def test_signals_that_are_ignored_stay_so_and_all_are_as_before_afterwards():
    term, hup = signal.SIGTERM, signal.SIGHUP
    before, steps = (signal.getsignal(term), signal.signal(hup, signal.SIG_IGN)), []
    try:
        with pytest.raises(KeyboardInterrupt), as_ctrl_c():
            signal.raise_signal(hup)
            steps.append("passed the one that is ignored")
            try:
                signal.raise_signal(term)
            finally:
                signal.raise_signal(term)
                steps.append("cleaned up, whatever came meanwhile")
        assert len(steps) == 2
        assert (signal.getsignal(term), signal.getsignal(hup)) == (before[0], signal.SIG_IGN)
    finally:
        signal.signal(hup, before[1])


def test_a_thread_changes_no_signals():
    def body():
        with as_ctrl_c():
            seen.append(signal.getsignal(signal.SIGTERM))

    before, seen = signal.getsignal(signal.SIGTERM), []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before]
