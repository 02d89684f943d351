"""Readers of foreign files give the numbers that the real writers wrote."""

from __future__ import annotations

import io
import pickle
import sys

import numpy as np
import pytest
import wire
from shared import shared_path

from minifcn.errors import WeightsError
from minifcn.weights import readers


@pytest.fixture
def blobs(rng):
    """Of a convolution and a dense layer: weight and bias."""
    shapes = {"conv1": ((4, 3, 5, 5), (4,)), "ip": ((6, 36), (6,))}
    return {name: [rng.standard_normal(shape, np.float32) for shape in pair] for name, pair in shapes.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, strict=True)


def numbered(blobs):
    return {f"{name}.{k}": array for name, pair in blobs.items() for k, array in enumerate(pair)}


# --- caffemodel -------------------------------------------------------------------------------------------------------

KINDS = {
    "new": lambda name, dense, pair: wire.layer(name, dense or "Convolution", [wire.blob(a) for a in pair]),
    "unpacked": lambda name, dense, pair: wire.layer(
        name, dense or "Convolution", [wire.blob(a, packed=False) for a in pair]
    ),
    "V1": lambda name, dense, pair: wire.v1_layer(name, 14 if dense else 4, [wire.blob(a, legacy=True) for a in pair]),
    "V0": lambda name, dense, pair: wire.v0_layer(
        name, "innerproduct" if dense else "conv", [wire.blob(a, legacy=True) for a in pair]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_age_of_caffemodel(kind, blobs, tmp_path):
    path = tmp_path / "net.caffemodel"
    dense = {"ip": "InnerProduct"}
    path.write_bytes(wire.block(1, b"net") + b"".join(KINDS[kind](n, dense.get(n), pair) for n, pair in blobs.items()))
    raw = readers.read(path)
    assert raw.container == "caffemodel"
    assert_same(raw.arrays, numbered(blobs))


def test_a_caffemodel_of_doubles(tmp_path):
    path = tmp_path / "net.caffemodel"
    array = np.arange(6.0).reshape(2, 3)
    path.write_bytes(wire.layer("a", "Scale", [wire.blob(array)]))
    assert_same(readers.read(path).arrays, {"a.0": array})


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        (
            "lenet_iter_10000",
            {"conv1.0": (20, 1, 5, 5), "conv2.0": (50, 20, 5, 5), "ip1.0": (500, 800), "ip2.1": (10,)},
        ),
        ("det1", {"conv1.0": (10, 3, 3, 3), "PReLU1.0": (10,)}),
        ("det3", {"conv1.0": (32, 3, 3, 3), "conv2.1": (64,)}),
    ],
)
def test_real_caffemodels(name, shapes):
    arrays = readers.read(shared_path(f"weights/caffemodel/{name}.caffemodel")).arrays
    for key, shape in shapes.items():
        assert arrays[key].shape == shape and 0.001 < arrays[key].std() < 1


def test_real_archives_of_caffe_s_blobs():
    assert readers.read(shared_path("weights/hed_vgg16.npz")).arrays["conv5_3.0"].shape == (512, 512, 3, 3)
    assert readers.read(shared_path("weights/bvlc_googlenet.npz")).arrays["loss3/classifier.0"].shape == (1000, 1024)


# --- NumPy ------------------------------------------------------------------------------------------------------------


def test_an_archive_of_arrays_in_either_order(tmp_path):
    arrays = {"conv1_1/W": np.arange(24.0).reshape(2, 3, 4), "b": np.asfortranarray(np.eye(3, dtype=np.float32))}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    assert_same(readers.read(tmp_path / "a.npz").arrays, arrays)


def test_a_dictionary_in_an_npy(blobs, tmp_path):
    np.save(tmp_path / "vgg16.npy", np.array(blobs, object), allow_pickle=True)
    raw = readers.read(tmp_path / "vgg16.npy")
    assert raw.container == "npy"
    assert_same(raw.arrays, numbered(blobs))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_binary_protocol(protocol, blobs, tmp_path):
    """Python 2 wrote vgg16.npy; its names of NumPy's functions are the old ones."""
    text = pickle.dumps(np.array(blobs, object), protocol)
    if protocol < 4:
        text = text.replace(b"cnumpy._core.", b"cnumpy.core.")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    (tmp_path / "a.npy").write_bytes(header.getvalue() + text)
    assert_same(readers.read(tmp_path / "a.npy").arrays, numbered(blobs))


# --- PyTorch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])
def test_what_torch_saves(zipped, wrapped, tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(5, 6))
    state = net.state_dict()
    state["part"] = state["0.weight"].transpose(0, 1)[1:]  # a view with an offset, and with strides of its own
    expected = {key: value.numpy().copy() for key, value in state.items()}
    if wrapped:
        state = {"epoch": 3, "arch": "VGG", "model_state_dict": state}
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    raw = readers.read(tmp_path / "a.pth")
    assert raw.container == "torch"
    assert_same(raw.arrays, expected)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int64"])
def test_torch_s_other_numbers(dtype, tmp_path):
    torch = pytest.importorskip("torch")
    tensor = torch.nn.Parameter(torch.arange(5).to(getattr(torch, dtype)), requires_grad=False)
    torch.save({"a": tensor}, tmp_path / "a.pth")
    np.testing.assert_array_equal(readers.read(tmp_path / "a.pth").arrays["a"], np.arange(5))


# --- Keras and MatConvNet ---------------------------------------------------------------------------------------------


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match=r"a\.h5: HDF5 needs h5py: pip install .minifcn\[convert\]"):
        readers.read(tmp_path / "a.h5")


def test_keras_datasets(blobs, tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the extra `convert`")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["conv1/conv1_W_1:0"], file["conv1/conv1_b_1:0"] = blobs["conv1"]
        file.attrs["layer_names"] = [b"conv1"]
        file["conv1/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    expected = {f"conv1/conv1_{kind}_1:0": array for kind, array in zip("Wb", blobs["conv1"], strict=True)}
    assert_same(readers.read(tmp_path / "a.h5").arrays, expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_matconvnet_s_two_kinds(compressed, blobs, tmp_path):
    io_ = pytest.importorskip("scipy.io", reason="SciPy writes the file (extra `test`)")
    mean = np.array([122.5, 116.5, 104.0]).reshape(1, 1, 3)
    params = np.array([(f"{n}_filter", blobs[n][0]) for n in blobs], [("name", "O"), ("value", "O")])
    meta = {"normalization": {"averageImage": mean}}
    io_.savemat(tmp_path / "dag.mat", {"params": params, "meta": meta}, do_compression=compressed)
    raw = readers.read(tmp_path / "dag.mat")
    assert_same(raw.arrays, {f"{n}_filter": blobs[n][0] for n in blobs})
    assert raw.mean == (122.5, 116.5, 104.0)

    layers = np.empty(3, object)
    layers[:2] = [{"name": n, "type": "conv", "weights": np.array([*blobs[n], None], object)[:2]} for n in blobs]
    layers[2] = {"name": "relu1", "type": "relu"}
    io_.savemat(tmp_path / "simple.mat", {"layers": layers, "meta": meta}, do_compression=compressed)
    found = readers.read(tmp_path / "simple.mat").arrays
    assert_same({key: array.reshape(numbered(blobs)[key].shape) for key, array in found.items()}, numbered(blobs))
