"""Figures for notebooks: shown where they are the value of a cell's last line, whatever was imported before."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, its sides in inches. It belongs to its owner alone: pyplot does not know of it."""
    return _shown()(figsize=(width, height), layout="constrained")


@cache
def _shown() -> type[Figure]:
    from matplotlib.figure import Figure  # half a second, for those who draw

    class Shown(Figure):
        """A figure that IPython can show even before pyplot has told it how."""

        def _repr_png_(self) -> bytes:
            out = io.BytesIO()
            self.savefig(out, format="png", bbox_inches="tight")
            return out.getvalue()

    return Shown
