"""Caffe's blobs in an .npz archive: "inception_3a/1x1.0" is a layer's weight, "inception_3a/1x1.1" its bias."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from os import PathLike
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from minifcn import models
from minifcn.errors import WeightsError
from minifcn.net import Net
from minifcn.weights import tensors

PARAMS = {"0": "weight", "1": "bias"}
#: Caffe's classifiers were trained on pictures less these.
INPUT = {"channels": "BGR", "mean": [104.0, 117.0, 123.0], "scale": 1.0}
MOST = 20  # times its own size that an archive may unpack to; weights hardly shrink


def open_npz(path: str | PathLike[str], name: str) -> tuple[Net, dict[str, Any]]:
    """(net, metadata) of the published net `name`, with the weights of an archive of Caffe's blobs.

    Weights of fully connected layers (out, in) become those of the convolutions that they are: (out, C, kh, kw) in the
    same order. Raises WeightsError if the file is broken, or holds other names or shapes than the net.
    """
    state = {}
    for key, array in _arrays(path).items():
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


def _arrays(path: str | PathLike[str]) -> Mapping[str, np.ndarray]:
    """The archive's arrays, all of finite floating numbers."""
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MOST * sum(entry.compress_size for entry in entries):
            raise WeightsError(f"{path}: would unpack to more than {MOST} times its size, which no weights do")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (BadZipFile, zlib.error, ValueError, EOFError, KeyError, RuntimeError, MemoryError) as error:
        raise WeightsError(f"{path}: not a whole .npz archive of arrays: {error}") from error
    return tensors.as_float32(path, arrays)
