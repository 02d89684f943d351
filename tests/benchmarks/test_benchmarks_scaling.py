"""The arithmetic of training on many processes, and that the page shows what its commands print."""

import re
from pathlib import Path

import pytest

from benchmarks import scaling_model, tables
from benchmarks.results import read
from benchmarks.scaling_model import Anatomy, Network, allreduce_seconds, step_seconds, with_pictures
from minifcn.distributed.gradients import PARCEL, SMALL

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
LINK = Network("1 MB/s, 1 ms", 1e6, 1e-3)
MB = 10**6


def test_a_ring_hands_on_parts_and_doubling_the_whole():
    # 4 processes: 6 rounds of 0.25 MB; 2 rounds of the whole
    assert allreduce_seconds(MB, 4, LINK) == pytest.approx(6 * (0.001 + 0.25))
    assert allreduce_seconds(100, 4, LINK) == pytest.approx(2 * (0.001 + 0.0001))
    assert allreduce_seconds(100, 5, LINK) == pytest.approx(3 * (0.001 + 0.0001))


def test_sums_hide_behind_the_layers_that_are_still_to_come():
    link = Network("", 1e6, 0.0)
    anatomy = Anatomy(1, 1.0, [(1.0, 2 * MB), (5.0, 0), (1.0, MB)], 0.5)
    # two processes: a ring takes a second for each MB. The first sum runs from 2 to 4, hidden; the last from 8 to 9
    assert step_seconds(anatomy, 2, link) == pytest.approx((9.5, 1.0))
    assert step_seconds(anatomy, 1, link) == pytest.approx((8.5, 0.0))
    # one after the other: ready at 2 and 3, done at 2 + 8 and 10 + 1
    assert step_seconds(Anatomy(1, 1.0, [(1.0, 8 * MB), (1.0, MB)], 0.0), 2, link) == pytest.approx((11.0, 8.0))


def test_small_gradients_travel_together():
    link = Network("", 1e12, 1.0)  # only messages cost: doubling's one for two processes
    few = Anatomy(1, 0.0, [(0.0, SMALL - 1)] * 3, 0.0)
    assert step_seconds(few, 2, link)[0] == pytest.approx(1.0, abs=1e-3)
    many = Anatomy(1, 0.0, [(0.0, SMALL - 1)] * (2 * PARCEL // SMALL), 0.0)
    assert step_seconds(many, 2, link)[0] == pytest.approx(2.0, abs=1e-3)


def test_what_pictures_do_not_shorten_stays():
    one, half = Anatomy(2, 4.0, [(3.0, 8), (1.0, 0)], 0.5), Anatomy(1, 3.0, [(1.0, 8), (1.2, 0)], 0.5)
    assert with_pictures(one, half, 2) == Anatomy(2, 4.0, [(3.0, 8), (1.2, 0)], 0.5)
    assert with_pictures(one, half, 4) == Anatomy(4, 6.0, [(7.0, 8), (1.2, 0)], 0.5)
    assert with_pictures(one, half, 0).layers[0] == (0.0, 8)  # and not less


def test_a_table_of_scaling():
    def row(key, processes, threads, pictures, seconds):
        return {"case": "net", "key": key, "processes": processes, "threads": threads, "pictures": pictures,
                "seconds": [seconds, 9.0, seconds], "waits": [0.001] * (processes > 1)}  # fmt: skip

    one, half, strong = tables.scaling(
        [row("one", 1, 1, 4, 2.0), row("one, half", 1, 1, 2, 1.5), row("two", 2, 1, 4, 1.25)]
    )
    assert (one["times one"], one["efficiency"], one["pictures/s"]) == ("1.00", "100 %", "2.00")
    assert (half["times one"], strong["times one"], strong["efficiency"]) == ("0.67", "1.60", "80 %")
    assert (one["waiting for sums, ms"], strong["waiting for sums, ms"]) == ("", "1.00")


@pytest.mark.parametrize("flags", re.findall(r"<!-- python -m benchmarks\.scaling_model(.*?) -->", PAGE))
def test_the_page_shows_what_the_command_prints(flags, capsys):
    assert scaling_model.main(flags.split()) == 0
    assert f"scaling_model{flags} -->\n\n{capsys.readouterr().out}" in PAGE


def test_the_page_shows_what_was_measured():
    from benchmarks import report

    rows, _ = report._rows(ROOT / "benchmarks" / "results", "scaling")
    assert tables.markdown(tables.scaling(rows)) in PAGE
    assert len(rows) == len(read(ROOT / "benchmarks" / "results" / "scaling.json")["rows"]) == 15


@pytest.mark.parametrize(
    ("flags", "told"),
    [("--only nonsense", "nothing measured of 'nonsense'"), ("--faster 0", "--faster expects a number above 0")],
)
def test_what_the_model_refuses(flags, told, capsys):
    assert scaling_model.main(flags.split()) == 2
    assert told in capsys.readouterr().err
