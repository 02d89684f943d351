"""`minifcn export --table`: every net as an ONNX file, its answers beside minifcn's at sizes from 33 to 500."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minifcn import models
from minifcn.data.preprocess import MEAN_BGR
from minifcn.errors import ConfigError
from minifcn.net import Net
from minifcn.onnxfile.comparison import HAS_RUNTIME, TOLERANCE, Difference, compare, session, verify
from minifcn.onnxfile.model import Form, write

#: (height, width): the ends, sizes beside multiples of the strides, and two of PASCAL VOC's.
SIZES = ((33, 33), (47, 64), (65, 63), (97, 130), (129, 33), (161, 224), (255, 257), (375, 500), (500, 333), (500, 500))
#: Of a classifier, which takes nothing smaller than it was made for: pixels more than that.
MORE = ((0, 0), (1, 0), (17, 31), (32, 33), (63, 100))
FULL = ((33, 33), (224, 224), (375, 500))
SEVERAL = {"sem": 5, "geo": 3}


class Row(NamedTuple):
    """A net and how its file is written."""

    settings: dict[str, Any]
    form: Form = Form()

    def __str__(self) -> str:
        told = {key: value for key, value in self.settings.items() if key not in ("name", "preset")}
        told |= {key: value for key, value in self.form._asdict().items() if value != Form._field_defaults[key]}
        return ", ".join(f"{key} {_short(value)}".removesuffix(" True") for key, value in told.items())


def main(widths: str, seed: int) -> int:
    """Print the table, of "tiny" or "full" nets; 1 if a row of it is beyond the tolerance."""
    if not HAS_RUNTIME:
        raise ConfigError("export --table compares with onnxruntime: pip install onnxruntime")
    rows = [*(FULL_ROWS if widths == "full" else tiny_rows())]
    columns = [max(map(len, texts)) for texts in zip(*((row.settings["name"], str(row)) for row in rows), strict=True)]
    print(f"{'net':<{columns[0]}}  {'settings':<{columns[1]}}  sizes    error  at")
    failed = 0
    for row in rows:
        found = measure(row, seed)
        worst = max(found, key=lambda one: one.error)
        failed += not all(one.passes for one in found)
        height, width = worst.size
        print(
            f"{row.settings['name']:<{columns[0]}}  {row!s:<{columns[1]}}  {len(found):>5}  {worst.error:.1e}  "
            f"{width}x{height}" + ("" if all(one.passes for one in found) else "  FAILS"),
            flush=True,
        )
    print("\nerror: the largest difference of a score between onnxruntime and minifcn, as a share of the largest score")
    print(f"{len(rows) - failed} of {len(rows)} nets within {TOLERANCE:g}, and pass ONNX's checker")
    return int(failed > 0)


def measure(row: Row, seed: int, sizes: tuple[tuple[int, int], ...] | None = None) -> list[Difference]:
    """A net of random weights, its file, checked, and the difference at each size (height, width)."""
    rng = np.random.default_rng(seed)
    net = random_net(rng, **row.settings)
    if sizes is None:
        sizes = (row.form.size,) if row.form.size else _sizes(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        write(path, net, {"mean": list(MEAN_BGR)}, row.form)
        verify(path)
        running = session(path)
        return [compare(running, net, MEAN_BGR, row.form, size, rng) for size in sizes]


def random_net(rng: np.random.Generator, **settings: Any) -> Net:
    """A net in which every weight counts: scores and biases do not stay at zero, nor learned upsampling bilinear."""
    net = models.build(**settings, rng=rng)
    for name, param in net.params.items():
        if name.startswith("score") or name.endswith(".bias"):
            param.data = rng.standard_normal(param.data.shape, np.float32)
        elif param.learns and name.startswith("upscore"):
            param.data = param.data + 0.1 * rng.standard_normal(param.data.shape, np.float32)
    return net


def tiny_rows() -> Iterator[Row]:
    """Every net by name with either padding; every setting of them once or more; every form of a file."""
    for name, padding in product(models.FCNS, (None, 100)):
        yield Row(_settings(name, padding))
    for name in models.CLASSIFIERS:
        yield Row({"name": name, "num_classes": 300, "preset": "tiny"}, Form(labels=True))
    for upsampling in models.UPSAMPLINGS[1:]:
        yield Row({**_settings("fcn8s"), "upsampling": upsampling})
        yield Row({**_settings("fcn32s", 100), "upsampling": upsampling})
    for name, stride in product(("fcn8s", "fcn32s", "fcn-alexnet", "fcn-googlenet"), (16, 8)):
        yield Row({**_settings(name, 100), "output_stride": stride})
    yield Row({**_settings("fcn16s-late"), "output_stride": 16})
    yield Row({**_settings("fcn8s"), "num_classes": SEVERAL}, Form(preprocess=True, labels=True))
    for name in ("fcn8s", "fcn8s-rgbd", "fcn32s-late", "fcn32s-hha"):
        yield Row(_settings(name), Form(preprocess=True, labels=True))
    for opset in (11, 13, 21):
        yield Row(_settings("fcn8s"), Form(opset=opset, labels=True, preprocess=True))
        yield Row(_settings("fcn-googlenet-8s"), Form(opset=opset))
    yield Row(_settings("fcn8s", 100), Form(size=(375, 500), labels=True))
    yield Row(_settings("fcn-alexnet"), Form(size=(97, 130), opset=11))


FULL_ROWS = (
    *(Row({"name": name}) for name in models.FCNS),
    Row({"name": "fcn8s", "input_padding": "same"}),
    *(Row({"name": name, "num_classes": 1000}) for name in models.CLASSIFIERS),
)


def _settings(name: str, padding: int | None = None) -> dict[str, Any]:
    settings: dict[str, Any] = {"name": name, "num_classes": 5, "preset": "tiny"}
    return settings if padding is None else {**settings, "input_padding": padding}


def _sizes(row: Row) -> tuple[tuple[int, int], ...]:
    full = "preset" not in row.settings
    name = row.settings["name"]
    if name in models.CLASSIFIERS:
        side = models.family(name).side
        return tuple((side + down, side + right) for down, right in (MORE[:2] if full else MORE))
    return FULL if full else SIZES


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {count}" for key, count in value.items())
    return "x".join(map(str, value[::-1])) if isinstance(value, tuple) else str(value)
