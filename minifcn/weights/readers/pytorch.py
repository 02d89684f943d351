"""PyTorch's .pth and .pt, without PyTorch: a pickle of names, shapes and strides beside the raw numbers.

Since version 1.6 a zip archive (data.pkl, data/0, data/1, ...); before, four pickles and then the storages in a row.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers import npz, pickles
from minifcn.weights.readers.beside import BESIDE
from minifcn.weights.readers.pickles import Name
from minifcn.weights.readers.raw import Reader, bounded

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a legacy file
DTYPES = {
    **{"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2"},
    **{"LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1"},
    **{"ByteStorage": "<u1", "BoolStorage": "<u1"},
}
#: Keys under which training scripts keep the weights beside other things.
WRAPPERS = ("model_state_dict", "state_dict", "model_state", "model", "net", "network", "params", "weights")


class Storage:
    """A row of numbers that tensors are views of; its content may come later than its name."""

    def __init__(self, kind: str, key: str, count: int) -> None:
        self.kind, self.key, self.count = kind, key, count
        self.data = np.zeros(0)

    def fill(self, content: bytes | memoryview) -> None:
        dtype = np.dtype(DTYPES[self.kind])
        if self.count * dtype.itemsize != len(content):
            raise ValueError(f"storage {self.key} says {self.count} numbers, and has {len(content)} bytes")
        self.data = np.frombuffer(content, dtype)
        if self.kind == "BFloat16Storage":  # the upper half of a float32
            self.data = (self.data.astype("<u4") << 16).view("<f4")


class Tensor:
    """A view of a storage."""

    def __init__(self, storage: Storage, offset: int, size: tuple, stride: tuple, *_: Any) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def array(self) -> np.ndarray:
        """The numbers; ValueError unless they lie within the storage, each once."""
        whole = all(type(n) is int and 0 <= n < 1 << 48 for n in (self.offset, *self.size, *self.stride))
        if not whole or len(self.size) != len(self.stride):
            raise ValueError(f"a tensor of size {self.size} and stride {self.stride}")
        count = math.prod(self.size)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        if count and (count > self.storage.data.size or last >= self.storage.data.size):
            raise ValueError(f"a tensor {self.size} reaches beyond its storage of {self.storage.data.size} numbers")
        if not count:
            return np.zeros(self.size, self.storage.data.dtype)
        data = self.storage.data[self.offset :]
        return np.lib.stride_tricks.as_strided(
            data, self.size, [step * data.itemsize for step in self.stride], writeable=False
        )


def _parameter(data: Any, *_: Any) -> Any:
    return data


BUILDERS: pickles.Builders = {
    **BESIDE,
    ("torch._utils", "_rebuild_tensor"): Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


def parse(path: Path) -> tuple[dict[str, np.ndarray], None]:
    """Names as in the state dict, without what it may be wrapped in: a dictionary of more, or a list that it leads."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    tree = _zip(path) if zipped else _legacy(path)
    for _ in range(pickles.DEEPEST):
        if isinstance(tree, dict):
            inner = [tree[key] for key in WRAPPERS if isinstance(tree.get(key), (dict, list, tuple))]
        else:
            inner = [value for value in tree if isinstance(value, dict)] if type(tree) in (list, tuple) else []
        tree = inner[0] if inner else tree
    if isinstance(tree, Name):
        raise WeightsError(f"holds {tree.module}.{tree.name}, no state dict")
    tensors = pickles.arrays_in(tree, lambda value: isinstance(value, Tensor))
    arrays = {name: tensor.array() for name, tensor in tensors.items()}
    bounded(path, sum(array.nbytes for array in arrays.values()))
    return arrays, None


def _zip(path: Path) -> Any:
    content = npz.unzipped(path)
    (pickled,) = [name for name in content if name.split("/")[-1] == "data.pkl"]
    folder = pickled.removesuffix("data.pkl")
    if content.get(f"{folder}byteorder", b"little") != b"little":
        raise WeightsError("was written on a big-endian machine; save it anew on another")

    def storage(identity: Any) -> Storage:
        made = _storage(identity)
        made.fill(content[f"{folder}data/{made.key}"])
        return made

    return pickles.interpret(io.BytesIO(content[pickled]), BUILDERS, storage)


def _legacy(path: Path) -> Any:
    """Pickles of the magic number, the version, the machine and the tree; one of the keys; and the storages."""
    data = path.read_bytes()
    file = io.BytesIO(data)
    if pickles.interpret(file, BUILDERS) != MAGIC:
        raise WeightsError("is a pickle, but not one of torch.save")
    pickles.interpret(file, BUILDERS), pickles.interpret(file, BUILDERS)
    storages: dict[str, Storage] = {}

    def storage(identity: Any) -> Storage:
        made = _storage(identity)
        return storages.setdefault(made.key, made)

    tree = pickles.interpret(file, BUILDERS, storage)
    for key in pickles.interpret(file, BUILDERS):
        made = storages[key]
        start = file.tell() + 8
        count = int.from_bytes(data[start - 8 : start], "little")
        end = start + count * np.dtype(DTYPES[made.kind]).itemsize
        made.fill(memoryview(data)[start:end])
        file.seek(end)
    return tree


def _storage(identity: Any) -> Storage:
    """("storage", torch.FloatStorage, key, where it lay, count, [views in old files])."""
    if not isinstance(identity, tuple) or len(identity) < 5 or not isinstance(identity[1], Name):
        raise ValueError("a storage without type, key or count")
    _, kind, key, _, count = identity[:5]
    if kind.module != "torch" or kind.name not in DTYPES:
        raise WeightsError(f"has numbers of the type {kind.module}.{kind.name}; save it as float32")
    return Storage(kind.name, str(key), count)


read = Reader("torch", "file of torch.save", parse)
