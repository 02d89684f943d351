"""Readers of foreign files give the numbers that the real writers wrote; and hostile files give one error."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import tracemalloc
import zipfile

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


def same(found, expected):
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
    same(raw.arrays, numbered(blobs))


def test_a_caffemodel_of_doubles(tmp_path):
    path = tmp_path / "net.caffemodel"
    array = np.arange(6.0).reshape(2, 3)
    path.write_bytes(wire.layer("a", "Scale", [wire.blob(array)]))
    same(readers.read(path).arrays, {"a.0": array})


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
    same(readers.read(tmp_path / "a.npz").arrays, arrays)


def test_a_dictionary_in_an_npy(blobs, tmp_path):
    np.save(tmp_path / "vgg16.npy", np.array(blobs, object), allow_pickle=True)
    raw = readers.read(tmp_path / "vgg16.npy")
    assert raw.container == "npy"
    same(raw.arrays, numbered(blobs))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_binary_protocol(protocol, blobs, tmp_path):
    """Python 2 wrote vgg16.npy; its names of NumPy's functions are the old ones."""
    text = pickle.dumps(np.array(blobs, object), protocol)
    if protocol < 4:
        text = text.replace(b"cnumpy._core.", b"cnumpy.core.")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    (tmp_path / "a.npy").write_bytes(header.getvalue() + text)
    same(readers.read(tmp_path / "a.npy").arrays, numbered(blobs))


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
        state = {"epoch": 3, "arch": "VGG", "model_state_dict": {f"module.{k}": v for k, v in state.items()}}
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    raw = readers.read(tmp_path / "a.pth")
    assert raw.container == "torch"
    same(raw.arrays, expected)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int64"])
def test_torch_s_other_numbers(dtype, tmp_path):
    torch = pytest.importorskip("torch")
    tensor = torch.nn.Parameter(torch.arange(5).to(getattr(torch, dtype)), requires_grad=False)
    torch.save({"a": tensor}, tmp_path / "a.pth")
    np.testing.assert_array_equal(readers.read(tmp_path / "a.pth").arrays["a"], np.arange(5))


# --- Keras and MatConvNet ---------------------------------------------------------------------------------------------


def test_keras_datasets(blobs, tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the extra `convert`")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["conv1/conv1_W_1:0"], file["conv1/conv1_b_1:0"] = blobs["conv1"]
        file.attrs["layer_names"] = [b"conv1"]
        file["conv1/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    expected = {f"conv1/conv1_{kind}_1:0": array for kind, array in zip("Wb", blobs["conv1"], strict=True)}
    same(readers.read(tmp_path / "a.h5").arrays, expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_matconvnet_s_two_kinds(compressed, blobs, tmp_path):
    io_ = pytest.importorskip("scipy.io", reason="needs the extra `convert`")
    mean = np.array([122.5, 116.5, 104.0]).reshape(1, 1, 3)
    params = np.array([(f"{n}_filter", blobs[n][0]) for n in blobs], [("name", "O"), ("value", "O")])
    meta = {"normalization": {"averageImage": mean}}
    io_.savemat(tmp_path / "dag.mat", {"params": params, "meta": meta}, do_compression=compressed)
    raw = readers.read(tmp_path / "dag.mat")
    same(raw.arrays, {f"{n}_filter": blobs[n][0] for n in blobs})
    assert raw.mean == (122.5, 116.5, 104.0)

    layers = np.empty(3, object)
    layers[:2] = [{"name": n, "type": "conv", "weights": np.array([*blobs[n], None], object)[:2]} for n in blobs]
    layers[2] = {"name": "relu1", "type": "relu"}
    io_.savemat(tmp_path / "simple.mat", {"layers": layers, "meta": meta}, do_compression=compressed)
    found = readers.read(tmp_path / "simple.mat").arrays
    same({key: array.reshape(numbered(blobs)[key].shape) for key, array in found.items()}, numbered(blobs))


# --- hostile files ----------------------------------------------------------------------------------------------------


class Calls:
    """Pickled, it is a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def npy_of(text: bytes) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return file.getvalue() + text


def zipped(entries: dict[str, bytes], method=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def torch_of(text: bytes, data: bytes = bytes(16)) -> bytes:
    return zipped({"a/data.pkl": text, "a/data/0": data, "a/version": b"3\n"})


def state_dict(size: int, stride: int, count: int = 4) -> bytes:
    """The pickle of {"a": a tensor of one axis}, with its numbers in storage 0."""
    storage = (
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM" + struct.pack("<H", count) + b"tQ"
    )
    numbers = [b"\x8a\x08" + struct.pack("<q", n) + b"\x85" for n in (size, stride)]
    return (
        b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"K\0"
        + b"".join(numbers)
        + b"\x89NtRs."
    )


def test_the_hostile_pickle_is_well_made_but_for_its_numbers(tmp_path):
    (tmp_path / "a.pth").write_bytes(torch_of(state_dict(2, 1)))
    same(readers.read(tmp_path / "a.pth").arrays, {"a": np.zeros(2, np.float32)})


def header(shape) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(16)


HUGE = 1 << 60
HOSTILE = {
    "a pickle that calls os.system": ("a.pth", lambda run: torch_of(pickle.dumps({"a": run})), r"calls \w+\.system"),
    "the same in an .npy": ("a.npy", lambda run: npy_of(pickle.dumps({"a": run})), r"calls \w+\.system"),
    "a legacy pickle of it": (
        "a.pth",
        lambda run: pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(run, 2) + bytes(9),
        r"calls \w+\.system",
    ),
    "a builtin": ("a.pth", lambda run: torch_of(pickle.dumps({"a": Calls(eval, "1")})), "calls builtins.eval"),
    "a pickled archive": ("a.npz", lambda run: zipped({"a.npy": npy_of(pickle.dumps(run))}), "pickled objects"),
    "a tensor beyond its storage": ("a.pth", lambda run: torch_of(state_dict(5, 1)), "beyond its storage"),
    "a tensor of one number, 2^60 times": ("a.pth", lambda run: torch_of(state_dict(HUGE, 0)), "size"),
    "a tensor with strides beyond": ("a.pth", lambda run: torch_of(state_dict(2, 1 << 40)), "beyond its storage"),
    "a negative stride": ("a.pth", lambda run: torch_of(state_dict(2, -1)), "stride"),
    "a storage that is shorter": ("a.pth", lambda run: torch_of(state_dict(2, 1, count=400)), "says 400 numbers"),
    "a memo of 2^32 places": ("a.pth", lambda run: torch_of(b"\x80\x02}r\xff\xff\xff\xff."), "without any array"),
    "text of 2^60 letters": ("a.pth", lambda run: torch_of(b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b"a."), "whole"),
    "copies of copies": (
        "a.npy",
        lambda run: npy_of(
            b"\x80\x02X"
            + struct.pack("<I", 99999)
            + b"a" * 99999
            + b"q\x00("
            + b"c_codecs\nencode\n(h\0X\x06\0\0\0latin1tR" * 3000
            + b"t."
        ),
        "over and over",
    ),
    "a blob of 2^60 bytes": ("a.caffemodel", lambda run: wire.block(100, b"", HUGE), "are left"),
    "a blob of 2^60 numbers": (
        "a.caffemodel",
        lambda run: wire.layer("a", "Convolution", [wire.block(7, wire.block(1, wire.varint(HUGE) * 2))]),
        "has 0 numbers",
    ),
    "a number without end": ("a.caffemodel", lambda run: b"\xff" * 40, "ten bytes"),
    "an array of 2^60 numbers": ("a.npz", lambda run: zipped({"a.npy": header((HUGE,))}), "cannot be made"),
    "a zip bomb": ("a.npz", lambda run: zipped({"a.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED), "20 times its size"),
    "a zip bomb for torch": (
        "a.pth",
        lambda run: zipped({"a/data.pkl": bytes(10**7)}, zipfile.ZIP_DEFLATED),
        "20 times its size",
    ),
    "a header that is no dictionary": ("a.npz", lambda run: zipped({"a.npy": header(()).replace(b"{", b"(")}), "whole"),
    "nothing at all": ("a.pth", lambda run: b"", "whole"),
    "a text": ("a.caffemodel", lambda run: b"version https://git-lfs.github.com/spec/v1\n", "whole"),
    "an unknown format": ("a.bin", lambda run: b"abc", "of no known format"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_give_one_error_run_nothing_and_take_no_memory(what, tmp_path):
    name, make, message = HOSTILE[what]
    content = make(Calls(os.system, f"touch {tmp_path / 'was-run'}"))
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    with pytest.raises(WeightsError, match=message) as error:
        readers.read(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * max(len(content), 100_000)
    assert name in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "was-run").exists()


def valid(tmp_path, blobs):
    """A valid file of each format that needs no extra."""
    np.savez(tmp_path / "a.npz", **numbered(blobs))
    np.save(tmp_path / "a.npy", np.array(blobs, object), allow_pickle=True)
    (tmp_path / "a.caffemodel").write_bytes(wire.caffemodel(blobs))
    state = collections.OrderedDict()
    torch = pytest.importorskip("torch")
    for key, array in numbered(blobs).items():
        state[key] = torch.from_numpy(array)
    torch.save(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    try:
        import h5py
        import scipy.io

        with h5py.File(tmp_path / "a.h5", "w") as file:
            for key, array in numbered(blobs).items():
                file[key] = array
        params = np.array([*numbered(blobs).items()], [("name", "O"), ("value", "O")])
        scipy.io.savemat(tmp_path / "a.mat", {"params": params}, do_compression=True)
    except ImportError:
        pass
    return sorted(tmp_path.iterdir())


def test_cut_and_flipped_files_are_read_or_refused_and_nothing_else(blobs, rng, tmp_path):
    """Raw numbers have no checksum in some formats, so a flipped bit can pass; but no other error may come out."""
    (tmp_path / "whole").mkdir()
    for path in valid(tmp_path / "whole", blobs):
        content = path.read_bytes()
        broken = tmp_path / path.name
        cuts = [int(n) for n in rng.integers(0, len(content), 20)]
        for cut in (*cuts, len(content) - 1):
            broken.write_bytes(content[:cut])
            if path.suffix not in (".h5", ".npy", ".caffemodel"):  # may end in what is not needed
                with pytest.raises(WeightsError):
                    readers.read(broken)
        for at in rng.integers(0, len(content) * 8, 60):
            flipped = bytearray(content)
            flipped[at // 8] ^= 1 << (at % 8)
            broken.write_bytes(flipped)
            try:
                readers.read(broken)
            except WeightsError as error:
                assert path.name in str(error)
