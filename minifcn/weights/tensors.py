"""Named arrays with JSON metadata in one safetensors file: what weights and checkpoints are made of.

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


def write(path: str | PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """One file of `arrays`; each value of `metadata` is stored as JSON. The file appears when it is complete."""
    text = {key: json.dumps(value) for key, value in metadata.items()}
    with atomic_path(path) as beside:
        try:
            save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, beside, metadata=text)
        except SafetensorError as error:  # its way of saying that the disk is full
            raise OSError(str(error)) from error


def read(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, metadata) of a safetensors file; WeightsError if it is not one, or not whole."""
    try:
        with safe_open(path, framework="numpy") as file:
            text = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (SafetensorError, TypeError, AttributeError, ValueError) as error:  # the last three: bfloat16 and its like
        raise WeightsError(f"{path}: not a whole safetensors file of NumPy's types: {error}") from error
    return arrays, {key: _decode(value) for key, value in text.items()}


def _decode(text: str) -> Any:
    """What JSON says; other programs write plain text ("pt"), which stays as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
