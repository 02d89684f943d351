"""NumPy's .npz: a zip archive of .npy files. Pickled objects in it are refused."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from minifcn.weights.readers.raw import Reader, bounded


def parse(path: Path) -> tuple[dict[str, np.ndarray], None]:
    """Keys are the archive's: "conv1_1/W" (Chainer), "conv1_1.0" (Caffe's blobs), "conv1_1.weight"."""
    return {name.removesuffix(".npy"): array(data) for name, data in unzipped(path).items()}, None


def unzipped(path: Path) -> dict[str, bytes]:
    """The content of a zip archive, every checksum compared. It cannot unpack to more than a file of weights may."""
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
            bounded(path, sum(entry.file_size for entry in entries))
            content = {}
            for entry in entries:
                with archive.open(entry) as file:
                    content[entry.filename] = file.read(entry.file_size)  # no more than was promised
                    if len(content[entry.filename]) != entry.file_size or file.read(1):
                        raise ValueError(f"{entry.filename} has not the length that the archive says")
            return content
    except (BadZipFile, zlib.error, NotImplementedError) as error:
        lacks_end = "File is not a zip file" in str(error)  # what zipfile says of one that is cut
        raise ValueError("the list of what is in it, at its end, is missing" if lacks_end else str(error)) from error


def array(data: bytes) -> np.ndarray:
    """The array of a .npy file: a header, then exactly its numbers."""
    dtype, shape, fortran, start = header(data)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are not read from an archive; nothing in it was run")
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array {shape} of {dtype} cannot be made of {len(data) - start} bytes")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def header(data: bytes) -> tuple[np.dtype, tuple[int, ...], bool, int]:
    """(dtype, shape, Fortran's order, where the content starts) of a .npy file."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the .npy format")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    return dtype, shape, fortran, file.tell()


read = Reader("npz", ".npz archive of arrays", parse)
