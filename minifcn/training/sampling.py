"""Which places of a picture count in the loss: sampling of the loss, and patchwise training as a mask (section 3.4).

The loss of a picture is a sum over places, L = sum over cells of L_c, so its gradient is the sum of theirs; and L_c
depends on the picture only within the receptive field of c. A pass over the whole picture with the loss of some cells
left out therefore gives the gradient of patchwise training on the patches of the others, with the work that
overlapping patches share done once.

A cell is one of the coarsest score map's, "each final layer cell" of section 4.3. As the scores are upsampled before
they meet the labels, a cell stands for the pixels that are nearer to its centre than to any other's: a block of 32x32
under a trunk of stride 32. Pixels beyond the outermost cells' blocks go with these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn.config import TrainConfig
from minifcn.coords import Axis
from minifcn.data import Batch
from minifcn.errors import ConfigError
from minifcn.layers import Input
from minifcn.net import Net


class Cells(NamedTuple):
    """Of each row (H,) and each column (W,) of pixels, the row and column of the cell that it belongs to."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns of cells have pixels."""
        return int(self.rows.max()) + 1, int(self.columns.max()) + 1

    def mask(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The pixels (N, H, W) of the cells (N, h, w) that are kept."""
        return kept[:, self.rows][:, :, self.columns]


def cells_of(net: Net, height: int, width: int) -> Cells:
    """The cells that a net's loss over a picture of this size is made of, by where they lie (`minifcn.coords`)."""
    coarsest = max(reversed(net.nodes), key=lambda node: node.coords.y.scale)  # the last of them: the scores
    place = coarsest.coords
    pictures = [(1, node.layer.channels, height, width) for node in net.nodes if isinstance(node.layer, Input)]
    h, w = net.shapes(*pictures)[coarsest.name][2:]
    rows, columns = _nearest(place.y, height, h), _nearest(place.x, width, w)
    return Cells(rows - rows[0], columns - columns[0])


def sample(rng: np.random.Generator, shape: tuple[int, int, int], p: float) -> NDArray[np.bool_]:
    """Cells (N, h, w) of which each is kept with probability p."""
    return rng.random(shape) < p


def choose(rng: np.random.Generator, shape: tuple[int, int, int], count: int) -> NDArray[np.bool_]:
    """Cells (N, h, w) of which `count` are kept in each picture, all equally likely (all, if it has fewer)."""
    pictures, height, width = shape
    kept = np.zeros((pictures, height * width), bool)
    for row in kept:
        row[rng.permutation(row.size)[:count]] = True
    return kept.reshape(shape)


def patch(net: Net, cells: Cells, row: int, column: int) -> tuple[slice, slice]:
    """Rows and columns of the patch that the loss of a cell depends on: what the net sees from its block of pixels.

    The patch begins a whole number of the coarsest stride from the picture's border, or at it, so that the net lays
    its grid over the patch as over the picture. Where the patch ends at the picture's border, the net pads both alike.
    """
    stride = max(node.coords.y.scale for node in net.nodes)
    seen = net.coords(net.outputs[0])

    def along(owners: NDArray[np.intp], cell: int, axis: Axis) -> slice:
        block = np.flatnonzero(owners == cell)
        start = math.floor((int(block[0]) + axis.low) / stride) * int(stride)
        return slice(max(0, start), min(len(owners), int(block[-1] + axis.high) + 1))

    return along(cells.rows, row, seen.y), along(cells.columns, column, seen.x)


@dataclass(frozen=True)
class Sampling:
    """What of a batch counts in its loss: cells kept with probability `p`, or `patches` of them a picture if not 0.

    The draw is a function of the seed and the batch's number alone.
    """

    seed: int = 1
    p: float = 1.0
    patches: int = 0

    @classmethod
    def of(cls, config: TrainConfig) -> Sampling:
        """As the settings say; ConfigError if they ask for both."""
        if config.patches and config.loss_sampling < 1:
            raise ConfigError("loss_sampling and patches are two ways to choose what counts in the loss; use one")
        return cls(config.seed, config.loss_sampling, config.patches)

    def warnings(self, net: Net, batch: Batch) -> list[str]:
        """A line if of batches like this one everything counts, or nearly nothing."""
        rows, columns = cells_of(net, *batch.labels.shape[1:]).shape
        if self.patches >= rows * columns:
            return [f"warning: patches {self.patches}: pictures have {rows}x{columns} cells, so that all of them count"]
        if (expected := self.p * rows * columns * batch.of) < 1:
            return [
                f"warning: loss_sampling {self.p:g}: {rows}x{columns} cells a picture make {expected:.2g} that count "
                "in a batch: most batches teach nothing"
            ]
        return []

    def mask(self, net: Net, batch: Batch) -> NDArray[np.bool_] | None:
        """The pixels (N, H, W) that count; None for all."""
        if self.p == 1 and not self.patches:
            return None
        cells = cells_of(net, *batch.labels.shape[1:])
        shape = (batch.of, *cells.shape)
        rng = np.random.default_rng([self.seed, batch.step, 3])  # a stream that neither loader nor net draws from
        kept = choose(rng, shape, self.patches) if self.patches else sample(rng, shape, self.p)
        return cells.mask(kept[batch.first : batch.first + len(batch.labels)])


def _nearest(axis: Axis, pixels: int, cells: int) -> NDArray[np.intp]:
    """Of each pixel the nearest cell, among those that the map has: cell o lies over pixel scale * o + shift."""
    half = axis.scale / 2
    found: Sequence[int] = [math.floor((y - axis.shift + half) / axis.scale) for y in range(pixels)]
    return np.clip(np.array(found), 0, cells - 1)
