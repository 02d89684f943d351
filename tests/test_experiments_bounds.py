"""Appendix A on label maps whose bounds can be worked out by hand."""

import csv

import numpy as np
import pytest
from PIL import Image

from minifcn.__main__ import main
from minifcn.data.pictures import write_label
from minifcn.experiments import bounds, report
from tests.shared import shared_path

LABEL = np.array(
    [
        [1, 1, 0, 0, 2],
        [1, 0, 0, 2, 2],
        [0, 0, 255, 255, 2],
        [3, 255, 255, 255, 1],
    ],
    np.uint8,
)


def test_the_three_ways_by_hand():
    """Blocks of 2x2; the last column's are 2x1. The middle of a block is its lower right pixel."""
    assert bounds.nearest(LABEL, 4, 2).tolist() == [[0, 0, 2, 2, 2], [0, 0, 2, 2, 2], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]
    majority = bounds.majority(LABEL, 4, 2).tolist()
    assert majority == [[1, 1, 0, 0, 2], [1, 1, 0, 0, 2], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]
    shares = bounds.block_shares(LABEL, 4, 2)
    assert shares[:, 0, 0].tolist() == [0.25, 0.75, 0, 0]
    assert shares[:, 1, 0] == pytest.approx([2 / 3, 0, 0, 1 / 3])  # the ignored pixel does not count
    assert shares[:, 1, 1].tolist() == [0, 0, 0, 0]


def test_soft_interpolates_the_shares():
    """Two halves, cut in the middle of a block: the shares know where, and the border comes back where it was."""
    label = np.zeros((16, 48), np.uint8)
    label[:, 22:] = 5
    assert (bounds.soft(label, 6, 8) == label).mean() > 0.975
    assert (bounds.majority(label, 6, 8) == label).mean() < 0.965


@pytest.mark.parametrize("way", bounds.WAYS.values())
def test_at_factor_1_nothing_is_lost(way):
    counted = LABEL != 255
    np.testing.assert_array_equal(way(LABEL, 4, 1)[counted], LABEL[counted])


def test_the_command_reads_label_pngs_of_any_kind(tmp_path, capsys):
    folder = tmp_path / "labels"
    folder.mkdir()
    label = np.zeros((40, 30), np.uint8)
    label[5:25, 10:20] = 15
    label[30:, :4] = 255
    write_label(folder / "palette.png", label)
    Image.fromarray(label).save(folder / "grey.png")
    with Image.open(folder / "palette.png") as picture:
        picture.convert("RGB").save(folder / "colours.png")
    (folder / "notes.txt").write_text("not a label map")
    assert main(["experiments", "bounds", "--data", f"labels:{folder}", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "3 label maps" in printed and "paper (VOC)" in printed and "closest" in printed
    with open(tmp_path / "out" / "bounds.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["factor"]) for row in rows] == [128, 64, 32, 16, 8, 4]
    for how in bounds.WAYS:
        values = [float(row[how]) for row in rows]
        assert values == sorted(values) or how == "nearest"
        assert values[-1] > 80
    assert float(rows[2]["paper (VOC)"]) == 86.1
    with Image.open(tmp_path / "out" / "bounds.png") as plot:
        assert plot.size[0] > 300
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"bounds.csv", "bounds.png"}


def test_a_data_set_will_do(tmp_path, capsys):
    assert main(["experiments", "bounds", "--data", "shapes:size=32,val=3", "--out", str(tmp_path)]) == 0
    assert "3 label maps" in capsys.readouterr().out


def test_on_real_labels_of_voc_the_order_and_the_size_of_the_figures_are_the_paper_s(tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    for path in sorted(shared_path("data/voc_labels").glob("*.png"))[::5]:
        (folder / path.name).write_bytes(path.read_bytes())
    assert main(["experiments", "bounds", "--data", f"labels:{folder}", "--out", str(tmp_path)]) == 0
    with open(tmp_path / "bounds.csv", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        assert row["nearest"] < row["majority"] < row["soft"] or row["factor"] == 4
        assert row["factor"] > 16 or abs(row["soft"] - row["paper (VOC)"]) < 4


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["bounds", "--data", "labels:nowhere"], "expected labels:DIR"),
        (["bounds", "--data", "labels:"], "expected labels:DIR"),
        (["bounds", "--data", "labels:EMPTY"], "holds no .png file"),
        (["bound"], "unknown experiment 'bound'; did you mean 'bounds'"),
        (["bounds", "--dta", "shapes"], "--data"),
    ],
)
def test_bad_input_is_told(argv, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    assert main(["experiments", *argv]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_help_teaches(capsys):
    for argv in ([], ["--help"], ["bounds", "--help"]):
        with pytest.raises(SystemExit):
            main(["experiments", *argv])
    printed = capsys.readouterr().out
    for word in ("ladder", "table 2", "appendix A", "labels:DIR", "majority", "exit status"):
        assert word in printed


def test_a_table_has_dashes_for_what_is_not_there(tmp_path):
    rows = [{"net": "a", "x": 1.25, "n": 1234567}, {"net": "b", "x": float("nan"), "paper": 3.0}]
    lines = report.table(rows).splitlines()
    assert lines[0].split() == ["net", "x", "n", "paper"]
    assert lines[1].split() == ["a", "1.2", "1,234,567", "-"]
    assert lines[2].split() == ["b", "-", "-", "3.0"]
    report.write_csv(rows, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text().splitlines() == ["net,x,n,paper", "a,1.25,1234567,", "b,nan,,3.0"]


def labels_of(folder, *values: int) -> str:
    folder.mkdir()
    write_label(folder / "a.png", np.array(values, np.uint8).reshape(1, -1))
    return f"labels:{folder}"


def test_what_labels_cannot_tell_is_not_claimed(tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert main(["experiments", "bounds", *out, "--data", labels_of(tmp_path / "ignored", 255, 255)]) == 2
    assert "every pixel of its labels is ignored (255)" in capsys.readouterr().err
    assert main(["experiments", "bounds", *out, "--data", labels_of(tmp_path / "one", 3, 3)]) == 0
    assert "nearest and majority and soft come equally close" in capsys.readouterr().out
    assert main(["experiments", "bounds", *out, "--data", labels_of(tmp_path / "others", 3, 30)]) == 0
    told = capsys.readouterr().out
    assert "the paper's figures are for VOC's 21 classes; these labels have 31" in told and "distance" not in told
    assert main(["experiments", "bounds", *out, "--data", str(tmp_path / "one")]) == 2
    assert f"did you mean labels:{tmp_path / 'one'}" in capsys.readouterr().err
