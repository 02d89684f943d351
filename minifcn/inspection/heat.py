"""Where in a picture a class is: a map of values laid over it."""

from __future__ import annotations

import numpy as np

from minifcn.coords import Axis, Coords


def spread(values: np.ndarray, place: Coords, size: tuple[int, int]) -> np.ndarray:
    """A map (h, w) over a net's input as (H, W), bilinear between the places that its cells look at."""
    height, width = size
    return _along(_along(values, place.y, height).T, place.x, width).T


def heat(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` (H, W) in 0..1 over a picture uint8 (H, W, 3), in grey and darkened: the hotter, the brighter."""
    from matplotlib import colormaps  # slow to import, and most commands draw nothing

    grey = image.mean(axis=2, keepdims=True) * 0.5  # (H, W, 1)
    colour = 255 * colormaps["inferno"](values)[:, :, :3]
    share = np.sqrt(values.clip(0, 1))[:, :, None] * 0.7
    return np.rint(grey * (1 - share) + colour * share).clip(0, 255).astype(np.uint8)


def _along(values: np.ndarray, axis: Axis, size: int) -> np.ndarray:
    """(n, m) -> (size, m): each column interpolated at every pixel, its ends continued."""
    at = (np.arange(size) - float(axis.shift)) / float(axis.scale)
    return np.stack([np.interp(at, np.arange(len(values)), column) for column in values.T], axis=1)
