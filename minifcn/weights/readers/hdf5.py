"""Keras's .h5 (needs h5py: pip install "minifcn[convert]")."""

from __future__ import annotations

from pathlib import Path

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
        sets: dict[str, h5py.Dataset] = {}
        # visititems follows hard links only, so nothing outside of the file is opened.
        file.visititems(lambda name, item: sets.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        numbers = {name: item for name, item in sets.items() if item.dtype.kind == "f"}
        if any(not isinstance(name, str) for name in sets):
            raise ValueError("a name that is no text")
        for name, item in numbers.items():
            if item.is_virtual or item.external:
                raise WeightsError(f"{name} lies in another file")
        bounded(path, sum(item.nbytes for item in numbers.values()))
        return {name: item[()] for name, item in numbers.items()}, None


read = Reader("h5", "HDF5 file", parse)
