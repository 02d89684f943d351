"""`python -m minifcn.evaluate`: the right pixels are counted, and what is written says the same as what is printed."""

import csv

import numpy as np
import pytest
from colournet import CLASSES, COLOURS, colournet, picture, save_fcn
from PIL import Image
from safetensors.numpy import save_file

from minifcn import evaluate, inference, metrics, models
from minifcn.data import Sample
from minifcn.data.shapes import open_shapes
from minifcn.errors import DataError


class Pictures:
    """Samples whose pictures show `seen` and whose truth is `truth`."""

    name, classes, palette, ignore_index, num_classes = "pictures", CLASSES, COLOURS, 255, 3

    def __init__(self, *pairs):
        self.samples = [
            Sample(str(k), picture(np.array(seen)), np.array(truth, np.uint8)) for k, (seen, truth) in enumerate(pairs)
        ]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


def test_counts_every_picture_at_its_own_size():
    dataset = Pictures(([[0, 1, 2]], [[0, 1, 1]]), ([[2], [2]], [[2], [255]]))
    (confusion,) = inference.evaluate(colournet(), dataset, progress=False)
    # truth 0: red, right. truth 1: once green, once blue. truth 2: blue, right. The ignored pixel is in no cell.
    np.testing.assert_array_equal(confusion.matrix, [[1, 0, 0], [0, 1, 1], [0, 0, 1]])


def test_limit_takes_the_first_pictures():
    dataset = Pictures(([[0]], [[0]]), ([[1]], [[1]]), ([[2]], [[2]]))
    (confusion,) = inference.evaluate(colournet(), dataset, limit=2, progress=False)
    np.testing.assert_array_equal(np.diag(confusion.matrix), [1, 1, 0])
    (confusion,) = inference.evaluate(colournet(), dataset, limit=9, progress=False)
    assert confusion.matrix.sum() == 3


def test_stops_when_told_to():
    asked = []
    dataset = Pictures(([[0]], [[0]]), ([[1]], [[1]]), ([[2]], [[2]]))
    stop = lambda: len(asked) > 1 or asked.append(1)  # noqa: E731 (true when asked for the third time)
    assert inference.evaluate(colournet(), dataset, progress=False, stop=stop) is None
    assert len(asked) == 2


def test_the_command_takes_bare_arrays_and_says_what_it_assumed(tmp_path, capsys):
    path = str(tmp_path / "bare.safetensors")
    save_file(models.build("fcn8s", 7, "tiny").state_dict(), path)
    assert evaluate.main([path, "--data", "shapes:size=40,val=1"]) == 2
    assert "fit fcn8s and fcn8s-atonce; name it (--net" in capsys.readouterr().err
    assert evaluate.main([path, "--data", "shapes:size=40,val=1", "--net", "fcn8s"]) == 0
    told = capsys.readouterr()
    assert "mean IU" in told.out
    assert f"{path}: assumed preset tiny, from the arrays' shapes" in told.err
    assert "assumed channels BGR, which the file does not say" in told.err
    flags = ["--net", "fcn8s", "--preset", "tiny", "--classes", "7", "--input-padding", "100"]
    assert evaluate.main([path, "--data", "shapes:size=40,val=1", *flags]) == 0
    assert "preset" not in capsys.readouterr().err


def test_leaves_the_net_as_it_was():
    net = colournet()
    before = net.state_dict()
    inference.evaluate(net, Pictures(([[0]], [[0]])), progress=False)
    assert net.training
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_refuses_an_empty_set_and_other_classes():
    with pytest.raises(DataError, match="no samples"):
        inference.evaluate(colournet(), Pictures(), progress=False)
    net = colournet()
    net.spec["num_classes"] = 21
    with pytest.raises(DataError, match="3 classes, but the net was made for 21"):
        inference.evaluate(net, Pictures(([[0]], [[0]])), progress=False)


def test_the_command_prints_and_writes_the_same_scores(tmp_path, capsys):
    data = "shapes:size=40,val=3"
    classes = open_shapes("size=40,val=3", "val").classes
    weights = save_fcn(tmp_path / "weights.safetensors", classes)
    assert evaluate.main([weights, "--data", data, "--out", str(tmp_path / "new" / "scores")]) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "new" / "scores"
    assert sorted(path.name for path in folder.iterdir()) == ["confusion.csv", "confusion.png", "scores.csv"]

    with open(folder / "confusion.csv", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header[1:] == [row[0] for row in rows] == classes
    confusion = metrics.ConfusionMatrix(len(classes))
    confusion.matrix[:] = [[int(n) for n in row[1:]] for row in rows]
    assert confusion.matrix[:, 1].sum() == confusion.matrix.sum() > 0  # class 1 always wins
    assert metrics.table(confusion.scores(), classes) in out

    with open(folder / "scores.csv", newline="") as file:
        values = {(row["measure"], row["class"]): row["value"] for row in csv.DictReader(file)}
    scores = confusion.scores()
    assert float(values["mean_iu", ""]) == pytest.approx(scores.mean_iu, abs=1e-6)
    assert float(values["iu", classes[1]]) == pytest.approx(scores.class_iu[1], abs=1e-6)
    assert len(values) == 4 + 3 * len(classes)
    Image.open(folder / "confusion.png").verify()


def test_scores_replace_nothing_unless_asked(tmp_path, capsys, monkeypatch):
    data, out = "shapes:size=40,val=1", tmp_path / "scores"
    weights = save_fcn(tmp_path / "weights.safetensors", open_shapes("size=40,val=1", "val").classes)
    out.mkdir()
    (out / "scores.csv").write_text("mine")
    command = [weights, "--data", data, "--out", str(out)]
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "evaluate", lambda *args, **kwargs: pytest.fail("has begun to work"))
        assert evaluate.main(command) == 2
    assert f"{out / 'scores.csv'} would be replaced; say --overwrite" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["scores.csv"] and (out / "scores.csv").read_text() == "mine"
    assert evaluate.main([*command, "--overwrite"]) == 0
    assert evaluate.main(command) == 2
    assert "scores.csv and 2 more files would be replaced" in capsys.readouterr().err


def test_nothing_to_measure_is_an_empty_cell(tmp_path):
    confusion = metrics.ConfusionMatrix(3)
    confusion.matrix[0, 0] = 5
    evaluate.write(confusion, CLASSES, tmp_path)
    assert "iu,blue,\r\n" in (tmp_path / "scores.csv").read_bytes().decode()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "shapes"], "7 classes, but the net was made for 3"),
        (["--data", "shapez"], "did you mean"),
        (["--data", "shapes", "--split", "tests"], "no split 'tests'"),
        ([], "--data"),
        (["--data", "shapes", "--limit", "0"], "at least 1"),
    ],
)
def test_refuses_with_one_message_and_status_2(flags, message, tmp_path, capsys):
    weights = save_fcn(tmp_path / "weights.safetensors")
    assert evaluate.main([weights, *flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err


@pytest.mark.parametrize("out", ["", "file"])
def test_a_bad_out_is_refused_before_the_work(out, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "evaluate", lambda *args, **kwargs: pytest.fail("has begun to work"))
    data = "shapes:size=40,val=1"
    weights = save_fcn(tmp_path / "weights.safetensors", open_shapes("size=40,val=1", "val").classes)
    assert evaluate.main([weights, "--data", data, "--out", out, "--threads", "0"]) == 2
    assert "error: --out" in capsys.readouterr().err
