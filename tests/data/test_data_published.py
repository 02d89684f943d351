"""SBD, NYUDv2, SIFT Flow and PASCAL-Context on small files of exactly their published layouts."""

import shutil

import numpy as np
import published
import pytest
from published import SIZE, numbers, put_cls, put_mat, put_picture

from minifcn.data import Loader, class_shares, mean_of, num_classes_of, open_dataset, tasks_of
from minifcn.data.__main__ import main
from minifcn.data.context import read_map
from minifcn.data.modalities import MEAN_HHA, MEAN_LOG_DEPTH
from minifcn.data.pairs import overlap
from minifcn.data.siftflow import SCENES
from minifcn.errors import DataError


@pytest.fixture
def sbd(tmp_path):
    return published.sbd(tmp_path)


@pytest.fixture
def nyud(tmp_path):
    return published.nyud(tmp_path)


@pytest.fixture
def siftflow(tmp_path):
    return published.siftflow(tmp_path)


@pytest.fixture
def context(tmp_path):
    return published.context(tmp_path)


# --- right labels -----------------------------------------------------------------------------------------------------


def test_sbd(sbd):
    for folder in (sbd, sbd.parent, sbd.parent.parent):
        train = open_dataset(f"sbd:{folder}", "train")
        assert [sample.name for sample in train] == ["2008_000008", "2008_000033"]
    assert train.classes[15] == "person" and train.num_classes == 21
    assert train[0].label.dtype == np.uint8 and train[0].label[0].tolist() == [0, 15, 20, 0, 15, 20]
    assert len(open_dataset(f"sbd:{sbd}", "trainval")) == 3


def test_nyud(nyud):
    train = open_dataset(f"nyud:{nyud}", "train")
    assert len(train.classes) == 40 and train.classes[0] == "wall" and train.classes[39] == "otherprop"
    assert train[0].label[0].tolist() == [255, 0, 39, 255, 0, 39] and not train[0].beside
    assert mean_of(train) == (116.190, 97.203, 92.318)
    assert [sample.name for sample in open_dataset(f"nyud:{nyud}", "trainval")] == ["img_5001", "img_5002"]


def test_nyud_with_depth_and_hha(nyud):
    sample = open_dataset(f"nyud:{nyud}", "val", ("color", "depth", "hha"))[0]
    depth = sample.beside["depth"]
    assert depth.shape == (4, 6, 1) and depth.dtype == np.float32
    expected = [np.log(2550) - MEAN_LOG_DEPTH, 0, np.log(5100) - MEAN_LOG_DEPTH]
    np.testing.assert_allclose(depth[0, :3, 0], expected, atol=1e-6)
    np.testing.assert_allclose(sample.beside["hha"][2, 5], np.subtract((200, 100, 50), MEAN_HHA), rtol=1e-6)
    with Loader(open_dataset(f"nyud:{nyud}", "val", ("hha",)), 1, 0, modalities=("hha",)) as loader:
        batch = next(loader)
    assert batch.x.shape == (1, 3, 4, 6) and not batch.more_x
    np.testing.assert_allclose(batch.x[0, 0], 200 - MEAN_HHA[0], rtol=1e-6)  # not turned round, as colours are


def test_siftflow(siftflow):
    train = open_dataset(f"siftflow:{siftflow}", "trainval")
    assert num_classes_of(train) == {"sem": 33, "geo": 3} and len(train.classes) == 33
    assert [task.classes[-1] for task in tasks_of(train)] == ["window", "vertical"]
    semantic, geometric = train[0].labels
    assert semantic[0].tolist() == [255, 0, 32, 255, 0, 32]
    assert geometric[0].tolist() == [255, 0, 2, 255, 0, 2] and geometric.dtype == np.uint8
    assert class_shares(train, task=1).tolist() == [8, 0, 8]
    with Loader(train, 2, 0) as loader:
        batch = next(loader)
    assert [target.shape for target in batch.targets] == [(2, 4, 6)] * 2
    assert np.array_equal(batch.more_labels[0][0], geometric)


def test_context_maps_all_classes_to_the_chosen_ones(context):
    train = open_dataset(f"context:{context}", "train")
    assert train.classes == ["background", "aeroplane", "diningtable", "bedcloth", "clothes"]
    # accordion and unknown are background; table, bedclothes and cloth are three of the 59 by another name
    assert train[0].label[0].tolist() == [0, 1, 3, 4, 2, 0]
    few = open_dataset(f"context33:{context}", "val")
    assert few.num_classes == 3 and few[0].label[0].tolist() == [0, 1, 0, 0, 2, 0]


def test_context_needs_voc2010(context):
    shutil.move(context.parent / "VOCdevkit" / "VOC2010", context / "VOC2010")
    assert len(open_dataset(f"context:{context}", "train")) == 1
    shutil.rmtree(context / "VOC2010")
    with pytest.raises(DataError, match="no VOC2010 with the pictures"):
        open_dataset(f"context:{context}", "train")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1: aeroplan\n", r"'aeroplan' is not in labels\.txt; did you mean 'aeroplane'"),
        ("aeroplane\n", "line 1: expected 'number: name'"),
        ("\n", "is empty"),
    ],
)
def test_class_lists_that_cannot_be(context, text, says):
    (context / "59_labels.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        read_map(context / "labels.txt", context / "59_labels.txt")


# --- what is wrong is told --------------------------------------------------------------------------------------------

#: Of each set: a label file of the training split, its variable, and one too large a number.
FILES = {
    "sbd": ("cls/2008_000008.mat", None, 21),
    "nyud": ("segmentation/img_5001.mat", "segmentation", 41),
    "siftflow": (f"GeoLabels/{SCENES}/coast_natu975.mat", "S", 4),
    "context": ("trainval/2008_000002.mat", "LabelMap", 8),
}


@pytest.fixture(params=FILES)
def broken(request):
    """(spec, split, label file, variable, a number that is no class) of each set in turn."""
    folder = request.getfixturevalue(request.param)
    file, key, large = FILES[request.param]
    split = "trainval" if request.param == "siftflow" else "train"
    return f"{request.param}:{folder}", split, folder / file, key, large


def test_a_missing_label_map(broken):
    spec, split, file, *_ = broken
    file.unlink()
    with pytest.raises(DataError, match=rf"its label map is missing; expected .*{file.name}"):
        open_dataset(spec, split)[0]


@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_a_label_map_that_was_cut_off(broken, keep):
    spec, split, file, *_ = broken
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=rf"{file.name}: (damaged|has no variable|not a MATLAB file)"):
        open_dataset(spec, split)[0]


def test_a_label_map_of_noise(broken):
    spec, split, file, *_ = broken
    file.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(DataError, match=rf"{file.name}: not a MATLAB file"):
        open_dataset(spec, split)[0]


def test_a_label_map_with_another_variable(broken):
    spec, split, file, *_ = broken
    put_mat(file, other=numbers(0))
    with pytest.raises(DataError, match=rf"{file.name}: has no variable .*; there are other"):
        open_dataset(spec, split)[0]


def test_a_number_that_is_no_class(broken):
    spec, split, file, key, large = broken
    if key is None:
        put_cls(file, numbers(0, large))
    else:
        put_mat(file, **{key: numbers(1, large, dtype=np.int32)})
    with pytest.raises(DataError, match=rf"{file.name}: class number \d+ \(\d+ pixels?\); expected 0\.\."):
        open_dataset(spec, split)[0]


def test_a_label_map_that_is_none(broken):
    spec, split, file, key, _ = broken
    wrong = {"GTcls": numbers(1)} if key is None else {key: np.full(SIZE, 0.5)}
    put_mat(file, **wrong)
    with pytest.raises(
        DataError, match=rf"{file.name}: (expected a label map|GTcls is no structure with a field 'Segmentation')"
    ):
        open_dataset(spec, split)[0]


def test_a_label_map_of_another_size(broken):
    spec, split, file, key, _ = broken
    label = np.ones((3, 3), np.uint8)
    put_cls(file, label) if key is None else put_mat(file, **{key: label})
    with pytest.raises(DataError, match="the picture is 6x4 but its label map 3x3"):
        open_dataset(spec, split)[0]


def test_a_missing_picture_and_a_missing_list(broken):
    spec, split, file, *_ = broken
    with pytest.raises(DataError, match=r"no split 'tast' \(tast\.txt\)"):
        open_dataset(spec, "tast")
    root = file.parents[2] if "siftflow" in spec else file.parents[1]
    for name in ("img", "data/images", "Images"):
        shutil.rmtree(root / name, ignore_errors=True)
    shutil.rmtree(root.parent / "VOCdevkit/VOC2010/JPEGImages", ignore_errors=True)
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(spec, split)


def test_an_empty_split(sbd):
    (sbd / "none.txt").write_text("\n\n")
    with pytest.raises(DataError, match="the split is empty"):
        open_dataset(f"sbd:{sbd}", "none")


def test_depth_that_is_none(nyud):
    path = nyud / "data/depth/img_5001.png"
    put_picture(path)
    with pytest.raises(DataError, match="depth in mode RGB; expected 16-bit grey"):
        open_dataset(f"nyud:{nyud}", "train", ("color", "depth"))[0]
    path.unlink()
    with pytest.raises(DataError, match="its depth is missing"):
        open_dataset(f"nyud:{nyud}", "train", ("color", "depth"))[0]
    shutil.rmtree(nyud / "data/hha")
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(f"nyud:{nyud}", "train", ("hha",))
    assert len(open_dataset(f"nyud:{nyud}", "train")) == 1  # colours alone need none of them


def test_a_set_without_depth_is_refused(sbd):
    with pytest.raises(DataError, match="has no depth, which the net wants to see; nyud:DIR has"):
        open_dataset(f"sbd:{sbd}", "train", ("color", "depth"))


# --- sets that share pictures -----------------------------------------------------------------------------------------


def test_pictures_of_voc_are_known_by_their_names(sbd, context, nyud):
    train, other = open_dataset(f"sbd:{sbd}", "train"), open_dataset(f"context:{context}", "train")
    assert overlap(train, other) == []
    (context.parent / "VOCdevkit/VOC2010/ImageSets/Main/val.txt").write_text("2008_000033\n2010_000003\n")
    assert overlap(train, open_dataset(f"context:{context}", "val")) == ["2008_000033"]
    indoor = [open_dataset(f"nyud:{nyud}", split) for split in ("train", "val", "trainval")]
    assert overlap(indoor[0], indoor[1]) == [] and overlap(indoor[1], indoor[2]) == ["img_5002"]
    assert overlap(indoor[0], open_dataset("shapes", "val")) == []


# --- the check as a command -------------------------------------------------------------------------------------------


def test_the_command_reads_them_all(sbd, nyud, siftflow, context, capsys):
    assert main(["check", f"sbd:{sbd}"]) == 0
    assert main(["check", f"context:{context}"]) == 0
    assert main(["check", f"nyud:{nyud}", "--split", "trainval", "--inputs", "color", "depth", "hha"]) == 0
    assert main(["check", f"siftflow:{siftflow}", "--split", "trainval", "test"]) == 0
    told = capsys.readouterr().out
    assert "SIFT Flow trainval, sem: 1 of 1 samples usable" in told
    assert "SIFT Flow test, geo: 1 of 1 samples usable" in told
    assert "warning: SIFT Flow" not in told  # its two tasks are no two splits
    (nyud / "data/hha/img_5002.png").write_bytes(b"no picture")
    assert main(["check", f"nyud:{nyud}", "--inputs", "color", "hha"]) == 1
    assert "unusable: " in capsys.readouterr().out
