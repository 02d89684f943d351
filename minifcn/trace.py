"""`python -m minifcn.trace WEIGHTS PICTURE --out trace.html`: a net's passes over one picture, as a page to explore."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Resampling
from tqdm import tqdm

from minifcn import limits, models
from minifcn.backend import Namespace, to, xp_of
from minifcn.beside import folders_of, read_beside
from minifcn.classification import middle, read_labels, shortened
from minifcn.command import (
    Parser,
    add_device_flags,
    add_memory_flag,
    add_net_flags,
    memory_budget,
    memory_size,
    net_given,
    positive,
    reports_errors,
)
from minifcn.data import Task, read_image
from minifcn.data.modalities import inputs_of
from minifcn.data.pictures import resized
from minifcn.errors import ConfigError, counted
from minifcn.inference import check_classes, open_trained, remarks, tasks_of
from minifcn.inspection import tracing
from minifcn.inspection.tracing import Target, Trace
from minifcn.inspection.tracing.packing import SIDES
from minifcn.inspection.tracing.targets import class_of
from minifcn.layers import Shape
from minifcn.net import Net
from minifcn.outputs import check_file

ABOUT = """\
Run a trained net over a picture and back, and write what happened as one HTML page that needs no network and no
server: the net's graph drawn to scale; of each layer the feature maps, and the gradients of one score (the target: a
class at a pixel); and for each cell of each map the part of the picture that it sees (at or behind a
transposed convolution: that it sees at most, as the page says there).

Targets are, if you do not choose, the pixels deepest inside the regions of the three largest classes; of a classifier
the three most probable classes. --class and --pixel choose them, and may stand there several times:

  --class car --pixel 120,301     that class's score there (row 120, column 301)
  --class car                     the pixel deepest inside what is taken for it
  --pixel 120,301                 the class that is predicted there

A page holds some channels of each layer, made small and 8 bits deep; it says which.
"""
EXAMPLES = """\
examples
  minifcn train --out runs/shapes                                  makes the weights of the next line
  minifcn trace runs/shapes/weights.safetensors cat.jpg --out trace.html
  minifcn trace weights.safetensors street.png --class Car --pixel 120,301 --class Road --pixel 200,90 --out trace.html
  minifcn trace bvlc_googlenet.npz cat.jpg --labels synset_words.txt --out trace.html
  minifcn trace rgbd.safetensors room.png --depth rooms/depth --out trace.html

WEIGHTS is a .safetensors file, as minifcn writes it, or one of another framework, as `minifcn convert` reads it.
exit status: 0 the page is written; 2 bad input
"""
TARGETS = 3


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Trace the net and write the page."""
    arguments = _parser().parse_args(argv)
    reads = (arguments.picture, arguments.weights, arguments.labels)
    check_file("--out", arguments.out, (".html", ".htm"), arguments.overwrite, reads)
    net, about = open_trained(arguments.weights, net_given(arguments), arguments.device, arguments.threads)
    net.convolve_by(arguments.conv)
    labels_pixels = net.spec["name"] in models.FCNS
    if labels_pixels:
        check_classes(net)
    elif arguments.pixels:
        raise ConfigError(f"--pixel: {net.spec['name']} is a classifier, whose scores have no place; say --class alone")
    tasks = _tasks(net, about, arguments.labels)
    for name in arguments.classes:  # before the work
        class_of(name, [task.classes for task in tasks], [task.name for task in tasks])
    for line in remarks(arguments.weights, net, about):
        print(line, file=sys.stderr)
    image, arrays = _inputs(net, arguments, about["mean"], labels_pixels)
    xp = xp_of(*(param.data for param in net.params.values()))
    models.check_size(net, image.shape[0], image.shape[1], f"{arguments.picture}: ")
    shapes = net.input_shapes((1, 3, *image.shape[:2]))
    limits.check(partial(_needed, net), tuple(shapes), memory_budget(arguments.memory_limit, xp), "a trace")
    choose = partial(_targets, arguments=arguments, tasks=tasks, labels_pixels=labels_pixels)
    found = tracing.trace(net, _on(arrays, xp), choose, arguments.channels, SIDES[0], _progress)
    subject = tracing.Subject(
        net.spec["name"] + (f" ({net.spec['preset']})" if net.spec["preset"] != net.spec["name"] else ""),
        Path(arguments.picture).name,
        image,
        tasks,
        *_command(arguments),
        labels_pixels,
    )
    size, packed = tracing.write(arguments.out, net, found, subject, arguments.channels, arguments.max_bytes)
    for backward in found.backward:
        print(_line(backward, tasks, labels_pixels))
    print(
        f"{arguments.out}: {size / 1e6:.1f} MB, {counted(len(net.nodes), 'layer')}, of each at most "
        f"{counted(packed.channels, 'channel')} by activity and {packed.side} cells along a side"
    )
    return 0


def _tasks(net: Net, about: dict[str, Any], labels: str | None) -> list[Task]:
    tasks = tasks_of(about)
    if not labels:
        return tasks
    if len(tasks) > 1:
        raise ConfigError(f"--labels {labels}: names the classes of one task; the net has {len(tasks)}")
    return [tasks[0]._replace(classes=read_labels(labels, net.spec["num_classes"]))]


def _inputs(
    net: Net, arguments: argparse.Namespace, mean: Sequence[float], labels_pixels: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """(the picture as the net sees it, uint8 RGB; what each input is fed with, (C, H, W))."""
    folders = folders_of(net, {"depth": arguments.depth, "hha": arguments.hha})
    path = Path(arguments.picture)
    image = read_image(path)
    beside = {modality: read_beside(modality, folder, path, image) for modality, folder in folders.items()}
    if not labels_pixels:
        image = middle(net, shortened(image))
    elif arguments.max_side is not None and max(image.shape[:2]) > arguments.max_side:
        factor = arguments.max_side / max(image.shape[:2])
        height, width = (max(1, round(length * factor)) for length in image.shape[:2])
        beside = {name: resized(array, height, width, Resampling.BILINEAR) for name, array in beside.items()}
        image = resized(image, height, width, Resampling.LANCZOS)
    return image, inputs_of(image, beside, models.modalities_of(net), mean)


def _needed(net: Net, shapes: Sequence[Shape]) -> int:
    """Bytes that the passes take beside the weights: a training step's without velocity, and a copy of a blob."""
    plan = net.plan(*shapes)
    return plan.peak_bytes - 4 * (2 * plan.parameters + plan.fixed) + max(row.output_bytes for row in plan.rows)


def _on(arrays: Iterable[np.ndarray], xp: Namespace) -> list[Any]:
    return [to(x[None], xp) for x in arrays]


def _targets(found: Trace, arguments: argparse.Namespace, tasks: Sequence[Task], labels_pixels: bool) -> list[Target]:
    classes, names = [task.classes for task in tasks], [task.name for task in tasks]
    if not labels_pixels:
        asked = [class_of(name, classes, names)[1] for name in arguments.classes]
        return [Target(0, k, 0, 0) for k in asked or found.best[0][:TARGETS]]
    if arguments.classes or arguments.pixels:
        return tracing.asked(arguments.classes, arguments.pixels, found.labels, classes, names)
    return tracing.salient(found.labels, classes, -(-TARGETS // len(tasks)))


def _progress(targets: Iterable[Target], count: int) -> Iterable[Target]:
    return tqdm(targets, "tracing", count, unit="target", disable=None, leave=False)


def _line(backward: tracing.Backward, tasks: Sequence[Task], labels_pixels: bool) -> str:
    target, task = backward.target, tasks[backward.target.task]
    place = f" at row {target.y}, column {target.x}" if labels_pixels else ""
    name = f"{task.name}: " * bool(task.name) + task.classes[target.label]
    return f"target {name}{place}: score {backward.score:.4g}, probability {backward.probability:.3f}"


def _command(arguments: argparse.Namespace) -> tuple[str, str]:
    """The command that was given, up to where --class and --pixel belong, and after them."""
    begins = ["minifcn", "trace", _no_flag(arguments.weights), _no_flag(arguments.picture)]
    for flag in ("labels", "depth", "hha", "max_side"):
        if getattr(arguments, flag) is not None:
            begins += [f"--{flag.replace('_', '-')}", _no_flag(str(getattr(arguments, flag)))]
    given = {"name": "net", "num_classes": "classes"}
    for key, value in net_given(arguments).items():
        text = ",".join(f"{k}={n}" for k, n in value.items()) if isinstance(value, dict) else str(value)
        begins += [f"--{given.get(key, key).replace('_', '-')}", text]
    return shlex.join(begins), shlex.join(["--out", _no_flag(arguments.out), "--overwrite"])


def _no_flag(path: str) -> str:
    """A file whose name begins with "-" is taken for a flag unless a folder stands before it."""
    return f"./{path}" if path.startswith("-") else path


def _pixel(text: str) -> tuple[int, int]:
    """(y, x) of "120,301", for argparse."""
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"expected Y,X (row and column, from 0), such as 120,301, got {text!r}")
    return int(parts[0]), int(parts[1])


def _parser() -> Parser:
    parser = Parser(prog="minifcn trace", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="a weight file of an FCN or a classifier")
    parser.add_argument("picture", metavar="PICTURE", help="a picture file")
    parser.add_argument("--out", required=True, metavar="FILE", help="the page to write, such as trace.html")
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME",
        help="a target's class: its name or number; of several tasks TASK:NAME",
    )  # fmt: skip
    parser.add_argument(
        "--pixel", dest="pixels", action="append", default=[], type=_pixel, metavar="Y,X",
        help="a target's row and column in the picture, as the net sees it",
    )  # fmt: skip
    parser.add_argument(
        "--channels", type=positive, default=12, metavar="K", help="channels of each layer to keep (default: 12)"
    )
    parser.add_argument(
        "--max-bytes", type=memory_size, default=10_000_000, metavar="SIZE",
        help="the page's size at most; maps lose cells, then channels, until it fits (default: 10 million bytes)",
    )  # fmt: skip
    parser.add_argument(
        "--max-side", type=positive, metavar="N", help="make a picture with a side of more than N pixels smaller first"
    )
    parser.add_argument("--labels", metavar="FILE", help="names of the classes, one a line, such as synset_words.txt")
    parser.add_argument("--depth", metavar="DIR", help="for nets that see it: 16-bit PNGs, distances in millimetres")
    parser.add_argument("--hha", metavar="DIR", help="for nets that see it: HHA pictures")
    parser.add_argument("--overwrite", action="store_true", help="replace a page that is there already")
    add_net_flags(parser)
    add_memory_flag(parser)
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
