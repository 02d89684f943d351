"""The results as two pictures: ratios as bars, growth as lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.cases import AXES
from benchmarks.engines import ENGINES
from benchmarks.figures import ratio
from benchmarks.results import Row
from benchmarks.tables import grown_bytes
from minifcn.inspection.plots import BLUE, GREY, ORANGE, VERMILION, save

COLOURS = {"minifcn": BLUE, "pytorch": VERMILION, "dezero": ORANGE}
#: Axis -> what stands under a point.
TICKS: dict[str, Callable[[Row], str]] = {
    "pixels": lambda row: f"{row['units'] ** 0.5:.0f}²",
    "batch": lambda row: str(row["units"]),
    "width": lambda row: row["case"].split()[1].rstrip(","),
    "threads": lambda row: str(row["threads"]),
}


def ratios(groups: Mapping[str, Sequence[Row]], path: Path) -> None:
    """A bar for each case that PyTorch took part in: minifcn's seconds or bytes over PyTorch's, on a scale of doubles.

    The thin line on a bar spans the ratios of single turns.
    """
    panels = {title: bars for title, rows in groups.items() if (bars := [_bar(row) for row in rows if _both(row)])}
    if not panels:
        return
    counts = [len(bars) for bars in panels.values()]
    figure = Figure(figsize=(8, 1.2 * len(panels) + 0.21 * sum(counts)), layout="constrained")
    every = figure.subplots(len(panels), 1, sharex=True, height_ratios=[c + 2 for c in counts], squeeze=False)[:, 0]
    for axes, (title, bars) in zip(every, panels.items(), strict=True):
        for y, (_, middle, least, most) in enumerate(bars):
            colour = BLUE if middle <= 1 else VERMILION
            axes.barh(y, middle - 1, left=1, height=0.7, color=colour, alpha=0.85)
            axes.plot((least, most), (y, y), color="#333333", linewidth=1)
            axes.text(max(middle, most, 1) * 1.03, y, f"{middle:.2f}", va="center", fontsize=7, color="#333333")
        axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=7)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xscale("log", base=2)
        axes.axvline(1, color=GREY, linewidth=1)
        axes.set_title(title, loc="left", fontsize=9, color="#555555")
        axes.spines[["top", "right"]].set_visible(False)
    every[-1].xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    every[-1].set_xlabel("minifcn / PyTorch: left of 1 minifcn is faster, or smaller")
    save(figure, path)


def growth(rows: Sequence[Row], path: Path) -> None:
    """Seconds above, MiB below, against each axis, both on scales of doubles; a grey line grows as the axis does."""
    if not rows:
        return
    names = list(dict.fromkeys(row["axis"] for row in rows))
    figure = Figure(figsize=(3.4 * len(names), 6), layout="constrained")
    grid = figure.subplots(2, len(names), squeeze=False)
    for k, name in enumerate(names):
        along = [row for row in rows if row["axis"] == name]
        x = [row["threads"] if name == "threads" else row["units"] for row in along]
        for engine, colour in COLOURS.items():
            times = [(u, median(row["seconds"][engine])) for u, row in zip(x, along, strict=True)
                     if engine in row["seconds"]]  # fmt: skip
            bytes_ = [(u, grown_bytes(row["peak"][engine]) / 2**20) for u, row in zip(x, along, strict=True)
                      if engine in row["peak"]]  # fmt: skip
            for axes, points in ((grid[0, k], times), (grid[1, k], bytes_)):
                if points:
                    axes.plot(
                        *zip(*points, strict=True), color=colour, marker="o", markersize=3.5, label=ENGINES[engine]
                    )
        first = median(along[0]["seconds"]["minifcn"])
        power = -1 if name == "threads" else 1
        grid[0, k].plot(x, [first * (u / x[0]) ** power for u in x], ":", color=GREY, label="in proportion")
        for axes in grid[:, k]:
            _doubles(axes, x, [TICKS[name](row) for row in along])
        grid[0, k].set_title(f"up to {along[-1]['case']}", loc="left", fontsize=8, color="#555555")
        grid[1, k].set_xlabel(AXES[name][0], fontsize=9)
    grid[0, 0].set_ylabel("seconds")
    grid[1, 0].set_ylabel("MiB at the peak, less the imports")
    grid[0, 0].legend(frameon=False, fontsize=8)
    save(figure, path)


def _doubles(axes: Axes, ticks: Sequence[float], labels: Sequence[str]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(ticks, labels, fontsize=8, rotation=30 if any(len(label) > 4 for label in labels) else 0)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.3g}" if y < 1000 else f"{y:.0f}")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _both(row: Row) -> bool:
    return {"minifcn", "pytorch"} <= (row["seconds"] if "seconds" in row else row["peak"]).keys()


def _bar(row: Row) -> tuple[str, float, float, float]:
    if "seconds" in row:
        return row["case"], *ratio(row["seconds"]["minifcn"], row["seconds"]["pytorch"])
    value = grown_bytes(row["peak"]["minifcn"]) / grown_bytes(row["peak"]["pytorch"])
    return row["case"], value, value, value
