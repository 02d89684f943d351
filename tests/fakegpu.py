"""A stand-in for CuPy on machines without a GPU: the strictness of the real thing, on the host.

What passes here keeps the rules that CuPy enforces, and some that it only suggests:

* its arrays do not mix with NumPy's: not in arithmetic, not as arguments, not as indices, not by conversion;
* only functions that CuPy has are there (`FUNCTIONS`, names from its reference);
* reductions give arrays of shape (), never Python or NumPy scalars;
* every crossing between host and device is counted (`transfers`), also of one number, by `float(a)` or `if a:`;
* assigning to repeated indices raises: on a GPU the last write does not win, any may;
* new arrays that hold nothing yet (`empty`) hold NaN: whoever reads them, notices;
* what is copied on a stream of its own arrives when somebody waits for it, and not before; pinned memory that is given
  back earlier holds nonsense by then.

Where there is a g++, `RawModule` compiles CUDA C and runs it on the host: `fakecuda`.

`backend.to(x, fakegpu)` moves an array here, `backend.to_numpy(y)` back.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import fakecuda
import numpy as np

__version__ = "0"

inf, nan, pi, newaxis = np.inf, np.nan, np.pi, None
bool_, uint8, int8, int32, int64 = np.bool_, np.uint8, np.int8, np.int32, np.int64
float16, float32, float64, dtype, iinfo, finfo = np.float16, np.float32, np.float64, np.dtype, np.iinfo, np.finfo

_NAMES = """
abs absolute add all allclose any arange argmax argmin argsort array_equal ascontiguousarray atleast_1d bincount
bitwise_and bitwise_or broadcast_to ceil clip concatenate copyto cos cumsum divide dot einsum equal exp expand_dims
flip floor full full_like greater greater_equal isfinite isinf isnan less less_equal linspace log log1p log2
logical_and logical_not logical_or matmul max maximum mean median meshgrid min minimum moveaxis multiply negative
nonzero not_equal ones ones_like packbits pad power prod ravel repeat reshape roll rot90 sign sin sort split sqrt
square squeeze stack std subtract sum swapaxes take take_along_axis tanh tensordot tile transpose true_divide unique
unpackbits var vstack where zeros zeros_like
"""
#: The functions that may be called: all of them in CuPy's reference, with NumPy's meaning.
FUNCTIONS = frozenset(_NAMES.split())

_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
_UNARY_AND_COMPARISONS = "neg pos abs invert lt le gt ge eq ne"
_IN_PLACE = "iadd isub imul itruediv ifloordiv ipow iand ior ixor"
_METHODS = """
all any argmax argmin argsort astype clip copy cumsum dot fill flatten max mean min nonzero prod ravel repeat reshape
squeeze std sum swapaxes take transpose var view
"""


class Transfers:
    """How often data crossed from the host to the device and back; `ahead` counts copies on a stream of their own."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Count from 0."""
        self.to_device = self.to_host = self.ahead = 0


transfers = Transfers()
_lock = threading.Lock()  # bands may run on several threads


def _count(direction: str) -> None:
    with _lock:
        setattr(transfers, direction, getattr(transfers, direction) + 1)


class ndarray:
    """An array that only this module's functions, operators and methods can read."""

    __array_ufunc__ = None  # numpy_array + fake raises TypeError, in either order
    __array_priority__ = 1000

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    # --- what CuPy tells about an array ---

    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    data = property(lambda self: SimpleNamespace(ptr=self._host.ctypes.data))
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: ndarray(self._host.T))

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return f"fakegpu.ndarray(shape={self.shape}, dtype={self.dtype})"

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return sys.modules[__name__]

    # --- the ways to the host, and from it ---

    def set(self, source: np.ndarray, stream: Stream) -> None:
        """Copy from pinned memory, when the stream comes to it."""
        if not isinstance(source, np.ndarray) or source.shape != self.shape or source.dtype != self.dtype:
            raise TypeError(f"set: {source.shape} {source.dtype} into {self.shape} {self.dtype}")
        _count("ahead")
        raw = _pinned_bytes(source)
        stream.queue(lambda: self._host.reshape(-1).view(np.uint8).__setitem__(slice(None), raw))

    def get(self) -> np.ndarray:
        """A copy on the host."""
        _count("to_host")
        return self._host.copy()

    def item(self, *index: int) -> Any:
        _count("to_host")
        return self._host.item(*index)

    def tolist(self) -> Any:
        _count("to_host")
        return self._host.tolist()

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("implicit conversion to a NumPy array is not allowed; use .get()")

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.item().__index__()

    def __float__(self) -> float:
        return float(self.item())

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over an array of shape ()")
        return (self[k] for k in range(len(self)))

    # --- indexing ---

    def __getitem__(self, key: Any) -> ndarray:
        index = _open(key)
        if any(isinstance(part, np.ndarray) and part.dtype == bool for part in _parts(index)):
            _count("to_host")  # how many are true is a question to the device
        return _wrap(self._host[index])

    def __setitem__(self, key: Any, value: Any) -> None:
        index = _open(key)
        if any(isinstance(part, np.ndarray) and part.dtype != bool for part in _parts(index)):
            hits = np.zeros(self.shape, np.int64)
            np.add.at(hits, index, 1)
            if hits.max(initial=0) > 1:
                raise IndexError("assignment to repeated indices: which value stays is undefined on a GPU")
        self._host[index] = _open(value)


def _operator(name: str) -> Any:
    def method(self: ndarray, *others: Any) -> Any:
        if any(isinstance(other, (np.ndarray, list, tuple)) for other in others):
            raise TypeError(f"unsupported operand for {name}: {type(others[0]).__name__}; move it to the device first")
        return _wrap(getattr(self._host, name)(*(_open(other) for other in others)))

    return method


for _name in _BINARY.split():
    for _prefix in ("__", "__r"):
        setattr(ndarray, f"{_prefix}{_name}__", _operator(f"{_prefix}{_name}__"))
for _name in _UNARY_AND_COMPARISONS.split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
ndarray.__hash__ = None


def _in_place(name: str) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        if isinstance(other, (np.ndarray, list, tuple)):
            raise TypeError(f"unsupported operand for {name}: {type(other).__name__}; move it to the device first")
        getattr(self._host, name)(_open(other))
        return self

    return method


for _name in _IN_PLACE.split():
    setattr(ndarray, f"__{_name}__", _in_place(f"__{_name}__"))


def _method(name: str) -> Any:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        return _wrap(getattr(self._host, name)(*_open(args), **{key: _open(v) for key, v in kwargs.items()}))

    return method


for _name in _METHODS.split():
    setattr(ndarray, _name, _method(_name))


def _open(value: Any) -> Any:
    """The host's view of an argument; a NumPy array among them raises, as CuPy does."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError("unsupported type numpy.ndarray: move it to the device first")
    if isinstance(value, (tuple, list)):
        return type(value)(_open(v) for v in value)
    return value


def _parts(index: Any) -> tuple:
    return index if isinstance(index, tuple) else (index,)


def _wrap(result: Any) -> Any:
    if isinstance(result, (np.ndarray, np.generic)):
        return ndarray(np.asarray(result))
    if isinstance(result, (tuple, list)):
        return type(result)(_wrap(r) for r in result)
    return result


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """An array on the device: the only way in from the host."""
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else ndarray(a._host.astype(dtype))
    _count("to_device")
    return ndarray(np.array(a, dtype))


array = asarray


def empty(shape: Any, dtype: Any = float64) -> ndarray:
    """An array nobody has written to: NaN, or 85 in every byte where there is no NaN."""
    host = np.empty(shape, dtype)
    if host.dtype.kind == "f":
        host.fill(np.nan)
    else:
        host.view(np.uint8).fill(85 if host.dtype != bool else 1)
    return ndarray(host)


def empty_like(a: ndarray, dtype: Any = None) -> ndarray:
    """`empty` with the shape and dtype of another array."""
    return empty(a.shape, dtype or a.dtype)


def _as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return ndarray(np.lib.stride_tricks.as_strided(x._host, shape, strides))


class Event:
    """A place in a stream's queue."""

    def __init__(self, stream: Stream, place: int) -> None:
        self.stream, self.place = stream, place

    @property
    def done(self) -> bool:
        return self.stream.ran >= self.place


class Stream:
    """Work in order. That of the null stream is done at once, as all else here; another's when it is waited for."""

    def __init__(self, non_blocking: bool = False, null: bool = False) -> None:
        self.non_blocking, self.null = non_blocking, null
        self.pending: list[Callable[[], None]] = []
        self.ran = 0
        self.waits = 0  # how often it was told to wait for another
        self.lock = threading.RLock()

    @property
    def ptr(self) -> int:
        """By which `stream_at` finds it."""
        _streams[id(self)] = self
        return id(self)

    def queue(self, work: Callable[[], None]) -> None:
        with self.lock:
            self.pending.append(work)

    def record(self) -> Event:
        return Event(self, self.ran + len(self.pending))

    def wait_event(self, event: Event) -> None:
        self.waits += 1
        with event.stream.lock:
            while self.null and not event.done:
                event.stream.pending.pop(0)()
                event.stream.ran += 1

    def synchronize(self) -> None:
        _null.wait_event(self.record())

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Device(Stream):
    """The only one: a context."""


_streams: dict[int, Stream] = {}


def stream_at(pointer: int) -> Stream:
    """The stream behind a pointer, as C libraries are given it."""
    return _streams[pointer]


_null = Stream(null=True)
_pinned: list[np.ndarray] = []  # kept for good: a copy that comes too late reads nonsense, not another's memory


def _alloc_pinned_memory(size: int) -> ctypes.Array:
    """Memory of the host, which is overwritten when the last array that looks into it is gone."""
    raw = np.full(size, 0xAA, np.uint8)
    _pinned.append(raw)
    kind = type("PinnedMemory", (ctypes.c_ubyte * size,), {"__del__": lambda self: raw.fill(0xAA)})
    return kind.from_buffer(raw)


def _pinned_bytes(array: np.ndarray) -> np.ndarray:
    """An array's bytes, without the reference that would keep its memory."""
    for raw in _pinned:
        start = array.ctypes.data - raw.ctypes.data
        if start >= 0 and start + array.nbytes <= raw.nbytes:
            return raw[start : start + array.nbytes]
    raise TypeError("a copy beside the work must come from pinned memory")


#: cupy.cuda
cuda = SimpleNamespace(
    Device=Device,
    Event=Event,
    Stream=Stream,
    alloc_pinned_memory=_alloc_pinned_memory,
    get_current_stream=lambda: _null,
)

#: cupy.lib.stride_tricks
lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))


if fakecuda.COMPILER:
    RawModule = fakecuda.RawModule


def __getattr__(name: str) -> Any:
    if name not in FUNCTIONS:
        raise AttributeError(f"fakegpu has no {name!r}: if CuPy has it, add it to FUNCTIONS")
    function = getattr(np, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        host = function(*_open(args), **{key: _open(v) for key, v in kwargs.items()})
        given = kwargs.get("out")
        return given if given is not None else _wrap(host)

    call.__name__ = name
    return call
