"""A dictionary of arrays in NumPy's .npy, as tensorflow-fcn's vgg16.npy is: {"conv1_1": [weight, bias], ...}.

NumPy stores a dictionary as a pickle; it is read by `pickles`, which runs nothing.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.readers import npz, pickles
from minifcn.weights.readers.raw import Reader


def parse(path: Path) -> tuple[dict[str, np.ndarray], None]:
    """Of {"conv1_1": [weight, bias]} the keys are "conv1_1.0" and "conv1_1.1"; of {"conv1_1": {"weights": ...}}
    "conv1_1.weights"."""
    data = path.read_bytes()
    dtype, shape, _, start = npz.header(data)
    if not dtype.hasobject or shape != ():
        raise WeightsError(f"holds one array {shape} of {dtype}; expected a dictionary of arrays")
    file = io.BytesIO(data)
    file.seek(start)
    made = pickles.interpret(file, pickles.NUMPY)
    tree = made.value if isinstance(made, pickles.Array) else made
    found = pickles.arrays_in(tree, lambda value: isinstance(value, pickles.Array))
    return {name: array.value for name, array in found.items() if isinstance(array.value, np.ndarray)}, None


read = Reader("npy", ".npy of a dictionary", parse)
