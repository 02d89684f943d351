"""`python -m minifcn.report`: what the page holds is what the other commands say, of every kind of run."""

import re
import shutil

import aboutruns
import numpy as np
import published
import pytest
from aboutruns import unpacked

from minifcn import data, evaluate, train
from minifcn.report.__main__ import main

EVIL = "</script><script>window.caught = 1</script><b a=\"'&amp;"


def test_the_page_holds_what_evaluate_says(tmp_path, capsys):
    run = aboutruns.a_run(tmp_path / "run")
    assert main([str(run)]) == 0
    told = capsys.readouterr().out
    assert evaluate.main([str(run / "weights.safetensors"), "--data", "shapes:size=40,val=5"]) == 0
    mean_iu = re.search(r"mean IU +([\d.]+)", capsys.readouterr().out)[1]
    assert f"mean IU {mean_iu}, pixel accuracy" in told
    text = (run / "report.html").read_text(encoding="utf-8")
    assert f"<strong>mean IU {mean_iu}</strong>" in text
    for said in ("4 of 4 steps", "5 pictures", "random weights", "sha256 ", "minifcn train --config", "NumPy"):
        assert said in text
    assert "not finished" not in text
    made = aboutruns.data_of(run / "report.html")
    (view,) = made["views"]
    assert view["classes"] == data.open_dataset("shapes", "val").classes
    matrix = unpacked(view["matrix"])
    assert matrix.shape == (7, 7) and 0 < matrix.sum() <= 5 * 40 * 40
    assert [p["group"] for p in view["pictures"]] == ["worst"] * 5  # none is left for the best
    scores = [p["mean_iu"] for p in view["pictures"]]
    assert scores == sorted(scores)
    np.testing.assert_array_equal(sum(unpacked(p["matrix"]) for p in view["pictures"]), matrix)
    curves = made["curves"]
    assert unpacked(curves["step"]).tolist() == [1, 2, 3, 4]
    assert unpacked(curves["loss"]).tolist() == pytest.approx([2, 1, 2 / 3, 0.5])
    (evaluated,) = curves["evaluations"]
    assert evaluated["steps"] == [2, 4]
    assert {line["key"]: line["values"] for line in evaluated["lines"]}["mean_iu"] == [0.25, 0.25]


def test_the_same_run_gives_the_same_bytes(tmp_path):
    run = aboutruns.a_run(tmp_path / "run")
    content = []
    for _ in range(2):
        assert main([str(run), "--limit", "2"]) == 0
        content.append((run / "report.html").read_bytes())
    assert content[0] == content[1]
    assert b"Scored on the first 2 pictures of 5." in content[0]


def test_another_split_is_taken_whole(tmp_path):
    run = aboutruns.a_run(tmp_path / "run", overfit=2, val_limit=1)
    for flags, count in ([], 2), (["--split", "val"], 5):
        assert main([str(run), *flags]) == 0
        assert f", {count} pictures: " in (run / "report.html").read_text(encoding="utf-8")


def test_names_that_want_to_be_html_stay_text(tmp_path):
    folder = aboutruns.hostile_folder(tmp_path / "pictures", EVIL)
    run = aboutruns.a_run(tmp_path / "run", data=f"folder:{folder}", val_split="train", overlap="allow")
    assert main([str(run), "--out", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>window" not in text and '<b a="' not in text
    made = aboutruns.data_of(tmp_path / "page.html")
    assert made["views"][0]["classes"] == [f"one{EVIL}", "two", "猫"]
    assert all("window.caught" in photo["name"] for photo in made["photos"])


def test_a_run_of_stages_shows_each(tmp_path, capsys):
    flags = ["--stages", "32s,8s", "--iterations", "1", "--batch-size", "1", "--data", "shapes:size=40,val=2"]
    assert train.main([*flags, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main([str(tmp_path / "run"), "--pictures", "1"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[:2]] == ["fcn32s", "fcn8s"]
    made = aboutruns.data_of(tmp_path / "run" / "report.html")
    assert [view["title"] for view in made["views"]] == ["fcn32s", "fcn8s"]
    assert made["curves"]["stages"] == [
        {"net": "fcn32s", "start": 0, "end": 1}, {"net": "fcn8s", "start": 1, "end": 2},
    ]  # fmt: skip
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert text.count('class="classes"') == 2
    assert "weights-fcn32s.safetensors" in text

    # A run that was made longer has weights of a time before that, and a checkpoint that is newer.
    log = tmp_path / "run" / "log.csv"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], ""]))
    assert main([str(tmp_path / "run"), "--pictures", "1"]) == 0
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "This run is not finished: 1 of 2 steps" in text
    log.write_text("\n".join([*lines, ""]))

    # What a run that is in its second stage has: the first stage's weights, and a checkpoint.
    (tmp_path / "run" / "weights.safetensors").unlink()
    assert main([str(tmp_path / "run"), "--pictures", "1"]) == 0
    again = aboutruns.data_of(tmp_path / "run" / "report.html")
    assert [view["matrix"] for view in again["views"]] == [view["matrix"] for view in made["views"]]
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "not finished" not in text
    assert "weights.safetensors is missing, though this run has made all of its 2 steps." in text
    assert "What is below is of the checkpoint of step 2." in text
    assert "fcn8s after step 2, from the checkpoint" in text

    # The first stage's weights are gone.
    first = tmp_path / "run" / "weights-fcn32s.safetensors"
    first.rename(tmp_path / "first")
    capsys.readouterr()
    assert main([str(tmp_path / "run"), "--pictures", "1"]) == 0
    assert [view["title"] for view in aboutruns.data_of(tmp_path / "run" / "report.html")["views"]] == ["fcn8s"]
    told = "weights-fcn32s.safetensors is missing: the stage fcn32s is left out"
    assert told in capsys.readouterr().out
    assert told in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "first").rename(first)

    # Its log without its last rows, one of them damaged.
    log.write_text("\n".join([*lines[:2], "x,y", "2,0.1"]))
    assert main([str(tmp_path / "run"), "--pictures", "1"]) == 0
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "1 of 2 steps" in text
    assert "log.csv: rows that cannot be read, and were passed over: 1" in text

    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"half")
    assert main([str(tmp_path / "run")]) == 2
    assert "checkpoint.safetensors" in capsys.readouterr().err
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    assert main([str(tmp_path / "run")]) == 0  # of the first stage alone
    assert len(aboutruns.data_of(tmp_path / "run" / "report.html")["views"]) == 1
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "1 of 2 steps. What is below is of weights-fcn32s.safetensors of step 1." in text


def test_a_run_that_was_killed_says_whose_step_it_shows(tmp_path):
    """The log knows of more steps than the checkpoint, whose weights they are."""
    run = tmp_path / "run"
    assert (
        train.main(["--iterations", "2", "--batch-size", "1", "--data", "shapes:size=40,val=2", "--out", str(run)]) == 0
    )
    (run / "weights.safetensors").unlink()
    config = run / "config.toml"
    config.write_text(config.read_text().replace("iterations = 2", "iterations = 2000"))
    lines = (run / "log.csv").read_text().splitlines()
    (run / "log.csv").write_text("\n".join([*lines, "3" + lines[-1][1:], ""]))
    assert main([str(run), "--pictures", "1"]) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "This run is not finished: 3 of 2,000 steps. What is below is of the checkpoint of step 2." in text
    (run / "log.csv").unlink()
    assert main([str(run), "--pictures", "1"]) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "This run is not finished: 2 or more of 2,000 steps. What is below is of the checkpoint of step 2." in text


def test_a_run_without_a_log_has_no_curves(tmp_path):
    run = aboutruns.a_run(tmp_path / "run")
    (run / "log.csv").unlink()
    assert main([str(run), "--rank", "pixel-accuracy"]) == 0
    assert aboutruns.data_of(run / "report.html")["curves"] is None
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "log.csv is missing: there are no curves" in text
    assert 'id="charts"' not in text
    assert "Ordered by pixel accuracy" in text


def test_several_tasks_have_a_view_each(tmp_path):
    spec = f"siftflow:{published.siftflow(tmp_path)}"
    run = aboutruns.a_run(tmp_path / "run", data=spec, val_split="test", split="trainval")
    assert main([str(run)]) == 0
    sem, geo = aboutruns.data_of(run / "report.html")["views"]
    assert (sem["title"], geo["title"], len(sem["classes"]), len(geo["classes"])) == ("sem", "geo", 33, 3)
    curves = aboutruns.data_of(run / "report.html")["curves"]["evaluations"]
    assert [(each["task"], each["lines"][-1]["values"]) for each in curves] == [
        ("sem", [0.25] * 2),
        ("geo", [0.025] * 2),
    ]
    assert "of sem" in (run / "report.html").read_text(encoding="utf-8")  # the head tells of the first task
    (photo,) = aboutruns.data_of(run / "report.html")["photos"]
    assert [truth["shape"] for truth in photo["truths"]] == [[4, 6], [4, 6]]


@pytest.mark.parametrize("net", ["fcn32s-rgbd", "fcn32s-hha"])
def test_nets_that_see_more_than_colours(net, tmp_path):
    run = aboutruns.a_run(tmp_path / "run", data=f"nyud:{published.nyud(tmp_path)}", net=net)
    assert main([str(run)]) == 0
    (view,) = aboutruns.data_of(run / "report.html")["views"]
    assert unpacked(view["matrix"]).sum() > 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return aboutruns.a_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out", "page.txt"], "expected the name of an HTML file"),
        (["--out", "nowhere/page.html"], "there is no folder nowhere"),
        (["--data", "shapez"], "did you mean"),
        (["--split", "tests"], "there are train, val (as --split tests says)"),
        (["--data", "camvid:nowhere"], "nowhere: no such folder"),
        (["--pictures", "0"], "at least 1"),
        (["--rank", "mood"], "mean-iu"),
        (["--memory-limit", "1M"], "--memory-limit"),
    ],
)
def test_refuses_with_one_message_and_no_page(flags, message, finished, capsys):
    assert main([str(finished), *flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert message in err
    assert not (finished / "report.html").exists()


def test_refuses_what_is_no_run(tmp_path, capsys):
    (tmp_path / "w.safetensors").write_text("a file")
    for path, message in [
        (tmp_path / "no", "no such folder"),
        (tmp_path, "it has no config.toml"),
        (tmp_path / "w.safetensors", "is a file; expected the folder of a run"),
    ]:
        assert main([str(path)]) == 2
        assert message in capsys.readouterr().err


def test_refuses_a_run_without_a_net(tmp_path, capsys):
    run = aboutruns.a_run(tmp_path / "run")
    (run / "weights.safetensors").unlink()
    assert main([str(run)]) == 2
    assert "has neither weights.safetensors nor checkpoint.safetensors" in capsys.readouterr().err


def test_refuses_weights_that_do_not_fit(tmp_path, capsys):
    run = aboutruns.a_run(tmp_path / "run")
    other = aboutruns.a_run(tmp_path / "other", net="fcn32s")
    shutil.copy(other / "weights.safetensors", run)
    assert main([str(run)]) == 2
    assert "holds fcn32s, but the run trains fcn8s" in capsys.readouterr().err
    folder = aboutruns.hostile_folder(tmp_path / "pictures", "")
    assert main([str(other), "--data", f"folder:{folder}", "--split", "train"]) == 2
    assert "3 classes, but the net was made for 7" in capsys.readouterr().err


def test_data_that_have_moved_are_told_with_what_to_do(tmp_path, capsys):
    folder = aboutruns.hostile_folder(tmp_path / "pictures", "")
    run = aboutruns.a_run(tmp_path / "run", data=f"folder:{folder}", val_split="train", overlap="allow")
    folder.rename(tmp_path / "moved")
    assert main([str(run)]) == 2
    assert "if the data lie elsewhere now: --data KIND:DIR" in capsys.readouterr().err
    assert main([str(run), "--data", f"folder:{tmp_path / 'moved'}"]) == 0
    assert len(aboutruns.data_of(run / "report.html")["photos"]) == 3
