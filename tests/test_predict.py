"""`python -m minifcn.predict`: right labels for any picture, honest names, and errors that stop one picture only."""

from pathlib import Path

import numpy as np
import pytest
from colournet import CLASSES, COLOURS, colournet, picture, save_fcn
from PIL import Image

from minifcn import backend, evaluate, inference, models, predict
from minifcn import weights as native
from minifcn.data import VOC_PALETTE, read_label
from minifcn.errors import ConfigError, DataError, ShapeError, WeightsError


@pytest.fixture
def weights(tmp_path):
    return save_fcn(tmp_path / "weights.safetensors")


@pytest.fixture
def pictures(tmp_path):
    """A folder with a picture of each awkward kind."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (20, 33, 3), np.uint8)).save(folder / "rgb.jpg")
    Image.fromarray(rng.integers(0, 256, (7, 5), np.uint8)).save(folder / "grey.png")
    Image.new("RGBA", (1, 1)).save(folder / "dot.png")
    Image.new("CMYK", (40, 3)).save(folder / "cmyk.tiff")
    return folder


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (37, 1), (20, 33)])
def test_predicts_the_class_of_each_pixel(shape, rng):
    label = rng.integers(0, 3, shape)
    predicted = inference.predict(colournet(), picture(label))
    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, label)


def test_predicts_where_the_weights_are(xp, rng):
    label = rng.integers(0, 3, (6, 9))
    predicted = inference.predict(colournet().to(xp), picture(label))
    assert isinstance(predicted, np.ndarray)
    np.testing.assert_array_equal(predicted, label)


def test_the_mean_is_the_weights_own():
    net, grey = colournet(), np.full((2, 2, 3), 100, np.uint8)
    net.params["score.bias"].data[:] = 0
    assert (inference.predict(net, grey, mean=(100, 100, 90)) == 0).all()  # red is left with 10, the others with 0
    assert (inference.predict(net, grey, mean=(90, 100, 100)) == 2).all()


def test_max_side_computes_small_and_answers_large(monkeypatch):
    label = np.zeros((100, 200), int)
    label[:, 100:] = 2
    shapes = []
    monkeypatch.setattr(inference, "_check_memory", lambda net, *shape, available=0: shapes.append(shape[:2]))
    predicted = inference.predict(colournet(), picture(label), max_side=50)
    assert shapes == [(25, 50)]
    assert predicted.shape == (100, 200)
    assert (predicted != label).mean() < 0.05
    inference.predict(colournet(), picture(label), max_side=200)
    assert shapes[-1] == (100, 200)


def test_refuses_a_picture_beyond_memory_before_computing(monkeypatch):
    monkeypatch.setattr(backend, "memory", lambda xp: {"available": 2_500_000})
    net, image = colournet(), np.zeros((100, 400, 3), np.uint8)
    with monkeypatch.context() as patch:
        patch.setattr(net, "forward", lambda x: pytest.fail("computed"))
        # 3 + 3 channels of 100 x 400 in float32 are 937.5 KiB, and what a process takes for its first pass 2 MiB
        with pytest.raises(DataError, match=r"400x100 pixels need .*, and may take 2.4 MiB; .*--max-side \d+") as error:
            inference.predict(net, image)
    advised = int(str(error.value).split()[-1])
    assert advised > 50
    assert inference.predict(net, image, max_side=advised).shape == (100, 400)
    with pytest.raises(DataError, match="and may take"):
        inference.predict(net, image, max_side=advised + 1)


def test_a_picture_too_small_for_the_net_is_told_which_size_is_not():
    net = models.build("fcn-googlenet", 2, "tiny", "same")
    with pytest.raises(ShapeError, match=r"40x20 pixels are too few for fcn-googlenet; pictures from 31x31 on work \("):
        inference.predict(net, np.zeros((20, 40, 3), np.uint8))


def test_no_advice_where_nothing_would_fit(monkeypatch):
    monkeypatch.setattr(backend, "memory", lambda xp: {"available": 0})
    with pytest.raises(DataError, match="end other programs"):
        inference.predict(colournet(), np.zeros((9, 9, 3), np.uint8))


def test_writes_labels_and_overlays(weights, pictures, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert predict.main([weights, str(pictures), "--out", str(out)]) == 0
    made = sorted(path.name for path in out.iterdir())
    stems = ("rgb", "grey", "dot", "cmyk")
    assert made == sorted(f"{stem}.{kind}.png" for stem in stems for kind in ("label", "overlay"))
    stored = Image.open(out / "rgb.label.png")
    assert stored.mode == "P"
    assert np.array_equal(np.reshape(stored.getpalette()[:9], (3, 3)), COLOURS)
    np.testing.assert_array_equal(read_label(out / "rgb.label.png"), np.ones((20, 33)))
    assert read_label(out / "dot.label.png").shape == (1, 1)
    text = capsys.readouterr().out
    assert "rgb.jpg 33x20: green 100.0 %" in text
    assert "4 of 4 pictures labelled" in text


def test_a_bad_picture_does_not_stop_the_others(weights, pictures, tmp_path, capsys):
    (pictures / "a_broken.jpg").write_bytes(b"\xff\xd8 nothing")
    out = tmp_path / "out"
    assert predict.main([weights, str(pictures), str(tmp_path / "gone.png"), "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "4 of 6 pictures labelled" in told.out
    errors = told.err.splitlines()
    assert len([line for line in errors if line.startswith("error: ")]) == 2
    assert any("a_broken.jpg" in line for line in errors)
    assert any("gone.png: no such file" in line for line in errors)
    assert not list(out.glob("*broken*"))


def test_nothing_is_replaced_unless_asked(weights, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "rgb.label.png").write_text("mine")
    assert predict.main([weights, str(pictures), "--out", str(out)]) == 2
    assert "rgb.label.png would be replaced; say --overwrite" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["rgb.label.png"]
    assert predict.main([weights, str(pictures), "--out", str(out), "--overwrite"]) == 0
    assert read_label(out / "rgb.label.png").shape == (20, 33)


def test_its_own_results_are_not_taken_for_pictures(weights, pictures):
    assert predict.main([weights, str(pictures), "--out", str(pictures)]) == 0
    assert len(predict.collect([str(pictures)])) == 4


def test_names_are_unique_on_every_file_system():
    paths = [Path(p) for p in ("x/a.jpg", "x/A.png", "y/a.jpg", "x/b.png", "x/a.jpg.png")]
    assert list(predict.named(paths).values()) == ["a.jpg", "A.png", "a.jpg-2", "b", "a.jpg-3"]


def test_collect_keeps_order_and_takes_each_once(pictures):
    (pictures / "notes.txt").write_text("not a picture")
    (pictures / ".hidden.png").write_bytes(b"")
    found = predict.collect([str(pictures / "rgb.jpg"), str(pictures)])
    assert [path.name for path in found] == ["rgb.jpg", "cmyk.tiff", "dot.png", "grey.png"]


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no pictures in this folder"):
        predict.collect([str(tmp_path)])


def test_more_classes_than_a_byte_has_are_refused(pictures, tmp_path, capsys):
    """Class 256 would be stored as 0. The scores of such a net are its own affair."""
    path = save_fcn(tmp_path / "many.safetensors", [f"class {k}" for k in range(256)])
    assert predict.main([path, str(pictures), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.err.count("error: ") == 1 and "256 classes, but a label is a byte" in told.err and not told.out
    assert evaluate.main([path, "--data", "shapes:size=40,val=1"]) == 2
    assert "256 classes, but a label is a byte" in capsys.readouterr().err
    net, image = models.build("fcn8s", 256, "tiny"), np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(WeightsError, match="expected at most 255"):
        inference.predict(net, image)
    assert net.forward(np.zeros((1, 3, 4, 5), np.float32)).shape == (1, 256, 4, 5)
    assert inference.predict(models.build("fcn8s", 255, "tiny"), image).shape == (4, 5)


def test_a_net_that_says_nothing_is_remarked_on(weights, pictures, tmp_path, capsys):
    assert predict.main([weights, str(pictures / "dot.png"), "--out", str(tmp_path / "out")]) == 0
    assert "untrained" not in capsys.readouterr().err
    native.save(tmp_path / "zero.safetensors", models.build("fcn8s", 3, "tiny"))
    flags = [str(tmp_path / "zero.safetensors"), str(pictures / "dot.png"), "--out", str(tmp_path / "zero")]
    assert predict.main(flags) == 0
    assert "zero.safetensors: all scores are zero" in capsys.readouterr().err


def test_classes_and_colours_come_from_the_weights():
    classes, palette = inference.classes_of(
        {"net": {"num_classes": 3}, "classes": CLASSES, "palette": COLOURS.tolist()}
    )
    assert classes == CLASSES
    np.testing.assert_array_equal(palette[:3], COLOURS)
    assert palette.shape == (256, 3)
    classes, palette = inference.classes_of({"net": {"num_classes": 2}})
    assert classes == ["class 0", "class 1"]
    np.testing.assert_array_equal(palette, VOC_PALETTE)
    with pytest.raises(WeightsError, match="expected 2 names"):
        inference.classes_of({"net": {"num_classes": 2}, "classes": ["one"]})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"name": "vgg16"}, "vgg16, a classifier"),
        ({"channels": "RGB"}, "RGB pictures"),
        ({"scale": 1 / 255}, "expected BGR and 1"),
    ],
)
def test_refuses_weights_that_cannot_label_pictures(made, message, tmp_path):
    path = save_fcn(tmp_path / "weights.safetensors", **made)
    with pytest.raises(WeightsError, match=message):
        inference.open_fcn(path)


@pytest.mark.parametrize(
    "flags", [["--threads", "-1"], ["--out", ""], ["--max-side", "x"], ["--oot", "x"], ["--device", "tpu"]]
)
def test_bad_flags_end_with_status_2(flags, capsys):
    assert predict.main(["weights", "picture", "--out", "out", *flags]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--max-side", "0"], "--max-side: expected a whole number of at least 1, got '0'"),
        (["--classes", "sem=3,geo=2,sem=4"], "--classes: task 'sem' stands there twice"),
        (["--classes", "99999999999"], "--classes: expected at most 100000 classes"),
    ],
)
def test_numbers_that_cannot_be_are_told(flags, says, capsys):
    assert predict.main(["weights", "picture", "--out", "out", *flags]) == 2
    assert says in capsys.readouterr().err


def test_no_such_weights(pictures, tmp_path, capsys):
    assert predict.main([str(tmp_path / "none.safetensors"), str(pictures), "--out", str(tmp_path / "out")]) == 2
    assert "none.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_refused(weights, pictures, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert predict.main([weights, str(pictures), "--out", str(tmp_path / "out")]) == 2
    assert "--out" in capsys.readouterr().err


def test_where_no_picture_can_be_labelled_nothing_is_left(weights, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert predict.main([weights, str(tmp_path / "gone.png"), "--out", str(out), "--threads", "0"]) == 2
    assert "0 of 1 picture labelled" in capsys.readouterr().out
    assert not out.parent.exists()


@pytest.mark.parametrize(("picture", "out", "said"), [("", "out", "PICTURE"), ("a.png", "", "--out")])
def test_an_empty_name_is_not_the_folder_one_is_in(picture, out, said, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert predict.main([weights, picture, "--out", out]) == 2
    assert f"error: {said}: expected" in capsys.readouterr().err
