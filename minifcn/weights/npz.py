"""Caffe's blobs in an .npz archive: "inception_3a/1x1.0" is a layer's weight, "inception_3a/1x1.1" its bias."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import models
from minifcn.errors import WeightsError
from minifcn.net import Net
from minifcn.weights import tensors
from minifcn.weights.readers import npz

PARAMS = {"0": "weight", "1": "bias"}
#: Caffe's classifiers were trained on pictures less these.
INPUT = {"channels": "BGR", "mean": [104.0, 117.0, 123.0], "scale": 1.0}


def open_npz(path: str | PathLike[str], name: str) -> tuple[Net, dict[str, Any]]:
    """(net, metadata) of the published net `name`, with the weights of an archive of Caffe's blobs.

    Weights of fully connected layers (out, in) become those of the convolutions that they are: (out, C, kh, kw) in the
    same order. Raises WeightsError if the file is broken, or holds other names or shapes than the net.
    """
    state = {}
    for key, array in tensors.as_float32(path, npz.read(Path(path)).arrays).items():
        layer, _, index = key.rpartition(".")
        state[f"{layer}.{PARAMS.get(index, index)}"] = array
    last = models.build(name).outputs[0]
    classes = state.get(f"{last}.bias", np.zeros(0)).size
    if not classes:
        raise WeightsError(f"{path}: has no {last}.1, the last bias of {name}; is it another net's (--net)?")
    net = models.build(name, classes)
    for key, param in net.params.items():
        if key in state and state[key].size == param.data.size:
            state[key] = state[key].reshape(param.data.shape)
    try:
        net.load_state_dict(state)
    except WeightsError as error:
        raise WeightsError(f"{path}: {str(error).removeprefix('load_state_dict: ')}") from None
    return net, {**INPUT, "net": net.spec}
