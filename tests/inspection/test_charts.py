"""Plots of experiments: what is in them, and that a file is a picture."""

import pytest
from matplotlib.figure import Figure
from PIL import Image

from minifcn.inspection import charts, plots


@pytest.fixture
def drawn(monkeypatch):
    """The figures, not written."""
    figures: list[Figure] = []
    monkeypatch.setattr(charts, "save", lambda figure, path: figures.append(figure))
    return figures


def test_lines_show_every_point_and_the_paper_s_in_grey(drawn):
    series = {"here": [(4, 99.0), (8, 97.0), (32, 80.0)], "paper": [(4, 98.5), (8, 96.4), (32, 86.1)]}
    charts.lines(series, "x.png", "factor", "mean IU, %", log_x=True)
    (axes,) = drawn[0].axes
    here, paper = axes.get_lines()
    assert here.get_xydata().tolist() == [[4, 99], [8, 97], [32, 80]]
    assert paper.get_color() == plots.GREY and here.get_color() != plots.GREY
    assert [text.get_text() for text in axes.get_xticklabels()] == ["4", "8", "32"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("factor", "mean IU, %")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["here", "paper"]


def test_panels_share_the_y_axis_and_have_their_own_x(drawn):
    parts = {"by steps": ({"a": [(1, 2)]}, "steps"), "by time": ({"a": [(0.5, 3)]}, "seconds")}
    charts.panels(parts, "x.png", "mean IU, %")
    left, right = drawn[0].axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("steps", "seconds")
    assert left.get_ylim() == right.get_ylim()


def test_bars_stand_in_groups_with_their_values_above_and_gaps_for_what_is_missing(drawn):
    charts.bars({"32s": {"here": 23.9, "paper": 59.4}, "8s": {"here": float("nan"), "paper": 62.7}}, "x.png", "mean IU")
    (axes,) = drawn[0].axes
    assert sorted(bar.get_height() for bar in axes.patches) == [23.9, 59.4, 62.7]
    assert {"23.9", "59.4", "62.7"} <= {text.get_text() for text in axes.texts}
    assert [text.get_text() for text in axes.get_xticklabels()] == ["32s", "8s"]


def test_a_file_is_a_picture_and_always_the_same(tmp_path):
    for name in ("one.png", "two.png"):
        charts.bars({"a": {"x": 1.0}}, tmp_path / name, "y")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert min(picture.size) > 300
