"""How a process finds its group: `mpiexec -n 4 python -m minifcn.train ... --distributed`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from minifcn.distributed.failures import LastWords, Pulse, Reporter
from minifcn.distributed.group import ALONE, Group, MpiGroup
from minifcn.errors import ConfigError

#: What launchers tell a process of its place: MPICH and its kin, Open MPI, PMIx.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")


@contextmanager
def joined(wanted: bool) -> Iterator[Group]:
    """The group of this process. Without `wanted`, one of its own.

    Inside, what the processes that do not lead print goes nowhere, and a failure of one is the end of all. Raises
    ConfigError where mpi4py is missing, or where a launcher has started several processes that would not work together.
    """
    started = _number(os.environ, SIZES, 1)
    if not wanted:
        if started > 1:
            _once(
                f"mpiexec has started {started} processes, and each would train the same net by itself: add "
                "--distributed to train one net on all of them, or leave mpiexec out"
            )
        yield ALONE
        return
    words = LastWords()
    try:
        mpi = _mpi()
        world = mpi.COMM_WORLD
        if world.Get_size() == 1 < started:
            _once(
                f"mpiexec has started {started} processes, but each finds itself alone: mpi4py speaks to another MPI "
                f"({mpi.Get_library_version().split(',')[0].strip()[:60]}) than mpiexec belongs to. Start it with that "
                "one's mpiexec, or build mpi4py for this one: pip install --no-binary mpi4py mpi4py"
            )
        group = MpiGroup(mpi, world.Dup(), words.set)
        reporter = Reporter(mpi, world.Dup())
        words.begin(group.rank, group.size)
        with (
            open(os.devnull, "w") as nowhere,
            redirect_stdout(sys.stdout if group.leads else nowhere),
            Pulse(mpi, world.Dup(), words),
            reporter.watching(words),
        ):
            yield group
            group.most(0)  # who has finished waits for who still writes
    finally:
        words.take_back()


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
