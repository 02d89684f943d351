"""From a picture to what the net sees, and back: BGR, 0..255 minus the mean, channels first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Mean blue, green and red of ImageNet's pictures, as in the FCN reference; 0 in the blob is this colour.
MEAN_BGR = (104.00698793, 116.66876762, 122.67891434)
#: The same as a colour of a picture, for pixels without content.
MEAN_COLOUR = np.array([round(value) for value in reversed(MEAN_BGR)], np.uint8)


def mean_from(text: str) -> list[float]:
    """Three numbers with commas between, blue, green and red; ValueError if the text is something else.

    >>> mean_from("104,117,123")
    [104.0, 117.0, 123.0]
    """
    numbers = [float(number) for number in text.split(",")]
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        raise ValueError(f"expected three numbers, such as 104,117,123, got {text!r}")
    return numbers


def to_blob(image: NDArray[np.uint8], mean: Sequence[float] = MEAN_BGR) -> NDArray[np.float32]:
    """uint8 RGB (H, W, 3) -> float32 BGR minus `mean`, (3, H, W)."""
    blob = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1), dtype=np.float32)  # (3, H, W)
    blob -= np.asarray(mean, np.float32)[:, None, None]
    return blob


def from_blob(blob: NDArray[np.float32], mean: Sequence[float] = MEAN_BGR) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a blob (3, H, W): inverse of `to_blob`, values clipped to 0..255."""
    image = blob + np.asarray(mean, np.float32)[:, None, None]
    return np.rint(image.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0)[:, :, ::-1].copy()
