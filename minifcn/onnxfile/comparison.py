"""Is a file what it should be? ONNX's checker says whether it is well made, onnxruntime whether it does the same."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minifcn.errors import MinifcnError
from minifcn.net import Net
from minifcn.onnxfile import pictures
from minifcn.onnxfile.model import Form, modality_of_inputs, outputs_of, package

TOLERANCE = 1e-4  # of the largest score; both sum in float32, each in its own order
HAS_RUNTIME = find_spec("onnxruntime") is not None


class Difference(NamedTuple):
    """error: the largest difference of a score, as a share of the largest score. labels: whether the file's labels are
    those of its own scores. size: (height, width) of the picture."""

    error: float
    labels: bool
    size: tuple[int, int]

    @property
    def passes(self) -> bool:
        """Whether the file does what minifcn does."""
        return self.error <= TOLERANCE and self.labels  # a NaN is not


def verify(path: Path) -> None:
    """MinifcnError if ONNX's checker, which infers every shape on the way, finds something in the file at `path`."""
    onnx = package()
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # of the checker, of shape inference, of protobuf
        raise MinifcnError(f"{path}: ONNX's checker refuses it: {_one_line(error)}") from error


def session(path: Path) -> Any:
    """onnxruntime with the file loaded. MinifcnError if it refuses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is told by the error
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes are not public
        raise MinifcnError(
            f"{path}: onnxruntime {onnxruntime.__version__} refuses it: {_one_line(error)}; "
            "an older opset may do (--opset)"
        ) from error


def compare(
    running: Any, net: Net, mean: Sequence[float], form: Form, size: tuple[int, int], rng: np.random.Generator
) -> Difference:
    """What a file, loaded by `session`, and the net that it is of say about a random picture of (height, width)."""
    modalities = modality_of_inputs(net)
    raw = [pictures.example(modality, size, rng) for modality in modalities.values()]
    blobs = pictures.seen(raw, [*modalities.values()], mean)
    with net.inference():
        scores = net.forward(*blobs)
    expected = scores if isinstance(scores, tuple) else (scores,)
    names = outputs_of(net, form)
    feed = dict(zip(modalities, raw if form.preprocess else blobs, strict=True))
    found = dict(zip([out.name for out in running.get_outputs()], _run(running, feed), strict=True))
    errors = [_share(found[name], e) for name, e in zip(names, expected, strict=True)]
    same = all(np.array_equal(found[labels], found[name].argmax(axis=1)) for name, labels in names.items() if labels)
    return Difference(max(errors, key=lambda e: (np.isnan(e), e)), same, size)


def _run(running: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    try:
        return running.run(None, feed)
    except Exception as error:
        raise MinifcnError(f"onnxruntime cannot run it: {_one_line(error)}") from error


def _share(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, over the largest value; infinite where shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(expected).max())
    return float(np.abs(found - expected).max()) / (largest or 1.0)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
