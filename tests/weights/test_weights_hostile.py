"""Hostile files: whatever is wrong with one, a single error says so; nothing in it runs, and memory stays bounded."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import wire

from minifcn import models, onnxfile
from minifcn.errors import WeightsError
from minifcn.weights import opening, readers, writers

HUGE = 1 << 60


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
    np.testing.assert_array_equal(readers.read(tmp_path / "a.pth").arrays["a"], np.zeros(2), strict=False)


def header(shape) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(16)


def mat(kind: int, *parts: bytes, shape=(1, 2), name: bytes = b"params") -> bytes:
    """A MAT-file with one variable of a class."""

    def element(type_: int, data: bytes) -> bytes:
        return struct.pack("<II", type_, len(data)) + data + bytes(-len(data) % 8)

    flags, dims = element(6, struct.pack("<II", kind, 0)), element(5, struct.pack(f"<{len(shape)}i", *shape))
    matrix = flags + dims + element(1, name) + b"".join(parts)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 14, len(matrix)) + matrix


def deflated(data: bytes) -> bytes:
    """A MAT-file of which the first element is deflated."""
    packed = zlib.compress(data, 9)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed


def pickled(tree) -> bytes:
    return torch_of(pickle.dumps(tree, 2))


def mat_numbers(count: int) -> bytes:
    return struct.pack("<II", 7, 4 * count) + bytes(4 * count + -(4 * count) % 8)


def initializer(fields: bytes) -> bytes:
    """A ModelProto with one tensor of float32, "a.0", of which some fields are given."""
    return wire.block(7, wire.block(5, wire.number(2, 1) + wire.block(8, b"a.0") + fields))


def numbers(count: int) -> bytes:
    return wire.number(1, count) + wire.block(9, bytes(4 * count))


def outside(location: str, count: int = 1, name: str = "a.0") -> bytes:
    """The same, but its numbers lie in another file."""
    where = wire.block(13, wire.block(1, b"location") + wire.block(2, location.encode()))
    tensor = wire.number(2, 1) + wire.block(8, name.encode()) + wire.number(1, count) + where + wire.number(14, 1)
    return wire.block(7, wire.block(5, tensor))


#: What it is -> (name, content for a call of os.system, what is said).
HOSTILE = {
    "a pickle that calls os.system": ("a.pth", lambda run: torch_of(pickle.dumps({"a": run})), r"calls \w+\.system"),
    "the same in an .npy": ("a.npy", lambda run: npy_of(pickle.dumps({"a": run})), r"calls \w+\.system"),
    "a legacy pickle of it": (
        "a.pth",
        lambda run: pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(run, 2) + bytes(9),
        r"calls \w+\.system",
    ),
    "a call of a name of 5000 letters": (
        "a.pth",
        lambda run: torch_of(b"\x80\x02}X\x01\0\0\0actorch\n" + b"9" * 5000 + b"\n)Rs."),
        "calls torch\\.9{900,1000}$",
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
    "an initializer of 2^60 bytes": ("a.onnx", lambda run: initializer(wire.block(9, b"", HUGE)), "are left"),
    "an initializer of 2^60 numbers": ("a.onnx", lambda run: initializer(wire.number(1, HUGE)), "says shape"),
    "an initializer of 2^40 numbers": ("a.onnx", lambda run: initializer(wire.number(1, 1 << 40)), "has 0 numbers"),
    "no numbers, 2^60 times": ("a.onnx", lambda run: initializer(wire.number(1, 0) + wire.number(1, HUGE)), "whole"),
    "an initializer of 999 axes": ("a.onnx", lambda run: initializer(wire.number(1, 1) * 999 + numbers(1)), "whole"),
    "two initializers of one name": ("a.onnx", lambda run: initializer(numbers(0)) * 2, "two initializers 'a.0'"),
    "weights in /etc/passwd": ("a.onnx", lambda run: outside("/etc/passwd"), "no file in its folder"),
    "weights in a file above": ("a.onnx", lambda run: outside("../../../../etc/passwd"), "no file in its folder"),
    "weights in a file of Windows above": ("a.onnx", lambda run: outside("..\\a"), "no file in its folder"),
    "weights in a folder": ("a.onnx", lambda run: outside("."), "no file in its folder"),
    "weights nowhere": ("a.onnx", lambda run: outside(""), "no file in its folder"),
    "2^40 weights in the file itself": ("a.onnx", lambda run: outside("a.onnx", 1 << 40), "bytes at 0 of"),
    "the same numbers over and over": (
        "a.onnx",
        lambda run: b"".join(outside("a.onnx", 400, name=f"{k}.0") for k in range(99)),
        "of them not yet read",
    ),
    "an attribute of 2^60": (
        "a.onnx",
        lambda run: wire.block(7, wire.block(1, wire.block(5, wire.number(1, HUGE)))),
        "no initializers of numbers",
    ),
    "properties without end": (
        "a.onnx",
        lambda run: b"".join(wire.block(14, wire.block(1, b"%d" % k)) for k in range(20000)),
        "no initializers of numbers",
    ),
    "a number without end": ("a.caffemodel", lambda run: b"\xff" * 40, "ten bytes"),
    "an array of 2^60 numbers": ("a.npz", lambda run: zipped({"a.npy": header((HUGE,))}), "cannot be made"),
    "a zip bomb": ("a.npz", lambda run: zipped({"a.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED), "20 times its size"),
    "a zip bomb for torch": (
        "a.pth",
        lambda run: zipped({"a/data.pkl": bytes(10**7)}, zipfile.ZIP_DEFLATED),
        "20 times its size",
    ),
    "half a zip archive": ("a.pth", lambda run: torch_of(state_dict(2, 1))[:200], "at its end, is missing"),
    "a header that is no dictionary": ("a.npz", lambda run: zipped({"a.npy": header(()).replace(b"{", b"(")}), "whole"),
    "text of 2^60 letters in safetensors": (
        "a.safetensors",
        lambda run: struct.pack("<Q", HUGE) + b"{}",
        "not a whole",
    ),
    "a bomb in MATLAB's file": ("a.mat", lambda run: deflated(mat(7, bytes(10**7))[128:]), "unpacks to more than"),
    "a deflated element cut short": ("a.mat", lambda run: deflated(mat(7, mat_numbers(2))[128:])[:-4], "are left"),
    "a matrix of 2^60 numbers": ("a.mat", lambda run: mat(7, mat_numbers(2), shape=(1 << 30, 1 << 30)), "of 2 numbers"),
    "2^31 cells": ("a.mat", lambda run: mat(1, shape=(1 << 15, 1 << 15)), "matrices in"),
    "structs without end": ("a.mat", lambda run: mat(2, mat_numbers(4), shape=(1 << 30, 2)), "not a whole"),
    "an element of 4 GB": ("a.mat", lambda run: mat(7, struct.pack("<II", 7, 2**32 - 1)), "are left"),
    "MATLAB's file of version 7.3": ("a.mat", lambda run: b"MATLAB 7.3 MAT-file".ljust(600), "save it with -v7"),
    "a pickle of protocol 0": ("a.npy", lambda run: npy_of(b"cos\nsystem\n(S'touch was-run'\ntR."), "calls os.system"),
    "a global that is a state": ("a.pth", lambda run: pickled({"a": pickle.Pickler}), "without any array"),
    "a state on an arrays' builder": ("a.pth", lambda run: torch_of(b"\x80\x02}}b."), "without any array"),
    "a list in itself": ("a.pth", lambda run: torch_of(b"\x80\x02]q\0h\0a."), "nested"),
    "nothing at all": ("a.pth", lambda run: b"", "is empty"),
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


# --- cut, flipped, lengthened -----------------------------------------------------------------------------------------


def legacy(path, arrays):
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")
    state = {key: torch.tensor(array) for key, array in arrays.items()}
    torch.save(state, path, _use_new_zipfile_serialization=False)


def exported(path, arrays):
    """As `minifcn export` leaves it: a graph between the properties and the weights."""
    pytest.importorskip("onnx", reason="onnx writes the file")
    net = models.build("fcn32s", 2, "tiny", rng=np.random.default_rng(0))
    onnxfile.write(path, net, {"mean": [1.0, 2.0, 3.0], "classes": ["a", "b"]}, onnxfile.Form(labels=True))


def v1(path, arrays):
    writers.caffemodel_v1(path, arrays)


WRITERS = {
    "npz": (".npz", writers.npz), "npy": (".npy", writers.npy), "safetensors": (".safetensors", writers.safetensors),
    "h5": (".h5", writers.h5), "dagnn": (".mat", writers.dagnn), "simplenn": (".mat", writers.simplenn),
    "caffemodel": (".caffemodel", writers.caffemodel), "caffemodel v1": (".caffemodel", v1),
    "pth": (".pth", writers.pth), "legacy pth": (".pth", legacy), "onnx": (".onnx", writers.onnx),
    "onnx of minifcn": (".onnx", exported),
}  # fmt: skip
NEEDS = {"h5": "h5py", "dagnn": "scipy", "simplenn": "scipy"}


LONG = ("onnx of minifcn",)  # 600,000 numbers


@pytest.fixture(params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind in LONG)) for kind in WRITERS])
def whole(request, tmp_path, rng):
    """A whole file of each kind, in a place of its own."""
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param], reason=f"{NEEDS[request.param]} writes the file")
    suffix, write = WRITERS[request.param]
    shapes = {"conv1.0": (4, 3, 5, 5), "conv1.1": (4,), "ip.0": (6, 36), "ip.1": (6,)}
    (tmp_path / "whole").mkdir()
    path = tmp_path / "whole" / f"a{suffix}"
    write(path, {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()})
    return path


def read_or_refused(path, content: bytes) -> bool:
    """Whether the file is read; if not, there is one WeightsError, of one line, that names it."""
    path.write_bytes(content)
    try:
        opening.open_source(path)
    except WeightsError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return False
    return True


def test_files_cut_anywhere(whole, tmp_path):
    """In every 64th of the file, and a byte before its end."""
    content, path = whole.read_bytes(), tmp_path / whole.name
    cuts = [len(content) * k // 64 for k in range(64)] + [len(content) - 1]
    read = [cut for cut in cuts if read_or_refused(path, content[:cut])]
    assert read_or_refused(path, content)
    if whole.suffix != ".caffemodel":  # which is whole after every layer
        assert not [cut for cut in read if cut < len(content) - 64]  # the end may be a padding


def test_files_with_a_bit_flipped(whole, rng, tmp_path):
    """Raw numbers have no checksum in most formats, so such a flip passes; but no other error may come out."""
    content, path = whole.read_bytes(), tmp_path / whole.name
    anywhere = rng.integers(0, len(content) * 8, 200)
    structure = rng.integers(0, min(len(content), 400) * 8, 100)  # headers lie in front, directories at the end
    ends = rng.integers(max(0, len(content) - 400) * 8, len(content) * 8, 100)
    refused = 0
    for at in (*anywhere, *structure, *ends):
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << (at % 8)
        refused += not read_or_refused(path, bytes(flipped))
    assert refused > 10


def test_files_with_lengths_of_any_size(whole, rng, tmp_path):
    content, path = whole.read_bytes(), tmp_path / whole.name
    refused = 0
    for value in (HUGE, 2**63 - 1, 2**64 - 1, 2**31, 2**32 - 1):
        for at in rng.integers(0, len(content) - 8, 30):
            refused += not read_or_refused(path, content[:at] + value.to_bytes(8, "little") + content[at + 8 :])
    assert refused > 10


LIMITED = """
import resource, sys
from minifcn.errors import WeightsError
from minifcn.weights import opening
import h5py, numpy
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)  # MemoryError beyond
for path in sys.argv[1:]:
    try:
        opening.open_source(path)
    except WeightsError as error:
        print(error)
"""


def test_an_hdf5_file_that_runs_in_circles(tmp_path, rng):
    """Its root group begins twice: HDF5's own walk through the groups does not end. In a process that can be ended."""
    pytest.importorskip("h5py", reason="h5py writes the file")
    path = tmp_path / "a.h5"
    writers.h5(path, {key: rng.standard_normal((9, 9), np.float32) for key in ("conv1.0", "conv1.1", "ip.0", "ip.1")})
    content = path.read_bytes()
    path.write_bytes(content[:145] + content[73:])
    code = f"from minifcn.weights import opening; opening.open_source({str(path)!r})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "WeightsError" in run.stderr and "a.h5: not a whole HDF5 file" in run.stderr


def test_groups_of_an_hdf5_file_that_hold_one_another(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py writes the file")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("b/c")
        group["W"] = np.float32([1, 2])
        group["up"], group["top"], group["W2"] = file["b"], file, group["W"]
        file["link"], file["other"] = h5py.SoftLink("/b/c/W"), h5py.ExternalLink("x.h5", "/W")
        file["a"] = np.float32([3])
    arrays = readers.hdf5.parse(tmp_path / "a.h5")[0]
    assert {name: array.tolist() for name, array in arrays.items()} == {"a": [3], "b/c/W": [1, 2]}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_hostile_files_in_a_process_of_little_memory(tmp_path):
    """tracemalloc does not see what C libraries take; the system does."""
    h5py = pytest.importorskip("h5py", reason="h5py writes one of the files")
    paths = []
    for k, (name, make, _) in enumerate(HOSTILE.values()):
        paths.append(tmp_path / f"{k}{name[1:]}")
        paths[-1].write_bytes(make(Calls(os.system, "true")))
    with h5py.File(tmp_path / "bomb.h5", "w") as file:  # one number, repeated
        file.create_dataset("conv1.0", (1 << 28,), "f4", chunks=(1 << 20,), compression="gzip", fillvalue=1.0)
    paths.append(tmp_path / "bomb.h5")
    run = subprocess.run([sys.executable, "-c", LIMITED, *map(str, paths)], capture_output=True, text=True, check=True)
    assert len(run.stdout.splitlines()) == len(paths)
    assert "bomb.h5: would unpack to more than 20 times its size" in run.stdout
    assert not run.stderr
