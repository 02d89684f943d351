"""The pictures that a run leaves behind: curves, samples, the confusion matrix, and a prediction laid over its picture.

Figures are built as objects, never through pyplot's global state, so plotting works in threads, without a display, and
leaves a notebook's settings alone. The same input gives the same bytes.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from minifcn.files import atomic_path
from minifcn.inspection import canvas
from minifcn.metrics import ConfusionMatrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with every kind of colour vision; line styles say the same once more in grey.
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
MEASURES = {
    "pixel_accuracy": ("pixel accuracy", GREEN, "--"),
    "frequency_weighted_iu": ("freq. weighted IU", ORANGE, "-."),
    "mean_accuracy": ("mean accuracy", VERMILION, ":"),
    "mean_iu": ("mean IU", BLUE, "-"),
}


def curves(log_rows: Sequence[Mapping[str, Any]], path: str | PathLike) -> None:
    """Draw a run's log: loss (raw and smoothed), the four measures where they were taken, the learning rate.

    A row has step, loss, lr and seconds, and on evaluation rows the keys of MEASURES. A missing, empty or NaN value is
    a gap. Smoothing is a running mean over a 25th of the run, centred, so that it does not lag. Where the stage of the
    rows changes, there is a line, and the stages have their names.
    """
    figure = new_figure(8, 6.5)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.2))
    step = _column(log_rows, "step")
    _draw_loss(upper, step, _column(log_rows, "loss"))
    _draw_measures(middle, step, {key: _column(log_rows, key) for key in MEASURES})
    lower.plot(step, _column(log_rows, "lr"), color=GREY, linewidth=1.5)
    lower.set(ylabel="learning rate", xlabel="step")
    lower.locator_params("x", steps=[1, 2, 5, 10], integer=True)
    _draw_stages((upper, middle, lower), log_rows)
    for axes in (upper, middle, lower):
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.align_ylabels()
    upper.set_title(_duration(step, _column(log_rows, "seconds")), loc="left", fontsize=10, color="#555555")
    save(figure, path)


def confusion(matrix: ConfusionMatrix, classes: Sequence[str], path: str | PathLike) -> None:
    """Draw where each class's pixels went, in percent of the class's true pixels, beside each class's IU.

    Cells under half a percent stay empty. A class without true pixels has no row to show: grey.
    """
    count = len(classes)
    scores = matrix.scores()
    truth = matrix.matrix.sum(axis=1, keepdims=True)
    share = np.ma.masked_array(matrix.matrix / np.maximum(truth, 1), np.broadcast_to(truth == 0, (count, count)))
    inch, points = (0.44, 8.0) if count <= 12 else (0.34, 7.0) if count <= 30 else (0.25, 5.0)
    side = max(3.0, inch * count)
    name = 0.075 * points / 7 * max(len(name) for name in classes)  # inches that the longest name takes
    figure = new_figure(side + name + 1.2, side + name + 1.0)
    axes = figure.subplots()
    axes.pcolormesh(share[::-1], cmap="Blues", vmin=0, vmax=1, edgecolors="#f2f2f2", linewidth=0.5)
    axes.set_facecolor("#dddddd")
    ticks = np.arange(count) + 0.5
    axes.set_xticks(ticks, classes, rotation=90, fontsize=points)
    axes.set_yticks(ticks, reversed(list(classes)), fontsize=points)
    axes.set(aspect="equal", xlabel="prediction", ylabel="truth")
    right = axes.secondary_yaxis("right")
    right.set_yticks(ticks, ["-" if np.isnan(iu) else f"{iu:.2f}" for iu in scores.class_iu[::-1]], fontsize=points)
    for side_axes in (axes, right):
        side_axes.tick_params(length=0)
        side_axes.spines[:].set_visible(False)
    axes.text(count, count + 0.1, " IU", fontsize=points, ha="left", va="bottom", color="#555555")
    for i, j in zip(*np.nonzero(share.filled(0) >= 0.005), strict=True):
        colour = "white" if share[i, j] > 0.55 else "#222222"
        y = count - i - 0.5
        axes.text(j + 0.5, y, f"{100 * share[i, j]:.0f}", fontsize=points, color=colour, ha="center", va="center")
    headline = f"mean IU {scores.mean_iu:.3f}, pixel accuracy {scores.pixel_accuracy:.3f}"
    figure.suptitle(f"% of each class's true pixels ({headline})", fontsize=max(8.0, points + 1), color="#555555")
    save(figure, path)


def samples(
    rows: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]],
    classes: Sequence[str],
    palette: np.ndarray,
    path: str | PathLike,
    ignore_index: int = 255,
) -> None:
    """Draw picture, truth and prediction side by side, a row for each (name, image (H, W, 3) uint8, truth, prediction).

    Below them the classes that occur. Ignored pixels of the truth are white; the prediction is shown there as it is.
    """
    panels = [
        (name, image, [("truth", truth), (f"prediction, {_right(truth, prediction, ignore_index)}", prediction)])
        for name, image, truth, prediction in rows
    ]
    _sheet(panels, 340, classes, palette, path, ignore_index)


def stages(
    rows: Sequence[tuple[str, np.ndarray, np.ndarray, Mapping[str, np.ndarray]]],
    classes: Sequence[str],
    palette: np.ndarray,
    path: str | PathLike,
    ignore_index: int = 255,
) -> None:
    """Draw a picture, several nets' predictions by name, and the truth side by side, as the paper's figure 4 does.

    A row for each (name, image (H, W, 3) uint8, truth, {net: prediction}); otherwise as `samples`.
    """
    panels = [
        (
            name,
            image,
            [(f"{net}, {_right(truth, label, ignore_index)}", label) for net, label in predictions.items()]
            + [("truth", truth)],
        )
        for name, image, truth, predictions in rows
    ]
    _sheet(panels, 260, classes, palette, path, ignore_index)


def overlay(
    image: np.ndarray, label: np.ndarray, palette: np.ndarray, classes: Sequence[str], ignore_index: int = 255
) -> np.ndarray:
    """A label map laid over its picture (H, W, 3) uint8, with white lines between classes and a legend with shares.

    The picture keeps its pixels; only one smaller than 256 is enlarged, by a whole number. A class called "background"
    is not tinted. Returns (H', W', 3) uint8.
    """
    enlarge = -(-256 // max(image.shape[:2]))
    image, label = (np.repeat(np.repeat(a, enlarge, axis=0), enlarge, axis=1) for a in (image, label))
    height, width = label.shape
    tinted = label != ignore_index
    if classes[0] == "background":
        tinted &= label != 0
    mixed = image.copy()
    mixed[tinted] = (0.45 * image[tinted] + 0.55 * palette[label[tinted]]).astype(np.uint8)
    mixed[_borders(label, thickness=max(1, max(height, width) // 600))] = canvas.PAPER

    counts = np.bincount(label.reshape(-1), minlength=256)
    entries = []
    for c in np.flatnonzero(counts).tolist():
        name, colour = ("ignored", canvas.PAPER) if c == ignore_index else (classes[c], tuple(palette[c]))
        entries.append((f"{name} {_percent(counts[c] / label.size)}", colour))
    key = canvas.legend(entries, width, size=int(np.clip(width // 40, 13, 40)))
    sheet = Image.new("RGB", (max(width, key.width), height + key.height), canvas.PAPER)
    sheet.paste(Image.fromarray(mixed), (0, 0))
    sheet.paste(key, (0, height))
    return np.asarray(sheet)


def _draw_stages(plots: tuple[Axes, ...], log_rows: Sequence[Mapping[str, Any]]) -> None:
    """Where each stage begins, if there are several; their names at the foot of the middle plot."""
    begins: list[float] = []
    names: list[str] = []
    for row in log_rows:
        if row.get("stage") not in (None, "", *names[-1:]):
            begins.append(float(row["step"]) - 0.5)
            names.append(row["stage"])
    if len(names) < 2:
        return
    for axes in plots:
        for x in begins[1:]:
            axes.axvline(x, color="#aaaaaa", linewidth=1, zorder=0)
    for x, name in zip(begins, names, strict=True):
        middle = plots[1]
        middle.text(x, 0.03, f" {name}", transform=middle.get_xaxis_transform(), fontsize=9, color="#555555")


def _draw_loss(axes: Axes, step: np.ndarray, loss: np.ndarray) -> None:
    known = np.isfinite(loss)
    step, loss = step[known], loss[known]
    axes.plot(step, loss, color=BLUE, alpha=0.3, linewidth=0.8, label="each step")
    axes.plot(step, smooth(loss), color=BLUE, linewidth=2, label="running mean")
    if loss.size and loss.min() > 0 and loss.max() > 30 * loss.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")  # 0.01: powers of ten need fonts that then stay open
        axes.yaxis.set_minor_formatter("")
    axes.set_ylabel("loss")
    axes.legend(loc="upper right", frameon=False)


def _draw_measures(axes: Axes, step: np.ndarray, measures: Mapping[str, np.ndarray]) -> None:
    """One line a measure, named at its own end instead of in a legend."""
    ends = {}
    for key, values in measures.items():
        known = np.isfinite(values)
        if known.any():
            _, colour, style = MEASURES[key]
            width = 2.2 if key == "mean_iu" else 1.4
            axes.plot(step[known], values[known], style, color=colour, linewidth=width, marker="o", markersize=3)
            ends[key] = values[known][-1]
    for key, y in zip(ends, _spread(list(ends.values()), gap=0.09), strict=True):
        name, colour, _ = MEASURES[key]
        transform = axes.get_yaxis_transform()
        axes.text(1.02, y, f"{name} {ends[key]:.3f}", color=colour, transform=transform, va="center", fontsize=9)
    axes.set(ylim=(0, 1), ylabel="on unseen pictures")
    if not ends:
        axes.text(0.5, 0.5, "not evaluated", transform=axes.transAxes, ha="center", color=GREY)


def _sheet(
    rows: Sequence[tuple[str, np.ndarray, list[tuple[str, np.ndarray]]]],
    box: int,
    classes: Sequence[str],
    palette: np.ndarray,
    path: str | PathLike,
    ignore_index: int,
) -> None:
    """A row for each (name, picture, [(title, label map), ...]), in boxes of so many pixels; below, what occurs."""
    margin, size = 16, 17
    width = margin + (1 + len(rows[0][2])) * (box + margin)
    tiles = []
    for name, image, maps in rows:
        pictures = [(name, canvas.fit(image, box, smooth=True))]
        pictures += [(title, canvas.fit(canvas.colourise(m, palette, ignore_index), box, smooth=False))
                     for title, m in maps]  # fmt: skip
        tiles.append(_tile(pictures, box, margin, size, width))
    used = sorted({int(c) for _, _, maps in rows for _, label in maps for c in np.unique(label)})
    entries = [(classes[c], tuple(palette[c])) for c in used if c != ignore_index]
    if ignore_index in used:
        entries.append(("ignored", canvas.PAPER))
    tiles.append(ImageOps.expand(canvas.legend(entries, width - margin, size), (margin // 2, 0), canvas.PAPER))
    sheet = Image.new("RGB", (max(tile.width for tile in tiles), sum(tile.height for tile in tiles)), canvas.PAPER)
    y = 0
    for tile in tiles:
        sheet.paste(tile, (0, y))
        y += tile.height
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")


def _tile(pictures: list[tuple[str, Image.Image]], box: int, margin: int, size: int, width: int) -> Image.Image:
    """Pictures side by side, a title above each."""
    head = round(2 * size)
    tile = Image.new("RGB", (width, head + pictures[0][1].height + margin // 2), canvas.PAPER)
    draw = ImageDraw.Draw(tile)
    for k, (title, picture) in enumerate(pictures):
        x = margin + k * (box + margin)
        title = canvas.shorten(title, box, size)
        draw.text((x, head - size // 2), title, fill=canvas.INK, font=canvas.font(size), anchor="ls")
        tile.paste(picture, (x, head))
        draw.rectangle((x - 1, head - 1, x + picture.width, head + picture.height), outline=canvas.FAINT)
    return tile


def _right(truth: np.ndarray, prediction: np.ndarray, ignore_index: int) -> str:
    """The share of right pixels, in words."""
    counted = truth != ignore_index
    return f"{_percent(np.mean(truth[counted] == prediction[counted]))} right" if counted.any() else "nothing to score"


def _borders(label: np.ndarray, thickness: int) -> np.ndarray:
    """(H, W) bool: pixels within `thickness` right of or below which another class begins."""
    edge = np.zeros(label.shape, bool)
    for shift in range(1, thickness + 1):
        edge[:-shift] |= label[:-shift] != label[shift:]
        edge[:, :-shift] |= label[:, :-shift] != label[:, shift:]
    return edge


def smooth(values: np.ndarray) -> np.ndarray:
    """Running mean, centred, over a 25th of the values; at the ends over those that are there."""
    window = np.ones(2 * (values.size // 50) + 1)
    if values.size == 0:
        return values
    return np.convolve(values, window, "same") / np.convolve(np.ones(values.size), window, "same")


def _spread(heights: list[float], gap: float) -> list[float]:
    """Heights in 0..1 moved apart to at least `gap`, order kept, so that texts beside them do not overlap."""
    placed = np.array(heights)
    order = np.argsort(placed, kind="stable")
    for low, high in pairwise(order):
        placed[high] = max(placed[high], placed[low] + gap)
    for k, index in enumerate(order[::-1]):  # what was pushed beyond the top comes down again
        placed[index] = min(placed[index], 1 - k * gap)
    return placed.tolist()


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    values = [row.get(key) for row in rows]
    return np.array([np.nan if value in (None, "") else float(value) for value in values])


def _duration(step: np.ndarray, seconds: np.ndarray) -> str:
    known = seconds[np.isfinite(seconds)]
    if not known.size:
        return "nothing logged yet"
    minutes, rest = divmod(round(known[-1]), 60)
    return f"{int(step[-1])} steps in {minutes} min {rest} s"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, its sides in inches."""
    from matplotlib.figure import Figure  # half a second: commands that draw at their end shall start at once

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | PathLike) -> None:
    """Write a figure as a PNG, whole or not at all; the same figure gives the same bytes."""
    with atomic_path(path) as temporary:  # no "Software" entry: matplotlib's version does not belong to the picture
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    figure.clear()
    gc.collect()  # a figure is full of circles: Python would keep many, and a long run's memory would grow with them
