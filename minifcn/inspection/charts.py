"""Plots of an experiment: measured values as lines or as bars, with the paper's beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from minifcn.inspection.plots import BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9")
STYLES = ("-", "--", "-.", ":", "-", "--")
#: Series of this beginning come out of the paper, and are grey.
PAPER = "paper"

Points = Sequence[tuple[float, float]]


def lines(
    series: Mapping[str, Points], path: str | PathLike, xlabel: str, ylabel: str, title: str = "", log_x: bool = False
) -> None:
    """Draw named series of (x, y) as lines, each point marked; with `log_x` the axis shows the x themselves."""
    panels({title: (series, xlabel)}, path, ylabel, log_x)


def panels(
    parts: Mapping[str, tuple[Mapping[str, Points], str]], path: str | PathLike, ylabel: str, log_x: bool = False
) -> None:
    """Draw one panel of lines for each title -> (series, what its x axis is), side by side over one y axis."""
    figure = new_figure(2.0 + 4.8 * len(parts), 4.2)
    every = np.atleast_1d(figure.subplots(1, len(parts), sharey=True))
    for axes, (title, (series, xlabel)) in zip(every, parts.items(), strict=True):
        for k, (name, points) in enumerate(series.items()):
            colour, style = (GREY, ":") if name.startswith(PAPER) else (COLOURS[k % 6], STYLES[k % 6])
            x, y = np.array(points, float).reshape(-1, 2).T
            axes.plot(x, y, style, color=colour, marker="o", markersize=3.5, linewidth=1.8, label=name)
        if log_x:
            ticks = sorted({x for points in series.values() for x, _ in points})
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xlabel(xlabel)
        axes.set_title(title, loc="left", fontsize=10, color="#555555")
        _tidy(axes)
    every[0].set_ylabel(ylabel)
    every[-1].legend(frameon=False, fontsize=9)
    save(figure, path)


def bars(groups: Mapping[str, Mapping[str, float]], path: str | PathLike, ylabel: str, title: str = "") -> None:
    """Draw a bar for each value of group -> {name: value}, groups side by side, the value above each bar."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    width = 0.8 / max(1, len(names))
    figure = new_figure(max(5.0, 1.6 + 0.55 * len(groups) * len(names)), 4.2)
    axes = figure.subplots()
    for k, name in enumerate(names):
        there = [(g, values[name]) for g, values in enumerate(groups.values()) if np.isfinite(values.get(name, np.nan))]
        colour = "#bbbbbb" if name.startswith(PAPER) else COLOURS[k % 6]
        drawn = axes.bar([g + (k + 0.5) * width - 0.4 for g, _ in there], [v for _, v in there], width * 0.92,
                         color=colour, label=name)  # fmt: skip
        axes.bar_label(drawn, [f"{v:.3g}" for _, v in there], fontsize=8, color="#555555")
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left", fontsize=10, color="#555555")
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _tidy(axes)
    save(figure, path)


def _tidy(axes: Axes) -> None:
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
