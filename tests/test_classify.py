"""`python -m minifcn.classify`: the real GoogLeNet names real photos; what goes wrong gets one message."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared import shared_path

from minifcn import classify, models, weights
from minifcn.coords import Axis, Coords
from minifcn.inference import activations
from minifcn.inspection.heat import heat, spread

PHOTOS = [
    ("cat.jpg", "tiger cat", 0.377),
    ("hub_dog_samoyed.jpg", "Samoyed, Samoyede", 0.926),
    ("knupath_owl.jpg", "great grey owl, great gray owl, Strix nebulosa", 0.854),
    ("tfvgg_tiger.jpeg", "tiger, Panthera tigris", 0.907),
    ("knupath_archtriumph.jpg", "triumphal arch", 0.9998),
]


def test_the_real_googlenet_names_the_photos(capsys):
    """The probabilities are those of another NumPy forward; how a picture is made smaller moves them a little."""
    flags = ["--labels", str(shared_path("data/photos/synset_words.txt")), "--top", "1"]
    pictures = [str(shared_path(f"data/photos/{file}")) for file, _, _ in PHOTOS]
    assert classify.main([str(shared_path("weights/bvlc_googlenet.npz")), *pictures, *flags]) == 0
    found = re.findall(r"^  (0\.\d{3})  n\d{8} (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert [name for _, name in found] == [name for _, name, _ in PHOTOS]
    for (share, name), (_, _, expected) in zip(found, PHOTOS, strict=True):
        assert float(share) == pytest.approx(expected, abs=0.1), name


def test_the_heatmap_is_hot_where_the_cat_is(tmp_path, capsys):
    net, about = classify.open_classifier(str(shared_path("weights/bvlc_googlenet.npz")), None)
    image = classify.shortened(classify.read_image(shared_path("data/photos/cat.jpg")))
    values = classify.heatmap(net, image, 282, about["mean"])  # tiger cat
    assert values.shape == image.shape[:2]
    assert values[60:120, 130:220].mean() > 0.2  # its head
    assert values[:, :40].max() < 0.1 and values[:, -40:].max() < 0.1  # grass
    out = tmp_path / "heat.png"
    photo, file = str(shared_path("data/photos/cat.jpg")), str(shared_path("weights/bvlc_googlenet.npz"))
    assert classify.main([file, photo, "--heatmap", str(out)]) == 0
    assert classify.read_image(out).shape == image.shape
    assert "where it sees class 282" in capsys.readouterr().out


# --- without anything from elsewhere ----------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path):
    """A native file of a small classifier of three classes, that says which net it is of."""
    net = models.build("googlenet", 3, "tiny", rng=np.random.default_rng(0))
    path = tmp_path / "googlenet.safetensors"
    weights.save(path, net, {"classes": ["circle", "square", "none"]})
    return str(path)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 90, 3), np.uint8)).save(path)
    return str(path)


def test_a_native_file_brings_its_classes(trained, photo, tmp_path, capsys):
    assert classify.main([trained, photo, "--top", "9", "--heatmap", str(tmp_path / "heat.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == photo
    shares = [float(line.split()[0]) for line in lines[1:4]]
    assert {line.split()[1] for line in lines[1:4]} == {"circle", "square", "none"}
    assert sum(shares) == pytest.approx(1, abs=0.002) and shares == sorted(shares, reverse=True)
    assert classify.read_image(tmp_path / "heat.png").shape == (256, 384, 3)


def test_a_picture_that_cannot_be_used_does_not_stop_the_others(trained, photo, tmp_path, capsys):
    assert classify.main([trained, str(tmp_path / "no.png"), photo]) == 1
    told = capsys.readouterr()
    assert "no.png" in told.err and told.err.startswith("error: ")
    assert photo in told.out


def test_what_is_refused(trained, photo, tmp_path, capsys):
    labels = tmp_path / "labels.txt"
    labels.write_text("circle\nsquare\n")
    fcn = tmp_path / "fcn.safetensors"
    weights.save(fcn, models.build("fcn-googlenet", 3, "tiny"))
    rgb = tmp_path / "rgb.safetensors"
    weights.save(rgb, models.build("googlenet", 3, "tiny"), {"channels": "RGB"})
    for flags, message in (
        ([trained, photo, "--labels", str(labels)], "a line for each of the net's 3 classes, got 2"),
        ([trained, photo, "--labels", str(tmp_path)], r"cannot be read as text (Is a directory)"),
        ([trained, photo, "--labels", "gone.txt"], "--labels gone.txt: no such file\n"),
        ([trained, str(tmp_path)], f"{tmp_path}: is a folder; expected the file of one picture"),
        ([trained, photo, photo, "--heatmap", "h.png"], "expected one picture"),
        ([trained, photo, "--heatmap", ""], "--heatmap: expected the name of a file"),
        ([trained, photo, "--heatmap", ".", "--overwrite"], "--heatmap .: is a folder; expected the name of a file"),
        ([trained, photo, "--heatmap", "h.jpg"], "--heatmap h.jpg: expected a name that ends in .png"),
        ([trained, photo, "--net", "fcn8s"], "expected a classifier, one of vgg16, alexnet, googlenet"),
        ([trained, photo, "--net", "alexnet"], "its name is 'googlenet'"),
        ([str(rgb), photo], "made for RGB pictures"),
        ([str(fcn), photo], "holds fcn-googlenet; expected one of vgg16"),
        ([str(tmp_path / "no.npz"), photo], "no.npz: cannot be read"),
        ([trained, photo, "--tops", "3"], "did you mean '--top'"),
    ):
        assert classify.main(flags) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ") and message in err


def test_a_heatmap_replaces_nothing_unless_asked(trained, photo, tmp_path, capsys):
    before, out = Path(photo).read_bytes(), tmp_path / "heat.png"
    for flags in ([], ["--overwrite"]):  # never what is read
        assert classify.main([trained, photo, "--heatmap", str(tmp_path / "." / "photo.png"), *flags]) == 2
        assert "photo.png, which is read; choose another name" in capsys.readouterr().err
        assert classify.main([trained, photo, "--heatmap", trained, *flags]) == 2
    assert Path(photo).read_bytes() == before
    out.write_text("mine")
    assert classify.main([trained, photo, "--heatmap", str(out)]) == 2
    assert "would be replaced; say --overwrite" in capsys.readouterr().err and out.read_text() == "mine"
    assert classify.main([trained, photo, "--heatmap", str(out), "--overwrite"]) == 0
    assert classify.read_image(out).shape == (256, 384, 3)


def test_what_does_not_fit_the_memory_is_told_before_it_is_computed(trained, photo, tmp_path, capsys, monkeypatch):
    square = activations(classify.open_classifier(trained, None)[0], 224, 224)  # what it takes depends on the threads
    monkeypatch.setattr(classify, "memory_budget", lambda limit, xp: square)
    assert classify.main([trained, photo, "--heatmap", str(tmp_path / "h.png")]) == 2
    told = capsys.readouterr()
    assert "224x224 pixels" not in told.err and "384x256 pixels need" in told.err and "and may take " in told.err
    monkeypatch.setattr(classify, "memory_budget", lambda limit, xp: 1)
    assert classify.main([trained, photo]) == 2
    assert "224x224 pixels need" in capsys.readouterr().err and not (tmp_path / "h.png").exists()


def test_spread_puts_each_cell_where_it_looks():
    place = Coords(Axis(2, 1, 1, 1), Axis(4, -1, -1, -1))
    values = np.array([[0.0, 1.0], [1.0, 0.0]])
    full = spread(values, place, (5, 5))
    assert full.shape == (5, 5)
    np.testing.assert_allclose(full[:, 3], [1, 1, 0.5, 0, 0])  # rows 1 and 3 are the cells'
    np.testing.assert_allclose(full[1], [0.25, 0.5, 0.75, 1, 1])  # columns -1 and 3


def test_heat_is_brighter_where_it_is_hotter():
    image = np.full((1, 3, 3), 100, np.uint8)
    y = heat(image, np.array([[0.0, 0.5, 1.0]]))
    assert y.shape == image.shape and y.dtype == np.uint8
    assert (y[0, 0] == 50).all()
    assert (np.diff(y.astype(int).sum(axis=2)[0]) > 0).all()
