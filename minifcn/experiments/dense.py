"""Sections 3.1 and 3.2: a classifier over a whole picture in one pass, and made denser without new weights."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from minifcn import models, parallel
from minifcn.backend import Timer
from minifcn.command import natural, positive
from minifcn.experiments import report
from minifcn.inspection import charts
from minifcn.models.rarefaction import agreement, rarefied, shift_and_stitch, stitching_macs
from minifcn.net import Net

ABOUT = """\
Section 3.1: a fully convolutional net over a large picture shares the work of overlapping patches. The paper has
AlexNet classify one 227x227 crop in 1.2 ms, and score the 10x10 grid of a 500x500 picture in 22 ms: more than 5 times
as fast as 100 crops. The same is measured here, forward and backward, on random weights, which take as long. That the
outputs are equal is shown on patches as large as a receptive field; 227 pixels are fewer, and see the padding. Crops
are computed --batch at a time: one alone would read all weights of fc6, which count for more than its arithmetic.

Section 3.2: the output made FACTOR times as dense, by shift-and-stitch (FACTOR^2 passes over shifted pictures) and by
filter rarefaction (one pass, strides 1, filters dilated): the same numbers, at what cost?
"""
#: Section 3.1, on a GPU: milliseconds for (one 227x227 crop, the grid of 500x500).
PAPER = {"forward": (1.2, 22.0), "backward": (2.4, 37.0)}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What can be asked of this experiment."""
    parser.add_argument("--net", choices=models.CLASSIFIERS, default="alexnet", help="classifier (default: alexnet)")
    parser.add_argument("--preset", metavar="NAME", help="its widths (default: as published)")
    parser.add_argument("--size", type=positive, default=500, metavar="N", help="side of the picture (default: 500)")
    parser.add_argument("--batch", type=positive, default=10, metavar="N", help="crops at a time (default: 10)")
    parser.add_argument("--factor", type=positive, default=4, metavar="N", help="of section 3.2 (default: 4)")
    parser.add_argument("--trials", type=positive, default=3, metavar="N", help="medians of so many (default: 3)")
    parser.add_argument("--threads", type=natural, default=0, metavar="N", help="threads on the CPU; 0: one a core")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Times both pairs and compares their outputs; leaves dense.csv and .png in `out`."""
    if arguments.threads:
        parallel.set_threads(arguments.threads)
    rng = np.random.default_rng(1)
    net = models.build(arguments.net, 1000, arguments.preset, rng=rng)
    side = models.family(arguments.net).side
    picture = 40 * rng.standard_normal((1, 3, arguments.size, arguments.size), dtype=np.float32)
    rows = [
        *_grid(net, picture, side, arguments.batch, arguments.trials),
        *_denser(net, picture, arguments.factor, arguments.trials),
    ]
    report.write_csv(rows, out / "dense.csv")
    groups = {
        row["pass"]: {"here": row["times as fast"], "paper (AlexNet)": row["paper"]}
        for row in rows
        if "times as fast" in row
    }
    charts.bars(groups, out / "dense.png", "times as fast as patch by patch", f"{arguments.net}, {arguments.size} px")


def _grid(net: Net, picture: np.ndarray, side: int, batch: int, trials: int) -> Iterator[dict]:
    """Section 3.1: the grid of scores against as many crops, of which `batch` are computed at a time."""
    crops = np.repeat(picture[:, :, :side, :side], batch, axis=0)
    cells = net.shapes(picture.shape)[net.outputs[0]][2:]
    count = cells[0] * cells[1]
    print(f"{net.spec['name']}, {net.spec['preset']}: {cells[0]}x{cells[1]} scores of a picture of "
          f"{picture.shape[3]}x{picture.shape[2]}, or {count} crops of {side}x{side}")  # fmt: skip
    found = []
    times = _interleaved({"crop": lambda: _both_passes(net, crops), "grid": lambda: _both_passes(net, picture)}, trials)
    for k, name in enumerate(("forward", "backward")):
        several, whole = (median(seconds[k] for seconds in times[which]) for which in ("crop", "grid"))
        one = several / batch
        paper = speedup(PAPER[name])
        found.append({"pass": name, "one crop, ms": 1e3 * one, "grid, ms": 1e3 * whole,
                      "times as fast": count * one / whole, "paper": paper})  # fmt: skip
    print(report.table(found))
    print(f"equal to single patches to {_difference(net, picture):.1e} of the largest score\n")
    yield from found


def speedup(milliseconds: tuple[float, float], crops: int = 100) -> float:
    """How many times as fast the grid is, of (one crop, grid)."""
    return crops * milliseconds[0] / milliseconds[1]


def _difference(net: Net, picture: np.ndarray) -> float:
    """The largest difference between the dense scores and those of patches, relative to the largest score.

    A patch begins on the classifier's grid and holds the receptive field of its cell.
    """
    top = net.outputs[0]
    place = net.coords(top).x
    stride = int(place.scale)
    size = picture.shape[2]
    with net.inference():
        dense: Any = net.forward(picture)
        inside = [o for o in range(dense.shape[2]) if stride * o + place.low >= 0 and stride * o + place.high < size]
        worst = 0.0
        for o in {inside[0], inside[-1]} if inside else ():
            start = int(stride * o + place.low) // stride * stride
            patch = slice(start, int(stride * o + place.high) + 1)
            alone: Any = net.forward(np.ascontiguousarray(picture[:, :, patch, patch]))
            k = (stride * o - start) // stride
            worst = max(worst, float(np.abs(dense[..., o, o] - alone[..., k, k]).max()))
    return worst / float(np.abs(dense).max()) if inside else float("nan")


def _denser(net: Net, picture: np.ndarray, factor: int, trials: int) -> Iterator[dict]:
    """Section 3.2: two ways to a denser output."""
    stride = int(net.coords(net.outputs[0]).x.scale)
    dense = rarefied(net, stride // factor)
    ways = {
        "as it is": (net.plan(picture.shape).macs, lambda: _forward(net, picture)),
        "shift-and-stitch": (stitching_macs(net, picture.shape, factor),
                             lambda: shift_and_stitch(net, picture, factor)),
        "rarefaction": (dense.plan(picture.shape).macs, lambda: _forward(dense, picture)),
    }  # fmt: skip
    outputs = {}

    def timed(way: str) -> tuple[float, ...]:
        with Timer(np) as timer:
            outputs[way] = ways[way][1]()
        return (timer.seconds,)

    times = _interleaved({way: partial(timed, way) for way in ways}, trials)
    found = []
    for way, (macs, _) in ways.items():
        height, width = outputs[way].shape[2:]
        found.append({"pass": way, "output": f"{height}x{width}", "GMAC": macs / 1e9,
                      "seconds": median(seconds[0] for seconds in times[way])})  # fmt: skip
    print(f"the output {factor} times as dense, a score every {stride // factor} pixels")
    print(report.table(found, digits=2))
    one, other = outputs["shift-and-stitch"], outputs["rarefaction"]
    rows, columns = agreement(net, other.shape, factor)
    equal = rows[:, None] & columns
    error = np.abs(one - other)[..., equal].max() / np.abs(other).max()
    print(f"equal to {error:.1e} of the largest score, at the {equal.sum()} of {equal.size} places where the padding "
          "of shifted pictures does not show")  # fmt: skip
    yield from found


def _interleaved(works: dict[str, Callable[[], tuple[float, ...]]], trials: int) -> dict[str, list[tuple[float, ...]]]:
    """What each work returned, `trials` times, in turns, after one that does not count."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in works}
    for k in range(trials + 1):
        for name, work in works.items():
            result = work()
            if k:
                found[name].append(result)
    return found


def _both_passes(net: Net, x: np.ndarray) -> tuple[float, float]:
    """Seconds of a forward and of a backward pass."""
    with Timer(np) as forward:
        y: Any = net.forward(x)
    net.zero_grads()
    with Timer(np) as backward:
        net.backward(np.ones_like(y))
    net.zero_grads()
    return forward.seconds, backward.seconds


def _forward(net: Net, x: np.ndarray) -> Any:
    with net.inference():
        return net.forward(x)
