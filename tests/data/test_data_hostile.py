"""What somebody who means harm, or a broken disk, puts into a data set: one clear error each. Fuzzing found most."""

from __future__ import annotations

import io
import os
import sys
import tracemalloc

import numpy as np
import published
import pytest
from colournet import save_fcn
from PIL import Image

from minifcn import classify, evaluate, models, predict, train, weights
from minifcn.data import open_dataset, read_label, write_label
from minifcn.data.__main__ import main as data_command
from minifcn.data.context import read_map
from minifcn.data.folder import read_classes, split_of
from minifcn.data.pairs import overlap, pictures_in, read_list
from minifcn.errors import DataError
from minifcn.files import atomic_path

NO_UTF8 = os.fsdecode(b"a\xff\xfeb")


@pytest.fixture
def own(tmp_path):
    """Four samples, three to train on."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for k, stem in enumerate("abcd"):
        put(tmp_path, stem, np.resize(np.array([0, 1, 2, k % 3], np.uint8), (6, 8)))
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
    lists(tmp_path, "a b c", "d")
    return tmp_path


def put(folder, stem, label):
    Image.new("RGB", label.shape[::-1], (10, 20, 30)).save(folder / f"images/{stem}.png")
    write_label(folder / f"labels/{stem}.png", label)


def lists(folder, train, val):
    (folder / "train.txt").write_text("\n".join(train.split()))
    (folder / "val.txt").write_text("\n".join(val.split()))


def test_a_name_that_no_file_can_have(own):
    for name, says in (
        ("x" * 300, "line 1: a name of 300 letters"),
        (f"{'9' * 5000}/a", "line 1: a name of 5000 letters"),
        ("x" * 253, None),
        ("a\0b", None),
    ):
        lists(own, name, "d")
        with pytest.raises(DataError, match=says or "its picture is missing"):
            open_dataset(f"folder:{own}", "train")[0]
    long = "x" * 5000
    for spec in (f"folder:{long}", f"camvid:{long}", f"voc:{long}", long):
        with pytest.raises(DataError, match=r"no such folder|unknown kind"):
            open_dataset(spec, "train")


def test_links_in_a_circle_are_no_files(own, tmp_path, capsys):
    for name in ("images/a.png", "labels/b.png", "classes.txt"):
        (own / name).unlink()
        (own / name).symlink_to((own / name).name)
    with pytest.raises(DataError, match=r"no classes\.txt"):
        open_dataset(f"folder:{own}", "train")
    (own / "classes.txt").unlink()
    (own / "classes.txt").write_text("red\ngreen\nblue\n")
    dataset = open_dataset(f"folder:{own}", "train")
    assert overlap(dataset, open_dataset(f"folder:{own}", "val")) == []
    for i, says in enumerate(["a: its picture is missing", "b: its label map is missing"]):
        with pytest.raises(DataError, match=says):
            dataset[i]
    (own / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(f"folder:{own / 'loop'}", "train")
    assert predict.main([save_fcn(own / "w.safetensors"), str(own / "images/a.png"), "--out", str(own / "out")]) == 2
    assert "a.png: cannot be read" in capsys.readouterr().err


def test_a_folder_that_is_called_as_a_picture(own):
    (own / "images/a.png").unlink()
    (own / "images/a.png").mkdir()
    with pytest.raises(DataError, match="a: its picture is missing"):
        open_dataset(f"folder:{own}", "train")[0]


def test_a_folder_that_may_not_be_listed(own, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)  # tests may run as one who may list everything
    with pytest.raises(DataError, match=r"images: cannot be listed \(Permission denied"):
        pictures_in(own / "images")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("stem", [NO_UTF8, "a\nb", "a\x1b[31mb", "$a_{$", "-x", " ", "a" * 200], ids=ascii)
def test_names_of_every_kind_go_through_all_commands(own, stem, tmp_path, monkeypatch):
    """The output is as a terminal's: UTF-8, which has no letters for some names, and strict."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8", "strict"))
    (own / "train.txt").unlink()
    (own / "val.txt").unlink()
    put(own, stem, np.zeros((6, 8), np.uint8))
    save_fcn(own / "w.safetensors")
    assert split_of([stem, "b"])
    assert data_command(["check", f"folder:{own}"]) == 0
    assert predict.main([str(own / "w.safetensors"), str(own / "images"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / f"out/{stem}.label.png").is_file()
    assert evaluate.main([str(own / "w.safetensors"), "--data", f"folder:{own}"]) == 0
    flags = ["--data", f"folder:{own}", "--iterations", "1", "--preset", "tiny", "--threads", "1"]
    put(own, stem, np.full((6, 8), 9, np.uint8))
    assert train.main([*flags, "--out", str(tmp_path / "no")]) == 2
    (image,) = [path for path in (own / "images").iterdir() if path.stem == stem]
    image.write_bytes(b"")
    assert predict.main([str(own / "w.safetensors"), str(image), "--out", str(tmp_path / "out"), "--overwrite"]) == 2


def test_settings_that_a_file_of_settings_cannot_say(own, capsys):
    assert train.main(["--data", f"folder:{NO_UTF8}"]) == 2
    assert "--data expects at most 4096 letters of Unicode, so that config.toml can say it" in capsys.readouterr().err


def test_labels_out_of_range_name_file_value_count_and_what_to_do(own):
    label = np.zeros((6, 8), np.uint8)
    label[0, :2], label[1, 0] = 3, 200
    write_label(own / "labels/a.png", label)
    with pytest.raises(DataError, match=r"a\.png: class number 3 \(2 pixels\), 200 \(1 pixel\); expected 0\.\.2 "):
        open_dataset(f"folder:{own}", "train")[0]
    write_label(own / "labels/a.png", np.arange(48, dtype=np.uint8).reshape(6, 8))
    with pytest.raises(DataError, match=r"class number 3 \(1 pixel\), .*, 7 \(1 pixel\) and 40 more; expected"):
        open_dataset(f"folder:{own}", "train")[0]


def test_a_picture_that_its_tag_turns_and_a_label_map_made_without(own):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6)).save(own / "images/a.png", exif=exif)
    with pytest.raises(DataError, match=r"the picture is 6x8 but its label map 8x6 .* turned by its EXIF tag"):
        open_dataset(f"folder:{own}", "train")[0]
    Image.new("RGB", (9, 6)).save(own / "images/a.png")
    with pytest.raises(DataError, match=r"9x6 but its label map 8x6 .*pixel for pixel$"):
        open_dataset(f"folder:{own}", "train")[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"a {'9' * 5000} 1 2\nb 1 2 3\n", r"line 1: colour \(9+, 1, 2\) is out of range"),
        (f"{'a' * 5000}\nb\n", "line 1: a class name of 5000 letters"),
        ("a" + " 1" * 5000 + "\nb\n", "letters"),
    ],
)
def test_lists_of_classes_that_are_enormous(text, says, tmp_path):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=says) as error:
        read_classes(tmp_path / "classes.txt")
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("line", ["4294967296: a", f"{'9' * 5000}: a", f"1: {'a' * 5000}"])
def test_class_numbers_that_would_take_all_memory(line, tmp_path):
    (tmp_path / "labels.txt").write_text(f"1: b\n{line}\n")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"labels\.txt, line 2: expected 'number: name'") as error:
        read_map(tmp_path / "labels.txt", tmp_path / "labels.txt")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20 and len(str(error.value)) < 1000
    tracemalloc.stop()


def test_a_large_map_in_unknown_colours_is_refused_soon(tmp_path, rng):
    """Sorting them took ten seconds and 1.4 GB for 25 million pixels; none of this sorts or counts in 64 bits."""
    pixels = rng.integers(1, 20, (8, 500_000, 3), np.uint8)
    pixels[0, :3] = (0, 0, 0), (0, 9, 9), (0, 0, 9)  # a class, and the last of these is the first by number
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"colour \(0, 0, 9\) at row 0, column 2 .* nor is any of 6860 more"):
        read_label(tmp_path / "a.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 14 * pixels.size / 3 + (40 << 20)  # bytes a pixel, and the tables of all colours


def test_a_label_map_of_more_pixels_than_there_is_memory_for(tmp_path, monkeypatch):
    pytest.importorskip("scipy", reason="SciPy writes the file")
    monkeypatch.setattr("minifcn.data.mats.PIXELS", 20)
    root = published.siftflow(tmp_path)
    with pytest.raises(DataError, match=r"mat: 24 numbers are no label map's; expected at most 20"):
        open_dataset(f"siftflow:{root}", "test")[0]


def test_pictures_too_thin_to_be_classified(tmp_path, capsys):
    net = models.build("alexnet", 5, "tiny", rng=np.random.default_rng(0))
    weights.save(tmp_path / "net.safetensors", net)
    for name, size in (("thin", (1, 5000)), ("long", (5000, 1)), ("dot", (1, 1))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    for name in ("thin", "long"):
        assert classify.main([str(tmp_path / "net.safetensors"), str(tmp_path / f"{name}.png")]) == 2
        said = capsys.readouterr().err
        assert "more than 64 times as long as wide" in said and f"{name}.png" in said
    assert classify.main([str(tmp_path / "net.safetensors"), str(tmp_path / "dot.png")]) == 0


def test_tiny_and_long_pictures_through_training_and_back(own, tmp_path, capsys):
    for stem, size in (("a", (1, 1)), ("b", (700, 1)), ("c", (1, 700)), ("d", (1, 5000))):
        put(own, stem, np.resize(np.array([0, 1], np.uint8), size))
    flags = ["--data", f"folder:{own}", "--net", "fcn32s", "--iterations", "3", "--threads", "1", "--batch-size", "1"]
    assert train.main([*flags, "--out", str(tmp_path / "run")]) == 0
    net = str(tmp_path / "run/weights.safetensors")
    assert predict.main([net, str(own / "images"), "--out", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out/d.label.png") as label:
        assert label.size == (5000, 1)
    assert evaluate.main([net, "--data", f"folder:{own}", "--split", "val"]) == 0


def test_a_name_too_long_to_be_written_beside(tmp_path):
    with pytest.raises(Exception, match=r"cannot be written \(File name too long"), atomic_path(tmp_path / ("a" * 254)):
        raise AssertionError("the work was begun in vain")


def test_an_empty_list_and_a_list_that_is_no_text(tmp_path):
    for content, says in ((b"", "empty"), (b"\xff\xfe\0", "not a text file in UTF-8")):
        (tmp_path / "train.txt").write_bytes(content)
        with pytest.raises(DataError, match=says):
            read_list(tmp_path / "train.txt")
