"""`python -m minifcn.data check` says what a set holds, and stumbles before training does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared import shared_path

from minifcn import train
from minifcn.data import write_label
from minifcn.data.__main__ import main
from minifcn.data.check import examine
from minifcn.data.shapes import Shapes


@pytest.fixture
def own(tmp_path):
    for i in range(6):
        for name in ("images", "labels"):
            (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (4, 2)).save(tmp_path / f"images/p{i}.png")
        write_label(tmp_path / f"labels/p{i}.png", np.array([[0, 0, 0, 1], [1, 255, 255, 255]], np.uint8))
    (tmp_path / "classes.txt").write_text("ground\ncar\n")
    (tmp_path / "train.txt").write_text("p0\np1\np2\np3\n")
    (tmp_path / "val.txt").write_text("p4\np5\n")
    return tmp_path


def test_a_sound_set(own, capsys):
    assert main(["check", f"folder:{own}"]) == 0
    text = capsys.readouterr().out
    for part in (
        "train: 4 of 4 samples usable",
        "val: 2 of 2",
        "4x2 (4)",
        "37.50 %",
        "60.00",
        "40.00",
        "ready to train",
    ):
        assert part in text
    assert "warning" not in text and "unusable" not in text


def test_every_kind_of_damage_is_reported(own, capsys):
    (own / "labels/p0.png").unlink()
    Image.new("L", (5, 5)).save(own / "labels/p1.png")
    write_label(own / "labels/p2.png", np.full((2, 4), 2, np.uint8))
    Image.effect_noise((4, 200), 90).convert("RGB").save(own / "images/p3.png")
    whole = (own / "images/p3.png").read_bytes()
    (own / "images/p3.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (4, 2), (1, 2, 3)).save(own / "labels/p4.png")
    assert main(["check", f"folder:{own}"]) == 1
    text = capsys.readouterr().out
    for part in (
        "p0: its label map is missing",
        "p1: the picture is 4x2 but its label map 5x5",
        "p2.png: class number 2",
        "p3.png: damaged or cut off",
        "p4.png: colour (1, 2, 3)",
        "train: 0 of 4",
        "val: 1 of 2",
        "nothing to learn",
        "not fit to train on: 6 problems",
    ):
        assert part in text


def test_a_mask_of_0_and_255_is_explained(own, capsys):
    for i in range(6):
        write_label(own / f"labels/p{i}.png", np.array([[0, 0, 0, 255]] * 2, np.uint8))
    assert main(["check", f"folder:{own}"]) == 1
    text = capsys.readouterr().out
    assert "every pixel with a class has class 0; there is nothing to tell apart; 255 means ignore" in text


def test_labels_without_a_picture(own, capsys):
    (own / "train.txt").unlink()
    (own / "val.txt").unlink()
    (own / "images/p2.png").unlink()
    assert main(["check", f"folder:{own}"]) == 1
    assert "p2.png: a label map without a picture" in capsys.readouterr().out


def test_warnings_do_not_stop(own, capsys):
    (own / "classes.txt").write_text("ground\ncar\nunicorn\n")
    (own / "val.txt").write_text("p5\np5\n")
    write_label(own / "labels/p3.png", np.full((2, 4), 255, np.uint8))
    assert main(["check", f"folder:{own}"]) == 0
    text = capsys.readouterr().out
    for part in (
        "class 2 (unicorn) never occurs",
        "p3: every pixel is ignored",
        "p5: listed 2 times",
    ):
        assert part in text


def test_pictures_that_splits_share_are_refused_as_train_does(own, capsys):
    (own / "val.txt").write_text("p0\np5\n")
    assert main(["check", f"folder:{own}"]) == 1
    text = capsys.readouterr().out
    assert "share 1 picture (p0)" in text and "--overlap drop" in text and "not fit to train on: 1 problem" in text
    assert train.main(["--data", f"folder:{own}", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert "choose another --val-split, or say --overlap allow" in said and "SBD" not in said


def test_one_split_only(own, capsys):
    assert main(["check", f"folder:{own}", "--split", "val"]) == 0
    text = capsys.readouterr().out
    assert "val: 2" in text and "train: " not in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "folder:/no/such"], "no such folder"),
        (["check", "shaps"], "did you mean 'shapes'"),
        (["check", "shapes", "--splt", "val"], "unknown argument '--splt'; did you mean '--split'"),
        (["check"], "SPEC"),
        ([], "check"),
    ],
)
def test_bad_arguments_end_with_2(arguments, says, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert says in err and err.startswith("error: ") and not out


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["check", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for part in ("voc:DIR", "camvid:DIR", "folder:DIR", "shapes:128", "exit status", "classes.txt"):
        assert part in text


def test_counts_of_shapes():
    dataset = Shapes(count=5)
    report = examine(dataset)
    labels = [sample.label for sample in dataset]
    assert report.pixels.tolist() == [sum(int((label == c).sum()) for label in labels) for c in range(7)]
    assert report.pictures.tolist() == [sum(c in label for label in labels) for c in range(7)]
    assert report.ignored + report.pixels.sum() == 5 * 96 * 96


def test_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "minifcn.data", "check", "shapes:48,train=40,val=20"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "ready to train" in done.stdout and not done.stderr


def test_real_camvid_is_fit(capsys):
    assert main(["check", f"camvid:{shared_path('data/camvid')}"]) == 0
    text = capsys.readouterr().out
    assert "367 of 367" in text and "101 of 101" in text and "warning" not in text
