"""The memory is planned for the largest pictures of both sets, wherever in them they stand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from minifcn import data, train
from minifcn.config import TrainConfig
from minifcn.data import write_label
from minifcn.training import dry_run, scan, sizes
from minifcn.training.sizes import Sized

MEMORY = 30 << 20  # enough for small pictures, not for large ones


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Four pictures of 40x48 to train on, and two to evaluate on; and so much memory, however much the tests take."""
    monkeypatch.setattr(dry_run, "available", lambda *_: MEMORY)
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(6):
        picture(tmp_path, f"p{i}", 48, 40)
    (tmp_path / "classes.txt").write_text("ground\ncar\n")
    (tmp_path / "train.txt").write_text("p0\np1\np2\np3\n")
    (tmp_path / "val.txt").write_text("p4\np5\n")
    return tmp_path


def picture(root, name, height, width):
    Image.new("RGB", (width, height), (9, 200, 30)).save(root / f"images/{name}.png")
    write_label(root / f"labels/{name}.png", np.tile(np.uint8([0, 1]), (height, width // 2)))


def run(own, *flags):
    given = ["--data", f"folder:{own}", "--threads", "1", "--iterations", "2", "--out", str(own / "run"), *flags]
    return train.main([*given, "--batch-size", "2"])


def never(*_, **__):
    raise AssertionError("a batch was made")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("p2", "2 x 400x300 pixels needs "),
        ("p5", "evaluating fcn8s while it is trained on 1 x 400x300 pixels needs "),
    ],
)
def test_one_large_picture_is_refused_before_the_first_batch_and_named(own, name, said, monkeypatch, capsys):
    monkeypatch.setattr(data, "Loader", never)
    monkeypatch.setattr(dry_run, "available", lambda *_: (30 if name == "p2" else 13) << 20)
    picture(own, name, 300, 400)
    assert run(own) == 2
    error = capsys.readouterr().err
    assert said in error and f"{name} of {own.name} {'train' if name == 'p2' else 'val'} (400x300)" in error
    assert "pictures of " in error and " would fit" in error and not (own / "run").exists()


def test_what_a_dry_run_tells_is_of_the_largest_too(own, capsys):
    picture(own, "p2", 300, 400)
    picture(own, "p5", 1500, 1000)
    assert run(own, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "GMAC forward for 2x3x300x400" in told and "warning: training needs more memory" in told
    assert "warning: evaluating fcn8s while it is trained on 1 x 1000x1500 pixels needs " in told and "p5 of" in told


def test_a_crop_is_as_large_whatever_it_is_cut_from(own, capsys):
    picture(own, "p2", 300, 400)
    assert run(own, "--crop", "32", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "GMAC forward for 2x3x32x32" in told and "more memory" not in told


def test_what_is_left_out_does_not_count(own, capsys):
    picture(own, "p2", 300, 400)
    write_label(own / "labels/p2.png", np.full((300, 400), 9, np.uint8))
    assert run(own, "--skip-bad", "--dry-run") == 0
    assert "GMAC forward for 2x3x48x40" in capsys.readouterr().out


def test_batches_are_as_tall_as_one_picture_and_as_wide_as_another():
    tall, wide, both, small = (Sized("", *size) for size in ((50, 20), (10, 90), (40, 60), (40, 59)))
    found = sizes.largest([small, wide, both, tall, small])
    assert found == [tall, both, wide]
    shapes = {
        1: (1, 3, 40, 60),  # the one of most pixels
        2: (2, 3, 50, 90),  # padded to the largest
    }
    for size, shape in shapes.items():
        assert dry_run.batch_shape(TrainConfig(batch_size=size), found) == shape
    assert dry_run.batch_shape(TrainConfig(batch_size=4, scale=1.5), found, processes=3) == (2, 3, 75, 135)
    assert dry_run.batch_shape(TrainConfig(batch_size=2), found, processes=2) == (1, 3, 50, 90), "as the others' part"


def test_a_run_of_before_sizes_were_kept_reads_its_files_once_more(own):
    dataset = data.open_dataset(f"folder:{own}", "train")
    now = scan.examined(dataset)
    assert now.pictures[0].startswith("40x48:")
    old = scan.Findings(now.count, now.samples, now.files, now.bad)
    assert scan.examined(dataset, old) == now and scan.examined(dataset, now) is now
