"""`python -m minifcn.export`: a file for other runtimes that is whole, checked and compared, or none at all."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from PIL import Image
from test_docs import README

from minifcn import convert, evaluate, export, models, onnxfile, predict, weights
from minifcn.errors import ShapeError
from minifcn.onnxfile import table
from minifcn.onnxfile.comparison import Difference
from minifcn.weights import layouts
from minifcn.weights.layouts import LAYOUTS

pytest.importorskip("onnx", reason="onnx writes the files (extra `test`)")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime runs the files (extra `test`)")

NAMES = ["background", "disc", "square"]
MEAN = [90.0, 100.0, 110.0]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A folder with weights, to work in."""
    net = table.random_net(np.random.default_rng(0), name="fcn8s", num_classes=3, preset="tiny")
    weights.save(tmp_path / "w.safetensors", net, {"mean": MEAN, "classes": NAMES})
    monkeypatch.chdir(tmp_path)
    return net


@pytest.fixture
def picture(tmp_path, rng):
    Image.fromarray(rng.integers(0, 256, (41, 70, 3), np.uint8)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def error_of(capsys, *arguments) -> str:
    """What `export` says as it refuses; nothing is left behind."""
    assert export.main([*arguments]) == 2
    return capsys.readouterr().err


def test_it_says_what_was_checked_and_how_far_the_answers_are_apart(trained, tmp_path, capsys):
    assert export.main(["w.safetensors", "net.onnx", "--preprocess", "--labels"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "net.onnx: fcn8s, tiny, 3 classes" and second == "checked by onnx.checker, opset 17"
    assert re.fullmatch(r"onnxruntime's answer is minifcn's to \d\.\de-0[67] of the largest score \(130x97\)", third)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "w.safetensors"]


def test_the_readme_s_snippet_gives_minifcn_s_labels(trained, picture, capsys):
    (code,) = re.findall(r"<!-- test: labels -->\n```python\n(.*?)```", README, re.DOTALL)
    assert export.main(["w.safetensors", "net.onnx", "--preprocess", "--labels"]) == 0
    assert predict.main(["w.safetensors", "picture.png", "--out", "labelled"]) == 0
    capsys.readouterr()
    made: dict = {}
    exec(compile(code.replace("picture.jpg", "picture.png"), "README.md", "exec"), made)
    np.testing.assert_array_equal(made["labels"], np.asarray(Image.open("labelled/picture.label.png")), strict=True)
    shares = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {name for name, _ in shares} == {NAMES[k] for k in np.unique(made["labels"])}


def test_every_command_takes_the_file_as_weights(trained, picture, tmp_path, capsys):
    assert export.main(["w.safetensors", "net.onnx"]) == 0
    for name in ("w.safetensors", "net.onnx"):
        assert predict.main([name, "picture.png", "--out", f"by-{name}"]) == 0
    one, other = (tmp_path / f"by-{name}" / "picture.label.png" for name in ("w.safetensors", "net.onnx"))
    assert one.read_bytes() == other.read_bytes()
    assert export.main(["net.onnx", "again.onnx", "--labels", "--opset", "11"]) == 0


def test_there_and_back(trained, capsys):
    """convert, too, keeps the names of the classes, as long as they are these classes."""
    assert export.main(["w.safetensors", "net.onnx"]) == 0
    assert convert.main(["net.onnx", "back.safetensors"]) == 0
    assert convert.main(["net.onnx", "more.safetensors", "--classes", "4", "--expand-score"]) == 0
    net, about = weights.open_net("back.safetensors")
    assert about["classes"] == NAMES and about["mean"] == MEAN and about["source"] == "net.onnx"
    assert weights.open_net("more.safetensors")[1]["classes"] == [*NAMES, "class 3"]
    for name, param in trained.params.items():
        np.testing.assert_array_equal(net.params[name].data, param.data, strict=True)


def test_evaluate_scores_the_file_as_it_scores_the_weights(tmp_path, monkeypatch, capsys):
    net = table.random_net(np.random.default_rng(0), name="fcn32s", num_classes=7, preset="tiny")
    weights.save(tmp_path / "w.safetensors", net, {"mean": MEAN})
    monkeypatch.chdir(tmp_path)
    assert export.main(["w.safetensors", "net.onnx"]) == 0
    told = []
    for name in ("w.safetensors", "net.onnx"):
        capsys.readouterr()
        assert evaluate.main([name, "--data", "shapes", "--limit", "2"]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] and "mean IU" in told[0]


@pytest.mark.parametrize(("said", "width", "height"), [("70x41", 70, 41), ("50", 50, 50)])
def test_one_size(said, width, height, trained, capsys):
    assert export.main(["w.safetensors", "net.onnx", "--fixed-size", said]) == 0
    assert f"({width}x{height})" in capsys.readouterr().out
    assert ort.InferenceSession("net.onnx").get_inputs()[0].shape == [1, 3, height, width]


def test_weights_of_another_framework(tmp_path, rng, capsys):
    layout = next(layout for layout in LAYOUTS if layout.net == "alexnet")
    net = layouts.in_framework(models.build("alexnet", 5, "tiny", rng=rng), True)
    layout.write(tmp_path / "a.caffemodel", layout.arrays(net))
    assert export.main([str(tmp_path / "a.caffemodel"), str(tmp_path / "a.onnx"), "--labels"]) == 0
    told = capsys.readouterr()
    assert "a.onnx: alexnet, tiny, 5 classes" in told.out and "assumed net alexnet" in told.err


WRONG = {
    "no name that ends in .onnx": (["w.safetensors", "net.pb"], "NET.onnx net.pb: expected a name that ends in .onnx"),
    "nothing to write": (["w.safetensors"], "expected WEIGHTS and NET.onnx"),
    "an opset that is too old": (["w.safetensors", "net.onnx", "--opset", "9"], "expected one of 11 to 21"),
    "a size of nothing": (["w.safetensors", "net.onnx", "--fixed-size", "0x9"], "--fixed-size 0x9: expected WIDTHx"),
    "no weights": (["no.safetensors", "net.onnx"], "no.safetensors: cannot be read"),
    "no such folder": (["w.safetensors", "no/net.onnx"], "there is no folder no; make it"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be(what, trained, tmp_path, capsys):
    arguments, message = WRONG[what]
    assert message in error_of(capsys, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_size_that_is_too_small_for_the_net_and_which_is_not(tmp_path, monkeypatch, capsys):
    net = table.random_net(np.random.default_rng(0), name="googlenet", num_classes=3, preset="tiny")
    weights.save(tmp_path / "w.safetensors", net)
    monkeypatch.chdir(tmp_path)
    said = error_of(capsys, "w.safetensors", "net.onnx", "--fixed-size", "300x100")
    assert "--fixed-size: 300x100 pixels are too few for googlenet; pictures from " in said
    least = int(re.findall(r"from (\d+)x\1 on work \(pool5/7x7_s1: AvgPool2d: .* does not fit", said)[0])
    assert models.least_side(net) == least == 223
    models.check_size(net, least, least)
    with pytest.raises(ShapeError, match="are too few for googlenet"):
        models.check_size(net, least - 1, least)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_size_whose_comparison_does_not_fit_the_memory(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "memory_budget", lambda limit, xp: 2 << 20)
    said = error_of(capsys, "w.safetensors", "net.onnx", "--fixed-size", "400x300")
    assert "net.onnx: comparing it with onnxruntime on 1 x 400x300 pixels needs " in said and " would fit" in said
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_nothing_is_replaced_unasked(trained, tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(b"mine")
    assert "say --overwrite" in error_of(capsys, "w.safetensors", "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == b"mine"
    assert export.main(["w.safetensors", "net.onnx", "--overwrite"]) == 0
    told = error_of(capsys, "net.onnx", "net.onnx", "--overwrite")
    assert "NET.onnx net.onnx: would replace net.onnx, which is read" in told


def broken_write(path, net, about, form):
    onnxfile.write(path, net, about, form)
    path.write_bytes(path.read_bytes().replace(b"Relu", b"Relo"))


def other_write(path, net, about, form):
    net.params["score_fr.bias"].data = net.params["score_fr.bias"].data + 1
    onnxfile.write(path, net, about, form)
    net.params["score_fr.bias"].data = net.params["score_fr.bias"].data - 1


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (broken_write, "net.onnx: ONNX's checker refuses it: "),
        (other_write, "net.onnx: onnxruntime's answer differs by"),
    ],
)
def test_a_file_that_fails_is_not_left(write, told, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "write", write)
    message = error_of(capsys, "w.safetensors", "net.onnx")
    assert told in message and "nothing is written" in message and ".part" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_without_the_packages(trained, monkeypatch, capsys):
    monkeypatch.setattr(export, "HAS_RUNTIME", False)
    assert export.main(["w.safetensors", "net.onnx"]) == 0
    assert "not compared with minifcn's answer: pip install onnxruntime" in capsys.readouterr().out
    monkeypatch.setattr(table, "HAS_RUNTIME", False)
    assert "pip install onnxruntime" in error_of(capsys, "--table")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert 'pip install "minifcn[onnx]"' in error_of(capsys, "w.safetensors", "other.onnx")
    assert weights.open_net("net.onnx")[1]["classes"] == NAMES  # reading needs neither


def test_the_table_tells_of_each_net_and_of_what_fails(monkeypatch, capsys):
    rows = [table.Row({"name": "fcn32s", "num_classes": 2, "preset": "tiny"})]
    monkeypatch.setattr(table, "tiny_rows", lambda: rows)
    monkeypatch.setattr(table, "SIZES", ((33, 40), (64, 35)))
    assert export.main(["--table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"fcn32s  num_classes 2  +2  \de?[\d.e-]+  \d+x\d+", lines[1])
    assert lines[-1] == "1 of 1 nets within 0.0001, and pass ONNX's checker"
    monkeypatch.setattr(Difference, "passes", False)
    assert export.main(["--table"]) == 1
    assert "FAILS" in capsys.readouterr().out
