"""Pickles of weights, understood without being executed.

A pickle is a program for a small stack machine. Python's own machine calls whatever function the program names. This
one has no functions to call: a name stays a name, unless it is among the few `builders` that a format is known to need,
and those are ours, and only put arrays together, or stand for what often lies beside weights and is not looked at. The
opcodes and their arguments are decoded by `pickletools`.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers.raw import MOST

DEEPEST, MOST_ENTRIES = 8, 100_000  # of nested dictionaries: more is no state dict


class Name(NamedTuple):
    """What a pickle calls by module and name; inert."""

    module: str
    name: str


#: What a pickle may call: (module, name) -> our stand-in.
Builders = Mapping[tuple[str, str], Callable[..., Any]]

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
MADE = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUSHED = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}


def interpret(file: BytesIO, builders: Builders, persistent: Callable[[Any], Any] | None = None) -> Any:
    """The value that the pickle at the file's position describes; the position is then after it.

    persistent: what a persistent id, such as PyTorch's storages have, stands for. Raises WeightsError for a name that
    is not among the builders, ValueError or LookupError if the program is broken.
    """
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks below each mark
    memo: dict[int, Any] = {}
    room = MOST * len(file.getbuffer())  # what the program may have copied: a call is short, its arguments may be long

    def marked() -> list[Any]:
        nonlocal stack
        items, stack = stack, below.pop()
        return items

    argument: Any
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in PUSHED:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in MADE:
            stack.append(MADE[name]())
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name in TUPLES:
            items = [stack.pop() for _ in range(TUPLES[name])]
            stack.append(tuple(items[::-1]))
        elif name in ("TUPLE", "LIST"):
            items = marked()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name == "DICT":
            items = marked()
            stack.append(dict(zip(items[::2], items[1::2], strict=True)))
        elif name in ("APPEND", "APPENDS"):
            items = marked() if name == "APPENDS" else [stack.pop()]
            _a(list, stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = marked() if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
            _a(dict, stack[-1]).update(zip(items[::2], items[1::2], strict=True))
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            last = stack.pop() if name == "STACK_GLOBAL" else None
            stack.append(Name(stack.pop(), last) if last is not None else Name(*argument.split(" ", 1)))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, called = _a(tuple, stack.pop()), stack.pop()
            room -= sum(len(argument) for argument in arguments if hasattr(argument, "__len__"))
            if room < 0:
                raise WeightsError("its pickle copies the same values over and over, which no weights do")
            stack.append(_builder(called, builders)(*arguments))
        elif name == "BUILD":
            state = stack.pop()
            if hasattr(stack[-1], "build"):
                stack[-1].build(state)
            elif not isinstance(stack[-1], dict):  # attributes of a dictionary, such as PyTorch's versions: not needed
                raise ValueError(f"gives a state to {type(stack[-1]).__name__}")
        elif name == "BINPERSID" and persistent is not None:
            stack.append(persistent(stack.pop()))
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise WeightsError(f"its pickle uses {name}, which no weights need; nothing in it was run")
    raise ValueError("a pickle without an end")


def arrays_in(tree: Any, is_array: Callable[[Any], bool]) -> dict[str, Any]:
    """The arrays in nested dictionaries, lists and tuples, by their path: {"conv1_1": [w, b]} has "conv1_1.0".

    Other values, such as a checkpoint's epoch, are passed over.
    """
    found, visited = {}, 0

    def walk(value: Any, path: tuple[str, ...]) -> None:
        nonlocal visited
        visited += 1
        if visited > MOST_ENTRIES or len(path) > DEEPEST:
            raise WeightsError("is nested as no weights are")
        if is_array(value):
            found[".".join(path)] = value
        else:
            for key, inside in _entries(value):
                walk(inside, (*path, str(key)))

    walk(tree, ())
    return found


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (list, tuple)) and not isinstance(value, Name):
        yield from enumerate(value)


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"a {kind.__name__} is expected where a {type(value).__name__} is")
    return value


def _builder(called: Any, builders: Builders) -> Callable[..., Any]:
    if not isinstance(called, Name):
        raise ValueError(f"calls a {type(called).__name__}")
    if (called.module, called.name) not in builders:
        raise WeightsError(
            f"its pickle calls {called.module}.{called.name}, which no weights need; nothing in it was run"
        )
    return builders[called.module, called.name]


# --- NumPy's arrays ---------------------------------------------------------------------------------------------------


class Dtype:
    """numpy.dtype('f4', False, True), and then its byte order as a state."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = _a(str, code), "="

    def build(self, state: tuple) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="

    @property
    def numpy(self) -> np.dtype:
        if self.code[:1] not in ("f", "i", "u", "b") or len(self.code) != 2:
            raise ValueError(f"an array of {self.code!r}")
        return np.dtype(self.code).newbyteorder(self.order)


class Array:
    """_reconstruct(ndarray, ...), and then (version, shape, dtype, Fortran's order, content) as its state."""

    def __init__(self, *_: Any) -> None:
        self.value: Any = None

    def build(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        if isinstance(content, list):  # of objects: a lone dictionary in an array without axes
            if shape != () or len(content) != 1:
                raise ValueError("an array of objects")
            self.value = content[0]
            return
        if isinstance(content, str):  # bytes, as Python 2 wrote them
            content = content.encode("latin1")
        self.value = np.frombuffer(content, dtype.numpy).reshape(shape, order="F" if fortran else "C")


def _frombuffer(content: bytes, dtype: Dtype, shape: tuple, order: str) -> Array:
    array = Array()
    array.build((1, shape, dtype, order == "F", content))
    return array


def _encoded(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes as {encoding!r}")
    return _a(str, text).encode("latin1")


def ordered(items: Any = ()) -> dict:
    """collections.OrderedDict(...)"""
    return dict(items)


NUMPY: Builders = {
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): ordered,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}
