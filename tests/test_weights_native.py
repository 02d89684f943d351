"""The native weight format: what is saved comes back, net included; what does not fit or is hostile changes nothing."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from minifcn import models, weights
from minifcn.errors import MinifcnError, WeightsError
from minifcn.files import atomic_path
from minifcn.weights import native, tensors

CLASSES = ["background", "cat", "Straße"]
ABOUT = {"classes": CLASSES, "palette": [[0, 0, 0], [255, 0, 0], [0, 255, 0]]}


@pytest.fixture
def net(rng):
    made = models.build("fcn16s", num_classes=3, preset="tiny", rng=rng)
    for param in made.params.values():  # scores and biases too: zeros would come back by chance
        param.data = rng.standard_normal(param.data.shape, np.float32)
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.safetensors"


def test_the_net_comes_back_with_its_weights_and_what_was_said_of_it(net, path, rng):
    weights.save(path, net, {**ABOUT, "source": "somewhere", "sha256": "0" * 64})
    other, about = weights.open_net(path)
    assert other.spec == net.spec
    assert about["classes"] == CLASSES and about["palette"] == ABOUT["palette"]
    assert (about["channels"], about["scale"], about["source"]) == ("BGR", 1.0, "somewhere")
    assert about["mean"] == [104.00698793, 116.66876762, 122.67891434]
    assert about["assumed"] == []
    x = rng.standard_normal((1, 3, 33, 40), np.float32)
    np.testing.assert_array_equal(other.forward(x), net.forward(x))


def test_the_same_net_gives_the_same_bytes(net, path):
    files = []
    for _ in range(2):
        weights.save(path, net, ABOUT)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_load_reports_what_it_took(net, path):
    weights.save(path, net)
    blank = models.build(**net.spec)
    report = weights.load(blank, path)
    assert report.taken == list(net.params) and not (report.left or report.unused or report.assumed)
    assert f"{len(net.params)} arrays taken" in str(report)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(blank.params[name].data, array)


def test_a_file_without_metadata_is_taken_if_it_fits_and_says_what_was_assumed(net, path):
    save_file(net.state_dict(), path)
    report = weights.load(models.build(**net.spec), path)
    assert "assumed: channels BGR, which the file does not say" in str(report)
    _, about = weights.open_net(path, spec=net.spec)
    assert about["channels"] == "BGR" and len(about["assumed"]) == 3


UNLIKE = [name for name in models.NAMES if name not in ("fcn8s", "fcn8s-atonce", "fcn32s-hha")]


@pytest.mark.parametrize(
    ("name", "preset"), [(name, "tiny") for name in UNLIKE] + [("fcn16s", "small"), ("fcn-googlenet", "googlenet")]
)
def test_names_and_shapes_tell_which_net_a_file_without_metadata_is_of(name, preset, path):
    net = models.build(name, num_classes=5, preset=preset)
    save_file(net.state_dict(), path)
    found, about = weights.open_net(path)
    assert found.spec == net.spec
    said = "; ".join(about["assumed"])
    assert f"net {name}" in said and f"preset {preset}" in said and "5 classes" in said
    assert ("input padding" in said) == (name in models.FCNS)


def test_what_the_arrays_do_not_decide_must_be_told(path):
    """fcn8s and fcn8s-atonce differ in fixed factors that no file holds: a guess would give wrong labels."""
    save_file(models.build("fcn8s-atonce", num_classes=5, preset="tiny").state_dict(), path)
    with pytest.raises(WeightsError, match=r"does not say which net .* fit fcn8s and fcn8s-atonce; name it \(--net"):
        weights.open_net(path)
    net, about = weights.open_net(path, {"name": "fcn8s-atonce", "input_padding": 100})
    assert net.spec == models.build("fcn8s-atonce", 5, "tiny", 100).spec
    assert not any("net " in line or "padding" in line for line in about["assumed"])
    for spec, message in (
        ({"name": "fcn8s", "preset": "tyni"}, "did you mean 'tiny'"),
        ({"name": "fcn8s", "num_classes": 6}, r"score_fr\.weight"),
        ({"name": "fcn16s"}, "does not fit"),
    ):
        with pytest.raises(WeightsError, match=message):
            weights.open_net(path, spec)
    save_file({"conv1_1.weight": np.zeros((7, 3, 3, 3), np.float32), "fc6.weight": np.float32([1])}, path)
    with pytest.raises(WeightsError, match="its arrays fit none"):
        weights.open_net(path)
    with pytest.raises(WeightsError, match="widths of its layers are of none"):
        weights.open_net(path, {"name": "fcn32s"})


def test_a_file_is_not_taken_for_what_it_says_it_is_not(net, path):
    weights.save(path, net)
    assert weights.open_net(path, {"name": "fcn16s"})[1]["assumed"] == []
    with pytest.raises(WeightsError, match="its name is 'fcn16s', as the file says, not 'fcn32s'"):
        weights.open_net(path, {"name": "fcn32s"})


def test_weights_of_another_net_change_nothing(net, path):
    weights.save(path, models.build("fcn16s", num_classes=4, preset="tiny"))
    before = net.state_dict()
    with pytest.raises(WeightsError, match=r"score_fr\.weight.*made for .*'num_classes': 4"):
        weights.load(net, path)
    for name, array in before.items():
        np.testing.assert_array_equal(net.params[name].data, array)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(net, path, value):
    net.params["fc6.bias"].data[3] = value
    weights.save(path, net)
    with pytest.raises(WeightsError, match=r"fc6\.bias holds NaN"):
        weights.open_net(path)


def test_weights_beyond_float32_are_refused(net, path):
    state = {**net.state_dict(), "fc6.bias": np.full(net.params["fc6.bias"].data.shape, 1e300)}
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"fc6\.bias holds NaN, Inf or numbers that float32 cannot hold"):
        weights.load(net, path)


def test_another_number_of_classes_is_told_in_a_word(net, path):
    weights.save(path, models.build("fcn16s", num_classes=7, preset="tiny"))
    with pytest.raises(WeightsError, match=r"w\.safetensors: 7 classes in the file, your data has 3") as error:
        weights.load(net, path)
    assert "load_state_dict" not in str(error.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"mean": [1, 2]}, "mean in its metadata: expected three finite numbers, got"),
        ({"mean": [1, 2, float("nan")]}, "mean .*nan"),
        ({"mean": "grey"}, "mean .*'grey'"),
        ({"mean": [1, 2, 10**400]}, "mean "),
        ({"scale": "one"}, "scale "),
        ({"channels": 3}, "channels "),
        ({"palette": [[0, 0, 300]]}, "palette .*300"),
        ({"palette": [[0, 0]]}, "palette "),
        ({"palette": [[0, 0, 0]] * 257}, "palette .*at most 256"),
        ({"palette": {"sky": 1}}, "palette "),
        ({"classes": ["a", "b", "a"]}, "classes .*none twice"),
        ({"classes": ["a", "b", ""]}, "classes "),
        ({"classes": [["a"], "b", "c"]}, "classes "),
        ({"classes": 3}, "classes "),
        ({"classes": ["a", "b"]}, "names 2 classes, its net has 3"),
    ],
)
def test_metadata_that_cannot_be_used_is_told_when_the_file_is_read(net, path, entry, message):
    weights.save(path, net, entry)
    with pytest.raises(WeightsError, match=rf"w\.safetensors: .*{message}"):
        weights.open_net(path)


def hostile(kind: str, whole: bytes) -> bytes:
    def with_header(header: dict, data: bytes = b"1234") -> bytes:
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    def with_metadata(text: str) -> bytes:
        return with_header({"__metadata__": {"minifcn": text}}, b"")

    return {
        "empty": b"",
        "short": b"abc",
        "text": b"this is not a weight file at all",
        "length of 2^60": struct.pack("<Q", 2**60) + b"{}",
        "truncated": whole[: len(whole) // 2],
        "one byte less": whole[:-1],
        "broken header": whole[:8] + b"X" + whole[9:],
        "shape beyond the file": with_header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        "bfloat16": with_header({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}),
        "float8": with_header({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}),
        "integers": with_header({"a": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}),
        "pickle": b"\x80\x04cos\nsystem\n(S'touch hacked'\ntR.",
        "deep JSON": with_metadata("[" * 100_000),
        "no JSON": with_metadata("{'net': 'fcn8s'}"),
        "no object": with_metadata("[1, 2]"),
        "a net that is none": with_metadata('{"net": {"name": "fcn8s", "num_clases": 3}}'),
        "a net of 10^12 classes": with_metadata('{"net": {"name": "fcn8s", "num_classes": 1000000000000}}'),
        "a net of text": with_metadata('{"net": "fcn8s"}'),
        "a version to come": with_metadata('{"format": "minifcn", "version": 2}'),
    }[kind]


KINDS = (
    "empty", "short", "text", "length of 2^60", "truncated", "one byte less", "broken header", "shape beyond the file",
    "bfloat16", "float8", "integers", "pickle", "deep JSON", "no JSON", "no object", "a net that is none",
    "a net of 10^12 classes", "a net of text", "a version to come",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_give_one_clear_error(net, path, kind):
    weights.save(path, net)
    path.write_bytes(hostile(kind, path.read_bytes()))
    for read in (lambda: weights.load(net, path), lambda: weights.open_net(path)):
        with pytest.raises(WeightsError) as error:
            read()
        assert str(path) in str(error.value)


def test_a_file_that_is_not_there_a_folder_or_a_checkpoint(net, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    tensors.write(checkpoint, {}, {"format": tensors.CHECKPOINT, "version": 1})
    for path, message in (
        (tmp_path / "none", "cannot be read"),
        (tmp_path, "this is a folder, and has no weights"),
        (checkpoint, "is a checkpoint, .*leaves its weights in"),
    ):
        with pytest.raises(WeightsError, match=message):
            weights.open_net(path)
    weights.save(tmp_path / "weights.safetensors", net)
    for path, message in (
        (tmp_path, rf"this is a folder; try {tmp_path}/weights\.safetensors"),
        (checkpoint, rf"weights are in {tmp_path}/weights\.safetensors"),
    ):
        with pytest.raises(WeightsError, match=message):
            weights.load(net, path)


def test_files_have_the_rights_of_any_new_file(net, path, tmp_path):
    (tmp_path / "plain").touch()
    weights.save(path, net)
    assert os.stat(path).st_mode == os.stat(tmp_path / "plain").st_mode


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_folder_is_no_name_of_a_file(path):
    with pytest.raises(MinifcnError, match="is a folder; expected the name of a file"), atomic_path(path):
        pytest.fail("has begun to work")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(ValueError), atomic_path(path) as beside:
        beside.write_text("half")
        assert beside.parent.parent == path.parent and beside.name == path.name
        beside.with_name("more").touch()  # as safetensors does
        raise ValueError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["note.txt"]
    with atomic_path(path) as beside:
        beside.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["note.txt"]


def test_where_nothing_can_be_written(net, tmp_path):
    with pytest.raises(MinifcnError, match="cannot be written"):
        weights.save(tmp_path / "no" / "such" / "folder" / "w.safetensors", net)


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys\nfrom minifcn.files import atomic_path\n"
            "with atomic_path(sys.argv[1]) as beside: beside.write_text('half'); os.kill(os.getpid(), 9)",
            str(tmp_path / "note.txt"),
        ],
        check=False,
    )
    assert killed.returncode == -9 and len(os.listdir(tmp_path)) == 1
    others = {f".note.{os.getppid()}.part.txt", ".note.x.part.txt", ".other.999999999.part.txt"}  # alive, not ours
    for name in (*others, f".note.{os.getpid()}.part.txt"):  # the last is of an earlier process with our number
        (tmp_path / name).mkdir()
    with atomic_path(tmp_path / "note.txt") as beside:
        beside.write_text("new")
    assert set(os.listdir(tmp_path)) == {"note.txt"} | others


def test_opening_a_file_takes_its_weights_once(tmp_path, monkeypatch):
    """The arrays that were read become the parameters: of FCN-8s they are 0.5 GiB."""
    weights.save(tmp_path / "w.safetensors", models.build("fcn8s", preset="tiny", rng=np.random.default_rng(0)))
    read, found = native.read, {}

    def watched(path):
        arrays, metadata = read(path)
        found.update(arrays)
        return arrays, metadata

    monkeypatch.setattr(native, "read", watched)
    net, _ = weights.open_net(tmp_path / "w.safetensors")
    assert all(param.data is found[name] for name, param in net.params.items())


def test_one_array_for_two_layers_is_given_to_one_alone(tmp_path):
    """conv1_1 of a file serves both trunks of a net of two; they learn apart."""
    weights.save(tmp_path / "w.safetensors", models.build("fcn32s", preset="tiny", rng=np.random.default_rng(0)))
    net = models.build("fcn32s-late", preset="tiny")
    weights.transplant(net, tmp_path / "w.safetensors")
    one, other = net.params["conv2_1color.weight"].data, net.params["conv2_1hha.weight"].data
    assert (one == other).all() and one.any()
    assert not np.may_share_memory(one, other)
