"""Nets by name: `build("fcn8s", num_classes=21, preset="tiny")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minifcn.errors import ShapeError, did_you_mean
from minifcn.models.alexnet import ALEXNET
from minifcn.models.blocks import Family, Renaming, Trunk
from minifcn.models.dense import convolutionalize
from minifcn.models.fcn import HEADS, fcn
from minifcn.models.googlenet import GOOGLENET
from minifcn.models.modalities import COLOUR, FIRST, MODALITIES, entrances, stacked
from minifcn.models.presets import InceptionPreset, Preset
from minifcn.models.rarefaction import rarefied, rarefy, shift_and_stitch
from minifcn.models.upsampling import KINDS
from minifcn.models.vgg import VGG16
from minifcn.net import Handle, Net

#: Trunks, by the name of the classifier that each comes from.
FAMILIES = {"vgg16": VGG16, "alexnet": ALEXNET, "googlenet": GOOGLENET}
FCNS = tuple(HEADS)
CLASSIFIERS = tuple(FAMILIES)
#: Never released: their geometry is ours, where the paper leaves it open.
RECONSTRUCTIONS = tuple(
    name for name, head in HEADS.items() if head.family == "googlenet" or (head.sees != COLOUR and head.stride < 32)
)
NAMES = (*FCNS, *CLASSIFIERS)
#: The strides that an FCN's trunk may end at; all end at the last unless told otherwise.
OUTPUT_STRIDES = (8, 16, 32)
UPSAMPLINGS = KINDS

__all__ = [
    "CLASSIFIERS",
    "FAMILIES",
    "FCNS",
    "NAMES",
    "OUTPUT_STRIDES",
    "RECONSTRUCTIONS",
    "UPSAMPLINGS",
    "Family",
    "InceptionPreset",
    "Preset",
    "build",
    "convolutionalize",
    "family",
    "modalities_of",
    "presets_of",
    "rarefied",
    "shift_and_stitch",
    "tasks_of",
    "with_stride",
]


def family(name: str) -> Family:
    """The family of the net called `name`. Raises ShapeError for an unknown name."""
    if name not in NAMES:
        raise ShapeError(f"unknown net {name!r}{did_you_mean(name, NAMES)}")
    return FAMILIES[HEADS[name].family if name in HEADS else name]


def presets_of(name: str) -> Mapping[str, Any]:
    """The widths that the net called `name` comes in, the published ones first. ShapeError for an unknown name."""
    return family(name).presets


def with_stride(name: str, stride: int) -> str:
    """The FCN like `name` whose finest scores have this stride: a stage of staged training.

    >>> with_stride("fcn8s", 32), with_stride("fcn-googlenet", 8)
    ('fcn32s', 'fcn-googlenet-8s')

    Raises ShapeError if there is none.
    """
    if name not in HEADS:
        raise ShapeError(f"unknown FCN {name!r}{did_you_mean(name, FCNS)}")
    for other, head in HEADS.items():
        if head == HEADS[name]._replace(stride=stride):
            return other
    raise ShapeError(f"there is no net of stride {stride} like {name}")


def modalities_of(net: Net | str) -> tuple[str, ...]:
    """What each input of a net, or of the net of that name, takes: for most ("color",). ShapeError for no name."""
    if isinstance(net, str):
        family(net)
    head = HEADS.get(net if isinstance(net, str) else net.spec.get("name", ""))
    return head.sees if head else COLOUR


def tasks_of(net: Net) -> dict[str, int]:
    """Task -> number of classes, in the order of the net's outputs; a single task has the name ""."""
    classes = net.spec["num_classes"]
    return dict(classes) if isinstance(classes, Mapping) else {"": classes}


def build(
    name: str,
    num_classes: int | Mapping[str, int] = 21,
    preset: str | None = None,
    input_padding: int | str | None = None,
    rng: np.random.Generator | None = None,
    upsampling: str = "fixed",
    output_stride: int | None = None,
) -> Net:
    """A net by name, one of `FCNS` ("fcn8s", "fcn-alexnet", ...) or of `CLASSIFIERS` ("vgg16", ...).

    num_classes: of an FCN for several tasks, the number of each, as {"sem": 33, "geo": 3}: all share the trunk.
    preset: the trunk's widths, one of `presets_of(name)`; None is the published net's. input_padding: of an FCN's first
    convolution, or "same", which keeps every map at about its natural size; None is the preset's own. The released nets
    have 100, and any from 81 (AlexNet 82) on works for pictures that are large enough.
    rng: draws He's initial values and, later, the dropout masks. Without it the trunk is zero and nothing drops: a net
    to load weights into, or to plan with, that takes no memory. Scores start at zero, upsampling is bilinear.
    upsampling: of an FCN's scores, one of `UPSAMPLINGS`, which models/upsampling.py explains; all start as bilinear.
    output_stride: 16 or 8 for a trunk whose last pools no longer subsample, and whose later filters are rarefied to
    match (sections 3.2 and 4.3); None or 32 is the published net's. Learned weights have the same shapes in all.

    An FCN takes "data" (N, 3, H, W), BGR 0..255 less the mean, and gives "score" (N, num_classes, H, W); one that sees
    more takes "color" and "depth" or "hha", see `modalities_of`; one with several tasks gives "score_sem" and so on.
    A classifier gives (N, num_classes, h, w), one score for a picture of its own size. Raises ShapeError for an unknown
    name or preset, classes that cannot be, or an impossible padding.
    """
    trunks = family(name)
    if preset is None:
        preset = next(iter(trunks.presets))
    if preset not in trunks.presets:
        known = ", ".join(trunks.presets)
        raise ShapeError(f"unknown preset {preset!r} of {name}{did_you_mean(preset, trunks.presets)}; it has {known}")
    counts = _counts(name, num_classes)
    widths = trunks.presets[preset]
    if upsampling not in UPSAMPLINGS:
        known = ", ".join(UPSAMPLINGS)
        raise ShapeError(
            f"{name}: unknown upsampling {upsampling!r}{did_you_mean(str(upsampling), UPSAMPLINGS)}; there are {known}"
        )
    if output_stride is not None and output_stride not in OUTPUT_STRIDES:
        raise ShapeError(f"{name}: expected an output_stride of 8, 16 or 32, got {output_stride!r}")
    if name in FAMILIES and (upsampling != "fixed" or output_stride is not None):
        raise ShapeError(
            f"{name}: a classifier has neither upsampling nor an output_stride; models.rarefied(net, stride) makes "
            "its output denser"
        )
    net = Net()
    net.spec = {"name": name, "num_classes": counts, "preset": preset}
    if isinstance(counts, int) and name in FAMILIES:
        ((_, x),) = entrances(net, COLOUR, widths.input_scale)
        trunks.classifier(net, x, widths, counts, rng)
        return net
    padding = net.spec["input_padding"] = widths.input_padding if input_padding is None else input_padding
    least = trunks.least_padding
    if padding != "same" and not (isinstance(padding, int) and padding >= least):
        raise ShapeError(
            f"{name}: input_padding must be 'same' or an integer of at least {least}, got {padding!r}: with less, the "
            "scores begin inside the picture, and no crop can align them"
        )
    # Only what departs from the published net is told, so that files written before say the same.
    if upsampling != "fixed":
        net.spec["upsampling"] = upsampling
    if output_stride not in (None, 32):
        net.spec["output_stride"] = output_stride
    head = HEADS[name]

    def trunk(rename: Callable[[str], str], x: Handle, channels: int) -> Trunk:
        if output_stride in (None, 32):
            return trunks.trunk(Renaming(net, rename), x, widths, padding, rng, channels)
        sparse = Net()
        entrance = sparse.input("data", channels)
        found = trunks.trunk(Renaming(sparse, rename), entrance, widths, padding, rng, channels)
        blobs = rarefy(sparse, net, output_stride, after=x, in_front=True)
        top, *skips = (tap._replace(blob=blobs[tap.blob.node]) for tap in (found.top, *found.skips))
        return Trunk(top, tuple(skips))

    inputs = entrances(net, head.sees, widths.input_scale)
    blobs = [blob for _, blob in inputs]
    if head.late:
        built = {
            end: trunk(f"{{}}{end}".format, blob, MODALITIES[end].channels)
            for end, blob in zip(head.sees, blobs, strict=True)
        }
    else:
        first = FIRST.get(head.sees, {})
        built = {"": trunk(lambda layer: first.get(layer, layer), *stacked(net, blobs, head.sees))}
    fcn(net, head, built, inputs[0][0], counts, upsampling)
    return net


def _counts(name: str, num_classes: int | Mapping[str, int]) -> int | dict[str, int]:
    """`num_classes` if a net can have so many, else ShapeError."""
    several = isinstance(num_classes, Mapping)
    counts = dict(num_classes) if isinstance(num_classes, Mapping) else {"": num_classes}
    if several and name in FAMILIES:
        raise ShapeError(f"{name}: a classifier has one task, got {counts}")
    for task, count in counts.items():
        if type(count) is not int or count < 1:
            raise ShapeError(f"{name}: expected at least 1 class{f' of {task}' if task else ''}, got {count!r}")
        if several and not (isinstance(task, str) and task.isidentifier()):
            raise ShapeError(f"{name}: a task is named by a word, such as 'sem', got {task!r}")
    if several and len(counts) < 2:
        raise ShapeError(f"{name}: a net of one task takes the number of its classes, got {counts}")
    return counts if several else counts[""]
