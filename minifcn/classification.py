"""A trained classifier at work: weights opened, a picture brought to its size, its classes, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minifcn import backend, models
from minifcn.data import to_blob
from minifcn.errors import ConfigError, DataError, MemoryLimitError, WeightsError
from minifcn.inference import activations, open_trained
from minifcn.inspection.heat import spread
from minifcn.inspection.summary import size
from minifcn.models import convolutionalize
from minifcn.net import Net

SHORTER = 256  # pixels of the shorter side, as in Caffe's and most evaluations on ImageNet
THIN = 64  # longer side over shorter side of a picture


def open_classifier(path: str, name: str | None, device: str = "cpu", threads: int = 0) -> tuple[Net, dict[str, Any]]:
    """(net, metadata) of a classifier's weights on a device; `name` is the net's, for files that do not say it.

    Raises WeightsError for a net that is no classifier, or that wants another input than minifcn's.
    """
    if name is not None and name not in models.CLASSIFIERS:
        raise ConfigError(f"--net {name}: expected a classifier, one of {', '.join(models.CLASSIFIERS)}")
    net, about = open_trained(path, {"name": name} if name else None, device, threads)
    if net.spec["name"] not in models.CLASSIFIERS:
        raise WeightsError(f"{path}: holds {net.spec['name']}; expected one of {', '.join(models.CLASSIFIERS)}")
    return net, about


def classify(net: Net, image: np.ndarray, mean: Sequence[float], available: int | None = None) -> np.ndarray:
    """The probability of each class, float64 (C,), of the square in the middle of a picture uint8 RGB (H, W, 3).

    available: bytes that it may take beside the weights, if not all that are free. Raises MemoryLimitError, before
    anything is computed, if it needs more.
    """
    return _shares(net, middle(net, image), mean, available)[:, 0, 0]


def middle(net: Net, image: np.ndarray) -> np.ndarray:
    """The square in the middle of a picture, as large as the classifier wants it."""
    side = models.family(net.spec["name"]).side
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def heatmap(net: Net, image: np.ndarray, label: int, mean: Sequence[float], available: int | None = None) -> np.ndarray:
    """The probability of class `label` at each pixel (H, W) of a picture, by the classifier as a dense net.

    available: as for `classify`, with its error.
    """
    dense = convolutionalize(net)
    values = _shares(dense, image, mean, available)[label]  # (h, w)
    return spread(values, dense.coords(dense.outputs[0]), image.shape[:2])


def shortened(image: np.ndarray) -> np.ndarray:
    """The picture with its shorter side at 256 pixels. DataError for one so thin that it would become enormous."""
    height, width = image.shape[:2]
    if max(height, width) > THIN * min(height, width):
        raise DataError(
            f"{width}x{height} pixels: more than {THIN} times as long as wide, and a classifier sees them with their "
            f"shorter side at {SHORTER} pixels; cut a part out"
        )
    factor = SHORTER / min(height, width)
    sides = max(SHORTER, round(width * factor)), max(SHORTER, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.BILINEAR))


def read_labels(path: str, count: int) -> list[str]:
    """The names of `count` classes, one a line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ConfigError(f"--labels {path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"--labels {path}: cannot be read as text ({why})") from error
    if len(lines) != count:
        raise ConfigError(f"--labels {path}: expected a line for each of the net's {count} classes, got {len(lines)}")
    return lines


def _shares(net: Net, image: np.ndarray, mean: Sequence[float], available: int | None) -> np.ndarray:
    """Softmax of the net's scores for a picture: float64 (C, h, w)."""
    xp = backend.xp_of(*(param.data for param in net.params.values()))
    needed = activations(net, *image.shape[:2])
    free = backend.memory(xp)["available"] if available is None else available
    if needed > free:
        raise MemoryLimitError(
            f"{image.shape[1]}x{image.shape[0]} pixels need {size(needed)} of memory, and may take {size(free)}; end "
            "other programs, or raise --memory-limit"
        )
    with net.inference():
        scores = net.forward(backend.to(to_blob(image, mean)[None], xp))
    scores = backend.to_numpy(scores)[0].astype(np.float64)  # (C, h, w)
    shares = np.exp(scores - scores.max(axis=0))
    return shares / shares.sum(axis=0)
