"""The opponents, one module each: how each does a case. Every module has

start(threads, device, tf32)        set up, once
versions() -> dict                  its libraries
prepare(case, alike) -> Work        ready to run; alike: with the weights of draw.py, as the comparison needs them
synchronize()                       wait until the device is done
device_peak() -> int | None         the most bytes that it held of a GPU; None on the CPU

and is imported by `benchmarks.worker` only, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

#: Module -> name, in the order in which they take turns. The first is ours, the second the one to be measured against.
ENGINES = {"minifcn": "minifcn", "pytorch": "PyTorch", "dezero": "DeZero", "pytorch_last": "PyTorch, channels last"}
#: Who takes part unless told otherwise.
USUAL = ("minifcn", "pytorch", "dezero")


class Work(NamedTuple):
    """A case made ready. run: what is timed. results: the arrays of one run, to be compared."""

    run: Callable[[], Any]
    results: Callable[[], dict[str, np.ndarray]]


class Unable(Exception):
    """The engine has not what the case asks for; the text says what."""
