"""How a process finds its group: `mpiexec -n 4 python -m minifcn.train ... --distributed`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from minifcn.distributed.failures import CtrlC, LastWords, Pulse, Reporter
from minifcn.distributed.group import ALONE, Group, MpiGroup
from minifcn.errors import ConfigError

#: What launchers tell a process of its place: MPICH and its kin, Open MPI, PMIx.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")

#: Seconds in which all processes must have started MPI.
START = 50


@contextmanager
def joined(wanted: bool) -> Iterator[Group]:
    """The group of this process. Without `wanted`, one of its own.

    Inside, what the processes that do not lead print goes nowhere, and a failure of one is the end of all. Raises
    ConfigError where mpi4py is missing, or where a launcher has started several processes that would not work together.
    """
    started = _number(os.environ, SIZES, 1)
    if not wanted and started == 1:
        yield ALONE
        return
    words, ctrl_c = LastWords(), CtrlC()
    try:
        # Until all can be told of it, Ctrl-C waits: a process that leaves now would leave others in calls of MPI that
        # never return.
        ctrl_c.hold()
        if started > 1:
            words.begin(_number(os.environ, RANKS, 0), started)
            words.set(f"It waited for all ranks to start MPI, and gives up after {START} seconds")
            _give_up_in(START)
        mpi = _meet(wanted, started)
        world = mpi.COMM_WORLD
        reporter = Reporter(mpi, world)
        with reporter.watching(words):
            reporter.agrees_by(world.Dup())
            group = MpiGroup(mpi, world.Dup(), words.set)
            words.begin(group.rank, group.size)
            with Pulse(mpi, world.Dup(), words):
                _give_up_in(0)
                ctrl_c.release()
                if not wanted:  # here, since others may be, and wait
                    raise ConfigError(_each_by_itself(started))
                with open(os.devnull, "w") as nowhere, redirect_stdout(sys.stdout if group.leads else nowhere):
                    yield group
                    group.most(0)  # who has finished waits for who still writes
    finally:
        _give_up_in(0)
        words.take_back()
        ctrl_c.release()


def _give_up_in(seconds: int) -> None:
    """Ends this process then; 0: never. A call of MPI, which may wait for ever for a process that never comes, lets
    neither Python's threads nor its handlers of signals run: what ends it must come from the system."""
    if hasattr(signal, "alarm") and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL:
        signal.alarm(seconds)


def _meet(wanted: bool, started: int) -> Any:
    """mpi4py.MPI, when all processes have started it."""
    try:
        mpi = _mpi()
    except ConfigError:
        if not wanted:
            _once(_each_by_itself(started))
        raise
    if mpi.COMM_WORLD.Get_size() == 1 < started:
        _once(
            f"mpiexec has started {started} processes, but each finds itself alone: mpi4py speaks to another MPI "
            f"({mpi.Get_library_version().split(',')[0].strip()[:60]}) than mpiexec belongs to. Start it with that "
            "one's mpiexec, or build mpi4py for this one: pip install --no-binary mpi4py mpi4py"
            if wanted
            else _each_by_itself(started)
        )
    return mpi


def _each_by_itself(started: int) -> str:
    return (
        f"mpiexec has started {started} processes, and each would train the same net by itself: add --distributed to "
        "train one net on all of them, or leave mpiexec out"
    )


def _mpi() -> Any:
    """mpi4py.MPI, which starts MPI when it is imported."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ConfigError(
            f"--distributed needs mpi4py: pip install 'minifcn[mpi]', and an MPI, for which pip install mpich will do "
            f"({error})"
        ) from error
    except RuntimeError as error:  # mpi4py is there, the library is not
        raise ConfigError(
            f"--distributed: mpi4py finds no MPI library: pip install mpich, or load the machine's own ({error})"
        ) from error
    return MPI


def _once(message: str) -> None:
    """An error that all processes meet before they know of each other: told by one of them."""
    if _number(os.environ, RANKS, 0) == 0:
        raise ConfigError(message)
    raise SystemExit(2)


def _number(environment: Mapping[str, str], names: tuple[str, ...], otherwise: int) -> int:
    """The first of these variables that is set."""
    for name in names:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    return otherwise
