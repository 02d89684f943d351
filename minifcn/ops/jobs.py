"""How the work of a convolution is cut into jobs that threads can share: by shape alone, so that bits stay the same."""

from __future__ import annotations

from typing import NamedTuple

from minifcn import parallel, window
from minifcn.backend import Array, Namespace

DEEP_BLOCKS = 4  # blocks of output channels where the weights are many and the columns few
LANES = 8  # sums side by side in the weight gradient: as many threads as this can share it
LANE_BYTES = 1 << 26  # and the memory that those sums may take together


class Job(NamedTuple):
    """Some output rows, of some images, in some output channels of every group."""

    band: window.Band
    outputs: slice


def correlation(xp: Namespace, images: int, height: int, width: int, w: Array, phases: int, itemsize: int) -> list[Job]:
    """Cut a correlation with w: (groups, O * phases, K) into jobs.

    Bands of the `height` x `width` grid where columns are many, blocks of output channels where weights are.
    """
    groups, outputs, taps_in = w.shape
    column_bytes = groups * taps_in * itemsize
    if xp.__name__ == "numpy" and outputs > 3 * images * height * width:
        # Every band reads all weights again, every channel block builds all columns again, and a column entry costs
        # about three times a weight's: where weights are many and columns few (fc6), channels are cut.
        bands = window.bands(xp, images, height, width, column_bytes, least_columns=1024)
        blocks = channel_blocks(outputs // phases, DEEP_BLOCKS)
    else:
        if phases > 1:
            column_bytes += groups * outputs * itemsize  # the product waits in a workspace, too
        bands = window.bands(xp, images, height, width, column_bytes)
        blocks = channel_blocks(outputs // phases, 1)
    return [Job(band, block) for band in bands for block in blocks]


def weight_bands(
    xp: Namespace, images: int, height: int, width: int, column_bytes: int, weight_bytes: int
) -> list[window.Band]:
    """Cut the weight gradient's sum over an output of `images` x `height` x `width` into bands.

    Every band adds all of the gradient once, which only many columns repay; and where it is large, that takes as much
    memory again, which all columns at once may not (fc6: 0.2 GiB on two threads, or 25 MiB of columns).
    """
    if (
        xp.__name__ == "numpy"
        and weight_bytes > LANE_BYTES
        and 4 * images * height * width * column_bytes <= weight_bytes
    ):
        return [window.Band(slice(0, images), slice(0, height))]
    return window.bands(xp, images, height, width, column_bytes, least_columns=512)


def channel_blocks(outputs: int, parts: int) -> list[slice]:
    """The output channels of a group, cut into at most `parts` blocks of at least 32."""
    parts = max(1, min(parts, outputs // 32))
    return parallel.slices(outputs, parts)
