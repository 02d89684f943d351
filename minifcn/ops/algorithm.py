"""How a convolution is computed: by im2col, which does them all, or by Winograd's products, which are fewer.

The choice follows from shapes alone, by a rule that was measured (README, "How fast"); `minifcn explain` prints it.
"""

from __future__ import annotations

import numpy as np

from minifcn.errors import ShapeError
from minifcn.kernels import winograd
from minifcn.ops.geometry import Geometry
from minifcn.window import Pair

#: "auto" takes the faster one; "winograd" takes Winograd's products wherever they are possible, paying or not.
ALGORITHMS = ("auto", "im2col", "winograd")

#: Winograd saves three quarters of the products, C * O for each output pixel, at the cost of transforms that grow with
#: C + O: it pays from 64 channels to 64 on, and once there are tiles enough to repay transforming the weights.
LEAST_CHANNELS = 32
LEAST_TILES = 64
#: Its bands are many small calls, which two threads do in turns rather than at once: of so many products for each of
#: the 36 points it pays on two threads, too (64 to 64 channels from 256 tiles on).
LEAST_PRODUCTS = 1 << 20


def choose(
    wanted: str, images: int, channels: int, outputs: int, size: Pair, geometry: Geometry, dtype: np.dtype
) -> str:
    """ "im2col" or "winograd", for a convolution from `channels` to `outputs`, (height, width) `size` of its output.

    Forward pass and both gradients go one way. Raises ShapeError if `wanted` is none of `ALGORITHMS`.
    """
    if wanted not in ALGORITHMS:
        raise ShapeError(f"conv2d: algorithm must be one of {', '.join(ALGORITHMS)}, got {wanted!r}")
    kernel, stride, _, dilation, groups = geometry
    possible = kernel == (3, 3) and stride == dilation == (1, 1) and groups == 1 and dtype == np.float32
    if wanted == "im2col" or not possible:
        return "im2col"
    tiles = images * winograd.tiles_along(size[0]) * winograd.tiles_along(size[1])
    pays = channels * outputs >= LEAST_CHANNELS * (channels + outputs)
    pays = pays and tiles >= LEAST_TILES and channels * outputs * tiles >= LEAST_PRODUCTS
    return "winograd" if pays or wanted == "winograd" else "im2col"
