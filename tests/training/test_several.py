"""Nets of several modalities and tasks from train to predict, on data sets in their published layouts."""

import csv
import shutil

import fakegpu
import numpy as np
import published
import pytest
from PIL import Image
from published import SIZE, numbers, put_picture

from minifcn import backend, data, evaluate, inference, models, ops, predict, train, weights
from minifcn.config import TrainConfig
from minifcn.data import Batch, read_label
from minifcn.errors import DataError
from minifcn.inference import label_maps
from minifcn.training import checks
from minifcn.training.objective import Objective

FAST = ["--iterations", "4", "--batch-size", "1", "--threads", "1", "--checkpoint-every", "2", "--eval-every", "2"]


def run(folder, *flags):
    assert train.main([*FAST, "--out", str(folder), *flags]) == 0
    return folder


def state(folder, name="weights.safetensors"):
    return weights.open_net(folder / name)[0].state_dict()


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def resumed(folder, whole, monkeypatch):
    """`whole`'s run again, ended by an error after its third step, and gone on with."""
    lines = (whole / "config.toml").read_text()
    (folder.parent / "settings.toml").write_text(lines)
    step, made = train.Session.advance, []

    def killed(self, *args):
        made.append(1)
        if len(made) == 3:
            raise RuntimeError("killed")
        step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(train.Session, "advance", killed)
        with pytest.raises(RuntimeError, match="killed"):
            train.main(["--config", str(folder.parent / "settings.toml"), "--out", str(folder)])
    assert train.main(["--resume", str(folder)]) == 0
    return folder


# --- modalities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "beside"), [("fcn8s-rgbd", ["depth"]), ("fcn32s-late", ["hha"]), ("fcn32s-hha", ["hha"])]
)
def test_a_net_of_modalities_from_train_to_predict(net, beside, tmp_path, monkeypatch, capsys):
    nyud = published.nyud(tmp_path)
    whole = run(tmp_path / "whole", "--net", net, "--data", f"nyud:{nyud}", "--mirror", "--jitter", "2")
    assert "mean = 116.19,97.203,92.318 (NYUDv2 train's own)" in capsys.readouterr().out
    assert_same(state(whole), state(resumed(tmp_path / "again", whole, monkeypatch)))
    _, about = weights.open_net(whole / "weights.safetensors")
    assert about["mean"] == [116.19, 97.203, 92.318] and about["net"]["name"] == net
    file = str(whole / "weights.safetensors")

    assert evaluate.main([file, "--data", f"nyud:{nyud}"]) == 0
    assert evaluate.main([file, "--data", "shapes"]) == 2
    assert "has no " + beside[0] in capsys.readouterr().err

    folders = [word for name in beside for word in (f"--{name}", str(nyud / "data" / name))]
    out = tmp_path / "out"
    assert predict.main([file, str(nyud / "data/images"), "--out", str(out), *folders]) == 0
    assert read_label(out / "img_5001.label.png").shape == SIZE
    assert predict.main([file, str(nyud / "data/images"), "--out", str(out), "--overwrite"]) == 2
    assert f"--{beside[0]}: the net {net} wants to see it: where is it?" in capsys.readouterr().err


def test_what_a_net_sees_changes_what_it_says(tmp_path):
    """As data, as folders: the same labels; other depths, other labels."""
    nyud = published.nyud(tmp_path)
    net = models.build("fcn8s-rgbd", 5, "tiny", rng=np.random.default_rng(1))
    rng = np.random.default_rng(2)
    for key, param in net.params.items():
        if key.startswith(("score", "conv1_1")):
            param.data = rng.standard_normal(param.data.shape, dtype=np.float32)
    sample = data.open_dataset(f"nyud:{nyud}", "val", ("color", "depth"))[0]
    (label,) = label_maps(net, sample.image, beside=sample.beside)
    file = tmp_path / "weights.safetensors"
    weights.save(file, net)
    out, depth = tmp_path / "out", nyud / "data/depth"
    picture = str(nyud / "data/images/img_5002.png")
    assert predict.main([str(file), picture, "--out", str(out), "--depth", str(depth)]) == 0
    assert (read_label(out / "img_5002.label.png") == label).all()
    Image.fromarray(numbers(1, 60000, 9, dtype=np.uint16)).save(depth / "img_5002.png")
    assert predict.main([str(file), picture, "--out", str(out), "--depth", str(depth), "--overwrite"]) == 0
    assert (read_label(out / "img_5002.label.png") != label).any()
    (smaller,) = label_maps(net, sample.image, max_side=3, beside=sample.beside)
    assert smaller.shape == SIZE
    with pytest.raises(DataError, match="wants to see color, depth, but depth is not there"):
        label_maps(net, sample.image)


def test_predict_tells_what_is_missing(tmp_path, capsys):
    nyud = published.nyud(tmp_path)
    for name in ("fcn32s-late", "fcn32s"):
        weights.save(tmp_path / f"{name}.safetensors", models.build(name, 5, "tiny"))
    picture, hha = nyud / "data/images/img_5001.png", nyud / "data/hha"
    begin = [str(tmp_path / "fcn32s-late.safetensors"), str(picture), "--out", str(tmp_path / "out")]
    assert predict.main([*begin, "--hha", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    put_picture(hha / "img_5001.png")
    Image.new("RGB", (3, 3)).save(hha / "img_5001.png")
    assert predict.main([*begin, "--hha", str(hha)]) == 2
    assert "6x4 pixels, but its hha has 3x3" in capsys.readouterr().err
    (hha / "img_5001.png").unlink()
    assert predict.main([*begin, "--hha", str(hha)]) == 2
    told = capsys.readouterr()
    assert "its hha is missing; expected" in told.err and "0 of 1 picture labelled" in told.out
    begin[0] = str(tmp_path / "fcn32s.safetensors")
    assert predict.main([*begin, "--hha", str(hha)]) == 2
    assert "--hha: the net fcn32s does not see it" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["depth", "tasks"])
def test_a_device_gets_all_inputs_and_targets(what, tmp_path, monkeypatch):
    """On the stand-in for a GPU, which refuses to mix with NumPy, the losses are those of the CPU."""
    monkeypatch.setitem(backend._DEVICES, "gpu", fakegpu)
    flags = ["--net", "fcn8s-rgbd", "--data", f"nyud:{published.nyud(tmp_path)}"]
    if what == "tasks":
        sets = ["--split", "trainval", "--val-split", "test"]
        flags = ["--data", f"siftflow:{published.siftflow(tmp_path)}", *sets]
    losses = []
    for device in ("cpu", "gpu"):
        folder = run(tmp_path / device, *flags, "--device", device)
        with open(folder / "log.csv", newline="") as file:
            losses.append([float(row["loss"]) for row in csv.DictReader(file)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


# --- tasks ------------------------------------------------------------------------------------------------------------


def test_a_net_of_tasks_from_train_to_predict(tmp_path, monkeypatch, capsys):
    flow = published.siftflow(tmp_path)
    sets = ["--data", f"siftflow:{flow}", "--split", "trainval", "--val-split", "test"]
    assert train.main([*FAST, *sets, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "33 and 3 classes has log 33 + log 3 = 4.5951" in told and "loss at start: 4.5951 a pixel" in told
    assert train.main([*FAST, *sets, "--dry-run", "--loss", "sum", "--class-weights", "none"]) == 0
    assert "loss at start: 4.5951 a pixel" in capsys.readouterr().out

    whole = run(tmp_path / "whole", *sets, "--stages", "32s,16s", "--stage-iterations", "2,2")
    told = capsys.readouterr().out
    assert "task sem\n\npixel accuracy" in told and "task geo\n\npixel accuracy" in told
    assert_same(state(whole), state(resumed(tmp_path / "again", whole, monkeypatch)))
    assert (whole / "samples.png").is_file() and (whole / "samples-geo.png").is_file()
    with open(whole / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["geo_mean_iu"]) for row in rows] == [False, True] * 2

    file = whole / "weights.safetensors"
    net, about = weights.open_net(file)
    assert net.spec["num_classes"] == {"sem": 33, "geo": 3} and about["classes"]["geo"] == [
        "sky",
        "horizontal",
        "vertical",
    ]
    found = inference.evaluate(net, data.open_dataset(f"siftflow:{flow}", "test"), mean=about["mean"])
    logged = [float(rows[-1][key]) for key in ("frequency_weighted_iu", "geo_frequency_weighted_iu")]
    assert [each.scores().frequency_weighted_iu for each in found] == logged
    assert len(about["palette"]["sem"]) == 33 and about["mean"] == [114.578, 115.294, 108.353]

    capsys.readouterr()
    scores = tmp_path / "scores"
    assert evaluate.main([str(file), "--data", f"siftflow:{flow}", "--split", "test", "--out", str(scores)]) == 0
    told = capsys.readouterr().out
    assert told.index("task sem") < told.index("awning") < told.index("task geo") < told.index("horizontal")
    names = {f"{what}-{task}.{end}" for task in ("sem", "geo") for what, end in
             (("scores", "csv"), ("confusion", "csv"), ("confusion", "png"))}  # fmt: skip
    assert {path.name for path in scores.iterdir()} == names

    out, picture = tmp_path / "out", next((flow / "Images").rglob("*.jpg"))
    assert predict.main([str(file), str(picture), "--out", str(out)]) == 0
    assert {path.name.removeprefix(picture.stem) for path in out.iterdir()} == {
        ".sem.label.png", ".sem.overlay.png", ".geo.label.png", ".geo.overlay.png"
    }  # fmt: skip
    assert read_label(out / f"{picture.stem}.geo.label.png").max() < 3
    assert predict.main([str(file), str(picture), "--out", str(out)]) == 2
    assert "and 3 more files would be replaced" in capsys.readouterr().err


def test_weights_of_other_tasks_are_refused(tmp_path, capsys):
    flow = published.siftflow(tmp_path)
    weights.save(tmp_path / "a.safetensors", models.build("fcn8s", {"sem": 33, "geo": 4}, "tiny"))
    assert evaluate.main([str(tmp_path / "a.safetensors"), "--data", f"siftflow:{flow}", "--split", "test"]) == 2
    assert "but the net was made for {'sem': 33, 'geo': 4}" in capsys.readouterr().err
    net = models.build("fcn8s", {"sem": 2, "geo": 3}, "tiny")
    weights.save(tmp_path / "b.safetensors", net, {"classes": {"sem": ["a", "b"], "geo": ["a", "b"]}})
    assert evaluate.main([str(tmp_path / "b.safetensors"), "--data", "shapes"]) == 2
    assert "names {'sem': 2, 'geo': 2} classes, its net has {'sem': 2, 'geo': 3}" in capsys.readouterr().err


@pytest.fixture
def two_tasks(rng):
    """A batch of two label maps, and a net for it whose scores are not zero."""
    labels = [rng.integers(0, count, (2, 9, 12)).astype(np.uint8) for count in (5, 3)]
    labels[1][0, :4] = 255
    batch = Batch(
        40 * rng.standard_normal((2, 3, 9, 12), np.float32), labels[0], ("a", "b"), 0, more_labels=(labels[1],)
    )
    net = models.build("fcn8s", {"sem": 5, "geo": 3}, "tiny", rng=rng)
    for key, param in net.params.items():
        if key.startswith("score"):
            param.data = 0.3 * rng.standard_normal(param.data.shape, dtype=np.float32)
    return net, batch


class Labelled:
    """A set of the batch's label maps, for class weights."""

    name, ignore_index = "labelled", 255

    def __init__(self, batch):
        self.batch = batch
        self.tasks = tuple(
            data.Task(name, list("abcde")[:count], data.VOC_PALETTE) for name, count in (("sem", 5), ("geo", 3))
        )
        self.classes, self.palette, self.num_classes = self.tasks[0].classes, data.VOC_PALETTE, 5

    def __len__(self):
        return 2

    def __getitem__(self, i):
        first, second = self.batch.targets
        return data.Sample(str(i), np.zeros((9, 12, 3), np.uint8), first[i], more_labels=(second[i],))


@pytest.mark.parametrize("class_weights", ["none", "sqrt-inverse"])
@pytest.mark.parametrize("loss", ["mean", "sum"])
def test_the_losses_of_the_tasks_are_summed(two_tasks, loss, class_weights):
    net, batch = two_tasks
    objective = Objective(TrainConfig(loss=loss, class_weights=class_weights), Labelled(batch))
    value, dscores = objective.loss(net, batch)
    total = 0.0
    for scores, target, each, found in zip(
        net.forward(batch.x), batch.targets, objective.class_weights, dscores, strict=True
    ):
        alone, cache = ops.softmax_cross_entropy(scores, target, reduction=loss, class_weights=each)
        share = 0.5 if loss == "sum" else 1.0
        total += share * float(alone)
        np.testing.assert_allclose(found, *ops.softmax_cross_entropy_backward(share, cache), rtol=1e-6)
    assert float(value) == pytest.approx(total, rel=1e-9)
    assert [each is None for each in objective.class_weights] == [class_weights == "none"] * 2


def test_a_task_without_labels_teaches_nothing_and_harms_nothing(two_tasks):
    net, batch = two_tasks
    batch.more_labels[0][:] = 255
    objective = Objective(TrainConfig(), Labelled(batch))
    net.zero_grads()
    assert np.isfinite(objective.accumulate(net, iter([batch]), 1))
    assert not net.params["score_fr_geo.weight"].grad.any() and net.params["score_fr_sem.weight"].grad.any()


def test_labels_are_checked_by_task(two_tasks):
    _, batch = two_tasks
    counts = {"sem": 5, "geo": 3}
    checks.labels(batch, counts)
    batch.more_labels[0][1, 3, 3] = 3  # a class of sem, but none of geo
    with pytest.raises(DataError, match=r"b: 1 pixels have labels outside 0\.\.2: 3"):
        checks.labels(batch, counts)


# --- pictures in both sets --------------------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path):
    """SBD whose two training pictures are VOC's validation pictures, too, and VOC."""
    sbd = published.sbd(tmp_path)
    year = tmp_path / "VOCdevkit" / "VOC2011"
    for stem in ("2008_000008", "2008_000042"):
        put_picture(year / "JPEGImages" / f"{stem}.jpg")
        (year / "SegmentationClass").mkdir(exist_ok=True)
        Image.fromarray(numbers(0, 15, 255)).save(year / "SegmentationClass" / f"{stem}.png")
    (year / "ImageSets/Segmentation").mkdir(parents=True)
    (year / "ImageSets/Segmentation/val.txt").write_text("2008_000008\n2008_000042\n")
    (year / "ImageSets/Segmentation/seg11valid.txt").write_text("2008_000042\n")
    return ["--data", f"sbd:{sbd}", "--val-data", f"voc:{year}"]


def test_pictures_in_both_sets_are_refused(both, tmp_path, capsys):
    assert train.main([*FAST, *both]) == 2
    told = capsys.readouterr().err
    assert "1 picture of the 2 of SBD train also in VOC2011 val: 2008_000008." in told
    assert "--overlap drop" in told and "seg11valid" in told and "--overlap allow" in told
    assert train.main([*FAST, *both, "--val-split", "seg11valid", "--dry-run"]) == 0
    assert train.main([*FAST, *both, "--overlap", "allow", "--dry-run"]) == 0
    assert train.main([*FAST, *both, "--overfit", "1", "--dry-run"]) == 0
    assert "also in" not in capsys.readouterr().out


def test_pictures_in_both_sets_are_dropped_from_training_if_asked_for(both, tmp_path, capsys):
    folder = run(tmp_path / "run", *both, "--overlap", "drop")
    told = capsys.readouterr().out
    assert "1 picture of the 2 of SBD train also in VOC2011 val: left out of training" in told
    assert train.main(["--resume", str(folder), "--val-split", "seg11valid"]) == 2  # would change the training set
    assert "val_split was 'val' and is now 'seg11valid'" in capsys.readouterr().err
    assert train.main(["--resume", str(folder), "--val-limit", "1"]) == 0
    shutil.rmtree(folder)
    assert train.main([*FAST, *both, "--split", "val", "--overlap", "drop"]) == 2  # nothing would be left
    assert "1 picture of the 1 of SBD val" in capsys.readouterr().err
