"""What everyone asks about an FCN, answered from the net at hand: its coordinates, its plan, its parameters."""

from __future__ import annotations

from minifcn import models
from minifcn.inspection.summary import offset_sentence, size
from minifcn.layers import ConvTranspose2d, Crop, Scale, Shape
from minifcn.net import Net, Node


def answers(net: Net, shape: Shape) -> str:
    """Questions and answers about a net that `models.build` made, over an input of `shape`; empty for a classifier."""
    if not any(isinstance(node.layer, Crop) for node in net.nodes):
        return ""
    parts = [_crops(net), _padding(net, shape), _memory(net, shape), _upsampling(net), _scales(net)]
    return "\n\n".join("\n  ".join([question, *lines]) for question, lines in parts)


def _crops(net: Net) -> tuple[str, list[str]]:
    crops = [node for node in net.nodes if isinstance(node.layer, Crop)]
    offsets = ", ".join(node.layer.describe().removeprefix("offset ") for node in crops)
    return f"Where do the crops' offsets {offsets} come from?", [
        "Each is derived from the windows above: position = stride * index + offset column, and two blobs that are",
        "joined must begin at the same position. The padding of conv1_1 moves the trunk, the upsampling moves it back.",
        *(offset_sentence(net, node.name) for node in crops),
    ]


def _padding(net: Net, shape: Shape) -> tuple[str, list[str]]:
    padding = net.spec["input_padding"]
    if padding == "same":
        return "Why does this net not pad the picture by 100?", [
            'With input padding "same", fc6 is padded by 3 instead: every map keeps its natural size, and the scores',
            "are cropped where they meet pool4 and pool3. That is less work, and fc6 sees zeros at the border.",
        ]
    height, width = net.shapes(shape)["pool5"][2:]
    last = next(node.layer for node in reversed(net.nodes) if isinstance(node.layer, Crop))
    offset = last.offset[0]  # type: ignore[index]
    lines = [
        f"fc6 looks at pool5, {width}x{height} here, through a window of 7x7, so six of its columns and rows are lost.",
        f"Without padding the scores would therefore begin {padding - offset} pixels inside the picture;",
        f"with {padding}, {padding} - {padding - offset} = {offset} are too many and cut off at the end.",
        "Any padding from 81 on serves all the FCNs.",
    ]
    if padding >= 100:
        lines.append("At 100 even a picture of 1x1 leaves pool5 at 7x7: every size works. At 81 that needs 33x33.")
    return f"Why is the picture padded by {padding}?", lines


def _memory(net: Net, shape: Shape) -> tuple[str, list[str]]:
    lines = ["(one step of training, weights, gradients and velocity included; prediction keeps no activations)"]
    for padding in (100, 81, "same"):
        other = models.build(**{**net.spec, "input_padding": padding})
        if padding == 81 and min(shape[2:]) < 33:
            continue
        plan = other.plan(shape)
        training, inference = size(plan.peak_bytes), size(plan.inference_bytes)
        lines.append(
            f"input padding {padding!s:>4}: training {training:>9}, inference {inference:>9}, "
            f"{plan.macs / 1e9:.2f} GMAC" + ("   <- this net" if padding == net.spec["input_padding"] else "")
        )
    return "What does it cost, and what would another padding?", lines


def _upsampling(net: Net) -> tuple[str, list[str]]:
    layers = [node for node in net.nodes if isinstance(node.layer, ConvTranspose2d)]
    fixed = [node for node in layers if not any(param.learns for param in node.layer.params.values())]
    learned = [node for node in layers if node not in fixed]
    lines = []
    if fixed:
        lines += [
            f"{_names(fixed)}: no, bilinear interpolation with lr_mult 0.",
            "Each class is upsampled alone (groups = classes). In Caffe's dense weights that is the diagonal; off it",
            "there are zeros, so that no class leaks into another.",
        ]
    if learned:
        lines.append(f"{_names(learned)}: yes.")
    return "Are the upsampling (deconvolution) layers learned?", lines


def _scales(net: Net) -> tuple[str, list[str]]:
    scales = [node for node in net.nodes if isinstance(node.layer, Scale)]
    question = "What are 0.01 and 0.0001?"
    if scales:
        told = ", ".join(f"{node.name} multiplies by {node.layer.factor:g}" for node in scales)  # type: ignore[attr-defined]
        return question, [
            f"{told}.",
            "They are constants, for training all streams at once with one learning rate: they make the finer streams",
            "learn slowly at first, as the staged nets do with a learning rate that falls by 100 from stage to stage.",
        ]
    return question, [
        "Not in this net. FCN-8s at-once multiplies pool4 and pool3 by them to train all streams in one run; the",
        "staged nets (32s, then 16s, then 8s) lower the learning rate by 100 from stage to stage instead.",
    ]


def _names(nodes: list[Node]) -> str:
    return ", ".join(node.name for node in nodes)
