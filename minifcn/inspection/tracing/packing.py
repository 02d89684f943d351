"""A trace as the data of a page: what the scripts read, and as many cells and channels as fit into its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Resampling

from minifcn.backend import to_numpy
from minifcn.coords import Axis, Coords
from minifcn.data import Task
from minifcn.data.pictures import resized
from minifcn.errors import ConfigError
from minifcn.inspection import page
from minifcn.inspection.fields import bounded
from minifcn.inspection.summary import both, count, number, size
from minifcn.inspection.tracing.maps import Maps
from minifcn.inspection.tracing.passes import KEEPS_CHANNELS, Backward, Trace
from minifcn.layers import Conv2d, ConvTranspose2d, Crop, Input, Scale
from minifcn.net import Net, Node
from minifcn.plan import PlanRow

SIDES = (256, 128, 64)  # cells along a map's side, the most first
LEAST_SIDE = 32
SHOWN = 1024  # pixels of the picture's longer side on the page
SMALL = 256  # a picture so small is shown as it is, and not as a JPEG


@dataclass(frozen=True)
class Subject:
    """What was traced. image: uint8 RGB (H, W, 3), as the net sees it. begins, ends: the command that made the page,
    before and after its --class and --pixel. labels_pixels: False for a classifier, whose scores have no place."""

    net: str
    picture: str
    image: np.ndarray
    tasks: Sequence[Task]
    begins: str
    ends: str
    labels_pixels: bool = True


class Packed(NamedTuple):
    """The page's data, with the cells along a map's side and the channels by activity that it has at most."""

    data: dict[str, Any]
    side: int
    channels: int


def pack(net: Net, trace: Trace, subject: Subject, channels: int, max_bytes: int, frame: int = 0) -> Packed:
    """The data of a page that takes `max_bytes` at most, with as much detail as they hold.

    channels: of each layer, as `trace` was told. frame: the bytes of all that is not data. Maps lose cells first, then
    channels. ConfigError if it cannot be.
    """
    rest, classes = _without_maps(net, trace, subject), _classes_of_channels(net)
    room = max_bytes - frame - len(json.dumps(page.plain(rest)))
    for side, kept in _ladder(channels):
        if 0.2 * sum(m.codes.size for m in _all_maps(trace)) * (side / SIDES[0]) ** 2 > room and side > LEAST_SIDE:
            continue  # it never comes out so small: not worth the try
        maps = {name: _packed(m, side, kept, channels) for name, m in trace.maps.items()}
        for node in net.nodes:
            maps[node.name].update(_named(net, node, maps[node.name]["channels"], classes, subject))
        gradients = [{name: _packed(m, side, kept, channels) for name, m in b.maps.items()} for b in trace.backward]
        taken = len(json.dumps([maps, gradients]))
        if taken <= room:
            for layer in rest["layers"]:
                layer["maps"] = maps[layer["name"]]
            for target, each in zip(rest["targets"], gradients, strict=True):
                target["maps"] = each
            rest["channels"] = min(kept, channels, max(layer["shape"][0] for layer in rest["layers"]))
            return Packed(rest, side, rest["channels"])
    least = -(-(max_bytes - room + taken) // 100_000) / 10
    raise ConfigError(
        f"--max-bytes {max_bytes}: the page needs {least:.1f} MB even with one channel of each layer and maps of "
        f"{LEAST_SIDE} cells; allow it more, or fewer targets"
    )


def _ladder(channels: int) -> Iterator[tuple[int, int]]:
    """(side, channels) to try, the richest first."""
    for side in SIDES:
        yield side, channels
    kept = channels
    while kept > 1:
        kept //= 2
        yield SIDES[-1], kept
    yield LEAST_SIDE, 1


def _all_maps(trace: Trace) -> Iterator[Maps]:
    yield from trace.maps.values()
    for backward in trace.backward:
        yield from backward.maps.values()


def _packed(maps: Maps, side: int, kept: int, channels: int) -> dict[str, Any]:
    few = (maps.fewer(kept, channels) if kept < channels else maps).smaller(side)
    return {
        "codes": page.pack(few.codes),
        "channels": list(few.channels),
        "largest": [float(f"{value:.5g}") for value in few.largest],
        "factor": few.factor,
        "signed": few.signed,
    }


def _without_maps(net: Net, trace: Trace, subject: Subject) -> dict[str, Any]:
    height, width = subject.image.shape[:2]
    plan = net.plan(*net.input_shapes((1, 3, height, width)))
    index = {row.name: k for k, row in enumerate(plan.rows)}
    bounds = bounded(net)
    scale = min(1.0, SHOWN / max(height, width))
    shown = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = resized(subject.image, *shown, Resampling.LANCZOS) if scale < 1 else subject.image
    return {
        "picture": {
            "src": page.picture(small, quality=None if max(shown) <= SMALL else 88),
            "height": height,
            "width": width,
        },
        "layers": [_layer(net, row, index, trace, row.name in bounds) for row in plan.rows],
        "thumbs": _flat([trace.thumbs[row.name] for row in plan.rows]),
        "tasks": [
            _task(task, label, shown) if subject.labels_pixels else {"name": task.name}
            for task, label in zip(subject.tasks, trace.labels, strict=True)
        ],
        "outputs": [index[name] for name in net.outputs],
        "targets": [_target(backward, plan.rows, subject.tasks) for backward in trace.backward],
        "command": {"begins": subject.begins, "ends": subject.ends},
    }


def _layer(net: Net, row: PlanRow, index: Mapping[str, int], trace: Trace, bound: bool) -> dict[str, Any]:
    place, node = net.coords(row.name), net.nodes[index[row.name]]
    facts = trace.facts[row.name]
    return {
        "name": row.name,
        "kind": row.kind,
        "window": row.settings,
        "by": row.algorithm,
        "shape": row.out_shape[1:],
        "inputs": node.inputs,
        "place": _place(place),
        "stride": both(place, lambda axis: number(axis.scale)),
        "offset": both(place, lambda axis: number(axis.shift)),
        "field": both(place, lambda axis: number(axis.receptive_field)),
        "bound": bound,
        "macs": count(row.macs) if row.macs else "",
        "bytes": size(row.output_bytes),
        "parameters": [
            {
                "name": key,
                "shape": param.data.shape,
                "learns": param.learns,
                "norm": _short(float(param.data.reshape(-1) @ param.data.reshape(-1)) ** 0.5),
            }
            for key, param in node.layer.params.items()
        ],
        "facts": [_short(value) for value in facts],
        "thumb": trace.thumbs[row.name].shape,
    }


def _classes_of_channels(net: Net) -> dict[str, int]:
    """Layers whose channels are classes -> the number of their task: from the scores up to what makes them."""
    tasks: dict[str, int] = {}
    for node in reversed(net.nodes):
        if node.name in net.outputs:
            tasks[node.name] = net.outputs.index(node.name)
        if node.name in tasks and isinstance(node.layer, (*KEEPS_CHANNELS, ConvTranspose2d)):
            feeds = node.inputs[:1] if isinstance(node.layer, Crop) else node.inputs
            tasks.update({net.nodes[i].name: tasks[node.name] for i in feeds})
    return tasks


def _named(
    net: Net, node: Node, channels: Sequence[int], classes: Mapping[str, int], subject: Subject
) -> dict[str, list[str]]:
    """What channels stand for, where it can be said ("labels"), and their filters, where these have colours."""
    if node.name in classes:
        names = subject.tasks[classes[node.name]].classes
        return {"labels": [names[c] for c in channels]}
    if isinstance(node.layer, Input) and _is_colour(node):
        return {"labels": [("blue", "green", "red")[c] for c in channels]}
    if not isinstance(node.layer, Conv2d) or not _sees_colour(net, node):
        return {}
    filters = to_numpy(node.layer.params["weight"].data)[:, 2::-1].transpose(0, 2, 3, 1)  # R, G, B last
    filters = 0.5 + 0.5 * filters / np.abs(filters).max(axis=(1, 2, 3), keepdims=True).clip(1e-30)  # grey is 0
    return {"filters": [page.picture(np.rint(255 * filters[c]).astype(np.uint8), quality=None) for c in channels]}


def _sees_colour(net: Net, node: Node) -> bool:
    """Whether a layer is fed with the picture, be it scaled."""
    below = net.nodes[node.inputs[0]]
    return _is_colour(below) if not isinstance(below.layer, Scale) else _sees_colour(net, below)


def _is_colour(node: Node) -> bool:
    """Whether it is the entrance for blue, green and red."""
    return isinstance(node.layer, Input) and node.layer.channels == 3 and node.name in ("data", "color")


def _place(place: Coords) -> dict[str, list[int]]:
    """Of both axes scale, shift, low and high as whole numbers over a common denominator, which comes last."""

    def axis(a: Axis) -> list[int]:
        below = lcm(*(value.denominator for value in a))
        return [*(int(value * below) for value in a), below]

    return {"y": axis(place.y), "x": axis(place.x)}


def _task(task: Task, label: np.ndarray, shown: tuple[int, int]) -> dict[str, Any]:
    there = {int(k): n for k, n in zip(*np.unique(label, return_counts=True), strict=True)}
    return {
        "name": task.name,
        "label": resized(label.astype(np.uint8), *shown, Resampling.NEAREST),
        "classes": [
            {"number": k, "name": task.classes[k], "colour": task.palette[k].tolist(), "share": n / label.size}
            for k, n in sorted(there.items(), key=lambda each: -each[1])
        ],
    }


def _target(backward: Backward, rows: Sequence[PlanRow], tasks: Sequence[Task]) -> dict[str, Any]:
    target = backward.target
    task = tasks[target.task]
    empty = np.zeros(0, np.uint8)
    return {
        "task": target.task,
        "name": task.classes[target.label],
        "of": task.name,
        "label": target.label,
        "y": target.y,
        "x": target.x,
        "score": _short(backward.score),
        "probability": _short(backward.probability),
        "norms": {name: _short(value) for name, value in backward.norms.items()},
        "reached": [row.name in backward.thumbs for row in rows],
        "thumbs": _flat([backward.thumbs.get(row.name, empty) for row in rows]),
    }


def _flat(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _short(value: float) -> float:
    """So many digits as a reader wants; NaN and infinity stay."""
    return float(f"{value:.5g}")
