"""MATLAB files: read as SciPy reads them, and refused with one error when they are damaged."""

import struct
import zlib

import numpy as np
import pytest

from minifcn.data import mats
from minifcn.data.mats import read_label_mat, read_mat
from minifcn.errors import DataError

io = pytest.importorskip("scipy.io", reason="SciPy, the oracle, is not installed")

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "bool"]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_as_scipy_writes_and_reads_them(tmp_path, dtype, compressed):
    path = tmp_path / "a.mat"
    wanted = np.random.default_rng(0).integers(0, 2, (5, 7)).astype(dtype)
    others = {"A": "text", "B": np.zeros((3, 0)), "C": np.array([1, "two"], object), "Z": np.arange(3.0)}
    struct_ = {"first": "text", "wanted": wanted, "sparse": np.eye(3)}
    io.savemat(path, {**others, "label": wanted, "deep": {"er": struct_}}, do_compression=compressed)
    for names in (["label"], ["deep", "er", "wanted"]):
        found = read_mat(path, names)
        assert found.shape == (5, 7) and (found == wanted).all()
    assert (read_mat(path, ["label"]) == io.loadmat(path)["label"]).all()


def test_small_and_sparse_elements_are_stepped_over(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    cell = np.empty((2, 1), object)
    cell[:] = [[sparse.csc_array(np.eye(9))], [np.uint8(3)]]
    io.savemat(tmp_path / "a.mat", {"GTcls": {"Boundaries": cell, "Segmentation": np.uint8([[7]])}})  # as SBD's
    assert read_label_mat(tmp_path / "a.mat", ["GTcls", "Segmentation"]).tolist() == [[7]]


def test_the_other_byte_order(tmp_path):
    """As written on a machine of that order: all numbers turned round, by hand."""

    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    flags, dimensions = element(6, struct.pack(">II", 10, 0)), element(5, struct.pack(">ii", 2, 3))
    small_name = struct.pack(">HH", 1, 1) + b"S\0\0\0"
    numbers = element(3, np.arange(6, dtype=">i2").tobytes())
    matrix = element(14, flags + dimensions + small_name + numbers)
    (tmp_path / "a.mat").write_bytes(bytes(124) + b"\1\0MI" + matrix)
    assert read_label_mat(tmp_path / "a.mat", ["S"]).tolist() == [[0, 2, 4], [1, 3, 5]]


def test_what_is_ignored(tmp_path):
    io.savemat(tmp_path / "a.mat", {"S": np.array([[-1, 0, 1, 2]], np.int16)})
    assert read_label_mat(tmp_path / "a.mat", ["S"]).tolist() == [[-1, 0, 1, 2]]
    assert read_label_mat(tmp_path / "a.mat", ["S"], first=1).tolist() == [[-1, -1, 0, 1]]


@pytest.mark.parametrize(
    "wrong",
    [np.full((2, 2), 0.5), np.full((2, 2), np.nan), np.full((2, 2), 1e300), np.zeros((2, 2, 2)), np.zeros((0, 2))],
)
def test_what_is_no_label_map(tmp_path, wrong):
    io.savemat(tmp_path / "a.mat", {"S": wrong})
    with pytest.raises(DataError, match=r"a\.mat: expected a label map of whole numbers \(H, W\), got float64 \("):
        read_label_mat(tmp_path / "a.mat", ["S"])


def test_another_variable_another_field_another_kind(tmp_path):
    io.savemat(tmp_path / "a.mat", {"T": {"part": np.eye(2)}, "text": "no numbers"})
    for names, says in [
        (["S"], "has no variable 'S'; there are T, text"),
        (["T", "parts"], "T has no field 'parts'; did you mean 'part'"),
        (["T"], "T is no array of numbers"),
        (["text"], "text is no array of numbers"),
        (["text", "part"], "text is no structure with a field 'part'"),
    ]:
        with pytest.raises(DataError, match=says):
            read_mat(tmp_path / "a.mat", names)
    with pytest.raises(DataError, match="cannot be read"):
        read_mat(tmp_path / "b.mat", ["S"])


def test_other_versions(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400))
    with pytest.raises(DataError, match=r"version 7\.3; save it with -v7"):
        read_mat(tmp_path / "a.mat", ["S"])
    io.savemat(tmp_path / "a.mat", {"S": np.eye(9)}, format="4")
    with pytest.raises(DataError, match="not a MATLAB file of version 5"):
        read_mat(tmp_path / "a.mat", ["S"])


def test_damage_is_one_error(tmp_path):
    """SciPy 1.17 crashes on some of these, and takes Python with it."""
    path, rng = tmp_path / "a.mat", np.random.default_rng(0)
    refused = 0
    for compressed in (True, False):
        structure = {"Boundaries": np.zeros((20, 1)), "Segmentation": np.ones((4, 6), np.uint8)}
        io.savemat(path, {"GTcls": structure}, do_compression=compressed)
        whole = path.read_bytes()
        for k in range(600):
            damaged = bytearray(whole if k % 3 else whole[: rng.integers(len(whole))])
            for place in rng.integers(len(damaged), size=k % 3) if damaged else ():
                damaged[place] = rng.integers(256)
            path.write_bytes(bytes(damaged))
            try:
                read_label_mat(path, ["GTcls", "Segmentation"])
            except DataError as error:
                assert "a.mat: " in str(error)
                refused += 1
    assert refused > 600


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """100 MiB of zeros are 100 KiB when packed."""
    header = struct.pack("<II", 14, 100 << 20)
    flags = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<IIii", 5, 8, 10240, 10240)
    packed = zlib.compress(header + flags + struct.pack("<HHI", 1, 1, ord("S")) + bytes(100 << 20), 1)
    (tmp_path / "a.mat").write_bytes(bytes(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed)
    monkeypatch.setattr(mats, "MOST", 1 << 20)
    with pytest.raises(DataError, match=r"damaged or cut off \(a variable that unpacks to more than 1,048,576 bytes\)"):
        read_mat(tmp_path / "a.mat", ["S"])
    monkeypatch.setattr(mats, "MOST", 1000)
    with pytest.raises(DataError, match="bytes are no label map's"):
        read_mat(tmp_path / "a.mat", ["S"])
