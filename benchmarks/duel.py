"""One case, all opponents: compare what they compute, then let them take turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from benchmarks.cases import Case
from benchmarks.opponents import Absent
from minifcn.errors import MinifcnError

#: A turn lasts at least about so long; short runs are repeated within it, so that the clock is not what is measured.
TURN_SECONDS = 0.03
MOST_RUNS = 500

Tick = Callable[[], None]


class Runner(Protocol):
    """What a duel needs of an opponent: see `opponents.Opponent`."""

    def prepare(self, case: Case) -> None: ...

    def results(self) -> dict[str, np.ndarray]: ...

    def seconds(self, runs: int) -> float: ...


def duel(case: Case, opponents: Mapping[str, Runner], repeats: int, tick: Tick = lambda: None) -> dict[str, Any]:
    """The row of a case: {"case", "macs", "seconds": {name: [of each turn]}, "difference": {name: x}, "absent"}.

    The first opponent is ours. Raises MinifcnError if another's results differ from its.
    """
    absent: dict[str, str] = {}
    there: dict[str, Runner] = {}
    for name, opponent in opponents.items():
        try:
            opponent.prepare(case)
            there[name] = opponent
        except Absent as error:
            absent[name] = str(error)
    row = {"case": case.name, "macs": case.macs, "difference": compare(case, there)}
    return {**row, "seconds": turns(list(there.values()), list(there), repeats, tick), "absent": absent}


def compare(case: Case, opponents: Mapping[str, Runner]) -> dict[str, float]:
    """How far each opponent's results are from those of the first: the norm of the difference over that of the result,
    the largest of all arrays. MinifcnError if it is beyond the case's tolerance."""
    ours, found = None, {}
    for name, opponent in opponents.items():
        results = opponent.results()
        if ours is None:
            ours = results
            continue
        found[name] = max(_difference(case, key, ours[key], value) for key, value in results.items())
        if not found[name] <= case.tolerance:
            raise MinifcnError(
                f"{case.name}: {name} and {next(iter(opponents))} do not compute the same: they differ by "
                f"{found[name]:.1e} of their size, and {case.tolerance:.0e} is allowed"
            )
    return found


def turns(opponents: Sequence[Runner], names: Sequence[str], repeats: int, tick: Tick) -> dict[str, list[float]]:
    """Seconds of a run in each turn: A B A B ..., after one turn that warms up and one that tells how long a run is."""
    runs = []
    for opponent in opponents:
        opponent.seconds(1)
        runs.append(min(MOST_RUNS, math.ceil(TURN_SECONDS / max(opponent.seconds(1), 1e-9))))
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for opponent, name, count in zip(opponents, names, runs, strict=True):
            found[name].append(opponent.seconds(count))
        tick()
    return found


def _difference(case: Case, key: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        raise MinifcnError(f"{case.name}: {key} has shapes {ours.shape} and {theirs.shape}")
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if case.random:
        a, b = np.abs(a).mean(keepdims=True), np.abs(b).mean(keepdims=True)
    return float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-30))
