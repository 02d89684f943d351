"""`build`: a net from its name and a few settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minifcn.errors import ShapeError, did_you_mean
from minifcn.models.blocks import Renaming, Trunk
from minifcn.models.fcn import HEADS, fcn
from minifcn.models.modalities import COLOUR, FIRST, MODALITIES, entrances, stacked
from minifcn.models.names import FAMILIES, family
from minifcn.models.rarefaction import rarefy
from minifcn.models.upsampling import KINDS
from minifcn.net import Handle, Net

#: The strides that an FCN's trunk may end at; all end at the last unless told otherwise.
OUTPUT_STRIDES = (8, 16, 32)
#: As wide as many pictures; a file that asks for a billion must not get them planned.
MOST_PADDING = 4096
UPSAMPLINGS = KINDS


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
    have 100, and any from 81 (AlexNet 85, GoogLeNet 3) on works for all pictures that are large enough.
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
    net = Net()
    net.spec = _spec(name, num_classes, preset, input_padding, upsampling, output_stride)
    if name in FAMILIES:
        trunks = family(name)
        widths = trunks.presets[net.spec["preset"]]
        ((_, x),) = entrances(net, COLOUR, widths.input_scale)
        trunks.classifier(net, x, widths, net.spec["num_classes"], rng)
    else:
        _fcn(net, rng, **net.spec)
    return net


def _spec(
    name: str,
    num_classes: int | Mapping[str, int],
    preset: str | None,
    input_padding: int | str | None,
    upsampling: str,
    output_stride: int | None,
) -> dict[str, Any]:
    """The arguments of `build`, with what they leave open. Raises ShapeError for what cannot be.

    Of upsampling and output_stride only what departs from the published net is told: files written before there was a
    choice say the same.
    """
    presets = family(name).presets
    if preset is None:
        preset = next(iter(presets))
    if preset not in presets:
        raise ShapeError(f"unknown preset {preset!r} of {name}{did_you_mean(preset, presets)}")
    if upsampling not in UPSAMPLINGS:
        raise ShapeError(f"{name}: unknown upsampling {upsampling!r}{did_you_mean(str(upsampling), UPSAMPLINGS)}")
    if output_stride is not None and output_stride not in OUTPUT_STRIDES:
        raise ShapeError(f"{name}: expected an output_stride of 8, 16 or 32, got {output_stride!r}")
    spec = {"name": name, "num_classes": _counts(name, num_classes), "preset": preset}
    if name in FAMILIES:
        if upsampling != "fixed" or output_stride is not None:
            raise ShapeError(
                f"{name}: a classifier has neither upsampling nor an output_stride; models.rarefied(net, stride) makes "
                "its output denser"
            )
        if input_padding is not None:
            raise ShapeError(f"{name}: a classifier has the padding of the published net; input_padding is for FCNs")
        return spec
    padding = spec["input_padding"] = presets[preset].input_padding if input_padding is None else input_padding
    least = family(name).least_padding
    if padding != "same" and not (isinstance(padding, int) and least <= padding <= MOST_PADDING):
        raise ShapeError(
            f"{name}: input_padding must be 'same' or an integer of {least} to {MOST_PADDING}, got {padding!r:.80}: "
            "with less, the scores begin or end inside some pictures, and no crop can align them"
        )
    if upsampling != "fixed":
        spec["upsampling"] = upsampling
    if output_stride not in (None, 32):
        spec["output_stride"] = output_stride
    return spec


def _fcn(
    net: Net,
    rng: np.random.Generator | None,
    name: str,
    num_classes: int | Mapping[str, int],
    preset: str,
    input_padding: int | str,
    upsampling: str = "fixed",
    output_stride: int | None = None,
) -> None:
    """An FCN's inputs, the trunk on each of them or on all, and the head."""
    head, trunks = HEADS[name], family(name)
    widths = trunks.presets[preset]

    def trunk(names: Mapping[str, str], end: str, x: Handle, channels: int) -> Trunk:
        """A trunk whose layers have other `names`, and an `end` to them."""

        def rename(layer: str) -> str:
            return names.get(layer, layer) + end

        if output_stride is None:
            return trunks.trunk(Renaming(net, rename), x, widths, input_padding, rng, channels)
        sparse = Net()
        entrance = sparse.input("data", channels)
        found = trunks.trunk(Renaming(sparse, rename), entrance, widths, input_padding, rng, channels)
        blobs = rarefy(sparse, net, output_stride, after=x, in_front=True)
        top, *skips = (tap._replace(blob=blobs[tap.blob.node]) for tap in (found.top, *found.skips))
        return Trunk(top, tuple(skips))

    inputs = entrances(net, head.sees, widths.input_scale)
    blobs = [blob for _, blob in inputs]
    if head.late:
        built = {
            end: trunk({}, end, blob, MODALITIES[end].channels) for end, blob in zip(head.sees, blobs, strict=True)
        }
    else:
        built = {"": trunk(FIRST.get(head.sees, {}), "", *stacked(net, blobs, head.sees))}
    fcn(net, head, built, inputs[0][0], num_classes, upsampling)


def _counts(name: str, num_classes: int | Mapping[str, int]) -> int | dict[str, int]:
    """`num_classes` if a net can have so many, else ShapeError."""
    several = isinstance(num_classes, Mapping)
    counts = dict(num_classes) if isinstance(num_classes, Mapping) else {"": num_classes}
    if several and name in FAMILIES:
        raise ShapeError(f"{name}: a classifier has one task, got {counts}")
    for task, count in counts.items():
        if type(count) is not int or count < 1:
            of = f" of {task}" if task else ""
            what = "at least 1 class" if type(count) is int else "a whole number of classes"
            raise ShapeError(f"{name}: expected {what}{of}, got {count!r}")
        if several and not (isinstance(task, str) and task.isidentifier()):
            raise ShapeError(f"{name}: a task is named by a word, such as 'sem', got {task!r}")
    if several and len(counts) < 2:
        raise ShapeError(f"{name}: a net of one task takes the number of its classes, got {counts}")
    return counts if several else counts[""]
