"""What a net may see beside colours: depth, and HHA (NYUDv2). Read as the net sees it, float32 (H, W, C) less the mean.

depth  log of the distance in millimetres, less 7.844
HHA    horizontal disparity, height above ground, angle with gravity, each 0..255 in a PNG's R, G and B, less
       (132.431, 94.076, 118.477); Gupta et al., "Learning rich features from RGB-D images", ECCV 2014

Source of the means and of the logarithm: fcn.berkeleyvision.org, nyud_layers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.pictures import open_picture, read_image
from minifcn.data.preprocess import to_blob
from minifcn.errors import DataError

COLOUR = ("color",)  # what nets see that see nothing else; the name is Caffe's
MEAN_HHA = (132.431, 94.076, 118.477)
MEAN_LOG_DEPTH = 7.844


def read_depth(path: Path) -> NDArray[np.float32]:
    """A picture of distances in millimetres (16-bit grey), (H, W, 1): log less its mean. 0, "not measured", stays 0."""
    image = open_picture(path)
    if not image.mode.startswith("I") and image.mode != "F":
        raise DataError(
            f"{path}: depth in mode {image.mode}; expected 16-bit grey, the distance in millimetres, as NYUDv2 has it"
        )
    distance = np.asarray(image, np.float32)
    if not (np.isfinite(distance).all() and (distance >= 0).all()):
        raise DataError(f"{path}: depth over {distance.min()}..{distance.max()}; expected millimetres, 0 and more")
    measured = distance > 0
    logs = np.log(np.where(measured, distance, 1))
    return np.where(measured, logs - np.float32(MEAN_LOG_DEPTH), 0).astype(np.float32)[:, :, None]


def read_hha(path: Path) -> NDArray[np.float32]:
    """An HHA picture, (H, W, 3), in the file's own order of channels, less the mean."""
    return read_image(path).astype(np.float32) - np.asarray(MEAN_HHA, np.float32)


READERS: dict[str, Callable[[Path], NDArray[np.float32]]] = {"depth": read_depth, "hha": read_hha}


def beside_colour(modalities: Sequence[str]) -> list[str]:
    """Those of some modalities that lie in files of their own."""
    return [name for name in modalities if name not in COLOUR]


def inputs_of(
    image: NDArray[np.uint8],
    beside: Mapping[str, NDArray[np.float32]],
    modalities: Sequence[str],
    mean: Sequence[float],
) -> list[NDArray[np.float32]]:
    """What a net sees of a picture, float32 (C, H, W), in the order of its inputs. mean: of the colours, B G R.

    Raises DataError if one of the modalities is not there.
    """
    if lacking := [name for name in beside_colour(modalities) if name not in beside]:
        raise DataError(f"the net wants to see {', '.join(modalities)}, but {' and '.join(lacking)} is not there")
    return [to_blob(image, mean) if name in COLOUR else beside[name].transpose(2, 0, 1) for name in modalities]
