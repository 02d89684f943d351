"""`minifcn trace`: pages of nets of all kinds, the same bytes each time, and one message for what goes wrong."""

import json
import re

import numpy as np
import pytest
from colournet import COLOURS, save_fcn
from PIL import Image
from shared import shared_path

from minifcn import models, trace, weights


@pytest.fixture
def fcn(tmp_path):
    """A file of an FCN-8s that tells its three classes apart by chance."""
    rng = np.random.default_rng(5)
    net = models.build("fcn8s", 3, preset="tiny", rng=rng)
    for name, param in net.params.items():
        if name.startswith("score"):
            param.data[...] = 0.3 * rng.standard_normal(param.data.shape)
    weights.save(tmp_path / "fcn.safetensors", net, {"classes": ["red", "green", "blue"], "palette": COLOURS.tolist()})
    return str(tmp_path / "fcn.safetensors")


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(7)
    low = rng.integers(0, 256, (4, 5, 3), np.uint8)
    Image.fromarray(low).resize((60, 45), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def data_of(path):
    return json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', path.read_text(), re.DOTALL)[1])


def test_a_page_of_an_fcn(fcn, photo, tmp_path, capsys):
    out = tmp_path / "trace.html"
    assert trace.main([fcn, photo, "--out", str(out), "--channels", "2"]) == 0
    told = capsys.readouterr().out
    first = out.read_bytes()
    data = data_of(out)
    assert (data["picture"]["height"], data["picture"]["width"]) == (45, 60)
    labels = {each["name"] for each in data["tasks"][0]["classes"]}
    assert {target["name"] for target in data["targets"]} == labels
    assert len(re.findall("^target ", told, re.MULTILINE)) == len(labels)
    assert re.search(
        r"trace.html: 0\.\d MB, 50 layers, of each at most 2 channels by activity and 256 cells along a side", told
    )
    assert data["command"] == {"begins": f"minifcn trace {fcn} {photo}", "ends": f"--out {out} --overwrite"}
    assert trace.main([fcn, photo, "--out", str(out), "--channels", "2", "--overwrite", "--threads", "1"]) == 0
    assert out.read_bytes() == first


def test_without_scripts_the_page_says_what_it_needs(fcn, photo, tmp_path):
    assert trace.main([str(fcn), str(photo), "--out", str(tmp_path / "a.html")]) == 0
    assert re.search("<noscript><p>[^<]*need JavaScript", (tmp_path / "a.html").read_text())


def test_more_channels_than_there_are(fcn, photo, tmp_path, capsys):
    out = tmp_path / "trace.html"
    assert trace.main([fcn, photo, "--out", str(out), "--channels", "100000", "--max-side", "20"]) == 0
    widest = max(layer["shape"][0] for layer in data_of(out)["layers"])
    assert f"of each at most {widest} channels by activity" in capsys.readouterr().out
    assert f"Of each layer the {widest} channels of the highest mean, or all" in out.read_text()


def test_the_targets_that_were_asked_for(fcn, photo, tmp_path, capsys):
    out = tmp_path / "trace.html"
    asked = ["--class", "blue", "--pixel", "3,4", "--class", "0", "--pixel", "44,59"]
    assert trace.main([fcn, photo, *asked, "--out", str(out), "--channels", "1", "--max-side", "60"]) == 0
    found = [(t["name"], t["y"], t["x"]) for t in data_of(out)["targets"]]
    assert found == [("blue", 3, 4), ("red", 44, 59)]
    assert "target blue at row 3, column 4: score " in capsys.readouterr().out


def test_a_large_picture_is_made_smaller_first(fcn, photo, tmp_path):
    out = tmp_path / "trace.html"
    assert trace.main([fcn, photo, "--max-side", "40", "--pixel", "29,39", "--out", str(out), "--channels", "1"]) == 0
    assert data_of(out)["picture"]["width"] == 40
    assert "--max-side 40" in data_of(out)["command"]["begins"]


def test_several_tasks_and_depth(photo, tmp_path):
    out = tmp_path / "trace.html"
    net = models.build("fcn32s-rgbd", {"sem": 3, "geo": 2}, preset="tiny")
    for name in ("score_fr_sem.bias", "score_fr_geo.bias"):
        net.params[name].data[1] = 1
    weights.save(tmp_path / "rgbd.safetensors", net, {})
    (tmp_path / "depth").mkdir()
    Image.fromarray(np.full((45, 60), 1500, np.uint16)).save(tmp_path / "depth" / "photo.png")
    given = [str(tmp_path / "rgbd.safetensors"), photo, "--out", str(out), "--channels", "1"]
    assert trace.main([*given, "--depth", str(tmp_path / "depth")]) == 0
    data = data_of(out)
    assert [(t["of"], t["name"]) for t in data["targets"]] == [("sem", "class 1"), ("geo", "class 1")]
    assert [task["name"] for task in data["tasks"]] == ["sem", "geo"]
    assert {"color", "depth"} <= {layer["name"] for layer in data["layers"]}


def test_a_page_of_a_classifier(tmp_path, photo):
    out = tmp_path / "trace.html"
    save_fcn(tmp_path / "vgg.safetensors", name="vgg16")
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    given = [str(tmp_path / "vgg.safetensors"), photo, "--labels", str(tmp_path / "names.txt"), "--channels", "1"]
    assert trace.main([*given, "--class", "bee", "--out", str(out)]) == 0
    data = data_of(out)
    assert [target["name"] for target in data["targets"]] == ["bee"]
    assert (data["picture"]["height"], data["picture"]["width"]) == (224, 224)
    assert "label" not in data["tasks"][0]


@pytest.mark.slow
def test_the_real_googlenet_knows_its_cat(tmp_path):
    out = tmp_path / "cat.html"
    files = [str(shared_path(name)) for name in ("weights/bvlc_googlenet.npz", "data/photos/cat.jpg")]
    names = str(shared_path("data/photos/synset_words.txt"))
    assert trace.main([*files, "--labels", names, "--out", str(out), "--class", "281", "--channels", "2"]) == 0
    (target,) = data_of(out)["targets"]
    assert target["name"] == "n02123045 tabby, tabby cat"
    assert 0.2 < target["probability"] < 0.35


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--class", "bird"], "--class bird: the net has no such class"),
        (["--pixel", "45,0"], r"--pixel 45,0: outside the picture.*Y in 0\.\.44"),
        (["--pixel", "4"], "expected Y,X"),
        (["--class", "red", "--class", "blue", "--pixel", "0,0"], "2 times, --pixel 1 times"),
        (["--max-bytes", "50k"], "--max-bytes 51200: the page needs"),
        (["--depth", "."], "--depth: the net fcn8s does not see it"),
        (["--channels", "0"], "at least 1"),
        (["--labels", "gone.txt"], "gone.txt: no such file$"),
        (["--out", ""], "expected the name of a file"),
        (["--out", "."], "is a folder"),
        (["--out", "t.txt"], "--out t.txt: expected a name that ends in .html"),
        (["--out", "gone/trace.html"], "there is no folder gone"),
    ],
)
def test_one_message_for_what_is_wrong(wrong, told, fcn, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert trace.main([fcn, photo, "--out", "trace.html", *wrong]) == 2
    error = capsys.readouterr().err
    assert re.search(told, error, re.DOTALL)
    assert error.count("error:") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_class_that_is_nowhere_and_a_pixel_for_a_classifier(photo, tmp_path, capsys):
    fcn, vgg = save_fcn(tmp_path / "fcn.safetensors"), save_fcn(tmp_path / "vgg.safetensors", name="vgg16")
    out = ["--out", str(tmp_path / "trace.html")]
    assert trace.main([fcn, photo, "--class", "red", *out]) == 2
    assert "no pixel of the picture is taken for red" in capsys.readouterr().err
    assert trace.main([vgg, photo, "--pixel", "1,1", *out]) == 2
    assert "is a classifier" in capsys.readouterr().err


def test_broken_files_and_files_that_are_there(fcn, photo, tmp_path, capsys):
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "photo.png").read_bytes()[:200])
    out = tmp_path / "trace.html"
    assert trace.main([fcn, str(cut), "--out", str(out)]) == 2
    assert "cut.png: damaged or cut off" in capsys.readouterr().err
    assert trace.main([str(cut), photo, "--out", str(out)]) == 2
    assert "cut.png" in capsys.readouterr().err
    out.write_text("mine")
    assert trace.main([fcn, photo, "--out", str(out)]) == 2
    assert "say --overwrite" in capsys.readouterr().err
    assert trace.main([fcn, photo, "--out", photo, "--overwrite"]) == 2
    assert "which is read" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_what_a_trace_needs_is_refused_before_it_begins(fcn, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trace.tracing, "trace", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr(trace, "memory_budget", lambda limit, xp: 1 << 20)
    assert trace.main([fcn, photo, "--out", str(tmp_path / "trace.html")]) == 2
    told = capsys.readouterr().err
    assert "a trace on 1 x 60x45 pixels needs" in told and "may take 1.0 MiB" in told
