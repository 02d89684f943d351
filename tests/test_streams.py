"""Standard streams that are closed, or whose reader leaves, cost no work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from minifcn import checkpoint, train
from minifcn.optim import MomentumSGD
from minifcn.training import session

posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes streams")


@posix
@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_a_command_whose_streams_are_closed_does_its_work(closed, tmp_path):
    """And what is written to their numbers does not come into a file that it opens."""
    code = f"""if True:
        import os, sys
        from minifcn.command import reports_errors
        from minifcn.training.progress import Progress

        @reports_errors
        def main(argv):
            with open({str(tmp_path / "file")!r}, "w") as file:
                Progress(0, 1, 1).say("hello")
                print("hello", file=sys.stderr)
                for number in (1, 2):
                    os.write(number, b"hello")
                file.write("content")
            return 7

        sys.exit(main([]))"""
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], capture_output=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "file").read_text() == "content"


def test_a_run_whose_reader_leaves_is_saved_and_goes_on(tmp_path, monkeypatch, capfd):
    """As Ctrl-C: the step is finished, and the word about it goes where somebody may still read."""
    small = ["--data", "shapes:size=32,train=4,val=1", "--preset", "small", "--iterations", "5", "--threads", "1"]
    monkeypatch.setattr(session.plots, "curves", lambda *_: None)
    read, write = os.pipe()
    step, calls = MomentumSGD.step, iter(range(1, 100))

    def leaves(self):
        if next(calls) == 2:
            os.close(read)
        step(self)

    monkeypatch.setattr(MomentumSGD, "step", leaves)
    with open(write, "w") as output, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        assert train.main([*small, "--log-every", "1", "--out", str(tmp_path / "run")]) == 130
    assert capfd.readouterr().err.splitlines() == [
        "standard output is gone (Broken pipe); finishing this step, then saving",
        f"stopped after step 2; go on with: minifcn train --resume {tmp_path / 'run'}",
    ]
    assert checkpoint.load(tmp_path / "run" / "checkpoint.safetensors").state["step"] == 2
