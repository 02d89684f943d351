"""`minifcn convert --table`: every kind of file, written small, read, converted, compared with what it came from."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minifcn import models
from minifcn.data.preprocess import to_blob
from minifcn.net import Net
from minifcn.weights.inputs import Input
from minifcn.weights.layouts import LAYOUTS, Layout, in_framework
from minifcn.weights.opening import open_source
from minifcn.weights.recognition import recognise
from minifcn.weights.source import Source, divisor_of
from minifcn.weights.surgery import transplanted
from minifcn.weights.trainings import BYTES

PRESET = "tiny"
LEGEND = (
    "error: the largest difference between the outputs of the framework's net on its own pictures and of the converted",
    "net on BGR less the mean that was recorded, as a share of the largest output.",
    "* the classifier is refused: compared up to pool5.",
)


class Row(NamedTuple):
    """What a file was taken for, and how far its net's output is from that of the framework's, of its largest value."""

    title: str
    net: str
    error: float


def lines(seed: int = 0) -> list[str]:
    """The table, a line for each layout."""
    heads = ("file", "read as", "net", "axes", "its pictures", "error")
    rows = []
    for layout in LAYOUTS:
        name, pictures = layout.published + layout.suffix, _short(layout.pictures)
        if layout.extra and find_spec(layout.extra) is None:
            rows.append((name, f"needs {layout.extra} to be tried: pip install {layout.extra}", "", "", "", "-"))
            continue
        row = measure(layout, np.random.default_rng(seed))
        error = f"{row.error:.1e}" + (" *" if layout.lacks else "")
        rows.append((name, row.title, row.net, layout.order, pictures, error))
    widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(len(heads))]
    padded = [[f"{text:<{width}}" for text, width in zip(row, widths, strict=True)] for row in (heads, *rows)]
    return [*("  ".join(row).rstrip() for row in padded), "", *LEGEND]


def measure(layout: Layout, rng: np.random.Generator) -> Row:
    """A small net, a file of it in this layout, and back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{layout.suffix}"
        theirs = trained(layout, rng)
        layout.write(path, layout.arrays(in_framework(theirs, layout.net in models.CLASSIFIERS)))
        return compare(layout, theirs, open_source(path), rng)


def trained(layout: Layout, rng: np.random.Generator) -> Net:
    """The framework's net: small, of random weights of the size that its pictures ask for."""
    net = models.build(layout.net, layout.classes, PRESET, rng=rng)
    first = next(iter(net.params))
    for name, param in net.params.items():
        if name.startswith("score") or name.endswith(".bias"):
            param.data = rng.standard_normal(param.data.shape, np.float32)
    if layout.bytes_input:  # by which files of the same names are told apart
        net.params[first].data *= np.float32(BYTES / 2) / net.params[first].data.std()
    return net


def compare(layout: Layout, theirs: Net, source: Source, rng: np.random.Generator) -> Row:
    """The converted net on minifcn's pictures beside the framework's on its own, padding and all."""
    side = models.family(layout.net).side if layout.net in models.CLASSIFIERS else 40
    image = rng.integers(0, 256, (side, side, 3), np.uint8)
    keep = "pool5" if layout.lacks else theirs.outputs[0]
    spec, _ = recognise(source, {"name": layout.net})
    net = models.build(**spec)
    report = transplanted(net, source)
    # The small nets multiply their input by a power of two, which the framework's does not.
    blob = layout_blob(layout.pictures, image) * np.float32(divisor_of(theirs)[0])
    with theirs.inference(), net.inference():
        theirs.forward(blob[None], keep=[keep])
        net.forward(to_blob(image, report.mean)[None], keep=[keep])
    found, expected = net.blobs[keep], theirs.blobs[keep]
    return Row(source.title, spec["name"], float(np.abs(found - expected).max() / np.abs(expected).max()))


def layout_blob(pictures: Input, image: np.ndarray) -> np.ndarray:
    """What the framework feeds its net with for a picture (H, W, 3) RGB: float32 (3, H, W)."""
    channels = image if pictures.channels == "RGB" else image[:, :, ::-1]
    blob = (channels - np.asarray(pictures.mean)) / np.asarray(pictures.divisor)
    return np.ascontiguousarray(blob.transpose(2, 0, 1), dtype=np.float32)


def _short(pictures: Input) -> str:
    divided = "" if set(pictures.divisor) == {1.0} else ", / " + " ".join(f"{d:.4g}" for d in pictures.divisor)
    return f"{pictures.channels} - {' '.join(f'{m:.6g}' for m in pictures.mean)}{divided}"
