"""What training scripts wrap weights in: prefixes of names, and what lies beside them in one file."""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import pathlib
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from minifcn import models, weights
from minifcn.errors import WeightsError
from minifcn.weights import layouts, opening, readers, table
from minifcn.weights.layouts import LAYOUTS


@pytest.fixture
def state(rng):
    """A narrow VGG16 by torchvision's names."""
    layout = next(layout for layout in LAYOUTS if layout.published == "vgg16-397923af")
    return layout.arrays(layouts.in_framework(table.trained(layout, rng), True))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "net.", "backbone.", "model._orig_mod."])
def test_a_prefix_goes_and_is_told(prefix, state, tmp_path):
    save_file({prefix + key: array for key, array in state.items()}, tmp_path / "a.safetensors")
    net, about = weights.open_net(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(net.params["conv5_3.weight"].data, state["features.28.weight"])
    assert any(f"names without the {prefix!r} before them" in line for line in about["told"])


def test_a_prefix_before_caffe_s_names(tmp_path, rng):
    arrays = models.build("fcn32s", 5, "tiny", rng=rng).state_dict()
    save_file({f"module.{key}": array for key, array in arrays.items()}, tmp_path / "a.safetensors")
    assert opening.open_source(tmp_path / "a.safetensors").arrays.keys() == arrays.keys()


def test_names_that_are_one_without_the_prefix_are_refused(tmp_path):
    save_file({f"{prefix}conv1_1.weight": np.zeros(3) for prefix in ("", "module.")}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"are both conv1_1\.weight"):
        opening.open_source(tmp_path / "a.safetensors")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_what_lies_beside_the_weights_is_passed_over(zipped, state, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")
    model = collections.OrderedDict((key, torch.tensor(array)) for key, array in state.items())
    settings = argparse.Namespace(data=pathlib.Path("/data"), device=torch.device("cpu"), amp=None, lr=[0.1])
    beside = {
        "args": settings,
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "dtype": torch.float16,
        "size": torch.Size([3, 4]),
        "best": np.float64(0.5),
        "history": np.arange(3.0),
        "counts": collections.Counter("aab"),
        "losses": collections.defaultdict(list, train=[1.0]),
        "last": collections.deque([1, 2], 3),
        "date": datetime.datetime(2020, 1, 2),
        "names": {"a", "b"},
    }
    torch.save({**beside, "model": model}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert readers.read(tmp_path / "a.pth").arrays.keys() == state.keys()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"params": state},
        lambda state: {"network": state, "epoch": 3},
        lambda state: [state, {"lr": 0.1}],
        lambda state: (3, state),
        lambda state: {"state_dict": (state,)},
    ],
)
def test_what_is_around_the_weights_goes(wrap, state, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")
    torch.save(wrap({key: torch.tensor(array) for key, array in state.items()}), tmp_path / "a.pth")
    assert readers.read(tmp_path / "a.pth").arrays.keys() == state.keys()


class Settings(argparse.Namespace):
    """Not the library's own: its pickle names a function to make it with."""

    def __reduce__(self):
        return os.system, ("true",)


def test_what_is_not_known_to_be_harmless_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")
    torch.save({"args": Settings(), "model": {"a": torch.zeros(3)}}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"calls \w+\.system, which no weights need; nothing in it was run"):
        readers.read(tmp_path / "a.pth")


def test_bfloat16_of_safetensors(rng, tmp_path):
    values = rng.standard_normal((2, 3)).astype(np.float32).view("<u4") >> 16
    text = b'{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    text += b'"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}}'
    data = np.float32([7]).tobytes() + values.astype("<u2").tobytes()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    found = readers.read(tmp_path / "a.safetensors").arrays
    np.testing.assert_array_equal(found["a"], (values << 16).view("<f4"))
    assert found["a"].dtype == np.float32 and found["b"] == 7
