"""Named arrays and a JSON object in one safetensors file: what weights and checkpoints are made of.

The format is a length, a JSON header and raw bytes: nothing in it can be executed, and its reader checks all offsets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from minifcn.errors import WeightsError
from minifcn.files import atomic_path

#: The metadata entry that holds the JSON. One only: the library writes several in any order, and the same content is to
#: give the same bytes.
KEY = "minifcn"
#: What the metadata of a run's checkpoint calls itself: it is no weight file, and whoever opens it as one is told so.
CHECKPOINT = "minifcn checkpoint"


def write(path: str | PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """One file of `arrays` and `metadata` (JSON values). It appears when it is complete."""
    text = {KEY: json.dumps(metadata)}
    with atomic_path(path) as beside:
        try:
            save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, beside, metadata=text)
        except SafetensorError as error:  # its way of saying that the disk is full
            raise OSError(str(error)) from error


def read(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, metadata) of a safetensors file; the latter empty if others wrote it. WeightsError if it is broken."""
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(KEY, "{}")
            arrays = {name: _array(path, file, name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (
        SafetensorError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:  # the last three: 8-bit floats and their like
        raise WeightsError(f"{path}: not a whole safetensors file of NumPy's types: {str(error)[:300]}") from error
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its metadata is not JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise WeightsError(f"{path}: its metadata is not a JSON object: {text[:80]}")
    return arrays, metadata


def _array(path: str | PathLike[str], file: Any, name: str) -> np.ndarray:
    """One array. NumPy has no bfloat16: it is the upper half of a float32."""
    if file.get_slice(name).get_dtype() != "BF16":
        return file.get_tensor(name)
    with open(path, "rb") as raw:  # the header has been checked when the file was opened
        length = int.from_bytes(raw.read(8), "little")
        about = json.loads(raw.read(length))[name]
        start, end = about["data_offsets"]
        raw.seek(8 + length + start)
        upper = np.frombuffer(raw.read(end - start), "<u2")
    return (upper.astype("<u4") << 16).view("<f4").reshape(about["shape"])


def as_float32(path: str | PathLike[str], arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays as nets compute with them; WeightsError if one is not of floating numbers that are finite then."""
    cast = {}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise WeightsError(
                f"{path}: {name} holds NaN, Inf or no floating numbers ({getattr(array, 'dtype', 'no array')})"
            )
        with np.errstate(over="ignore"):  # what is too large becomes Inf, and is found below
            cast[name] = array.astype(np.float32, copy=False)
        if not is_finite(cast[name]):
            raise WeightsError(f"{path}: {name} holds NaN, Inf or numbers that float32 cannot hold")
    return cast


def is_finite(array: np.ndarray) -> bool:
    """Whether there is no NaN or Inf in an array: told by its least and largest value, which take no memory."""
    with np.errstate(invalid="ignore"):
        return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))
