"""Compiles the CUDA sources and starts their kernels, through `xp.RawModule` of the arrays' own library."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.backend import Array, Namespace

#: Threads in a block. Kernels without shared memory run about alike with 128 to 512.
BLOCK = 256

#: From so many elements on, 64 bits count them: far enough below 2^31 for sums of a few steps.
WIDE_FROM = 1 << 30

_REALS = {"float32": "float", "float64": "double"}


def serves(xp: Namespace, dtype: np.dtype) -> bool:
    """Whether there are kernels for arrays of this library and dtype."""
    return xp is not np and hasattr(xp, "RawModule") and str(dtype) in _REALS


def launch(
    xp: Namespace,
    source: str,
    name: str,
    dtype: np.dtype,
    count: int,
    *arguments: Array | int | float,
    flags: tuple[str, ...] = (),
) -> None:
    """Run the kernel `name` of `source`.cu in `count` threads, into the current stream; nothing is waited for.

    dtype: what REAL is. Arguments as the kernel lists them: arrays, C-contiguous; ints for INDEX; floats for REAL;
    NumPy scalars as they are. flags: names that the source is compiled with.
    """
    if not count:
        return
    largest = max([count, *(getattr(argument, "size", 1) for argument in arguments)])
    index = np.int64 if largest >= WIDE_FROM else np.int32
    real = np.dtype(dtype).type
    exact = [
        index(argument) if isinstance(argument, int) else real(argument) if isinstance(argument, float) else argument
        for argument in arguments
    ]
    kernel = _kernel(xp, source, name, np.dtype(dtype), index is np.int64, flags)
    kernel((-(-count // BLOCK),), (BLOCK,), tuple(exact))


def options_for(dtype: np.dtype, wide: bool = False, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The compiler's options for a source."""
    wanted = (*flags, "WIDE") if wide else flags
    return ("-std=c++14", f"-DREAL={_REALS[str(np.dtype(dtype))]}", *(f"-D{flag}" for flag in wanted))


def code(*sources: str) -> str:
    """The text of the named `.cu` files, after what all of them share."""
    folder = Path(__file__).parent
    return "\n".join((folder / f"{name}.cu").read_text(encoding="utf-8") for name in ("prelude", *sources))


@functools.cache
def _kernel(xp: Namespace, source: str, name: str, dtype: np.dtype, wide: bool, flags: tuple[str, ...]) -> Any:
    return _module(xp, source, options_for(dtype, wide, flags)).get_function(name)


@functools.cache
def _module(xp: Namespace, source: str, options: tuple[str, ...]) -> Any:
    return xp.RawModule(code=code(source), options=options)
