"""Where arrays live: NumPy on the CPU, CuPy on a GPU. The only file that imports cupy.

The rest of minifcn asks an array for its namespace (`xp_of`) and calls the functions that NumPy and CuPy share, so one
source runs on both. An array of another library takes part when it offers `__array_namespace__()` and `.get()`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minifcn.errors import BackendError

Array = Any  # numpy.ndarray or cupy.ndarray
Namespace = Any  # the module whose functions take such arrays

_DEVICES = {"cpu": "numpy", "gpu": "cupy"}


def namespace(target: str | Namespace) -> Namespace:
    """The array module named "numpy" or "cupy"; a module is returned as it is.

    Raises BackendError for another name, or for "cupy" where CuPy or a working GPU is missing.
    """
    if not isinstance(target, str):
        return target
    if target == "numpy":
        return np
    if target == "cupy":
        return _cupy()
    raise BackendError(f"backend: expected 'numpy' or 'cupy', got {target!r}")


def for_device(device: str) -> Namespace:
    """The array module behind a command's `--device cpu|gpu`."""
    if device not in _DEVICES:
        raise BackendError(f"device: expected one of {', '.join(_DEVICES)}, got {device!r}")
    return namespace(_DEVICES[device])


def xp_of(*arrays: Array) -> Namespace:
    """The namespace that all given arrays share; None among them is skipped.

    Raises BackendError when they live on different devices, or when one is no array at all.
    """
    found: Namespace = None
    for array in arrays:
        if array is None:
            continue
        xp = _namespace_of(array)
        if found is None:
            found = xp
        elif xp is not found:
            raise BackendError(
                f"arrays of two backends in one operation: {found.__name__} and {xp.__name__}; "
                "move one of them with minifcn.backend.to(array, ...) or the net with net.to(...)"
            )
    if found is None:
        raise BackendError("expected at least one array, got none")
    return found


def to(array: Array, target: str | Namespace) -> Array:
    """`array` on the named backend; itself, not a copy, if it is there already."""
    xp = namespace(target)
    if _namespace_of(array) is xp:
        return array
    return xp.asarray(to_numpy(array))


def to_numpy(array: Array) -> np.ndarray:
    """`array` on the host; itself, not a copy, if it is there already."""
    if isinstance(array, (np.ndarray, np.generic)):
        return np.asarray(array)
    return array.get()


def synchronize(xp: Namespace) -> None:
    """Wait until the device has done all it was asked to; nothing to wait for on the CPU."""
    if xp.__name__ == "cupy":
        xp.cuda.get_current_stream().synchronize()


class Sent(NamedTuple):
    """Arrays on their way to a device: who waits for `arrived` may use them."""

    arrays: tuple[Array, ...]
    arrived: Any  # an event; None where nothing has to be waited for
    work: Any  # the stream that will use them

    def receive(self) -> tuple[Array, ...]:
        """The arrays. The device's work waits for them from here on; the host does not."""
        if self.arrived is not None:
            self.work.wait_event(self.arrived)
        return self.arrays


class Sender:
    """Copies arrays of the host to a device beside its work: out of pinned memory, on a stream of their own.

    Made in the thread that computes; any thread may send. Where the device is the CPU, what is sent is what arrives.
    """

    def __init__(self, xp: Namespace = np) -> None:
        self._xp = xp
        if xp is np:
            return
        self._device = xp.cuda.Device()
        self._work, self._copies = xp.cuda.get_current_stream(), xp.cuda.Stream(non_blocking=True)
        self._under_way: deque[tuple[Any, list[np.ndarray]]] = deque()  # (event, the pinned memory it frees)
        self._lock = threading.Lock()

    def send(self, *arrays: np.ndarray) -> Sent:
        """Begin to copy arrays of the host, which may be changed as soon as this returns."""
        if self._xp is np:
            return Sent(arrays, None, None)
        with self._lock, self._device, self._work:
            # Allocated on the work's stream, so that memory given back is not written before the work is done with it,
            # and written once what the work used this memory for is done.
            there = tuple(self._xp.empty(array.shape, array.dtype) for array in arrays)
            self._copies.wait_event(self._work.record())
            pinned = [self._pinned(array) for array in arrays]
            for target, source in zip(there, pinned, strict=True):
                target.set(source, stream=self._copies)
            arrived = self._copies.record()
            self._under_way.append((arrived, pinned))
            while self._under_way[0][0].done and len(self._under_way) > 1:
                self._under_way.popleft()
        return Sent(there, arrived, self._work)

    def close(self) -> None:
        """Wait for the copies under way: until then their memory, here and there, must stay."""
        if self._xp is not np:
            self._copies.synchronize()
            self._under_way.clear()

    def _pinned(self, array: np.ndarray) -> np.ndarray:
        """A copy in memory that the system never moves, which a device can read while the host goes on."""
        memory = self._xp.cuda.alloc_pinned_memory(array.nbytes)
        copy = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
        copy[...] = array
        return copy


class Nccl:
    """Sums arrays over processes, each with a GPU of its own, in place and beside the device's other work.

    It takes the GPU of the number that the process has among those of its machine, `local` = (number, how many). share:
    gives every process what the first one passes to it. Raises BackendError if there are not GPUs enough, or no NCCL.
    """

    def __init__(
        self, xp: Namespace, rank: int, size: int, local: tuple[int, int], share: Callable[[Any], Any]
    ) -> None:
        number, processes = local
        devices = xp.cuda.runtime.getDeviceCount()
        if processes > devices:
            raise BackendError(
                f"device gpu: {processes} processes on a machine with {devices} GPU{'s' * (devices != 1)}: NCCL wants "
                f"a GPU for each; start at most {devices} on it"
            )
        nccl = xp.cuda.nccl
        if not nccl.available:
            raise BackendError(
                "device gpu: CuPy finds no NCCL, which sums the gradients of several GPUs; "
                "pip install nvidia-nccl-cu12 (or -cu13), or train on one process"
            )
        xp.cuda.Device(number).use()
        self._xp, self._sum = xp, nccl.NCCL_SUM
        self._types = {"f4": nccl.NCCL_FLOAT32, "f8": nccl.NCCL_FLOAT64, "i8": nccl.NCCL_INT64}
        self._communicator = nccl.NcclCommunicator(size, share(nccl.get_unique_id() if rank == 0 else None), rank)
        self._stream = xp.cuda.Stream(non_blocking=True)

    def add(self, array: Array) -> Array:
        """Begins to sum an array, once what the device has been asked for so far is done. Returns what will hold the
        sum after `finish`: the array, or a contiguous copy."""
        array = self._xp.ascontiguousarray(array)
        self._stream.wait_event(self._xp.cuda.get_current_stream().record())
        pointer, kind = array.data.ptr, self._types[array.dtype.str[1:]]
        self._communicator.allReduce(pointer, pointer, array.size, kind, self._sum, self._stream.ptr)
        return array

    def progress(self) -> None:
        """Nothing to do: the device goes on by itself."""

    def finish(self) -> None:
        """The device's work waits for the sums from here on; the host does not."""
        self._xp.cuda.get_current_stream().wait_event(self._stream.record())


class Timer:
    """Seconds spent in a `with` block, the device's own work included.

    >>> with Timer(np) as timer:
    ...     _ = np.ones(3).sum()
    >>> timer.seconds >= 0
    True
    """

    seconds: float = 0.0

    def __init__(self, xp: Namespace = np) -> None:
        self._xp = xp

    def __enter__(self) -> Timer:
        synchronize(self._xp)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exc: object) -> None:
        synchronize(self._xp)
        self.seconds = time.perf_counter() - self._start


def memory(xp: Namespace = np) -> dict[str, int]:
    """Bytes in use, at most in use so far, and still available: {"used", "peak", "available"}.

    On the CPU these are the process's resident set and the machine's free memory; on a GPU CuPy's pool and the card's.
    """
    if xp.__name__ == "cupy":
        pool = xp.get_default_memory_pool()
        free, _ = xp.cuda.runtime.memGetInfo()
        return {"used": pool.used_bytes(), "peak": pool.total_bytes(), "available": free + pool.free_bytes()}
    import resource  # not on Windows, where all else here works

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB, macOS in bytes
    used = _proc("/proc/self/status", "VmRSS", peak)
    # ru_maxrss remembers what the process was before it became Python, such as a large one that forked.
    return {"used": used, "peak": _proc("/proc/self/status", "VmHWM", peak), "available": available_memory()}


def release(xp: Namespace = np) -> None:
    """Give memory that no array has any more back to the system: on the CPU, what the C library holds for later.

    It keeps what arrays of less than 32 MiB return, for others of their kind; larger ones get memory of their own.
    """
    if xp is np and _trim is not None:
        _trim(0)


def _malloc_trim() -> Any:
    """glibc's function of that name; None in other C libraries."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


_trim = _malloc_trim()


def available_memory() -> int:
    """Bytes of main memory that a new array could take without swapping."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _proc("/proc/meminfo", "MemAvailable", pages)


def describe(xp: Namespace = np) -> str:
    """One line for logs: the device, its array library and its version."""
    if xp.__name__ == "cupy":
        properties = xp.cuda.runtime.getDeviceProperties(xp.cuda.runtime.getDevice())
        return f"{properties['name'].decode()}, CuPy {xp.__version__}, CUDA {xp.cuda.runtime.runtimeGetVersion()}"
    return f"{platform.machine()} CPU, {xp.__name__} {xp.__version__}"


def _namespace_of(array: Array) -> Namespace:
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    if type(array).__module__.partition(".")[0] == "cupy":  # CuPy before it learned __array_namespace__
        return _cupy()
    raise BackendError(f"expected a NumPy or CuPy array, got {type(array).__name__}; wrap it in numpy.asarray")


def _cupy() -> ModuleType:
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            "device gpu: CuPy is not installed; `pip install minifcn[cuda12]` or `[cuda13]`, as the driver's CUDA "
            "version asks (nvidia-smi shows it), or run with --device cpu"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"device gpu: CuPy is installed but no GPU answers ({error}); run with --device cpu"
        ) from error
    if count == 0:
        raise BackendError("device gpu: CuPy is installed but sees no GPU; run with --device cpu")
    return cupy


def _proc(path: str, key: str, otherwise: int) -> int:
    """The value of a `key:  N kB` line of a /proc file, in bytes."""
    try:
        with open(path) as lines:
            for line in lines:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:  # no /proc on this system
        return otherwise
    return otherwise
