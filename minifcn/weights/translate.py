"""What another framework's file means: whose names it uses, how its axes lie, and which pictures its net was fed with.

One row of `KINDS_OF_FILE` for each. A row goes by container and names, never by widths, so it reads narrow nets as it
reads the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights import fed, inputs, names, tensors, trainings
from minifcn.weights.inputs import Input
from minifcn.weights.names import Named
from minifcn.weights.readers import RawWeights
from minifcn.weights.source import Source


class Kind(NamedTuple):
    """A kind of file: its title, how a key names a layer, and how axes lie.

    kernels: "OIHW", where a dense weight is (out, in), or "HWIO", where it is (in, out). flat: the order in which a
    dense layer reads the map before it. whole: whether constants of the net are in the file, too.
    """

    title: str
    rename: Callable[[str], Named]
    kernels: str
    flat: str
    whole: bool = False


CAFFE = Kind("Caffe's blobs", names.plain, "OIHW", "CHW", whole=True)
NAMED = Kind("layers by Caffe's names", names.plain, "OIHW", "CHW")
TORCHVISION = Kind("VGG16 by torchvision's names", names.torchvision, "OIHW", "CHW")
TENSORFLOW = Kind("TensorFlow's VGG16", names.plain, "HWIO", "HWC")
KERAS = Kind("Keras's VGG16", names.keras, "HWIO", "HWC")
MATCONVNET = Kind("a net of MatConvNet", names.matconvnet, "HWIO", "HWC")
ONNX = NAMED._replace(rename=names.onnx)
#: By container; all others are `NAMED`, or `TORCHVISION` if their names are.
KINDS_OF_FILE = {"npy": TENSORFLOW, "h5": KERAS, "mat": MATCONVNET, "caffemodel": CAFFE, "onnx": ONNX}

NYUD_CLASSES = 40
#: In an ONNX graph these are sizes and places.
COUNTS = (np.int32, np.int64)


def translate(raw: RawWeights, origin: str | None = None) -> Source:
    """The file's arrays as minifcn names and orders them; the first layer still takes the file's own pictures.

    origin: "caffe" or "torchvision", for a VGG16 by torchvision's names, if the file is not to decide it. Raises
    WeightsError for NaN, for a net that minifcn has not, and where it is not clear what the file means.
    """
    prefix = names.wrapping(raw.arrays)
    inside = [key.removeprefix(prefix) for key in raw.arrays]
    if what := names.stranger(inside):
        raise WeightsError(f"{raw.path}: is {what}, which minifcn has not; of torchvision's nets it takes VGG16")
    kind = TORCHVISION if names.are_torchvision_s(inside) else KINDS_OF_FILE.get(raw.container, NAMED)
    arrays: dict[str, np.ndarray] = {}
    keys: dict[str, str] = {}
    unused = []
    for key, array in raw.arrays.items():
        named = kind.rename(key.removeprefix(prefix))
        if named is None or (raw.container == "onnx" and array.dtype in COUNTS):
            unused.append(key)
            continue
        name = ".".join(named)
        if name in arrays:
            raise WeightsError(f"{raw.path}: {key} and {keys[name]} are both {name}")
        arrays[name], keys[name] = _ordered(array, kind.kernels, named[1]), key
    made = Source(raw.path, kind.title, arrays, flat=kind.flat, constants=kind.whole, unused=unused)
    if prefix:
        made.told.append(f"names without the {prefix!r} before them")
    if kind is TORCHVISION:
        _of_a_training(made, origin)
    elif origin is not None:
        raise WeightsError(f"{raw.path}: is {kind.title}; --source is for a VGG16 by torchvision's names")
    else:
        made.pictures = _pictures(kind, raw, arrays)
        if kind in (NAMED, ONNX) and not fed.by_graph(made, raw):
            made.guessed, made.own = True, fed.as_minifcn_has_them(arrays, inside)
        if kind is CAFFE and len(arrays.get("score_fr.weight", ())) == NYUD_CLASSES:
            made.told.append("40 classes, as NYUDv2's nets have, whose means differ and are in no file; --mean sets it")
    _rename_heads(made)
    made.arrays = tensors.as_float32(raw.path, made.arrays)
    return made


def _ordered(array: np.ndarray, kernels: str, kind: str) -> np.ndarray:
    """A kernel as OIHW, a dense weight as (out, in), a bias as a vector."""
    if kind == "bias":
        return array.reshape(-1)
    if kernels == "OIHW" or array.ndim > 4:
        return array
    if array.ndim == 2:
        return array.T
    # MATLAB drops trailing axes of length 1. A transposed convolution, (kh, kw, out, in), becomes (in, out, kh, kw).
    return array.reshape(array.shape + (1,) * (4 - array.ndim)).transpose(3, 2, 0, 1)


def _of_a_training(made: Source, origin: str | None) -> None:
    """Title and pictures of a VGG16 by torchvision's names; a classifier that is NaN goes."""
    if strange := [key for key in made.unused if names.INDEXED.fullmatch(key.removeprefix(names.wrapping([key])))]:
        raise WeightsError(
            f"{made.path}: {strange[0]} is in no VGG16; of the nets with torchvision's names, minifcn has only that"
        )
    dense = [name for name in made.arrays if name.startswith("fc")]
    empty = bool(dense) and all(np.isnan(made.arrays[name]).all() for name in dense)
    first = made.arrays.get("conv1_1.weight", np.zeros(0))
    training = trainings.of_vgg16(made.path, first, empty, origin)
    made.title, made.pictures = training.title, training.input
    made.told.append(f"{training.title}, {training.told}")
    if empty:
        for name in dense:
            del made.arrays[name]
        made.told.append(f"its classifier is nothing but NaN, and is refused: {', '.join(dense)}")
    if training.input is inputs.TORCHVISION:
        made.told.append("torchvision's VGG16 is another training than Caffe's; as an FCN's trunk it scores lower")


def _pictures(kind: Kind, raw: RawWeights, arrays: Mapping[str, np.ndarray]) -> Input:
    """What the net of a file that is not torchvision's was fed with."""
    if kind is MATCONVNET:
        return inputs.MATCONVNET._replace(mean=raw.mean) if raw.mean else inputs.MATCONVNET
    if kind in (KERAS, TENSORFLOW):
        return inputs.VGG
    if "conv1/7x7_s2.weight" in arrays:
        return inputs.GOOGLENET
    if "score_fr_geo.weight" in arrays:
        return inputs.SIFT_FLOW
    return inputs.VGG if {"conv1_1.weight", "fc8.weight"} <= arrays.keys() else inputs.FCN


def _rename_heads(made: Source) -> None:
    renamed = names.by_position(made.arrays)
    moved = {theirs: ours for theirs, ours in renamed.items() if theirs != ours}
    if not moved:
        return
    arrays = {}
    for key, array in made.arrays.items():
        layer, _, kind = key.rpartition(".")
        arrays[f"{renamed.get(layer, layer)}.{kind}"] = array
    made.arrays = arrays
    made.told.append("by their places: " + ", ".join(f"{theirs} is {ours}" for theirs, ours in moved.items()))
