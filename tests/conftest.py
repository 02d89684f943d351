"""Fixtures for all tests: the array backends, and the number of threads put back after each."""

from __future__ import annotations

import signal

import fakecuda
import fakegpu
import numpy as np
import pytest

from minifcn import backend, parallel
from minifcn.errors import BackendError

# A shell's background jobs, and their children, do not hear Ctrl-C; tests that press it must be heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["numpy", "fakegpu", "cupy"])
def xp(request):
    """Each array library in turn: one body of tests for all. Skipped for CuPy where there is no GPU."""
    return _library(request.param)


@pytest.fixture(params=["fakegpu", "cupy"])
def device(request):
    """Each array library that has kernels of its own, in CUDA C. Skipped where they cannot be compiled."""
    if request.param == "fakegpu" and not fakecuda.COMPILER:
        pytest.skip("no g++ to compile the CUDA sources as C++")
    return _library(request.param)


def _library(name):
    if name == "fakegpu":
        return fakegpu
    try:
        return backend.namespace(name)
    except BackendError as error:
        pytest.skip("no GPU:" + str(error).partition(":")[2].partition(";")[0])  # one short line: there are hundreds


@pytest.fixture
def rng():
    """A generator that gives each test the same numbers every time."""
    return np.random.default_rng(20150608)


@pytest.fixture(autouse=True)
def restore_threads():
    """Puts the number of threads back: commands set it, and what a pass takes of the memory depends on it."""
    threads = parallel.get_threads()
    yield
    parallel.set_threads(threads)
