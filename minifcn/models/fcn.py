"""FCN's heads: the paper's section 4.2, layer by layer as the released nets (voc-fcn*/net.py).

A 1x1 convolution scores every cell of the trunk's last map; transposed convolutions (`upsampling`) bring the scores
back to the picture's size; finer maps add their own scores on the way. Nothing here is a literal offset or kernel:
both come out of where the blobs lie, in `minifcn.coords`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minifcn.layers import Add, Conv2d, Crop, Scale
from minifcn.models.blocks import Tap, Trunk, learned
from minifcn.models.modalities import COLOUR
from minifcn.models.upsampling import upsample
from minifcn.net import Handle, Net


class Head(NamedTuple):
    """What an FCN is: the family of its trunk, its finest stride, and whether all stages are trained at once.

    sees: the modalities of its input. late: whether each of them has a trunk of its own.
    """

    family: str
    stride: int
    at_once: bool = False
    sees: tuple[str, ...] = COLOUR
    late: bool = False


HEADS = {
    "fcn32s": Head("vgg16", 32),
    "fcn16s": Head("vgg16", 16),
    "fcn8s": Head("vgg16", 8),
    "fcn8s-atonce": Head("vgg16", 8, at_once=True),
    "fcn-alexnet": Head("alexnet", 32),
    # Reconstructed from section 4.1; the paper's has no skips.
    "fcn-googlenet": Head("googlenet", 32),
    "fcn-googlenet-16s": Head("googlenet", 16),
    "fcn-googlenet-8s": Head("googlenet", 8),
    # nyud-fcn32s-hha, -color-d and -color-hha; the finer strides of these two are built as those of colours are.
    "fcn32s-hha": Head("vgg16", 32, sees=("hha",)),
    "fcn32s-rgbd": Head("vgg16", 32, sees=("color", "depth")),
    "fcn16s-rgbd": Head("vgg16", 16, sees=("color", "depth")),
    "fcn8s-rgbd": Head("vgg16", 8, sees=("color", "depth")),
    "fcn32s-late": Head("vgg16", 32, sees=("color", "hha"), late=True),
    "fcn16s-late": Head("vgg16", 16, sees=("color", "hha"), late=True),
}

#: voc-fcn8s-atonce/net.py: what pool4 and pool3 are multiplied by, so that all stages learn at one learning rate.
AT_ONCE = {16: 0.01, 8: 0.0001}


def fcn(
    net: Net,
    head: Head,
    trunks: Mapping[str, Trunk],
    data: Handle,
    num_classes: int | Mapping[str, int],
    upsampling: str = "fixed",
) -> None:
    """Build `head` on trunks that are fed by `data` and what lies beside it.

    trunks: by what their layers' names end in, "" for a single one. num_classes: of the scores "score", which have the
    height and width of `data`; or of each of several tasks, whose scores are "score_TASK" (siftflow-fcn*/net.py).
    upsampling: one of `upsampling.KINDS`.
    """
    levels = [Level({end: trunk.top for end, trunk in trunks.items()})]
    for stride, *skips in zip((16, 8), *(trunk.skips for trunk in trunks.values()), strict=False):
        if stride < head.stride:
            break
        if head.at_once:
            skips = [skip._replace(blob=_scaled(net, skip, AT_ONCE[stride])) for skip in skips]
        levels.append(Level(dict(zip(trunks, skips, strict=True))))
    tasks = num_classes if isinstance(num_classes, Mapping) else {"": num_classes}
    for task, count in tasks.items():
        _task(net, head, levels, data, count, f"_{task}" if task else "", upsampling)


class Level(NamedTuple):
    """What is scored together: the same tap of every trunk, by what the names of the trunk's layers end in."""

    taps: dict[str, Tap]

    @property
    def name(self) -> str:
        return next(iter(self.taps.values())).name

    @property
    def blob(self) -> Handle:
        return next(iter(self.taps.values())).blob


def _task(
    net: Net, head: Head, levels: Sequence[Level], data: Handle, num_classes: int, task: str, upsampling: str
) -> None:
    """The scores of one task, coarsest first; its layers' names end in `task`."""
    top, *skips = levels
    h, upscore = score(net, top, num_classes, task), "upscore2"
    for skip in skips:
        h = upsample(net, upscore + task, h, skip.blob, num_classes, upsampling)
        h = fuse(net, skip.name + task, h, score(net, skip, num_classes, task))
        upscore = f"upscore_{skip.name}"
    last = "upscore" if head.stride == 32 else f"upscore{head.stride}"
    if upsampling in ("learned", "dense") and head.stride < 32:
        upsampling = "fixed"  # section 4.3: those in between learn, the last does not
    net.add(f"score{task}", Crop(like=data), upsample(net, last + task, h, data, num_classes, upsampling))


def _scaled(net: Net, skip: Tap, factor: float) -> Handle:
    return net.add(f"scale_{skip.name}", Scale(factor), skip.blob)


def score(net: Net, level: Level, num_classes: int, task: str = "") -> Handle:
    """A 1x1 convolution to class scores. It starts at zero (section 4.1): a new skip changes nothing at first.

    Of several trunks each has its own, and their mean counts (nyud-fcn32s-color-hha/net.py).
    """
    scores = [
        net.add(f"score_{tap.name}{end}{task}", learned(Conv2d(tap.channels, num_classes, 1)), tap.blob)
        for end, tap in level.taps.items()
    ]
    if len(scores) == 1:
        return scores[0]
    name = "score_fused" if level.name == "fr" else f"score_{level.name}_fused"
    return net.add(name + task, Add([1 / len(scores)] * len(scores)), *scores)


def fuse(net: Net, name: str, upscore: Handle, skip: Handle) -> Handle:
    """The sum of the upsampled coarse scores and a finer map's own, where they overlap.

    What begins first is cropped. With the reference's padding of VGG16 the coarse scores cover less than the pool, so
    the pool's are cropped; with "same" they begin earlier. In GoogLeNet both begin together and the coarse ones end
    later or at the same place, 2n + 1 cells against 2n or 2n + 1, so these are cropped, for every size.
    """
    if net.coords(upscore.name).y.shift <= net.coords(skip.name).y.shift:
        upscore = net.add(f"{upscore.name}c", Crop(like=skip), upscore)
    else:
        skip = net.add(f"{skip.name}c", Crop(like=upscore), skip)
    return net.add(f"fuse_{name}", Add(), upscore, skip)
