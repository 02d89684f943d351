"""Label maps in MATLAB files, as SBD, NYUDv2, SIFT Flow and PASCAL-Context are published (versions 5 to 7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minifcn import matfile
from minifcn.errors import DataError, did_you_mean

MOST = 256 << 20  # bytes of a file, and of what it may unpack to
PIXELS = 1 << 26  # of a label map, each of which takes sixteen bytes on the way


def read_label_mat(path: Path, names: Sequence[str], first: int = 0) -> NDArray[np.int64]:
    """The label map (H, W) of the variable `names[0]`, of its field `names[1]`, ...; number `first` is class 0.

    What lies below `first`, and all that is negative, is -1: ignored. DataError, naming the file, if it cannot be read
    or has no such map of whole numbers.
    """
    values = read_mat(path, names)
    if values.size > PIXELS:
        raise DataError(f"{path}: {values.size:,} numbers are no label map's; expected at most {PIXELS:,}")
    whole = values.dtype.kind != "f" or bool(((abs(values) < 2**31) & (np.rint(values) == values)).all())
    if values.ndim != 2 or not values.size or not whole:
        raise DataError(f"{path}: expected a label map of whole numbers (H, W), got {values.dtype.name} {values.shape}")
    label = values.astype(np.int64)
    return np.where(label < max(first, 0), -1, label - first)


def read_mat(path: Path, names: Sequence[str]) -> NDArray:
    """The numbers of a variable, or of a field of it: see `read_label_mat`."""
    try:
        if path.stat().st_size > MOST:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes are no label map's; expected at most {MOST:,}")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if content[126:128] not in (b"IM", b"MI"):
        raise DataError(f"{path}: not a MATLAB file of version 5 or later; fetch it again")
    if content[124:126] not in (b"\0\1", b"\1\0"):
        raise DataError(f"{path}: a MATLAB file of version 7.3; save it with -v7, as label maps were published")
    try:
        variables = matfile.variables(content, names[:1], MOST)
    except ValueError as error:
        raise DataError(f"{path}: damaged or cut off ({error}); fetch it again") from error
    if names[0] not in variables:
        hint = did_you_mean(names[0], variables)
        raise DataError(f"{path}: has no variable {names[0]!r}{hint}; is it another kind of file?")
    value, name = variables[names[0]], names[0]
    for field in names[1:]:
        value, name = _field(path, value, name, field), field
    if not isinstance(value, np.ndarray):
        raise DataError(f"{path}: {name} is no array of numbers; is it another kind of file?")
    return value


def _field(path: Path, value: Any, name: str, field: str) -> Any:
    """The field of a structure called `name`."""
    if not (isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)):
        raise DataError(f"{path}: {name} is no structure with a field {field!r}; is it another kind of file?")
    if field not in value[0]:
        raise DataError(f"{path}: {name} has no field {field!r}{did_you_mean(field, value[0])}")
    return value[0][field]
