"""Small files in other frameworks' containers, for `minifcn convert --table` and the tests: readers are tried on them.

Where the framework's own writer is at hand (NumPy, h5py, scipy, safetensors) it writes; a .caffemodel and a .pth are
put together here byte by byte, the mirror image of their readers.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from minifcn.weights.readers.caffemodel import BYTES, DATA, SHAPE, VARINT

Arrays = Mapping[str, np.ndarray]
Write = Callable[[Path, Arrays], None]


def npz(path: Path, arrays: Arrays) -> None:
    """NumPy's archive of arrays."""
    np.savez(path, allow_pickle=False, **arrays)


def npy(path: Path, arrays: Arrays) -> None:
    """A dictionary {layer: [weight, bias]}, which NumPy pickles."""
    layers: dict[str, list[np.ndarray]] = {}
    for key, array in arrays.items():
        layers.setdefault(key.rpartition(".")[0], []).append(array)
    np.save(path, np.array(layers, object), allow_pickle=True)


def safetensors(path: Path, arrays: Arrays) -> None:
    """Without metadata, as others write it."""
    save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, path)


def h5(path: Path, arrays: Arrays) -> None:
    """Keras's groups and datasets."""
    import h5py

    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


def dagnn(path: Path, arrays: Arrays) -> None:
    """MatConvNet's DagNN: `params` with name and value."""
    from scipy.io import savemat

    savemat(path, {"params": np.array([*arrays.items()], [("name", "O"), ("value", "O")]), "meta": _meta()})


def simplenn(path: Path, arrays: Arrays) -> None:
    """MatConvNet's SimpleNN: `layers`, each with its weights."""
    from scipy.io import savemat

    layers: dict[str, Any] = {}
    for key, array in arrays.items():
        layers.setdefault(key.rpartition(".")[0], []).append(array)
    cells = np.empty(len(layers), object)
    cells[:] = [{"name": name, "type": "conv", "weights": _cells(blobs)} for name, blobs in layers.items()]
    savemat(path, {"layers": cells, "meta": _meta()})


def _cells(blobs: list[np.ndarray]) -> np.ndarray:
    cells = np.empty(len(blobs), object)
    cells[:] = blobs
    return cells


def _meta() -> dict[str, Any]:
    mean = np.array([122.67891434, 116.66876762, 104.00698793]).reshape(1, 1, 3)
    return {"normalization": {"averageImage": mean}}


# --- protobuf ---------------------------------------------------------------------------------------------------------


def caffemodel(path: Path, arrays: Arrays) -> None:
    """As Caffe writes it since 2014: `layer`, with shapes."""
    path.write_bytes(b"".join(message(100, _layer(1, name, 7, blobs)) for name, blobs in _layers(arrays)))


def caffemodel_v1(path: Path, arrays: Arrays) -> None:
    """As Caffe wrote it before: `layers`, and four dimensions for each blob, of which ones lead."""
    path.write_bytes(b"".join(message(2, _layer(4, name, 6, blobs, True)) for name, blobs in _layers(arrays)))


def _layers(arrays: Arrays) -> Iterable[tuple[str, list[np.ndarray]]]:
    layers: dict[str, list[np.ndarray]] = {}
    for key, array in arrays.items():
        layers.setdefault(key.rpartition(".")[0], []).append(array)
    return layers.items()


def _layer(name_field: int, name: str, blobs_field: int, blobs: list[np.ndarray], legacy: bool = False) -> bytes:
    dense = 14 if legacy else b"InnerProduct"
    kind = b"" if blobs[0].ndim != 2 else _field(5, dense) if isinstance(dense, int) else message(2, dense)
    return message(name_field, name.encode()) + kind + b"".join(message(blobs_field, _blob(b, legacy)) for b in blobs)


def _blob(array: np.ndarray, legacy: bool) -> bytes:
    if legacy:
        shape = b"".join(_field(k, n) for k, n in enumerate((1,) * (4 - array.ndim) + array.shape, start=1))
    else:
        shape = message(SHAPE, message(1, b"".join(map(varint, array.shape))))
    return shape + message(DATA, array.astype("<f4").tobytes())


def _field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def message(number: int, content: bytes) -> bytes:
    """A field of bytes: text, an array, or a message within the message."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """A number, seven bits a byte, lowest first."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def onnx(path: Path, arrays: Arrays) -> None:
    """A ModelProto as small as can be: version 8, and a graph of nothing but initializers."""
    tensors = b"".join(message(5, _tensor_proto(key, array)) for key, array in arrays.items())
    path.write_bytes(_field(1, 8) + message(7, message(2, b"net") + tensors))


def _tensor_proto(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_field(1, n) for n in array.shape)
    return dims + _field(2, 1) + message(8, name.encode()) + message(9, array.astype("<f4").tobytes())


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def pth(path: Path, arrays: Arrays) -> None:
    """A state dict as torch.save writes it since 1.6: a zip archive of a pickle and the storages."""
    with zipfile.ZipFile(path, "w") as archive:
        items = b"".join(_text(key) + _tensor(str(k), array) for k, (key, array) in enumerate(arrays.items()))
        archive.writestr("archive/data.pkl", b"\x80\x02}(" + items + b"u.")
        for k, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{k}", array.astype("<f4").tobytes())


def _tensor(key: str, array: np.ndarray) -> bytes:
    """_rebuild_tensor_v2(storage, 0, size, stride, False, None), the storage a persistent id."""
    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text("cpu") + _int(array.size) + b"tQ"
    strides = [int(np.prod(array.shape[k + 1 :])) for k in range(array.ndim)]
    sizes = b"".join(b"(" + b"".join(map(_int, numbers)) + b"t" for numbers in (array.shape, strides))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _int(0) + sizes + b"\x89NtR"


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)
