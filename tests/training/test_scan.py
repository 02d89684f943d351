"""What cannot be used is named before the first step, left out only if asked, and the same samples stay out."""

from __future__ import annotations

import csv
import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from minifcn import data, evaluate, train
from minifcn.config import TrainConfig
from minifcn.data import pairs, write_label
from minifcn.report.__main__ import main as report
from minifcn.training import scan, session
from minifcn.training.sets import open_sets

FLAGS = [
    "--net", "fcn-googlenet", "--batch-size", "2", "--iterations", "3", "--eval-every", "0", "--threads", "1",
    "--checkpoint-every", "1", "--lr-policy", "fixed",
]  # fmt: skip


def without_plots(monkeypatch):
    """They take longer than all the rest, and show nothing here."""
    for name in ("curves", "samples"):
        monkeypatch.setattr(session.plots, name, lambda *_, **__: None)


@pytest.fixture(autouse=True)
def no_plots(monkeypatch):
    without_plots(monkeypatch)


def sound(root):
    """Sixteen sound samples, the first twelve to train on."""
    rng = np.random.default_rng(3)
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for i in range(16):
        Image.fromarray(rng.integers(0, 256, (36, 40, 3), np.uint8)).save(root / f"images/p{i}.png")
        write_label(root / f"labels/p{i}.png", rng.integers(0, 2, (36, 40)).astype(np.uint8))
    (root / "classes.txt").write_text("ground\ncar\n")
    (root / "train.txt").write_text("".join(f"p{i}\n" for i in range(12)))
    (root / "val.txt").write_text("".join(f"p{i}\n" for i in range(12, 16)))
    return root


@pytest.fixture
def own(tmp_path):
    return sound(tmp_path / "own")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoilt(own):
    """A picture that is cut off, a class that there is not, a label map that is missing, and a tiny picture."""
    cut(own / "images/p3.png")
    write_label(own / "labels/p5.png", np.full((36, 40), 7, np.uint8))
    (own / "labels/p13.png").unlink()
    Image.new("RGB", (1, 2)).save(own / "images/p14.png")
    write_label(own / "labels/p14.png", np.zeros((2, 1), np.uint8))
    return own


def test_files_that_are_in_no_sample_are_told(own, monkeypatch, capsys, tmp_path):
    """A picture of any kind that Pillow opens is one; of others the label map is left over, and says so."""
    (own / "train.txt").unlink()
    (own / "val.txt").unlink()
    Image.open(own / "images/p1.png").save(own / "images/p1.pcx")
    (own / "images/p1.png").unlink()
    (own / "images/p2.png").rename(own / "images/p2.heic")
    (own / "images/Thumbs.db").touch()
    assert train.main([*FLAGS, "--data", f"folder:{own}", "--out", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "1 file of no sample:\n" in told and "read the files of 15 samples" in told
    assert "labels/p2.png: a label map without a picture; Pillow does not open p2.heic here: save it as PNG" in told


@pytest.fixture
def broken(own):
    return spoilt(own)


def run(own, out, *flags):
    return train.main(["--data", f"folder:{own}", *FLAGS, "--out", str(out), *flags])


def steps(out):
    with open(out / "log.csv", newline="") as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


def test_all_is_named_before_anything_begins(broken, tmp_path, capsys):
    assert run(broken, tmp_path / "run") == 2
    said = capsys.readouterr().err
    for part in (
        "2 of the 12 samples of own train and 2 of the 4 samples of own val cannot be used:\n",
        "p3.png: damaged or cut off",
        "p5.png: class number 7 (1440 pixels); expected 0..1",
        "p13: its label map is missing",
        "p14: 1x2 pixels are too few for fcn-googlenet: pool1/3x3_s2",
        "leave them out: --skip-bad",
    ):
        assert part in said
    assert said.startswith("error: ") and not (tmp_path / "run").exists()


def test_the_first_ten_are_listed_and_the_rest_counted(own, tmp_path, capsys):
    for i in range(11):
        (own / f"labels/p{i}.png").unlink()
    cut(own / "images/p15.png")
    assert run(own, tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert said.count("its label map is missing") == 10 and "  and 2 more\n" in said and "p15" not in said
    assert run(own, tmp_path / "run", "--skip-bad") == 0
    assert "  and 2 more, see skipped.csv in the run folder" in capsys.readouterr().out
    with open(tmp_path / "run/skipped.csv", newline="") as file:
        assert [row["sample"] for row in csv.DictReader(file)] == [*(f"p{i}" for i in range(11)), "p15"]


def test_without_them_it_is_as_if_they_had_never_been_listed(broken, tmp_path, capsys):
    assert run(broken, tmp_path / "run", "--skip-bad") == 0
    said = capsys.readouterr().out
    assert "left out, since they cannot be used: 2 of the 12 samples of own train and 2 of the 4" in said
    with open(tmp_path / "run/skipped.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["sample"]) for row in rows] == [
        ("own train", "p3"), ("own train", "p5"), ("own val", "p13"), ("own val", "p14")
    ]  # fmt: skip
    assert "damaged or cut off" in rows[0]["reason"]
    for name, left in (("train", [0, 1, 2, 4, 6, 7, 8, 9, 10, 11]), ("val", [12, 15])):
        (broken / f"{name}.txt").write_text("".join(f"p{i}\n" for i in left))
    assert run(broken, tmp_path / "shorter") == 0
    assert steps(tmp_path / "run") == steps(tmp_path / "shorter")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "shorter")]
    assert weights[0] == weights[1] and not (tmp_path / "shorter/skipped.csv").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with samples, a run without the bad ones, as it was after its second step of three, and all of it."""
    root = tmp_path_factory.mktemp("made")
    spoilt(sound(root / "own"))
    with pytest.MonkeyPatch.context() as patch:
        without_plots(patch)
        for name, steps in (("whole", "3"), ("run", "2")):
            assert run(root / "own", root / name, "--skip-bad", "--iterations", steps) == 0
    for name in ("own", "run"):
        shutil.copytree(root / name, root / f"{name}.kept")
    return root


@pytest.fixture
def begun(made):
    """The run and its samples as they were at first, with the times of their files."""
    for name in ("own", "run"):
        shutil.rmtree(made / name)
        shutil.copytree(made / f"{name}.kept", made / name)
    return made


def resumed(begun, *flags):
    return train.main(["--resume", str(begun / "run"), "--iterations", "3", *flags])


def test_a_run_that_goes_on_reads_no_file_again_and_leaves_out_the_same(begun, monkeypatch, capsys):
    def never(*_):
        raise AssertionError("a file was read again")

    with monkeypatch.context() as patch:
        patch.setattr(scan, "_fit", never)
        assert resumed(begun) == 0
    assert "left out, since they cannot be used: 2 of the 12" in capsys.readouterr().out
    assert (begun / "run/weights.safetensors").read_bytes() == (begun / "whole/weights.safetensors").read_bytes()


def test_what_was_mended_stays_out(begun, capsys):
    shutil.copy(begun / "own" / "images/p0.png", begun / "own" / "images/p3.png")
    assert resumed(begun) == 0
    said = capsys.readouterr().out
    assert "own train: p3 can be used now, and stay out: a run goes on with the samples that it began with" in said
    assert (begun / "run/weights.safetensors").read_bytes() == (begun / "whole/weights.safetensors").read_bytes()
    assert "p3," in (begun / "run/skipped.csv").read_text()


@pytest.mark.parametrize("sample", ["images/p1.png", "images/p12.png"])
def test_what_has_become_unusable_ends_it(begun, sample, capsys):
    cut(begun / "own" / sample)
    before = {path.name: path.read_bytes() for path in (begun / "run").iterdir()}
    assert resumed(begun) == 2
    said = capsys.readouterr().err
    assert "could be used when the run began: " in said and sample in said and "--init takes this one's" in said
    assert {path.name: path.read_bytes() for path in (begun / "run").iterdir()} == before


def test_other_pictures_of_the_same_names_end_it(begun, capsys):
    """As in another folder that a relative --data is found from. p3 is left out, and may be what it likes."""
    for name in ("p3", "p7", "p8"):
        shutil.copy(begun / "own" / "images/p0.png", begun / "own" / f"images/{name}.png")
    before = {path.name: path.read_bytes() for path in (begun / "run").iterdir()}
    assert resumed(begun) == 2
    said = capsys.readouterr().err
    assert "own train: 2 samples with other content than when the run began: p7, p8; a run goes on with" in said
    assert {path.name: path.read_bytes() for path in (begun / "run").iterdir()} == before


def test_pictures_that_only_lie_elsewhere_are_the_same(own, tmp_path, monkeypatch, capsys):
    config = TrainConfig(net="fcn-googlenet", data="folder:own")

    def again():
        return scan.scan(*open_sets(config), config, begun=tmp_path)

    monkeypatch.chdir(tmp_path)
    again().write(tmp_path)
    (tmp_path / "other").mkdir()
    shutil.copytree(own, "other/own", copy_function=shutil.copyfile)  # the times are others, too
    monkeypatch.chdir(tmp_path / "other")
    again()
    assert capsys.readouterr().out.count("read the files of 16 samples") == 2
    shutil.copy("own/images/p0.png", "own/images/p7.png")
    with pytest.raises(
        scan.CheckpointError, match=r"p7; .*, or go to the folder that the run was started in, or begin"
    ):
        again()


def test_other_pictures_to_evaluate_on_are_told(begun, capsys):
    shutil.copy(begun / "own" / "images/p0.png", begun / "own" / "images/p12.png")
    assert resumed(begun) == 0
    assert "own val: 1 sample with other content than when the run began: p12; scores from" in capsys.readouterr().out


def test_another_list_ends_it(begun, capsys):
    (begun / "own" / "train.txt").write_text("".join(f"p{i}\n" for i in (*range(1, 12), 0)))
    assert resumed(begun) == 2
    assert "began with 12 samples, and own train has 12, or others than then" in capsys.readouterr().err
    with open(begun / "own" / "train.txt", "a") as file:
        file.write("p0\n")
    assert resumed(begun) == 2
    assert "began with 12 samples, and own train has 13" in capsys.readouterr().err


def test_another_set_to_evaluate_on_is_read_anew(begun, capsys):
    (begun / "own" / "other.txt").write_text("p15\np12\n")
    assert resumed(begun, "--val-split", "other") == 0
    assert set(json.loads((begun / "run/data.json").read_text())["val"]["bad"]) == set()
    (begun / "own" / "worse.txt").write_text("p15\nnone\n")
    assert (
        train.main(["--resume", str(begun / "run"), "--iterations", "4", "--val-split", "worse", "--no-skip-bad"]) == 2
    )
    assert "2 of the 12 samples of own train and 1 of the 2 samples of own worse cannot be" in capsys.readouterr().err


#: Flags of a run, those of `evaluate` that score the same, and what both leave out.
SCORED = [
    ([], [], "2 of the 4 samples of own val", 2),
    (["--val-limit", "2"], ["--limit", "2"], "1 of the 2 samples of own val[:2]", 1),
    (["--overfit", "4"], ["--split", "train", "--limit", "4"], "1 of the 4 samples of own train[:4]", 3),
]


@pytest.mark.parametrize(("flags", "same", "left_out", "count"), SCORED, ids=["val", "val-limit", "overfit"])
def test_report_and_evaluate_give_the_score_that_train_gave(flags, same, left_out, count, broken, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(broken, out, "--skip-bad", *flags) == 0
    said = capsys.readouterr().out
    table = said[said.index("\npixel accuracy ") : said.index(f"\n{out}: ")]
    pictures = f", {count} picture{'s' * (count > 1)}"
    assert f"{pictures}, after 3 steps" in said
    evaluated = [str(out / "weights.safetensors"), "--data", f"folder:{broken}", *same]
    assert evaluate.main([*evaluated, "--skip-bad"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"left out, since they cannot be used: {left_out}\n  ") and told.endswith(table)
    assert evaluate.main(evaluated) == 2
    (mean_iu,) = [line.split()[-1] for line in table.splitlines() if line.startswith("mean IU")]
    for i in (3, 13, 14):  # what was mended stays out
        for kind in ("images", "labels"):
            shutil.copy(broken / kind / "p0.png", broken / kind / f"p{i}.png")
    assert report([str(out)]) == 0
    assert f"{left_out}\nmean IU {mean_iu}, pixel accuracy" in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"left out, since they cannot be used: {left_out}<" in page
    assert f"{pictures}: <strong>mean IU {mean_iu}</strong>" in page and f"{pictures}<" in page


def test_what_a_report_is_given_instead_is_read_anew(begun, capsys):
    assert report([str(begun / "run"), "--split", "train"]) == 0
    assert "cannot be used: 2 of the 12 samples of own train\n" in capsys.readouterr().out
    (begun / "own" / "val.txt").write_text("p13\n")
    assert report([str(begun / "run")]) == 2
    assert "own val: no sample of 1 can be used; the first: p13: its label map is" in capsys.readouterr().err


def test_evaluate_names_all_that_it_leaves_out_and_the_tiny_one_too(made, broken, capsys):
    weights = str(made / "whole" / "weights.safetensors")
    assert evaluate.main([weights, "--data", f"folder:{broken}", "--skip-bad"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "p13: its label map is missing" in said[1] and "p14: 1x2 pixels are too few" in said[2] and not said[3]


DAMAGED = ["", "{", "[]", '{"train": {}}', '{"train": {"count": 1, "samples": "", "files": "", "bad": {"5": ""}}}',
           '{"train": {"count": 12, "samples": "", "files": "", "bad": {"x": ""}}}', "[" * 100000,
           '{"train": {"count": 2, "samples": "", "files": "", "bad": {}, "pictures": "4x4:00000000"}}',
           '{"train": {"count": 1, "samples": "", "files": "", "bad": {}, "pictures": "4x4"}}',
           '{"train": {"count": 1, "samples": "", "files": "", "bad": {}, "pictures": 4}}']  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_list_is_told(text, tmp_path):
    (tmp_path / scan.DATA).write_text(text)
    with pytest.raises(scan.CheckpointError, match=r"data\.json: damaged"):
        scan.read(tmp_path)


def test_if_nothing_is_left_it_says_so(own, tmp_path, capsys):
    shutil.rmtree(own / "labels")
    (own / "labels").mkdir()
    assert run(own, tmp_path / "run", "--skip-bad") == 2
    assert "own train: no sample of 12 can be used; the first: p0: its label map is missing" in capsys.readouterr().err


def test_a_file_that_changes_while_the_run_goes_is_one_clear_error(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pairs.PairDataset, "__getitem__", lambda self, i: self._read(self.pairs[i]))  # keeps nothing
    reads = iter(range(1000))
    original = pairs.read_image

    def later(path):
        if next(reads) == 18:  # all have been read once
            for picture in (own / "images").iterdir():
                cut(picture)
        return original(path)

    monkeypatch.setattr(pairs, "read_image", later)
    assert run(own, tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "damaged or cut off" in said and said.count("\n") == 1


def test_threads_find_the_same_and_a_drawn_set_has_no_files(broken):
    dataset = data.open_dataset(f"folder:{broken}", "train")
    found = []
    for threads in (1, 4):
        scan.parallel.set_threads(threads)
        found.append(scan.examined(dataset))
    assert found[0] == found[1] and list(found[0].bad) == [3, 5]
    assert scan.pairs_of(data.open_dataset("shapes:32,train=2,val=1", "train")) is None


def test_ctrl_c_ends_the_reading(own, monkeypatch):
    scan.parallel.set_threads(2)
    dataset = data.open_dataset(f"folder:{own}", "train")
    reads = []

    def stopped(self, i):
        reads.append(i)
        time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(pairs.PairDataset, "__getitem__", stopped)
    with pytest.raises(KeyboardInterrupt):
        scan.examined(dataset)
    assert len(reads) < 12


def test_a_dry_run_reports_and_with_skip_bad_leaves_out(broken, capsys, tmp_path):
    (broken / "train.txt").write_text("p0\np1\np2\np3\np4\np5\n")
    assert run(broken, tmp_path / "no", "--dry-run", "--skip-bad") == 0
    said = capsys.readouterr().out
    assert "own train[:4]: 4 of 4 samples usable" in said and "left out, since they cannot be used: 2 of the 6" in said
    assert not (tmp_path / "no").exists()
