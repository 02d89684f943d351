"""The sets of files: where they look, what they make of it, and what they say when it is not there."""

import shutil

import numpy as np
import pytest
from PIL import Image
from shared import shared_path

from minifcn.data import class_shares, open_dataset, read_label, write_label
from minifcn.data.folder import read_classes, split_of
from minifcn.errors import DataError


def put(folder, stem, label, images="images", labels="labels", size=None, suffix=".png"):
    """A picture and its label map."""
    for name in (images, labels):
        (folder / name).mkdir(parents=True, exist_ok=True)
    label = np.asarray(label, np.uint8)
    Image.new("RGB", size or label.shape[::-1], (10, 20, 30)).save(folder / images / (stem + suffix))
    if label.ndim == 2:
        write_label(folder / labels / f"{stem}.png", label)
    else:
        Image.fromarray(label).save(folder / labels / f"{stem}.png")


@pytest.fixture
def own(tmp_path):
    """A `folder:` of 20 pictures in three classes."""
    for i in range(20):
        put(tmp_path, f"p{i:02}", [[0, 1, 2], [255, i % 3, 0]])
    (tmp_path / "classes.txt").write_text("ground\ncar # any\n# grows\ntall tree\n")
    return tmp_path


def test_folder_and_its_split(own):
    train, val = open_dataset(f"folder:{own}", "train"), open_dataset(f"folder:{own}", "val")
    assert train.classes == ["ground", "car", "tall tree"] and train.num_classes == 3
    names = [{sample.name for sample in part} for part in (train, val)]
    assert len(names[0]) + len(names[1]) == 20 and not names[0] & names[1]
    assert 1 <= len(val) <= 8
    sample = train[0]
    assert sample.image.shape == (2, 3, 3) and sample.label[1, 0] == 255
    assert (sample.image == (10, 20, 30)).all()


def test_a_picture_keeps_its_side_when_others_come():
    few, many = (split_of(f"picture {i}" for i in range(count)) for count in (200, 1000))
    assert all(many[stem] == side for stem, side in few.items())
    assert 0.15 < list(many.values()).count("val") / 1000 < 0.25


@pytest.mark.parametrize("count", range(2, 12))
def test_few_pictures_still_give_both_sides(count):
    assert set(split_of(f"{count} {i}" for i in range(count)).values()) == {"train", "val"}


def test_folder_with_split_files(own):
    (own / "train.txt").write_text("p03\r\np01.png\r\n\r\n")
    (own / "val.txt").write_text("p02\n")
    assert [sample.name for sample in open_dataset(f"folder:{own}", "train")] == ["p03", "p01"]
    with pytest.raises(DataError, match=r"no split 'vall' \(vall\.txt\); did you mean 'val'"):
        open_dataset(f"folder:{own}", "vall")
    (own / "val.txt").write_text("\n")
    with pytest.raises(DataError, match="empty"):
        open_dataset(f"folder:{own}", "val")


def test_folder_with_coloured_labels(tmp_path):
    (tmp_path / "classes.txt").write_text("ground 0 0 0\ncar: 255, 0, 0\nignore 9 9 9\n")
    for stem in "abc":
        put(tmp_path, stem, [[[0, 0, 0], [255, 0, 0], [9, 9, 9]]], size=(3, 1))
    dataset = open_dataset(f"folder:{tmp_path}", "train")
    assert dataset.classes == ["ground", "car"]
    assert dataset[0].label.tolist() == [[0, 1, 255]]
    assert dataset.palette[[0, 1, 2, 255]].tolist() == [[0, 0, 0], [255, 0, 0], [9, 9, 9], [9, 9, 9]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("one\n", "1 class; expected 2"),
        ("a\nb\na\n", "line 3.*twice"),
        ("a 1 2 3\nb\n", "1 of 2"),
        ("a 1 2 3\nb 1 2 3\n", "line 2.*taken"),
        ("a 1 2 300\nb 1 2 3\n", r"\(1, 2, 300\) is out of range"),
        ("a\n\n \nb\n", "line 2: blank, with classes before and after it"),
    ],
)
def test_classes_that_cannot_be(tmp_path, text, says):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        read_classes(tmp_path / "classes.txt")


def test_blank_lines_that_renumber_nothing(tmp_path):
    (tmp_path / "classes.txt").write_text("# mine\n\na 1 2 3\n# a remark\nb 4 5 6\n\nignore 7 8 9\n\n")
    assert read_classes(tmp_path / "classes.txt")[0] == ["a", "b"]


def test_a_list_names_pictures_of_the_folder_itself(own):
    stem = next(path.stem for path in sorted((own / "images").iterdir()))
    for name in (stem, f"{stem}.png", f"images/{stem}.png", f"/elsewhere/images/{stem}.png"):
        (own / "train.txt").write_text(f"{name}\n")
        assert [pair.name for pair in open_dataset(f"folder:{own}", "train").pairs] == [stem]
    for name in (f"sub/{stem}", f"images/sub/{stem}.png"):
        (own / "train.txt").write_text(f"{stem}\n\n{name}\n")
        with pytest.raises(DataError, match=rf"line 3: {stem}(\.png)? is in a folder of its own, sub; .* write {stem}"):
            open_dataset(f"folder:{own}", "train")


def test_names_with_spaces_and_dots_in_a_list(own):
    """A shot of a phone, a frame of a film; beside each a picture whose name is the first word of its line."""
    picture, label = sorted((own / "images").iterdir())[0], sorted((own / "labels").iterdir())[0]
    for stem in ("my shot 1", "my", "frame.0000", "frame"):
        shutil.copy(picture, own / "images" / f"{stem}.png")
        shutil.copy(label, own / "labels" / f"{stem}.png")
    lines = ["my shot 1", "my shot 1.png", "images/my shot 1.png", "frame.0000", "frame.0000.png", "my 1",
             "images/frame.png labels/frame.png", "frame.0001", "lost shot 2.png"]  # fmt: skip
    (own / "train.txt").write_text("\n".join(lines))
    stems = [pair.name for pair in open_dataset(f"folder:{own}", "train").pairs]
    assert stems == [*["my shot 1"] * 3, *["frame.0000"] * 2, "my", "frame", "frame.0001", "lost shot 2"]


def test_samples_that_cannot_be_used(own):
    (own / "train.txt").write_text("p00\np01\np02\np03\nnone\n")
    (own / "labels/p00.png").unlink()
    put(own, "p01", [[0, 1, 2]], size=(4, 4))
    put(own, "p02", [[0, 3, 2]])
    Image.fromarray(np.full((2, 3, 3), 77, np.uint8)).save(own / "labels/p03.png")
    dataset = open_dataset(f"folder:{own}", "train")
    for i, says in enumerate(
        [
            r"p00: its label map is missing.*labels.p00\.png",
            r"p01: the picture is 4x4 .*map 3x1",
            r"p02\.png: class number 3 \(1 pixel\); expected 0\.\.2",
            r"p03\.png: colour \(77, 77, 77\)",
            r"none: its picture is missing",
        ]
    ):
        with pytest.raises(DataError, match=says):
            dataset[i]


def test_two_pictures_of_one_stem(own):
    shutil.copy(own / "images/p00.png", own / "images/p00.bmp")
    with pytest.raises(DataError, match="same stem"):
        open_dataset(f"folder:{own}", "train")


def test_cache_keeps_what_fits_and_is_read_only(own):
    dataset = open_dataset(f"folder:{own}", "train")
    dataset.cache_bytes = 2 * (2 * 3 * 3 + 2 * 3)  # two samples
    first = [dataset[i] for i in range(4)]
    again = [dataset[i] for i in range(4)]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True, False, False]
    with pytest.raises(ValueError, match="read-only"):
        first[0].label[:] = 0


@pytest.fixture
def kit(tmp_path):
    """A VOCdevkit of one year, of shared's two real pairs."""
    year = tmp_path / "VOCdevkit" / "VOC2011"
    pairs = shared_path("data/voc_pairs")
    for name, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        (year / name).mkdir(parents=True)
        for path in pairs.glob(f"*.{suffix}"):
            shutil.copy(path, year / name)
    (year / "ImageSets/Segmentation").mkdir(parents=True)
    lists = {"train": "2011_000003\n", "val": "2011_000006\n", "trainval": "2011_000003\n2011_000006\n"}
    for split, stems in lists.items():
        (year / f"ImageSets/Segmentation/{split}.txt").write_text(stems)
    return year


def test_voc_from_each_of_its_folders(kit):
    for folder in (kit, kit.parent, kit.parent.parent):
        dataset = open_dataset(f"voc:{folder}", "trainval")
        assert [sample.name for sample in dataset] == ["2011_000003", "2011_000006"]
    assert dataset.num_classes == 21 and dataset.classes[15] == "person"
    shares = class_shares(dataset)
    labels = [read_label(path) for path in (kit / "SegmentationClass").iterdir()]
    assert shares[15] == sum(int((label == 15).sum()) for label in labels) > 0
    assert shares.sum() == sum(int((label != 255).sum()) for label in labels)


def test_voc_errors(kit):
    with pytest.raises(DataError, match=r"no split 'trian' .*; did you mean 'train'"):
        open_dataset(f"voc:{kit}", "trian")
    with pytest.raises(DataError, match=r"no split 'test' .*; there are train, trainval, val"):
        open_dataset(f"voc:{kit}", "test")
    shutil.copytree(kit, kit.with_name("VOC2012"))
    with pytest.raises(DataError, match=r"several years.*VOC2011, VOC2012"):
        open_dataset(f"voc:{kit.parent}", "train")
    with pytest.raises(DataError, match="no ImageSets"):
        open_dataset(f"voc:{kit / 'JPEGImages'}", "train")


def test_camvid_reads_lists_of_either_kind(tmp_path):
    for stem in ("a", "b", "c"):
        put(tmp_path, stem, [[0, 10, 11, 255]], images="train", labels="trainannot")
    assert [sample.name for sample in open_dataset(f"camvid:{tmp_path}", "train")] == ["a", "b", "c"]
    (tmp_path / "train.txt").write_text("b\n/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n")
    dataset = open_dataset(f"camvid:{tmp_path}", "train")
    assert [sample.name for sample in dataset] == ["b", "a"]
    assert dataset[0].label.tolist() == [[0, 10, 255, 255]]  # 11, unlabelled, is ignored


def test_camvid_coloured_as_published(tmp_path):
    put(tmp_path, "a", [[[128, 128, 128], [0, 128, 192], [0, 0, 0]]], "train", "trainannot", size=(3, 1))
    assert open_dataset(f"camvid:{tmp_path}", "train")[0].label.tolist() == [[0, 10, 255]]


def test_real_camvid():
    """The shares of shared's README, which count the ignored pixels, too."""
    train, val = (open_dataset(f"camvid:{shared_path('data/camvid')}", split) for split in ("train", "val"))
    assert (len(train), len(val)) == (367, 101)
    assert class_shares(val).all()
    shares = class_shares(train) / (367 * 240 * 180)
    published = [16.85, 23.26, 0.98, 31.66, 4.49, 9.72, 1.17, 1.13, 5.87, 0.64, 0.29]
    np.testing.assert_allclose(100 * shares, published, atol=0.2)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("shape", "did you mean 'shapes'"),
        ("camvit:x", "did you mean 'camvid'"),
        ("imagenet", "unknown kind 'imagenet'; there are shapes, voc"),
        ("voc", "write voc:DIR"),
        ("folder:/no/such", "no such folder"),
        ("camvid:/no/such", "no such folder"),
        ("voc:/no/such", "no such folder"),
        ("shapes:sise=3", "did you mean 'size'"),
        ("shapes:big", "number"),
        ("shapes:8", "out of range"),
        ("shapes:9999", "out of range"),
        ("shapes:train=0", "out of range"),
    ],
)
def test_specs_that_cannot_be(spec, says):
    with pytest.raises(DataError, match=says):
        open_dataset(spec, "train")


def test_a_bare_folder_is_asked_about(tmp_path):
    with pytest.raises(DataError, match="did you mean 'folder:"):
        open_dataset(str(tmp_path), "train")
