"""Other frameworks' names for the layers that minifcn, like Caffe, calls conv1_1, fc6 or score_fr.

Each function takes a file's key and gives (layer, "weight" or "bias"), or None for a key that belongs to no layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

Named = tuple[str, str] | None

#: What the names of the layers that follow the number of classes begin with; and those of the scores that all have.
HEAD = ("score", "upscore", "fc8", "loss3/")
SCORES = ("score_fr", "fc8", "loss3/")
#: What a trunk may lack, or have of another width: VGG16 is published without these, and nets are built with less.
ENDS = ("fc6", "fc7")

KINDS = {
    **dict.fromkeys(("weight", "weights", "W", "0", "kernel", "filter", "f"), "weight"),
    **dict.fromkeys(("bias", "biases", "b", "1"), "bias"),
}
PLAIN = re.compile(r"(.+)[./](weights?|bias|biases|W|b|0|1)")
#: MatConvNet's DagNN has conv1_1_filter or conv1_1f; of a SimpleNN the reader makes conv1_1.0.
MATCONVNET = re.compile(r"(.+?)[_.]?(filter|bias|0|1|f|b)")
#: ONNX's model zoo has Caffe's nets by way of Caffe2, which calls weight and bias conv1_1_w_0 and conv1_1_b_0.
CAFFE2 = re.compile(r"(.+)_(w|b)_0")
KERAS = re.compile(
    r"(?:.*/)?(?:block(\d)_conv(\d)|(fc1|fc2|predictions))(?:/.*?)?[/_](W|b|kernel|bias)(?:_\d+)?(?::0)?"
)
KERAS_DENSE = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
#: What is put before every name by DataParallel, torch.compile, and the classes of training scripts.
WRAPPING = re.compile(r"(?:(?:module|_orig_mod|model|net|network|backbone)\.)+")
INDEXED = re.compile(r"(features|classifier)\.(\d+)\.(weight|bias)")
#: VGG16's convolutions by their place in torchvision's nn.Sequential, where ReLUs and pools count, too.
TORCHVISION_VGG16 = {
    **{("features", n): f"conv1_{k}" for k, n in enumerate((0, 2), 1)},
    **{("features", n): f"conv2_{k}" for k, n in enumerate((5, 7), 1)},
    **{("features", n): f"conv3_{k}" for k, n in enumerate((10, 12, 14), 1)},
    **{("features", n): f"conv4_{k}" for k, n in enumerate((17, 19, 21), 1)},
    **{("features", n): f"conv5_{k}" for k, n in enumerate((24, 26, 28), 1)},
    **{("classifier", n): name for n, name in ((0, "fc6"), (3, "fc7"), (6, "fc8"))},
}
#: A key that only nets of other architectures have -> what they are.
STRANGERS = {
    re.compile(r"classifier\.1\.weight"): "torchvision's AlexNet (no groups, no normalisation)",
    re.compile(r"(.*\.)?inception3a\.branch1\..*"): "torchvision's GoogLeNet (batch normalisation, no LRN)",
    re.compile(r"(backbone\.)?layer1\.0\.conv1\.weight"): "a ResNet",
    re.compile(r"features\.\d+\.running_mean"): "a VGG with batch normalisation",
}


def wrapping(keys: Iterable[str]) -> str:
    """The prefix of the first name that has one of a wrapper, such as "module."; "" if none has."""
    return next((match[0] for match in map(WRAPPING.match, keys) if match), "")


def plain(key: str) -> Named:
    """conv1_1.weight, conv1_1/W, conv1_1.0"""
    match = PLAIN.fullmatch(key)
    return (match[1], KINDS[match[2]]) if match else None


def onnx(key: str) -> Named:
    """conv1_1_w_0, conv1_1.weight"""
    match = CAFFE2.fullmatch(key)
    return (match[1], "weight" if match[2] == "w" else "bias") if match else plain(key)


def matconvnet(key: str) -> Named:
    """conv1_1_filter, conv1_1f, conv1_1.0"""
    match = MATCONVNET.fullmatch(key)
    return (match[1], KINDS[match[2]]) if match else None


def keras(key: str) -> Named:
    """block1_conv1/block1_conv1_W_1:0, block1_conv1/block1_conv1/kernel:0"""
    match = KERAS.fullmatch(key)
    return (KERAS_DENSE.get(match[3], f"conv{match[1]}_{match[2]}"), KINDS[match[4]]) if match else None


def torchvision(key: str) -> Named:
    """features.0.weight"""
    match = INDEXED.fullmatch(key)
    layer = TORCHVISION_VGG16.get((match[1], int(match[2]))) if match else None
    return (layer, match[3]) if layer and match else None


def are_torchvision_s(keys: Iterable[str]) -> bool:
    """Whether names are places in a row, as torchvision's VGGs have."""
    return any(INDEXED.fullmatch(key) for key in keys)


def stranger(keys: Iterable[str]) -> str:
    """What a net is that minifcn has not, if some name tells; else ""."""
    keys = list(keys)
    return next((what for pattern, what in STRANGERS.items() if any(map(pattern.fullmatch, keys))), "")


# --- heads of FCN-VGG16 -----------------------------------------------------------------------------------------------

UPSAMPLING = {
    1: ("upscore",),
    2: ("upscore2", "upscore16"),
    3: ("upscore2", "upscore_pool4", "upscore8"),
}


def by_position(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """{their layer: ours} for heads of an FCN on VGG16's trunk whose layers are called otherwise.

    The nets of the CVPR paper were published with names such as score59 and upsample-fused-16. Where a score layer
    stands is told by the width of what it reads, and transposed convolutions follow each other in the file as in the
    net. Empty if a layer has no place, or two have the same.
    """
    trunk = ("fc7.weight", "conv4_3.weight", "conv3_3.weight")
    if any(key not in arrays for key in trunk):
        return {}
    ours = {"score_fr", "score_pool4", "score_pool3", *(name for names in UPSAMPLING.values() for name in names)}
    heads = [key.removesuffix(".weight") for key, array in arrays.items() if _is_head(key, array)]
    if ours.issuperset(heads):
        return {}
    places = {
        "score_fr": len(arrays[trunk[0]]),
        "score_pool4": len(arrays[trunk[1]]),
        "score_pool3": len(arrays[trunk[2]]),
    }
    renamed: dict[str, str] = {}
    upsampling = []
    for layer in heads:
        weight = arrays[f"{layer}.weight"]
        if max(weight.shape[2:]) > 1:
            upsampling.append(layer)
            continue
        place = next((name for name, width in places.items() if width == weight.shape[1]), None)
        if place is None:
            return {}
        renamed[layer] = place
        del places[place]
    if len(upsampling) not in UPSAMPLING:
        return {}
    return {**renamed, **dict(zip(upsampling, UPSAMPLING[len(upsampling)], strict=True))}


def _is_head(key: str, array: np.ndarray) -> bool:
    return key.endswith(".weight") and array.ndim == 4 and not re.match(r"(conv\d_\d\w*|fc[678]|scale_\w+)\.", key)
