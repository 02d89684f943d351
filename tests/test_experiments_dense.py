"""Section 3.1 and 3.2 as a command: counts and equalities, which do not depend on the machine."""

import csv

import numpy as np
import pytest

from minifcn import models
from minifcn.__main__ import main
from minifcn.experiments import dense
from minifcn.models.rarefaction import stitching_macs


def test_the_command_measures_and_compares(tmp_path, capsys):
    argv = ["--preset", "tiny", "--size", "360", "--trials", "1", "--factor", "2", "--out", str(tmp_path)]
    assert main(["experiments", "dense", *argv]) == 0
    printed = capsys.readouterr().out
    assert "6x6 scores of a picture of 360x360, or 36 crops of 227x227" in printed
    assert "times as fast  paper" in printed and "5.5" in printed and "6.5" in printed
    with open(tmp_path / "dense.csv", newline="") as file:
        rows = {row["pass"]: row for row in csv.DictReader(file)}
    assert float(rows["forward"]["times as fast"]) > 0 and float(rows["backward"]["grid, ms"]) > 0
    net = models.build("alexnet", 1000, "tiny")
    shape = (1, 3, 360, 360)
    assert float(rows["as it is"]["GMAC"]) == net.plan(shape).macs / 1e9
    assert float(rows["shift-and-stitch"]["GMAC"]) == stitching_macs(net, shape, 2) / 1e9
    assert float(rows["rarefaction"]["GMAC"]) == models.rarefied(net, 16).plan(shape).macs / 1e9
    assert rows["rarefaction"]["output"] == rows["shift-and-stitch"]["output"] == "11x11"
    assert (tmp_path / "dense.png").stat().st_size > 1000


def test_the_difference_to_patches_is_measured_and_not_assumed():
    """A net whose output depends on where it looks would show."""
    net = models.build("alexnet", 5, "tiny", rng=np.random.default_rng(0))
    x = 40 * np.random.default_rng(1).standard_normal((1, 3, 420, 420), dtype=np.float32)
    assert 0 <= dense._difference(net, x) < 1e-5
    forward = net.forward
    net.forward = lambda x: forward(x) * (1 + x.shape[2] / 1000)
    assert dense._difference(net, x) > 0.01
    net.forward = forward
    assert np.isnan(dense._difference(net, x[:, :, :300, :300])), "no receptive field fits: nothing to compare"


def test_the_paper_s_speedups():
    assert dense.speedup(dense.PAPER["forward"]) == pytest.approx(5.45, abs=0.01)
    assert dense.speedup(dense.PAPER["backward"]) == pytest.approx(6.49, abs=0.01)
