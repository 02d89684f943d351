"""What is measured: operations at their sizes in the nets, and the nets themselves. Plain data, no library.

The sizes are FCN-8s's at 500x500 with padding 100, and FCN-GoogLeNet's at 500x500 for what FCN-8s has not;
tests/benchmarks holds them against the nets' own plans.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Shape = tuple[int, ...]


class OpCase(NamedTuple):
    """One operation. part: "forward"; "dx" or "dw", the gradients that are asked for; or "both", there and back.

    shape: of x. macs: multiply-accumulates as im2col counts them; 0 for what is no sum of products. tolerance: how far
    results may be apart, relative to their size; float32 sums of 10^4 products in another order differ by 1e-6,
    Winograd's by 1e-5. random: what the opponents draw differs, so only the means of their results are compared.
    """

    name: str
    op: str
    part: str
    shape: Shape
    settings: dict[str, Any]
    macs: int = 0
    tolerance: float = 1e-4
    random: bool = False


class NetCase(NamedTuple):
    """A net. part: "forward" (inference), or "step": forward with dropout, loss, backward, update.

    tolerance: gradients that came through sixteen layers of ReLUs and pools, where a value near a threshold goes either
    way, are up to 1e-2 apart. What is wrong is 1e-1 off, or more.
    """

    name: str
    net: str
    preset: str
    input_padding: int | str
    part: str
    shape: Shape
    macs: int = 0
    tolerance: float = 2e-2
    random: bool = False


Case = OpCase | NetCase

CLASSES = 21

#: Channels in and out, side of the input, kernel, padding. conv3_3, 4_3, 5_2 and 5_3 are like the ones before them.
CONVOLUTIONS = {
    "conv1_1": (3, 64, 500, 3, 100),
    "conv1_2": (64, 64, 698, 3, 1),
    "conv2_1": (64, 128, 349, 3, 1),
    "conv2_2": (128, 128, 349, 3, 1),
    "conv3_1": (128, 256, 175, 3, 1),
    "conv3_2": (256, 256, 175, 3, 1),
    "conv4_1": (256, 512, 88, 3, 1),
    "conv4_2": (512, 512, 88, 3, 1),
    "conv5_1": (512, 512, 44, 3, 1),
    "fc6": (512, 4096, 22, 7, 0),
    "fc7": (4096, 4096, 16, 1, 0),
    "score_pool3": (256, 21, 88, 1, 0),
}

#: Name -> operation, shape of x, settings, parts. Each at the largest size that it has.
OTHERS: dict[str, tuple[str, Shape, dict[str, Any], tuple[str, ...]]] = {
    "relu1_2": ("relu", (1, 64, 698, 698), {}, ("forward", "dx")),
    "pool1, 2x2 stride 2": (
        "max_pool", (1, 64, 698, 698), {"kernel": 2, "stride": 2, "padding": 0}, ("forward", "dx"),
    ),
    "GoogLeNet's pool1, 3x3 stride 2": (
        "max_pool", (1, 64, 282, 282), {"kernel": 3, "stride": 2, "padding": 0}, ("forward", "dx"),
    ),
    "GoogLeNet's 3b/pool, 3x3 stride 1": (
        "max_pool", (1, 256, 70, 70), {"kernel": 3, "stride": 1, "padding": 1}, ("forward", "dx"),
    ),
    "GoogLeNet's pool5, mean of 7x7": (
        "avg_pool", (1, 1024, 16, 16), {"kernel": 7, "stride": 1}, ("forward", "dx"),
    ),
    "GoogLeNet's norm2": ("local_response_norm", (1, 192, 141, 141), {}, ("forward", "dx")),
    "GoogLeNet's 3b/output": ("concat", (1, 480, 70, 70), {"parts": (128, 192, 96, 64)}, ("forward",)),
    "drop6": ("dropout", (1, 4096, 16, 16), {"p": 0.5}, ("forward", "dx")),
    "upscore8": (
        "conv_transpose", (1, 21, 70, 70), {"outputs": 21, "kernel": 16, "stride": 8, "groups": 21}, ("forward", "dx"),
    ),
    "fuse_pool3": ("add", (1, 21, 70, 70), {}, ("forward",)),
    "scale_pool3 (at-once)": ("scale", (1, 256, 88, 88), {"factor": 0.0001}, ("forward", "dx")),
    "score": ("crop", (1, 21, 568, 568), {"offset": 31, "size": 500}, ("forward", "dx")),
    "loss": ("softmax_cross_entropy", (1, 21, 500, 500), {}, ("forward", "both")),
    "fc6's update": ("sgd", (4096, 512, 7, 7), {"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4}, ("forward",)),
    "fc6's gradient, clipped": ("clip", (4096, 512, 7, 7), {"max_norm": 1e9}, ("forward",)),
}  # fmt: skip


#: Dropout's means are of random masks. PyTorch sums the 10^8 squares of a norm in float32, and is 1 % off.
TOLERANCES = {"dropout": 1e-2, "clip": 2e-2}


def ops() -> list[OpCase]:
    """Each convolution of FCN-8s forward and both gradients, then every other operation."""
    found = []
    for name, (channels, outputs, side, kernel, padding) in CONVOLUTIONS.items():
        after = side + 2 * padding - kernel + 1
        settings = {"outputs": outputs, "kernel": kernel, "padding": padding}
        macs = outputs * after * after * channels * kernel * kernel
        for part in ("forward", "dx", "dw"):
            found.append(OpCase(f"{name} {part}", "conv", part, (1, channels, side, side), settings, macs))
    for name, (op, shape, settings, parts) in OTHERS.items():
        for part in parts:
            macs = shape[2] * shape[3] * 21 * 16 * 16 if op == "conv_transpose" else 0
            label = name if op in ("sgd", "clip") else f"{name} {'forward and dx' if part == 'both' else part}"
            found.append(OpCase(label, op, part, shape, settings, macs, TOLERANCES.get(op, 1e-4), op == "dropout"))
    return found


PRODUCT = "matrix product"


def product(threads: int, side: int = 2048) -> OpCase:
    """The product of two square matrices: the machine's yardstick."""
    name = f"{PRODUCT} of {side}, {threads} thread{'s' * (threads > 1)}"
    return OpCase(name, "matmul", "forward", (side, side), {}, side**3)


def nets(side: int = 500) -> list[NetCase]:
    """Full width at `side` x `side`, one picture; the tiny preset as the default run trains it."""
    return [
        *_both("FCN-8s, padding 100", "fcn8s", "vgg16", 100, (1, 3, side, side)),
        *_both("FCN-8s, padding same", "fcn8s", "vgg16", "same", (1, 3, side, side)),
        *_both("FCN-GoogLeNet", "fcn-googlenet", "googlenet", 35, (1, 3, side, side)),
        *tiny(),
    ]


def tiny() -> list[NetCase]:
    """The net of `python -m minifcn.train`, at its batch of 8 pictures of 96x96."""
    return _both("FCN-8s tiny", "fcn8s", "tiny", "same", (8, 3, 96, 96))


def smoke() -> list[NetCase]:
    """What .ci/run looks at: the tiny net's forward pass, at its batch of training.

    Not a single picture's: that takes a few milliseconds, and its ratio jumps with whatever else the machine does.
    """
    return tiny()[:1]


def memory(side: int = 500) -> list[NetCase]:
    """The nets, and a street scene of 2048x1024 in inference."""
    found = nets(side)
    if side == 500:
        found.append(_both("FCN-8s, padding 100", "fcn8s", "vgg16", 100, (1, 3, 1024, 2048))[0])
    return found


def _both(title: str, net: str, preset: str, padding: int | str, shape: Shape) -> list[NetCase]:
    return [
        NetCase(f"{title}, {size_text(shape)}, {word}", net, preset, padding, part, shape)
        for part, word in (("forward", "forward"), ("step", "training step"))
    ]


def size_text(shape: Shape) -> str:
    """A batch in words, width before height.

    >>> size_text((1, 3, 1024, 2048)), size_text((8, 3, 96, 96))
    ('2048x1024', '8 of 96x96')
    """
    return f"{shape[0]} of " * (shape[0] > 1) + f"{shape[3]}x{shape[2]}"


class Point(NamedTuple):
    """A net on the way along an axis. units: how much there is of what the axis counts."""

    axis: str
    units: float
    case: NetCase
    threads: int


#: Axis of growth -> what its units are, and what to expect along it.
AXES = {
    "pixels": (
        "pixels of one picture",
        "arithmetic and activations are in proportion; the weights are read once a pass and held once, whatever the "
        "picture, so small pictures pay more a pixel",
    ),
    "batch": (
        "pictures in a batch",
        "in proportion once a layer's arithmetic outweighs the cost of starting it; narrow layers on 96x96 pixels are "
        "far from that with one picture",
    ),
    "width": (
        "multiply-accumulates of a forward pass",
        "arithmetic grows with the square of the width, what is read and written only with the width, so wide layers "
        "come closer to the machine's rate of products; the weights grow with the square, too",
    ),
    "threads": (
        "threads",
        "less than in proportion: starting a layer, and the way to memory that all cores share, get no faster",
    ),
}


def growth(threads: int, most: int = 1024) -> list[Point]:
    """Pixels, pictures in a batch, width (counted in multiply-accumulates: units 0), threads (time each has to itself).

    most: no picture is larger across.
    """
    found = []
    for side in (128, 256, 512, 1024):
        forward, _ = _both("FCN-8s, padding same", "fcn8s", "vgg16", "same", (1, 3, side, side))
        found.append(Point("pixels", side * side, forward, threads))
    for batch in (1, 2, 4, 8, 16):
        _, step = _both("FCN-8s tiny", "fcn8s", "tiny", "same", (batch, 3, 96, 96))
        found.append(Point("batch", batch, step, threads))
    for preset in ("tiny", "small", "slim", "vgg16"):
        forward, _ = _both(f"FCN-8s {preset}, padding same", "fcn8s", preset, "same", (1, 3, 256, 256))
        found.append(Point("width", 0, forward, threads))
    for count in range(1, threads + 1):
        forward, _ = _both("FCN-8s, padding same", "fcn8s", "vgg16", "same", (1, 3, 512, 512))
        found.append(Point("threads", 1 / count, forward, count))
    return [point for point in found if point.case.shape[3] <= most]
