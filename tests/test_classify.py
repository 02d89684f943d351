"""`python -m minifcn.classify`: the real GoogLeNet names real photos; what goes wrong gets one message."""

import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from shared import shared_path

from minifcn import classify, models, weights
from minifcn.coords import Axis, Coords
from minifcn.errors import WeightsError
from minifcn.inspection.heat import heat, spread
from minifcn.weights.npz import open_npz

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
        ([trained, photo, "--labels", str(tmp_path)], "cannot be read as text"),
        ([trained, photo, photo, "--heatmap", "h.png"], "expected one picture"),
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


# --- .npz files -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blobs():
    """Caffe's blobs of a GoogLeNet of two classes: the classifier's weight is a matrix there."""
    rng = np.random.default_rng(0)
    arrays = {}
    for key, param in models.build("googlenet", 2).params.items():
        layer, _, kind = key.rpartition(".")
        arrays[f"{layer}.{'01'[kind == 'bias']}"] = rng.standard_normal(param.data.shape, np.float32).astype(np.float16)
    arrays["loss3/classifier.0"] = arrays["loss3/classifier.0"].reshape(2, 1024)
    return arrays


def test_caffe_s_blobs_become_the_net_s_parameters(blobs, tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, **blobs)
    net, about = open_npz(path, "googlenet")
    assert net.spec["num_classes"] == 2 and about["mean"] == [104, 117, 123]
    for key, param in net.params.items():
        layer, _, kind = key.rpartition(".")
        blob = blobs[f"{layer}.{'01'[kind == 'bias']}"]
        np.testing.assert_array_equal(param.data.reshape(-1), blob.reshape(-1).astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"missing: conv1/7x7_s2\.weight"),
        ("more", r"not in the net: fc9\.weight"),
        ("shape", r"of another shape: conv1/7x7_s2\.weight"),
        ("nan", r"conv2/3x3\.1 holds NaN"),
        ("text", r"conv2/3x3\.1 holds NaN, Inf or no floating numbers"),
        ("pickle", "not a whole .npz archive"),
        ("other net", r"has no loss3/classifier\.1, the last bias of googlenet; is it another net's"),
        ("truncated", "not a whole .npz archive"),
        ("flipped", "not a whole .npz archive"),
        ("bomb", "would unpack to more than 20 times its size"),
        ("no archive", "not a whole .npz archive"),
    ],
)
def test_broken_and_hostile_archives_give_one_error(kind, message, blobs, tmp_path):
    path = tmp_path / "net.npz"
    key, bias = "conv1/7x7_s2.0", "conv2/3x3.1"
    arrays = {
        "missing": {k: v for k, v in blobs.items() if k != key},
        "more": {**blobs, "fc9.0": np.zeros(3)},
        "shape": {**blobs, key: blobs[key][:5]},
        "nan": {**blobs, bias: np.full(192, np.nan)},
        "text": {**blobs, bias: np.array(["a"])},
        "pickle": {"a.0": np.array([{}], object)},
        "other net": {"fc8.1": np.zeros(4)},
    }.get(kind, {bias: blobs[bias]})
    np.savez(path, **arrays)
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[:-30])
    elif kind == "flipped":
        path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    elif kind == "no archive":
        path.write_bytes(b"these are no weights")
    elif kind == "bomb":
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(10**6, np.float32))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", buffer.getvalue())
    with pytest.raises(WeightsError, match=message):
        open_npz(path, "googlenet")
