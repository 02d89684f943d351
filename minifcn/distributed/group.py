"""The processes that train one net: who has which pictures, what is summed, and what they agree on.

`Group` is that of one process, for which there is nothing to sum or to agree on: the trainer has one code path.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minifcn import backend, parallel
from minifcn.backend import Array, Namespace
from minifcn.distributed.gradients import HostSum
from minifcn.errors import BackendError, ConfigError, MinifcnError, counted
from minifcn.net import Net

SPIN_SECONDS = 0.002  # a wait asks without pause for so long, then every `PAUSE` seconds: others want the core
PAUSE = 0.0002


class Group:
    """One process, which is all of its group."""

    rank, size = 0, 1  # among all processes
    local_rank, local_size = 0, 1  # among those on this machine

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and tells how the run goes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of a batch of `count` pictures: as many as others', or one more. ConfigError if none."""
        if count < self.size:
            raise ConfigError(
                f"a batch of {counted(count, 'picture')} for {self.size} processes leaves some without work; "
                f"--batch-size {self.size} or more, or fewer processes"
            )
        return parallel.slices(count, self.size)[self.rank]

    def equip(self, threads: int, xp: Namespace) -> list[str]:
        """Takes this process's part of the machine: `threads` (0: its share of the cores), and a GPU if xp wants one.

        Returns lines that tell of it.
        """
        if threads:
            parallel.set_threads(threads)
        return []

    def sum(self, array: Array) -> Array:
        """The sum of the processes' arrays, which have one shape and dtype: the same bits in all of them."""
        return array

    def most(self, *numbers: int) -> tuple[int, ...]:
        """Of each number the largest that a process has."""
        return numbers

    def any(self, flag: bool) -> bool:
        """Whether a process says so."""
        return bool(self.most(int(flag))[0])

    def told(self, make: Callable[[], object]) -> str:
        """`make()` is called in the process that leads, and what it gives, or its MinifcnError, told to all."""
        return str(make())

    def everyones(self, facts: Mapping[str, str]) -> list[dict[str, str]]:
        """The facts of each process, by rank."""
        return [dict(facts)]

    def backward(self, net: Net, *dys: Array) -> None:
        """`net.backward`, after which all gradients are summed over the processes: what earlier passes left, too."""
        net.backward(*dys)

    def check_alike(self, net: Net) -> None:
        """MinifcnError unless the weights are the same bits in all processes."""

    def check_same(self, facts: Mapping[str, str]) -> None:
        """ConfigError, in all processes, unless the facts are the same in all; their keys, which must be, say what."""

    def expect(self, text: str) -> None:
        """What this process will have to say should it be killed: what became of the run, and how to go on."""


#: What a trainer works with that nobody started as one of several.
ALONE = Group()


class MpiGroup(Group):
    """The processes of an MPI communicator.

    mpi: mpi4py.MPI. comm: a communicator that nobody else uses. last_words: takes the text of `expect`.
    """

    def __init__(self, mpi: Any, comm: Any, last_words: Callable[[str], None] = lambda text: None) -> None:
        self._mpi, self._comm, self._last_words = mpi, comm, last_words
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._local = comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.local_rank, self.local_size = self._local.Get_rank(), self._local.Get_size()
        self._nccl: backend.Nccl | None = None

    def equip(self, threads: int, xp: Namespace) -> list[str]:
        threads = threads or self._fair_threads()
        parallel.set_threads(threads)
        machines = int(self._reduced(np.array([self.local_rank == 0], np.int64), self._mpi.SUM)[0])
        where = "on one machine" if machines == 1 else f"on {machines} machines"
        lines = [
            f"distributed: {self.size} processes {where}, {threads} {'thread' if threads == 1 else 'threads'} each"
        ]
        if xp is not np:
            self._nccl = backend.Nccl(xp, self.rank, self.size, (self.local_rank, self.local_size), self._shared)
            lines.append("gradients are summed by NCCL, one GPU for each process")
        return lines

    def sum(self, array: Array) -> Array:
        if isinstance(array, (np.ndarray, np.generic)):
            return self._reduced(np.asarray(array), self._mpi.SUM)
        if self._nccl is None:
            raise BackendError("a group of processes that was not told of the GPU: call equip first")
        total = array.copy()
        self._nccl.add(total)
        self._nccl.finish()
        return total

    def most(self, *numbers: int) -> tuple[int, ...]:
        return tuple(self._reduced(np.array(numbers, np.int64), self._mpi.MAX).tolist())

    def told(self, make: Callable[[], object]) -> str:
        text, error = "", None
        if self.leads:
            try:
                text = str(make())
            except MinifcnError as failed:
                error = failed
        ends_well, text = json.loads(
            self._from_first(json.dumps([error is None, text if error is None else str(error)]))
        )
        if not ends_well:
            raise error or MinifcnError(text)
        return text

    def everyones(self, facts: Mapping[str, str]) -> list[dict[str, str]]:
        text = json.dumps(facts).encode()
        (longest,) = self.most(len(text))
        texts = np.zeros((self.size, longest), np.uint8)
        texts[self.rank, : len(text)] = np.frombuffer(text, np.uint8)
        return [json.loads(row.tobytes().rstrip(b"\0")) for row in self._reduced(texts, self._mpi.SUM)]

    def backward(self, net: Net, *dys: Array) -> None:
        sums = self._nccl or HostSum(self._mpi, self._comm)
        with parallel.at_work():
            for step in net.back_steps(*dys):
                layer = step.layer
                del step  # its arrays must not live on while the next layer runs
                for param in layer.params.values():
                    if param.grad is not None:
                        param.grad = sums.add(param.grad)
                sums.progress()
            sums.finish()

    def check_alike(self, net: Net) -> None:
        code = 0
        for param in net.params.values():
            code = zlib.crc32(np.ascontiguousarray(backend.to_numpy(param.data)).data, code)
        highest, lowest = self.most(code, -code)
        if highest != -lowest:
            raise MinifcnError(
                "the processes have different weights. Do all of them see the same files (--init, the run's folder, "
                "the data), and run the same minifcn, NumPy and kind of processor? The checkpoint before is whole"
            )

    def check_same(self, facts: Mapping[str, str]) -> None:
        codes = np.zeros((self.size, len(facts)), np.int64)
        codes[self.rank] = [zlib.crc32(text.encode(errors="surrogatepass")) for text in facts.values()]
        codes = self._reduced(codes, self._mpi.SUM)
        different = codes != codes[0]
        for rank in np.flatnonzero(different.any(axis=1)):
            what = ", ".join(name for name, other in zip(facts, different[rank], strict=True) if other)
            raise ConfigError(
                f"rank {rank} has other data than rank 0: {what}. All processes must see the same files: give each "
                "machine the same copy, or a folder that they share"
            )

    def expect(self, text: str) -> None:
        self._last_words(text)

    def _reduced(self, array: np.ndarray, operation: Any) -> np.ndarray:
        total = np.empty(array.shape, array.dtype)
        wait(self._comm.Iallreduce(np.asarray(array, order="C"), total, op=operation))
        return total

    def _from_first(self, text: str) -> str:
        """The text of the process that leads, in all."""
        data = np.frombuffer(text.encode(), np.uint8)
        (length,) = self.most(len(data) if self.leads else 0)
        data = data.copy() if self.leads else np.empty(length, np.uint8)
        wait(self._comm.Ibcast(data, root=0))
        return data.tobytes().decode()

    def _shared(self, token: Any) -> Any:
        """NCCL's token, bytes or (before CuPy 14) a tuple of numbers, of the process that leads."""
        kind, values = json.loads(self._from_first(json.dumps([type(token).__name__, list(token or ())])))
        return bytes(values) if kind == "bytes" else tuple(values)

    def _fair_threads(self) -> int:
        """A launcher may bind processes to cores of their own, or to none: a core that k processes may use is 1/k."""
        users = np.zeros(4096, np.int64)
        mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        users[mine] = 1
        total = np.empty_like(users)
        wait(self._local.Iallreduce(users, total, op=self._mpi.SUM))
        return max(1, int(sum(1 / total[core] for core in mine) + 1e-9))


def wait(request: Any) -> None:
    """Until a nonblocking operation is done. In Python, so that Ctrl-C is heard even if the others are gone."""
    start = time.perf_counter()
    while not request.Test():
        if time.perf_counter() - start > SPIN_SECONDS:
            time.sleep(PAUSE)
