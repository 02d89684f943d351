"""Readers of other frameworks' weight files: `read(path)` tells the format by the first bytes, not by the name."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from zipfile import ZipFile

from minifcn.errors import WeightsError
from minifcn.weights import tensors
from minifcn.weights.readers import caffemodel, hdf5, matconvnet, npy, npz, onnx, pytorch
from minifcn.weights.readers.raw import RawWeights

__all__ = ["RawWeights", "is_onnx", "is_safetensors", "read"]

#: First bytes -> reader. A zip archive is PyTorch's if it has a data.pkl, else NumPy's.
MAGIC = {
    b"\x93NUMPY": npy.read,
    b"\x89HDF\r\n\x1a\n": hdf5.read,
    b"MATLAB 5.0": matconvnet.read,
    b"MATLAB 7.3": matconvnet.read,
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19": pytorch.read,
}


def read(path: str | PathLike[str]) -> RawWeights:
    """The arrays of a weight file of any known format, as they are. WeightsError if it is broken or of no such format.

    Nothing that a file contains is executed, and no file takes more memory than a small multiple of its size.
    """
    path = Path(path)
    start = _start(path)
    if is_safetensors(path):
        arrays, _ = tensors.read(path)
        return RawWeights(str(path), "safetensors", arrays)
    if start.startswith(b"PK"):
        return pytorch.read(path) if _has_pickle(path) else npz.read(path)
    for magic, reader in MAGIC.items():
        if start.startswith(magic):
            return reader(path)
    if path.suffix == ".caffemodel":  # protobuf has no first bytes of its own
        return caffemodel.read(path)
    if is_onnx(path):
        return onnx.read(path)
    if path.suffix in (".npz", ".pth", ".pt"):
        return (npz if path.suffix == ".npz" else pytorch).read(path)
    raise WeightsError(
        f"{path}: of no known format; expected .safetensors, .caffemodel, .npz, .pth, .pt, .npy, .h5, .mat or .onnx"
    )


def is_safetensors(path: str | PathLike[str]) -> bool:
    """Whether a file begins as one: a length, and then JSON. WeightsError for a folder, or what has no beginning."""
    start = _start(Path(path))
    return Path(path).suffix == ".safetensors" or start[8:9] == b"{"


def is_onnx(path: str | PathLike[str]) -> bool:
    """Whether a file is ONNX's, by its name; protobuf has no first bytes of its own."""
    return Path(path).suffix == ".onnx" and not is_safetensors(path)


def _start(path: Path) -> bytes:
    if os.path.isdir(path):
        inside = path / "weights.safetensors"
        hint = f"; try {inside}" if inside.is_file() else ", and has no weights.safetensors"
        raise WeightsError(f"{path}: expected a weight file, this is a folder{hint}")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not start:
        raise WeightsError(f"{path}: is empty")
    return start


def _has_pickle(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            return any(name.split("/")[-1] == "data.pkl" for name in archive.namelist())
    except Exception:  # on broken bytes zipfile raises whatever comes
        return path.suffix != ".npz"  # broken, as its reader will say
