"""The check of .ci/run, in under a minute: is the tiny net's forward pass as fast as it should be beside PyTorch's?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import median

from benchmarks import cases
from benchmarks.duel import Runner, duel
from benchmarks.figures import ratio
from benchmarks.opponents import Absent, Opponent, Setting
from benchmarks.tables import number

#: The largest ratio of minifcn's time to PyTorch's that passes.
LIMIT = 2.0
REPEATS = 21


def run(setting: Setting) -> int:
    """Prints a line for each case; exit status 1 if one is over the limit, 0 if not, or if there is no PyTorch."""
    with ExitStack() as stack:
        ours = stack.enter_context(Opponent("minifcn", setting))
        try:
            theirs = stack.enter_context(Opponent("pytorch", setting))
        except Absent as error:
            print(f"smoke: skipped, PyTorch: {error}")
            return 0
        return judge({"minifcn": ours, "pytorch": theirs})


def judge(opponents: Mapping[str, Runner], repeats: int = REPEATS) -> int:
    """The same, of opponents that are there."""
    passed = True
    for line, good in _lines(opponents, repeats):
        print(line, flush=True)
        passed &= good
    return 0 if passed else 1


def _lines(opponents: Mapping[str, Runner], repeats: int) -> Iterator[tuple[str, bool]]:
    for case in cases.smoke():
        seconds = duel(case, opponents, repeats)["seconds"]
        ours, theirs = (seconds[name] for name in opponents)
        found = ratio(ours, theirs)
        good = found.median <= LIMIT
        yield (
            f"smoke: {case.name}: {number(1e3 * median(ours))} ms, PyTorch {number(1e3 * median(theirs))} ms, "
            f"ratio {found.median:.2f} ({found.least:.2f}-{found.most:.2f}), at most {LIMIT}: "
            + ("passed" if good else "TOO SLOW"),
            good,
        )
