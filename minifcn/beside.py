"""What nets see beside colours, found by the picture's name in folders that flags name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from minifcn import models
from minifcn.data.modalities import READERS, beside_colour
from minifcn.data.pairs import pictures_in, size_text
from minifcn.errors import ConfigError, DataError
from minifcn.net import Net


def folders_of(net: Net, given: Mapping[str, str | None]) -> dict[str, Path]:
    """Where what the net sees beside colours lies. ConfigError if a flag is missing, or one too many."""
    wanted = beside_colour(models.modalities_of(net))
    for name, folder in given.items():
        if (folder is not None) != (name in wanted):
            what = "wants to see it: where is it?" if name in wanted else "does not see it"
            raise ConfigError(f"--{name}: the net {net.spec['name']} {what}")
    folders = {name: Path(given[name] or "") for name in wanted}
    for name, path in folders.items():
        if not os.path.isdir(path):
            raise ConfigError(f"--{name} {path}: no such folder")
    return folders


def read_beside(modality: str, folder: Path, path: Path, image: np.ndarray) -> np.ndarray:
    """What lies in `folder` under the stem of the picture `path`, as large as the picture."""
    file = pictures_in(folder).get(path.stem)
    if file is None:
        raise DataError(f"{path}: its {modality} is missing; expected {folder / path.stem}.png")
    found = READERS[modality](file)
    if found.shape[:2] != image.shape[:2]:
        raise DataError(f"{path}: {size_text(image)} pixels, but its {modality} has {size_text(found)} ({file})")
    return found
