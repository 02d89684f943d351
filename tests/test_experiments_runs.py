"""The experiments that train: tables, runs kept and gone on with, and the paper's figures as it prints them."""

import argparse
import csv

import numpy as np
import pytest

from minifcn import models, train
from minifcn.__main__ import main
from minifcn.experiments import backbones, dense, freeze, ladder, learning, runs

DATA = ["--data", "shapes:size=32,train=12,val=2", "--threads", "1"]


def experiment(name: str, out, *flags: str) -> int:
    return main(["experiments", name, *DATA, "--out", str(out), *flags])


def rows_of(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    """A ladder of two seeds."""
    out = tmp_path_factory.mktemp("experiments") / "ladder"
    assert experiment("ladder", out, "--iterations", "5", "--seeds", "3,1") == 0
    return out


def test_the_ladder_has_a_row_for_each_net_beside_the_paper_s(climbed):
    rows = rows_of(climbed / "ladder.csv")
    assert [row["net"] for row in rows] == ["32s-fixed", "32s", "16s", "8s"]
    assert [float(row["paper mean IU"]) for row in rows] == [45.4, 59.4, 62.4, 62.7]
    assert [float(row["paper pixel acc."]) for row in rows] == [83.0, 89.1, 90.0, 90.3]
    for row in rows:
        seeds = [float(row["seed 3"]), float(row["seed 1"])]
        assert float(row["mean IU"]) == pytest.approx(sum(seeds) / 2)
        assert 0 < float(row["f.w. IU"]) <= 100
    assert (climbed / "ladder.png").stat().st_size > 1000


def test_the_ladder_s_figures_are_those_of_its_runs(climbed):
    """32s, 16s and 8s are the ends of the stages of one run: after 5, 9 and 13 steps."""
    rows = {row["net"]: row for row in rows_of(climbed / "ladder.csv")}
    log = rows_of(climbed / "staged-seed3" / "log.csv")
    assert [row["stage"] for row in log] == ["fcn32s"] * 5 + ["fcn16s"] * 4 + ["fcn8s"] * 4
    for net, step in (("32s", 5), ("16s", 9), ("8s", 13)):
        assert float(rows[net]["seed 3"]) == pytest.approx(100 * float(log[step - 1]["mean_iu"]))
    fixed = rows_of(climbed / "32s-fixed-seed3" / "log.csv")
    assert float(rows["32s-fixed"]["seed 3"]) == pytest.approx(100 * float(fixed[-1]["mean_iu"]))


def test_what_is_finished_is_not_repeated(climbed, monkeypatch, capsys):
    monkeypatch.setattr(train, "main", lambda argv: pytest.fail("a finished run was repeated"))
    before = (climbed / "ladder.csv").read_bytes()
    assert experiment("ladder", climbed, "--iterations", "5", "--seeds", "3,1") == 0
    assert (climbed / "ladder.csv").read_bytes() == before
    assert "seed 3, 32s-fixed: 4 steps" in capsys.readouterr().out


def test_a_folder_of_other_settings_is_not_mixed_in(climbed, capsys):
    assert experiment("ladder", climbed, "--iterations", "6", "--seeds", "3") == 2
    assert "holds a run with" in capsys.readouterr().err


def test_after_ctrl_c_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    """The first run is stopped by the signal's flag after two steps, in the middle; then all is as if never stopped."""
    out, straight = tmp_path / "out", tmp_path / "straight"
    flags = ["--iterations", "4", "--seeds", "1"]

    class AtOnce(train.Interrupt):
        steps = 0

        def __call__(self) -> bool:
            AtOnce.steps += 1
            return AtOnce.steps > 6

    with monkeypatch.context() as patched:
        patched.setattr(train, "Interrupt", AtOnce)
        assert experiment("freeze", out, *flags) == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert not (out / "freeze.csv").exists()
    assert (out / "all-layers-seed1" / "checkpoint.safetensors").is_file()
    assert experiment("freeze", out, *flags) == 0
    assert experiment("freeze", straight, *flags) == 0
    for name in ("all-layers-seed1", "scores-only-seed1"):
        one, other = (folder / name / "weights.safetensors" for folder in (out, straight))
        assert one.read_bytes() == other.read_bytes()
    printed = capsys.readouterr().out
    assert "above a random trunk" in printed and f"{freeze.PAPER} %" in printed


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_anew(climbed, tmp_path):
    run = tmp_path / "32s-fixed-seed3"
    run.mkdir()
    (run / "config.toml").write_text((climbed / run.name / "config.toml").read_text())
    assert experiment("ladder", tmp_path, "--iterations", "5", "--seeds", "3") == 0
    assert len(rows_of(run / "log.csv")) == 4


def test_an_error_of_the_trainer_ends_the_experiment(tmp_path, capsys):
    assert experiment("upsampling", tmp_path / "out", "--iterations", "2", "--init", "nowhere.npz") == 2
    assert "nowhere.npz" in capsys.readouterr().err


def test_sampling_takes_more_pictures_for_fewer_places(tmp_path):
    assert experiment("sampling", tmp_path, "--iterations", "6") == 0
    rows = rows_of(tmp_path / "sampling.csv")
    assert [row["sample"] for row in rows] == ["p = 1", "p = 0.5", "p = 0.25"]
    for p, batch in (("1", 8), ("0.5", 16), ("0.25", 32)):
        text = (tmp_path / f"p-{p}-seed1" / "config.toml").read_text()
        assert f"batch_size = {batch}\n" in text and f"loss_sampling = {float(p)}\n" in text
    assert (tmp_path / "sampling.png").is_file()


def test_all_ways_of_learning_see_as_many_pictures(tmp_path):
    assert experiment("learning", tmp_path, "--iterations", "40") == 0
    rows = {row["learning"]: row for row in rows_of(tmp_path / "learning.csv")}
    assert [rows[way]["steps"] for way in ("accumulated", "matched", "heavy")] == ["2", "40", "40"]
    assert "iter_size = 20\n" in (tmp_path / "accumulated-seed1" / "config.toml").read_text()
    assert "momentum = 0.99\n" in (tmp_path / "heavy-seed1" / "config.toml").read_text()
    assert learning.PICTURES == 20


def test_upsampling_is_compared_in_all_kinds(tmp_path):
    assert experiment("upsampling", tmp_path, "--iterations", "1") == 0
    rows = rows_of(tmp_path / "upsampling.csv")
    assert [row["upsampling"] for row in rows] == [*models.UPSAMPLINGS]
    assert 'upsampling = "nonlinear"' in (tmp_path / "nonlinear-seed1" / "config.toml").read_text()


def test_backbones_counts_the_published_nets(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(backbones, "milliseconds", lambda name, arguments: 10.0 * arguments.size)
    assert experiment("backbones", tmp_path, "--iterations", "1", "--size", "40") == 0
    rows = {row["trunk"]: row for row in rows_of(tmp_path / "backbones.csv")}
    for trunk, (parameters, field) in {"AlexNet": (57, 355), "VGG16": (134, 404), "GoogLeNet": (6, 715)}.items():
        assert round(float(rows[trunk]["parameters, M"])) == parameters
        assert int(rows[trunk]["field"]) == field
        assert int(rows[trunk]["stride"]) == 32
        assert float(rows[trunk]["forward, ms"]) == 400
    assert "K40c" in capsys.readouterr().out


def test_forward_passes_are_timed(monkeypatch):
    tiny = models.build("fcn-alexnet", 21, "tiny", rng=np.random.default_rng(0))
    monkeypatch.setattr(models, "build", lambda *_, **__: tiny)
    taken = backbones.milliseconds("fcn-alexnet", argparse.Namespace(device="cpu", size=40, trials=2))
    assert 0.1 < taken < 10_000


def test_the_paper_s_figures_are_as_it_prints_them():
    """CVPR 2015, tables 1 and 2 and section 3.1."""
    assert [row[2] for row in ladder.PAPER.values()] == [45.4, 59.4, 62.4, 62.7]
    assert [row[3] for row in ladder.PAPER.values()] == [72.0, 81.4, 83.0, 83.2]
    assert {trunk: row["mean IU"] for trunk, row in backbones.PAPER.items()} == {
        "AlexNet": 39.8, "VGG16": 56.0, "GoogLeNet": 42.5,
    }  # fmt: skip
    assert dense.PAPER == {"forward": (1.2, 22.0), "backward": (2.4, 37.0)}


@pytest.mark.parametrize("text", ["1,x", "", "1,1", "-1", "1.5"])
def test_seeds_that_are_none(text, capsys, tmp_path):
    assert experiment("ladder", tmp_path / "out", "--seeds", text) == 2
    assert "--seeds" in capsys.readouterr().err
    with pytest.raises(Exception, match="whole numbers with commas between"):
        runs.seeds(text)
