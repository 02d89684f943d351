"""A trained net at work: weights opened, the pixels of a picture labelled, a data set scored.

Nothing is kept for a backward pass, nothing drops, and each picture is taken alone and at its own size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL.Image import Resampling
from tqdm import tqdm

from minifcn import backend, limits, models, parallel, weights
from minifcn.data import IGNORE, MEAN_BGR, VOC_PALETTE, Dataset, Sample, Task, num_classes_of
from minifcn.data.modalities import inputs_of
from minifcn.data.pictures import resized
from minifcn.errors import DataError, WeightsError
from minifcn.inspection.summary import size
from minifcn.metrics import ConfusionMatrix
from minifcn.net import Net


def open_trained(
    path: str, spec: Mapping[str, Any] | None = None, device: str = "cpu", threads: int = 0
) -> tuple[Net, dict[str, Any]]:
    """(net, metadata) of a weight file on a device, with the CPU's threads set (0: one for each core).

    spec: arguments of `models.build` for a file that does not say what it is of, see `weights.open_net`. Raises
    WeightsError for weights that want another input than minifcn's.
    """
    if threads:
        parallel.set_threads(threads)
    xp = backend.for_device(device)
    net, about = weights.open_net(path, spec)
    check_input(path, about)
    return net.to(xp), about


def open_fcn(
    path: str, spec: Mapping[str, Any] | None = None, device: str = "cpu", threads: int = 0
) -> tuple[Net, dict[str, Any]]:
    """As `open_trained`. Raises WeightsError for weights of a net that does not label pixels, too."""
    net, about = open_trained(path, spec, device, threads)
    if net.spec["name"] not in models.FCNS:
        raise WeightsError(f"{path}: holds {net.spec['name']}, a classifier; expected one of {', '.join(models.FCNS)}")
    check_classes(net)
    return net, about


def remarks(path: str, net: Net, about: Mapping[str, Any]) -> list[str]:
    """What the user of a weight file that `open_trained` opened should know."""
    lines = [f"{path}: {line}" for line in about["told"]]
    lines += [f"{path}: assumed {line}" for line in about["assumed"]]
    scores = [param.data for name, param in net.params.items() if name.startswith("score")]
    if scores and not any(bool(data.any()) for data in scores):
        lines.append(f"warning: {path}: all scores are zero, and class 0 everywhere: an untrained net?")
    return lines


def check_input(path: str, about: Mapping[str, Any]) -> None:
    """WeightsError if weights want another input than minifcn's: BGR, 0..255 less the mean."""
    if about["channels"] != "BGR" or about["scale"] != 1:
        raise WeightsError(
            f"{path}: made for {about['channels']} pictures times {about['scale']}; expected BGR and 1; "
            "reorder and scale the weights of its first convolution instead"
        )


def predict(net: Net, image: np.ndarray, mean: Sequence[float] = MEAN_BGR, max_side: int | None = None) -> np.ndarray:
    """The class of each pixel, uint8 (H, W), of a picture uint8 RGB (H, W, 3): of `label_maps`, the first."""
    return label_maps(net, image, mean, max_side)[0]


def label_maps(
    net: Net,
    image: np.ndarray,
    mean: Sequence[float] = MEAN_BGR,
    max_side: int | None = None,
    beside: Mapping[str, np.ndarray] | None = None,
    available: int | None = None,
) -> list[np.ndarray]:
    """For each task of a net the class of each pixel, uint8 (H, W); computed where the net's weights are.

    image: uint8 RGB (H, W, 3). beside: what else the net is to see of it, see `minifcn.data.modalities`. A picture
    longer than `max_side` is made smaller first, and its labels are enlarged again, without smoothing. available: bytes
    that it may take beside the weights, if not all that are free. Raises DataError
    before anything is computed if the memory that is free will not do, or something is not there that the net sees;
    WeightsError for a net of more classes than a byte has numbers.
    """
    check_classes(net)
    height, width = image.shape[:2]
    beside = beside or {}
    if max_side is not None and max(height, width) > max_side:
        size = _scaled(height, width, max_side)
        shrunk = {name: resized(array, *size, Resampling.BILINEAR) for name, array in beside.items()}
        labels = label_maps(net, resized(image, *size, Resampling.LANCZOS), mean, None, shrunk, available)
        return [resized(label, height, width, Resampling.NEAREST) for label in labels]
    xp = backend.xp_of(*(param.data for param in net.params.values()))
    xs = inputs_of(image, beside, models.modalities_of(net), mean)  # of each modality (C, H, W)
    _check_memory(net, height, width, backend.memory(xp)["available"] if available is None else available)
    with net.inference():
        scores = net.forward(*(backend.to(x[None], xp) for x in xs))  # of each task (1, C, H, W)
    found = scores if isinstance(scores, tuple) else (scores,)
    return [backend.to_numpy(each[0].argmax(axis=0).astype(np.uint8)) for each in found]


def tasks_of(about: Mapping[str, Any]) -> list[Task]:
    """Names, classes and palettes of a net's tasks, from a weight file's metadata: see `classes_of`."""
    counts = about["net"]["num_classes"]
    if not isinstance(counts, Mapping):
        return [Task("", *classes_of(about))]
    names, palettes = about.get("classes") or {}, about.get("palette") or {}
    return [
        Task(
            task,
            *classes_of({"net": {"num_classes": count}, "classes": names.get(task), "palette": palettes.get(task)}),
        )
        for task, count in counts.items()
    ]


def classes_of(about: Mapping[str, Any]) -> tuple[list[str], np.ndarray]:
    """Names (C) and palette (256, 3) from a weight file's metadata; numbers and VOC's colours where it has none."""
    count = about["net"]["num_classes"]
    classes = about.get("classes") or [f"class {k}" for k in range(count)]
    colours = np.asarray(about.get("palette") or [], np.uint8).reshape(-1, 3)
    if len(classes) != count:
        raise WeightsError(f"expected {count} names of classes in the weight file, got {len(classes)}")
    palette = VOC_PALETTE.copy()
    palette[: len(colours)] = colours
    return list(classes), palette


def evaluate(
    net: Net,
    dataset: Dataset,
    limit: int | None = None,
    progress: bool = True,
    mean: Sequence[float] = MEAN_BGR,
    stop: Callable[[], bool] = lambda: False,
    available: int | None = None,
    watch: Callable[[int, Sample, list[np.ndarray]], object] = lambda i, sample, labels: None,
    part: slice = slice(None),
) -> list[ConfusionMatrix] | None:
    """A confusion matrix for each task, of predictions on the first `limit` samples; None if `stop()` became true.

    available: as for `label_maps`. watch: shown the number of each sample, the sample, and its label map of each task.
    part: only these of the samples, where others do the rest.

    Raises DataError if the data set is empty, or if it and the net have different tasks or numbers of classes.
    """
    expected, found = num_classes_of(dataset), net.spec["num_classes"]
    if expected != found:
        raise DataError(
            f"{dataset.name}: {expected} classes, but the net was made for {found}; "
            "evaluate on the data set that it was trained on, or train it anew"
        )
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count == 0:
        raise DataError(f"{dataset.name}: no samples to evaluate on")
    confusions = [ConfusionMatrix(classes, dataset.ignore_index) for classes in models.tasks_of(net).values()]
    for i in tqdm(range(count)[part], "evaluating", unit="picture", leave=False, disable=None if progress else True):
        if stop():
            return None
        sample = dataset[i]
        labels = label_maps(net, sample.image, mean, beside=sample.beside, available=available)
        for confusion, truth, label in zip(confusions, sample.labels, labels, strict=True):
            confusion.update(truth, label)
        watch(i, sample, labels)
    return confusions


def check_classes(net: Net) -> None:
    """WeightsError for more classes than label maps, which are bytes with 255 for "ignore", can tell apart."""
    if (most := max(models.tasks_of(net).values())) > IGNORE:
        raise WeightsError(
            f"{net.spec['name']}: {most} classes, but a label is a byte, and {IGNORE} means ignored: expected at most "
            f"{IGNORE}; net.forward gives the scores of any number"
        )


def _check_memory(net: Net, height: int, width: int, available: int) -> None:
    models.check_size(net, height, width)
    needed = activations(net, height, width)
    if needed <= available:
        return
    fits = limits.largest(max(height, width), available, lambda side: activations(net, *_scaled(height, width, side)))
    advice = f"predict it smaller, with --max-side {fits}" if fits else "end other programs, or raise --memory-limit"
    raise DataError(f"{width}x{height} pixels need {size(needed)} of memory, and may take {size(available)}; {advice}")


def activations(net: Net, height: int, width: int) -> int:
    """Bytes that a prediction takes beside the weights, which are there already."""
    plan = net.plan(*net.input_shapes((1, 3, height, width)))
    return plan.inference_bytes - 4 * (plan.parameters + plan.fixed)


def _scaled(height: int, width: int, longer: int) -> tuple[int, int]:
    """(height, width) of a picture whose longer side becomes `longer`."""
    factor = longer / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))
