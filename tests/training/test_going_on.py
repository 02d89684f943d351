"""The command that goes on with a run, as it is told to whoever stopped it, or finds it dead."""

import shlex
from pathlib import Path

import pytest

from minifcn.training.folder import RunFolder


@pytest.mark.parametrize(
    ("path", "processes", "command"),
    [
        ("runs/a", 1, "minifcn train --resume runs/a"),
        ("runs/a", 4, "mpiexec -n 4 minifcn train --resume runs/a --distributed"),
        ("my run's", 1, """minifcn train --resume 'my run'"'"'s'"""),
        ("my run; $(ls)", 2, "mpiexec -n 2 minifcn train --resume 'my run; $(ls)' --distributed"),
        ("-x", 1, "minifcn train --resume ./-x"),
    ],
)
def test_the_command_that_goes_on_is_one_for_a_shell(path, processes, command):
    told = RunFolder(Path(path)).to_go_on(processes)
    assert told == command
    words = shlex.split(told)
    assert Path(words[words.index("--resume") + 1]) == Path(path)
