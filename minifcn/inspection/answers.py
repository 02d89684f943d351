"""What everyone asks about an FCN, answered from the net at hand: its coordinates, its plan, its parameters."""

from __future__ import annotations

from minifcn import models
from minifcn.errors import ShapeError
from minifcn.inspection.summary import offset_sentence, size
from minifcn.layers import Conv2d, ConvTranspose2d, Crop, MaxPool2d, Scale, Shape
from minifcn.net import Net, Node

Answer = tuple[str, list[str]]


def answers(net: Net, shape: Shape) -> str:
    """Questions and answers about a net that `models.build` made, over an input of `shape`; empty for a classifier."""
    if not any(isinstance(node.layer, Crop) for node in net.nodes):
        return ""
    parts = [_crops(net), _padding(net, shape), _memory(net, shape), _upsampling(net)]
    parts += [*_kernels(net), _scales(net)]
    return "\n\n".join("\n  ".join([question, *lines]) for question, lines in parts)


def _crops(net: Net) -> Answer:
    crops = [node for node in net.nodes if isinstance(node.layer, Crop)]
    offsets = ", ".join(node.layer.describe().removeprefix("offset ") for node in crops)
    return f"Where do the crops' offsets {offsets} come from?", [
        "Each is derived from the windows above: position = stride * index + offset column, and two blobs that are",
        f"joined must begin at the same position. The padding of {_first(net).name} moves the trunk, the upsampling "
        "moves it back.",
        *(offset_sentence(net, node.name) for node in crops),
    ]


def _padding(net: Net, shape: Shape) -> Answer:
    padding, least = net.spec["input_padding"], models.family(net.spec["name"]).least_padding
    skips = [node.inputs[0] for node in net.nodes if node.name.startswith("score_") and node.name != "score_fr"]
    met = " and ".join(net.nodes[k].name for k in skips if isinstance(net.nodes[k].layer, MaxPool2d))
    fc6 = net.layers.get("fc6")
    if padding == "same":
        lines = ["Every map keeps about its natural size."]
        if isinstance(fc6, Conv2d):
            lines = [
                f'With input padding "same", fc6 is padded by {fc6.geometry.padding[0]} instead: every map keeps about '
                "its natural size, and the scores",
                f"are cropped where they meet {met or 'the picture'}. That is less work, and fc6 sees zeros at the "
                "border.",
            ]
        published = next(iter(models.presets_of(net.spec["name"]).values())).input_padding
        return f"Why does this net not pad the picture by {published}?", [*lines, _smallest(net)]
    last = next(node.layer for node in reversed(net.nodes) if isinstance(node.layer, Crop))
    offset = last.offset[0]  # type: ignore[index]
    lines = []
    if isinstance(fc6, Conv2d):
        height, width = net.shapes(*net.input_shapes(shape))["pool5"][2:]
        kernel = fc6.geometry.dilation[0] * (fc6.geometry.kernel[0] - 1) + 1
        lines.append(
            f"fc6 looks at pool5, {width}x{height} here, through a window of {kernel}x{kernel}, so {kernel - 1} of its "
            "columns and rows are lost."
        )
    lines += [
        f"Without padding the scores would begin {padding - offset} pixels inside the picture;",
        f"with {padding}, {padding} - {padding - offset} = {offset} are too many and cut off at the end.",
        f"Any padding from {least} on serves all the FCNs of this trunk.",
        _smallest(net),
    ]
    return f"Why is the picture padded by {padding}?", lines


def _smallest(net: Net) -> str:
    """How small a picture may be."""
    n = models.least_side(net)
    return f"So padded, {'every size works' if n == 1 else f'pictures from {n}x{n} on work'}."


def _memory(net: Net, shape: Shape) -> Answer:
    lines = ["(one step of training, weights, gradients and velocity included; prediction keeps no activations)"]
    family, own = models.family(net.spec["name"]), net.spec["input_padding"]
    published = next(iter(family.presets.values())).input_padding
    for padding in dict.fromkeys((published, family.least_padding, "same", own)):
        other = models.build(**{**net.spec, "input_padding": padding})
        try:
            plan = other.plan(*other.input_shapes(shape))
        except ShapeError:  # the picture is too small for this padding
            continue
        training, inference = size(plan.peak_bytes), size(plan.inference_bytes)
        lines.append(
            f"input padding {padding!s:>4}: training {training:>9}, inference {inference:>9}, "
            f"{plan.macs / 1e9:.2f} GMAC" + ("   <- this net" if padding == own else "")
        )
    return "What does it cost, and what would another padding?", lines


def _kernels(net: Net) -> list[Answer]:
    """Why odd kernels are odd, if there are any."""
    odd = [
        (node.name, node.layer.geometry)
        for node in net.nodes
        if isinstance(node.layer, ConvTranspose2d) and node.layer.geometry.kernel[0] % 2
    ]
    if not odd:
        return []
    name, geometry = odd[-1]
    kernel, stride = geometry.kernel[0], geometry.stride[0]
    return [
        (
            f"Why is {name}'s kernel {kernel}, and not {kernel + 1}?",
            [
                f"A kernel of {kernel + 1} at stride {stride} puts its values half a pixel beside those that they must "
                "meet, and no whole offset mends that.",
                f"One of {kernel} interpolates bilinearly as well, and its values lie on them.",
            ],
        )
    ]


def _upsampling(net: Net) -> Answer:
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


def _scales(net: Net) -> Answer:
    entrances = {k for k, node in enumerate(net.nodes) if not node.inputs}  # presets may scale the input itself
    scales = [node for node in net.nodes if isinstance(node.layer, Scale) and node.inputs[0] not in entrances]
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


def _first(net: Net) -> Node:
    """The first convolution."""
    return next(node for node in net.nodes if isinstance(node.layer, Conv2d))


def _names(nodes: list[Node]) -> str:
    return ", ".join(node.name for node in nodes)
