"""Sums of gradients over processes, while the backward pass still makes the next ones.

The last layers' gradients are ready first; their sum travels while earlier layers compute. MPI moves data only when it
is called, so a `progress` after each layer keeps it going; NCCL (`backend.Nccl`) needs none.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

#: Bytes that are summed in one operation. MPI takes as much memory again for each that is under way; fc6's gradient of
#: FCN-8s in one piece would be 0.4 GiB more.
PIECE = 1 << 22
#: Operations under way at once.
FLYING = 4
#: Arrays of fewer bytes travel together, in one operation for about `PARCEL` bytes: each operation has its price.
SMALL = 1 << 16
PARCEL = 1 << 18


class HostSum:
    """Sums arrays on the CPU over the processes of a communicator, in place. All must add alike arrays in one order.

    What is summed with what, and in which pieces, depends on the arrays' sizes alone.
    """

    def __init__(self, mpi: Any, comm: Any) -> None:
        self._mpi, self._comm = mpi, comm
        self._waiting: deque[np.ndarray] = deque()
        self._flying: deque[Any] = deque()
        self._small: list[np.ndarray] = []
        self._parcels: list[tuple[np.ndarray, list[np.ndarray]]] = []

    def add(self, array: np.ndarray) -> np.ndarray:
        """Begins to sum an array; returns the one that holds the sum after `finish`: it, or a contiguous copy."""
        array = np.ascontiguousarray(array)
        if array.nbytes < SMALL:
            self._small.append(array)
            if sum(each.nbytes for each in self._small) >= PARCEL:
                self._send_parcel()
        else:
            self._send(array.reshape(-1))
        return array

    def progress(self) -> None:
        """Lets MPI go on, and sends what has been waiting for its turn."""
        while self._flying and self._flying[0].Test():
            self._flying.popleft()
        while self._waiting and len(self._flying) < FLYING:
            piece = self._waiting.popleft()
            self._flying.append(self._comm.Iallreduce(self._mpi.IN_PLACE, piece, op=self._mpi.SUM))

    def finish(self) -> None:
        """Returns when everything is summed."""
        self._send_parcel()
        self.progress()
        while self._flying:
            time.sleep(0)  # the other ranks' threads, and our own, may want the core
            self.progress()
        for parcel, arrays in self._parcels:
            start = 0
            for array in arrays:
                array.reshape(-1)[...] = parcel[start : start + array.size]
                start += array.size
        self._parcels = []

    def _send(self, flat: np.ndarray) -> None:
        step = PIECE // flat.itemsize
        self._waiting.extend(flat[start : start + step] for start in range(0, flat.size, step))

    def _send_parcel(self) -> None:
        if self._small:
            parcel = np.concatenate([array.reshape(-1) for array in self._small])
            self._parcels.append((parcel, self._small))
            self._small = []
            self._send(parcel)
