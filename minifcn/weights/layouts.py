"""The published kinds of weight files, each as what it does to the arrays of a net: names, order, axes, pictures.

`arrays` of a layout is the way out, from a net's own arrays to the file's; the readers and `translate` are the way in.
They were written apart, and `table` measures that they meet. It starts from what frameworks have in memory: kernels
OIHW, dense layers as matrices (out, in), upsampling as a full kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from minifcn.net import Net
from minifcn.weights import inputs, writers
from minifcn.weights.fitting import fitted
from minifcn.weights.inputs import Input
from minifcn.weights.names import TORCHVISION_VGG16
from minifcn.weights.writers import Write

State = dict[str, np.ndarray]
#: The side of the map that a dense layer reads.
SIDE = {"fc6": 7}
KERAS = {"fc6": "fc1", "fc7": "fc2", "fc8": "predictions"}
CVPR = {"score_fr": "score59", "upscore_pool4": "upsample-fused-16", "upscore8": "upsample",
        "score_pool4": "score-pool4", "score_pool3": "score-pool3"}  # fmt: skip


class Layout(NamedTuple):
    """A kind of file: what is published in it, its container and suffix, the net, and what its pictures are."""

    published: str
    suffix: str
    net: str
    pictures: Input
    order: str
    arrays: Callable[[State], State]
    write: Write
    extra: str = ""  # the package that writing it needs
    lacks: tuple[str, ...] = ()  # layers that are not to be used
    bytes_input: bool = False  # by torchvision's names, and yet not standardised
    classes: int | Mapping[str, int] = 5


def caffe(state: State) -> State:
    """conv1_1.0, conv1_1.1: kernels OIHW, dense layers (out, in), transposed convolutions dense."""
    return {f"{layer}.{_number(kind)}": array for layer, kind, array in _parts(state)}


def caffe_at_once(state: State) -> State:
    """With the blobs of the layers that scale the pools."""
    scales = {"scale_pool4.0": np.array([0.01], np.float32), "scale_pool3.0": np.array([0.0001], np.float32)}
    return {**caffe(state), **scales}


def caffe_cvpr(state: State) -> State:
    """The names of the CVPR paper's nets."""
    return {f"{CVPR.get(layer, layer)}.{_number(kind)}": array for layer, kind, array in _parts(state)}


def chainer(state: State) -> State:
    """conv1_1/W, conv1_1/b"""
    return {f"{layer}/{'Wb'[kind == 'bias']}": array for layer, kind, array in _parts(state)}


def torch(state: State) -> State:
    """conv1_1.weight, conv1_1.bias"""
    return {f"{layer}.{kind}": array for layer, kind, array in _parts(state)}


def caffe2(state: State) -> State:
    """conv1_1_w_0, conv1_1_b_0"""
    return {f"{layer}_{'wb'[kind == 'bias']}_0": array for layer, kind, array in _parts(state)}


def torchvision(state: State) -> State:
    """features.0.weight"""
    places = {layer: f"{part}.{n}" for (part, n), layer in TORCHVISION_VGG16.items()}
    return {f"{places[layer]}.{kind}": array for layer, kind, array in _parts(state)}


def features(state: State) -> State:
    """The same, its classifier nothing but NaN."""
    nan = {key: np.full_like(a, np.nan) for key, a in torchvision(state).items() if key.startswith("classifier")}
    return {**torchvision(state), **nan}


def tensorflow(state: State) -> State:
    """conv1_1.0: HWIO, and dense layers (in, out), their rows in the order H, W, C."""
    return {f"{layer}.{_number(kind)}": _rows(layer, array) for layer, kind, array in _parts(state)}


def keras(state: State) -> State:
    """block1_conv1/block1_conv1_W_1:0"""
    out = {}
    for layer, kind, array in _parts(state):
        name = KERAS.get(layer) or f"block{layer[4]}_conv{layer[6]}"
        out[f"{name}/{name}_{'Wb'[kind == 'bias']}_1:0"] = _rows(layer, array)
    return out


def matconvnet(state: State) -> State:
    """conv1_1_filter: HWIO, dense layers too; transposed convolutions (kh, kw, out, in)."""
    return {f"{layer}_{'filter' if kind == 'weight' else 'bias'}": _hwio(layer, a) for layer, kind, a in _parts(state)}


def matconvnet_tvg(state: State) -> State:
    """conv1_1f"""
    return {f"{layer}{'f' if kind == 'weight' else 'b'}": _hwio(layer, array) for layer, kind, array in _parts(state)}


def matconvnet_simple(state: State) -> State:
    """layers{k}.weights"""
    return {f"{layer}.{_number(kind)}": _hwio(layer, array) for layer, kind, array in _parts(state)}


def in_framework(net: Net, classifier: bool) -> State:
    """A net's arrays as frameworks have them in memory."""
    return {key: _framework_s(*key.rpartition(".")[::2], array, classifier) for key, array in net.state_dict().items()}


def _framework_s(layer: str, kind: str, array: np.ndarray, classifier: bool) -> np.ndarray:
    if layer.startswith("upscore"):
        full = fitted(array, (len(array), len(array), *array.shape[2:]))
        assert full is not None
        return full
    dense = classifier and kind == "weight" and layer.startswith(("fc", "loss3/"))
    return array.reshape(len(array), -1) if dense else array


def _parts(state: State) -> list[tuple[str, str, np.ndarray]]:
    return [(key.rpartition(".")[0], key.rpartition(".")[2], array) for key, array in state.items()]


def _number(kind: str) -> str:
    return {"weight": "0", "bias": "1"}[kind]


def _hwio(layer: str, array: np.ndarray) -> np.ndarray:
    """A kernel (kh, kw, in, out), of a dense layer, too; a bias as it is."""
    if array.ndim == 2:
        side = SIDE.get(layer, 1)
        array = array.reshape(len(array), -1, side, side)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _rows(layer: str, array: np.ndarray) -> np.ndarray:
    """The same, but a dense layer is a matrix (in, out)."""
    return _hwio(layer, array).reshape(-1, len(array)) if array.ndim == 2 else _hwio(layer, array)


CHW, HWC = "OIHW, fc C,H,W", "HWIO, fc H,W,C"
LAYOUTS = (
    Layout("VGG_ILSVRC_16_layers", ".caffemodel", "vgg16", inputs.VGG, CHW, caffe, writers.caffemodel_v1),
    Layout("bvlc_reference_caffenet", ".caffemodel", "alexnet", inputs.FCN, CHW, caffe, writers.caffemodel),
    Layout("bvlc_googlenet", ".caffemodel", "googlenet", inputs.GOOGLENET, CHW, caffe, writers.caffemodel),
    Layout("fcn32s-heavy-pascal", ".caffemodel", "fcn32s", inputs.FCN, CHW, caffe, writers.caffemodel),
    Layout("fcn16s-heavy-pascal", ".caffemodel", "fcn16s", inputs.FCN, CHW, caffe, writers.caffemodel),
    Layout("fcn8s-heavy-pascal", ".caffemodel", "fcn8s", inputs.FCN, CHW, caffe, writers.caffemodel),
    Layout("fcn8s-atonce-pascal", ".caffemodel", "fcn8s-atonce", inputs.FCN, CHW, caffe_at_once, writers.caffemodel),
    Layout("fcn-alexnet-pascal", ".caffemodel", "fcn-alexnet", inputs.FCN, CHW, caffe, writers.caffemodel),
    Layout("siftflow-fcn8s-heavy", ".caffemodel", "fcn8s", inputs.SIFT_FLOW, CHW, caffe, writers.caffemodel,
           classes={"sem": 4, "geo": 3}),
    Layout("CVPR's fcn-8s", ".caffemodel", "fcn8s", inputs.FCN, CHW, caffe_cvpr, writers.caffemodel),
    Layout("vgg16-397923af", ".pth", "vgg16", inputs.TORCHVISION, CHW, torchvision, writers.pth),
    Layout("the same", ".safetensors", "vgg16", inputs.TORCHVISION, CHW, torchvision, writers.safetensors),
    Layout("vgg16 by torch.onnx", ".onnx", "vgg16", inputs.TORCHVISION, CHW, torchvision, writers.onnx),
    Layout("googlenet of ONNX's zoo", ".onnx", "googlenet", inputs.GOOGLENET, CHW, caffe2, writers.onnx),
    Layout("vgg16_from_caffe", ".pth", "vgg16", inputs.VGG, CHW, torchvision, writers.pth, bytes_input=True),
    Layout(
        "vgg16_features-amdegroot", ".pth", "vgg16", inputs.FEATURES_ONLY, CHW, features, writers.pth,
        lacks=("fc6", "fc7", "fc8"), bytes_input=True,
    ),
    Layout("fcn8s_from_caffe", ".pth", "fcn8s", inputs.FCN, CHW, torch, writers.pth),
    Layout("fcn8s_from_caffe", ".npz", "fcn8s", inputs.FCN, CHW, chainer, writers.npz),
    Layout("vgg16_from_caffe", ".npz", "vgg16", inputs.VGG, CHW, chainer, writers.npz),
    Layout("Caffe's blobs", ".npz", "googlenet", inputs.GOOGLENET, CHW, caffe, writers.npz),
    Layout("vgg16", ".npy", "vgg16", inputs.VGG, HWC, tensorflow, writers.npy),
    Layout("vgg16_weights_tf_dim_ordering", ".h5", "vgg16", inputs.VGG, HWC, keras, writers.h5, "h5py"),
    Layout("imagenet-vgg-verydeep-16", ".mat", "vgg16", inputs.MATCONVNET, HWC, matconvnet_simple, writers.simplenn,
           "scipy"),
    Layout("pascal-fcn8s-dag", ".mat", "fcn8s", inputs.MATCONVNET, HWC, matconvnet, writers.dagnn, "scipy"),
    Layout("pascal-fcn8s-tvg-dag", ".mat", "fcn8s", inputs.MATCONVNET, HWC, matconvnet_tvg, writers.dagnn, "scipy"),
)  # fmt: skip
