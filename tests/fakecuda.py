"""CUDA C on the CPU: `fakegpu.RawModule`, CuPy's class, made of g++.

A source is compiled as C++ behind the few lines of `SHIM`, and a launch calls the kernel once for each thread, one
after another: right for kernels without barriers. What CuPy would pass on in silence is refused here:

* scalars whose type is not exactly the parameter's, arrays of another dtype, arrays that are not C-contiguous;
* grids and blocks larger than a device takes;
* writes outside an array: each lies between two strips of `GUARD` bytes, which are looked at afterwards. The strips of
  floats hold NaN, so that a read outside shows in the result;
* arrays that overlap without being the same.

Libraries are kept in a folder of the system's temporary files, by the hash of their source and of the compiler.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

GUARD = 512
COMPILER = shutil.which("g++")
OPTIONS = (
    "-O1",
    "-fPIC",
    "-shared",
    "-fwrapv",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused",
    "-Wno-unknown-pragmas",
)

#: What CUDA C has and C++ has not. Kernels find their number in globals, as on a device.
SHIM = """
#include <cmath>
#include <cstddef>
#include <utility>
using std::exp; using std::log; using std::pow; using std::sqrt;
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
struct Numbers { unsigned x, y, z; };
static thread_local Numbers threadIdx, blockIdx, blockDim, gridDim;
"""

#: Behind the source: a launch, and the types of the parameters as NumPy writes them ("P" before a pointer, "p" before
#: one to constants).
LAUNCH = """
template <class T> struct Type;
template <> struct Type<bool> { static constexpr const char* name = "?"; };
template <> struct Type<unsigned char> { static constexpr const char* name = "B"; };
template <> struct Type<int> { static constexpr const char* name = "i"; };
template <> struct Type<long long> { static constexpr const char* name = "q"; };
template <> struct Type<float> { static constexpr const char* name = "f"; };
template <> struct Type<double> { static constexpr const char* name = "d"; };
template <class T> struct Parameter { static void write(char*& to) { *to++ = *Type<T>::name; } };
template <class T> struct Parameter<T*> { static void write(char*& to) { *to++ = 'P'; *to++ = *Type<T>::name; } };
template <class T> struct Parameter<const T*> { static void write(char*& to) { *to++ = 'p'; *to++ = *Type<T>::name; } };
template <class T> struct Plain { typedef T type; };
template <class T> struct Plain<T* __restrict__> { typedef T* type; };

template <class... A> static void describe(void (*)(A...), char* to) {
  int all[] = {0, (Parameter<typename Plain<A>::type>::write(to), 0)...};
  (void)all;
  *to = 0;
}

template <auto kernel, class... A, size_t... I>
static void launch(void (*)(A...), std::index_sequence<I...>, void** given, long long first, long long blocks,
                   unsigned grid, unsigned threads, int backwards) {
  gridDim = {grid, 1, 1};
  blockDim = {threads, 1, 1};
  for (long long b = 0; b < blocks; ++b)
    for (unsigned t = 0; t < threads; ++t) {
      blockIdx.x = (unsigned)(first + (backwards ? blocks - 1 - b : b));
      threadIdx.x = backwards ? threads - 1 - t : t;
      kernel(*(typename Plain<A>::type*)given[I]...);
    }
}

template <class... A> static std::make_index_sequence<sizeof...(A)> places(void (*)(A...)) { return {}; }
"""

ENTRY = """
extern "C" void {name}_describe(char* to) {{ describe({name}, to); }}
extern "C" void {name}_launch(void** given, long long first, long long blocks, unsigned grid, unsigned threads,
                              int backwards) {{
  launch<{name}>({name}, places({name}), given, first, blocks, grid, threads, backwards);
}}
"""

#: Run the threads of every launch in reverse: a result that depends on the order shows.
backwards = False

#: Run the last block of every launch alone, without guards: for arrays that are larger than the memory.
only_last_block = False


class RawModule:
    """`cupy.RawModule(code=..., options=...)` on the host."""

    def __init__(self, *, code: str, options: tuple[str, ...] = (), backend: str = "nvrtc") -> None:
        names = re.findall(r"(?:KERNEL|__global__\s+void)\s+(\w+)\s*\(", code)
        text = "\n".join((SHIM, code, LAUNCH, *(ENTRY.format(name=name) for name in names)))
        self._library = ctypes.CDLL(str(_compiled(text, tuple(options))))

    @functools.cache  # noqa: B019
    def get_function(self, name: str) -> RawKernel:
        """The kernel of that name; AttributeError if there is none."""
        return RawKernel(name, self._library)


class RawKernel:
    """A kernel that is called as CuPy's are: `kernel(grid, block, arguments)`."""

    def __init__(self, name: str, library: ctypes.CDLL) -> None:
        self.name = name
        self._launch = getattr(library, f"{name}_launch")
        text = ctypes.create_string_buffer(256)
        getattr(library, f"{name}_describe")(text)
        self.parameters = re.findall("[Pp]?.", text.value.decode())

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        (blocks,), (threads,) = grid, block
        if not (0 < blocks < 1 << 31 and 0 < threads <= 1024):
            raise ValueError(f"{self.name}: a grid of {blocks} blocks of {threads} threads")
        if only_last_block:
            places = [np.array(a) if isinstance(a, np.generic) else a._host for a in arguments]
            return self.run(places, blocks - 1, 1, blocks, threads)
        buffers: dict[int, np.ndarray] = {}
        places = [
            self._place(k, parameter, argument, buffers)
            for k, (parameter, argument) in enumerate(zip(self.parameters, arguments, strict=True))
        ]
        self.run(places, 0, blocks, blocks, threads)
        for parameter, argument in zip(self.parameters, arguments, strict=True):
            if parameter[0] in "Pp":
                self._take_back(argument._host, buffers[argument._host.ctypes.data], constant=parameter[0] == "p")

    def run(self, places: list[np.ndarray], first: int, count: int, blocks: int, threads: int) -> None:
        """Run blocks first..first+count-1 of `blocks`. places: the memory of each argument, or of an array's data."""
        given = (ctypes.c_void_p * len(places))()
        kept = []
        for k, (parameter, place) in enumerate(zip(self.parameters, places, strict=True)):
            if parameter[0] in "Pp":
                kept.append(ctypes.c_void_p(place.ctypes.data))
                given[k] = ctypes.addressof(kept[-1])
            else:
                given[k] = place.ctypes.data
        self._launch(
            given, ctypes.c_longlong(first), ctypes.c_longlong(count), ctypes.c_uint(blocks), ctypes.c_uint(threads),
            ctypes.c_int(backwards),
        )  # fmt: skip

    def _place(self, k: int, parameter: str, argument: Any, buffers: dict[int, np.ndarray]) -> np.ndarray:
        """The memory that the kernel is given: for an array, a copy between two guards."""
        dtype = np.dtype(parameter[-1])
        if parameter[0] not in "Pp":
            if not isinstance(argument, np.generic) or argument.dtype != dtype:
                raise TypeError(f"{self.name}: argument {k} is {type(argument).__name__}, the parameter {dtype}")
            return np.array(argument)
        host = argument._host
        if host.dtype != dtype or not host.flags.c_contiguous:
            raise TypeError(f"{self.name}: argument {k} is {host.dtype}, strides {host.strides}; expected {dtype}")
        where = host.ctypes.data
        if where not in buffers:
            for other, buffer in buffers.items():
                if where < other + buffer.nbytes - 2 * GUARD and other < where + host.nbytes:
                    raise ValueError(f"{self.name}: argument {k} overlaps another")
            buffers[where] = np.full(host.nbytes + 2 * GUARD, 0xFF, np.uint8)  # NaN, as floats
            buffers[where][GUARD : GUARD + host.nbytes] = host.reshape(-1).view(np.uint8)
        return buffers[where][GUARD:]

    def _take_back(self, host: np.ndarray, buffer: np.ndarray, constant: bool) -> None:
        if not ((buffer[:GUARD] == 0xFF).all() and (buffer[GUARD + host.nbytes :] == 0xFF).all()):
            raise AssertionError(f"{self.name} wrote outside an array of {host.shape} {host.dtype}")
        if not constant:
            host.reshape(-1).view(np.uint8)[...] = buffer[GUARD : GUARD + host.nbytes]


@functools.cache
def _compiled(text: str, options: tuple[str, ...]) -> Path:
    """The shared library of a C++ source."""
    assert COMPILER is not None
    command = (COMPILER, *OPTIONS, *(o for o in options if not o.startswith("-std")), "-std=c++17")
    version = subprocess.run((COMPILER, "--version"), check=True, capture_output=True, text=True).stdout
    name = hashlib.sha256("\0".join((*command, version, text)).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"minifcn-fakecuda-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{name}.so"
    if not library.exists():
        fresh = folder / f"{name}.{os.getpid()}.so"
        done = subprocess.run((*command, "-xc++", "-", "-o", str(fresh)), input=text, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"g++ refuses the source:\n{done.stderr}")
        fresh.replace(library)  # at once: another process may be looking for it
    return library
