"""Turns, comparisons and the smoke check, with opponents whose seconds and results are planted."""

import numpy as np
import pytest

from benchmarks import cases, smoke
from benchmarks.duel import MOST_RUNS, TURN_SECONDS, duel
from benchmarks.figures import ratio
from benchmarks.opponents import Absent
from minifcn.errors import MinifcnError

CASE = cases.ops()[0]


class Planted:
    """An opponent that writes down when it is asked, and says what it was told to say."""

    def __init__(self, name, seconds, diary=None, result=1.0, absent=""):
        self.name, self.told, self.diary, self.result, self.absent = name, seconds, diary, result, absent
        self.runs = []

    def prepare(self, case):
        if self.absent:
            raise Absent(self.absent)

    def results(self):
        return {"result 0": np.full((2, 3), self.result, np.float32)}

    def seconds(self, runs):
        self.runs.append(runs)
        if self.diary is not None:
            self.diary.append(self.name)
        return self.told[min(len(self.runs), len(self.told)) - 1]


def two(ours, theirs, **more):
    diary = []
    return {"minifcn": Planted("A", ours, diary), "pytorch": Planted("B", theirs, diary, **more)}, diary


def test_opponents_take_turns():
    opponents, diary = two([1.0], [2.0])
    duel(CASE, opponents, repeats=3)
    assert "".join(diary) == "AABB" + "ABABAB"  # a warm-up and a look at how long a run is; then the turns


def test_warm_up_turns_do_not_count_and_ratios_are_taken_turn_by_turn():
    opponents, _ = two([100.0, 100.0, 1.0, 10.0, 3.0], [100.0, 100.0, 2.0, 20.0, 2.0])
    row = duel(CASE, opponents, repeats=3)
    assert row["seconds"] == {"minifcn": [1.0, 10.0, 3.0], "pytorch": [2.0, 20.0, 2.0]}
    assert ratio(*row["seconds"].values()) == (0.5, 0.5, 1.5)  # and not 3.0 / 2.0, the ratio of medians


def test_short_runs_are_repeated_within_a_turn_each_opponent_s_own_number_of_times():
    opponents, _ = two([1e-3], [10.0])
    duel(CASE, opponents, repeats=1)
    assert opponents["minifcn"].runs == [1, 1, round(TURN_SECONDS / 1e-3)]
    assert opponents["pytorch"].runs == [1, 1, 1]
    opponents, _ = two([0.0], [10.0])
    duel(CASE, opponents, repeats=1)
    assert opponents["minifcn"].runs[-1] == MOST_RUNS


def test_opponents_that_disagree_are_an_error_and_no_clock_runs():
    opponents, diary = two([1.0], [1.0], result=1.01)
    with pytest.raises(MinifcnError, match=r"pytorch and minifcn do not compute the same: they differ by 9\.9e-03"):
        duel(CASE, opponents, repeats=1)
    assert diary == []


def test_results_that_are_not_numbers_are_no_agreement():
    opponents, _ = two([1.0], [1.0], result=float("nan"))
    with pytest.raises(MinifcnError, match="do not compute the same"):
        duel(CASE, opponents, repeats=1)


def test_of_what_is_drawn_at_random_the_means_are_compared():
    (dropout,) = (case for case in cases.ops() if case.random and case.part == "forward")
    opponents, _ = two([1.0], [1.0], result=-1.001)
    assert duel(dropout, opponents, repeats=1)["difference"]["pytorch"] == pytest.approx(1e-3, rel=0.01)
    opponents, _ = two([1.0], [1.0], result=1.1)
    with pytest.raises(MinifcnError):
        duel(dropout, opponents, repeats=1)


def test_who_cannot_do_a_case_is_left_out_with_the_reason():
    opponents, diary = two([1.0], [1.0], absent="has no ceil mode")
    row = duel(CASE, opponents, repeats=2)
    assert row["absent"] == {"pytorch": "has no ceil mode"}
    assert list(row["seconds"]) == ["minifcn"] and set(diary) == {"A"}


@pytest.mark.parametrize(("ours", "status", "verdict"), [(0.019, 0, "passed"), (0.021, 1, "TOO SLOW")])
def test_the_smoke_check_is_red_when_ours_is_more_than_twice_as_slow(ours, status, verdict, capsys):
    opponents, _ = two([ours], [0.010])
    assert smoke.judge(opponents, repeats=3) == status
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].endswith(verdict)
    assert f"ratio {ours / 0.010:.2f}" in lines[0]
