"""Keras's .h5 (needs h5py: pip install "minifcn[convert]")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers.raw import Reader, bounded


def parse(path: Path) -> tuple[dict[str, np.ndarray], None]:
    """Keys are the datasets' paths, "block1_conv1/block1_conv1_W_1:0"; what lies in other files is not followed."""
    try:
        import h5py
    except ImportError as error:
        raise WeightsError('HDF5 needs h5py: pip install "minifcn[convert]"') from error
    with h5py.File(path, "r") as file:
        numbers = {name: item for name, item in _datasets(h5py, file) if item.dtype.kind == "f"}
        for name, item in numbers.items():
            if item.is_virtual or item.external:
                raise WeightsError(f"{name} lies in another file")
        bounded(path, sum(item.nbytes for item in numbers.values()))
        return {name: item[()] for name, item in numbers.items()}, None


def _datasets(h5py: ModuleType, file: Any) -> Iterator[tuple[str, Any]]:
    """(path, dataset) of a file, each group once. HDF5's own walk, `visititems`, runs in circles of damaged files."""
    found, open_groups = {file.id}, [("", file, iter(file))]
    while open_groups:
        path, group, names = open_groups[-1]
        if (name := next(names, None)) is None:
            open_groups.pop()
            continue
        if not isinstance(name, str):
            raise ValueError("a name that is no text")
        # Hard links alone are followed: nothing outside of the file is opened.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink) or (item := group[name]).id in found:
            continue
        found.add(item.id)
        if isinstance(item, h5py.Dataset):
            yield f"{path}{name}", item
        elif isinstance(item, h5py.Group):
            open_groups.append((f"{path}{name}/", item, iter(item)))


read = Reader("h5", "HDF5 file", parse)
