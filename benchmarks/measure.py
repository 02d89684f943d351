"""The subjects: each measures its cases with all opponents, and keeps a row of each as soon as it is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tqdm import tqdm

from benchmarks import cases, machine, memory, scaling, training
from benchmarks.cases import Case, NetCase
from benchmarks.duel import duel
from benchmarks.engines import ENGINES
from benchmarks.opponents import Absent, Opponent, Setting
from benchmarks.results import Results
from minifcn import models
from minifcn.errors import ConfigError

T = TypeVar("T", bound=Any)


class Options(NamedTuple):
    """What the command line says. side: of the full-width nets' pictures. only: part of the names to measure."""

    setting: Setting
    engines: Sequence[str]
    repeats: int
    out: Path
    only: str = ""
    side: int = 500
    steps: int | None = None


def ops(options: Options) -> None:
    """Each operation, all in one process an opponent: there are many, and each is short."""
    with _opponents(options) as opponents:
        _duels("ops", _chosen(options, cases.ops()), opponents, options)


def nets(options: Options) -> None:
    """Whole nets, each in fresh processes, so that none finds the memory as another left it."""
    for case in _chosen(options, map(_counted, cases.nets(options.side))):
        with _opponents(options) as opponents:
            _duels("nets", [case], opponents, options)


def peaks(options: Options) -> None:
    """The peak memory of each net, in fresh processes."""
    with _opponents(options) as opponents:
        engines, results = list(opponents), _results("memory", opponents, options)
    for case in _progress(_chosen(options, cases.memory(options.side)), "memory"):
        found, absent = _peaks(case, engines, options.setting)
        results.add(memory.row(case, found, absent, options.setting, machine.commit()))


def growth(options: Options) -> None:
    """Time and memory of nets that grow in one way at a time."""
    points = cases.growth(options.setting.threads, most=1024 if options.side == 500 else 256)
    for point in _progress(_chosen(options, points, lambda p: f"{p.axis}: {p.case.name}"), "growth"):
        case = _counted(point.case)
        setting = options.setting._replace(threads=point.threads)
        with _opponents(options, setting) as opponents:
            row = duel(case, opponents, options.repeats)
            results = _results("growth", opponents, options)
        found, absent = _peaks(case, list(opponents), setting)
        row |= {"key": point.axis, "axis": point.axis, "units": point.units or case.macs, "peak": found}
        row |= {"threads": point.threads, "commit": machine.commit(), "absent": row["absent"] | absent}
        results.add(row)


def train(options: Options) -> None:
    """The default training run, of minifcn alone."""
    with _opponents(options._replace(engines=("minifcn",))) as opponents:
        results = _results("train", opponents, options)
    row = training.run(options.steps, options.setting.threads)
    commit = machine.commit()
    case = f"minifcn train, {row['steps']} steps"
    results.add({"case": case, "threads": options.setting.threads, "commit": commit, "key": commit, **row})


def scale(options: Options) -> None:
    """Training steps on one process and on two."""
    with _opponents(options._replace(engines=("minifcn",))) as opponents:
        described = machine.describe(opponents.values(), options.setting) | {"MPI": scaling.library()}
    results = Results(options.out, "scaling", described)
    for subject in _progress(_chosen(options, scaling.SUBJECTS), "scaling"):
        for row in scaling.measure(subject._replace(turns=1) if options.side < 500 else subject):
            results.add({**row, "commit": machine.commit()})


def _duels(subject: str, chosen: Sequence[Case], opponents: dict[str, Opponent], options: Options) -> None:
    """The machine's rate of products first, then the cases, which are told as shares of it."""
    results = _results(subject, opponents, options)
    common = {"threads": options.setting.threads, "commit": machine.commit(), "rate": 0.0}
    for threads in dict.fromkeys((1, options.setting.threads)):
        for opponent in opponents.values():
            opponent.set_threads(threads)
        row = duel(cases.product(threads), opponents, options.repeats)
        common["rate"] = max(row["macs"] / min(seconds) for seconds in row["seconds"].values())
        results.add({**row, **common})
    with tqdm(total=len(chosen) * options.repeats, desc=subject, unit="turn", disable=not sys.stderr.isatty()) as bar:
        for case in chosen:
            bar.set_postfix_str(case.name)
            row = duel(case, opponents, options.repeats, bar.update)
            results.add({**row, **common})


def _peaks(case: NetCase, engines: Sequence[str], setting: Setting) -> tuple[dict[str, Any], dict[str, str]]:
    found, absent = {}, {}
    for engine in engines:
        try:
            found[engine] = memory.peak(engine, case, setting)
        except Absent as error:
            absent[engine] = str(error)
    return found, absent


@contextmanager
def _opponents(options: Options, setting: Setting | None = None) -> Iterator[dict[str, Opponent]]:
    """Every engine that is here, by name; of the others, why not, once."""
    with ExitStack() as stack:
        found = {}
        for engine in options.engines:
            try:
                found[engine] = stack.enter_context(Opponent(engine, setting or options.setting))
            except Absent as error:
                if engine == options.engines[0]:
                    raise
                _tell_once(f"{ENGINES[engine]} takes no part: {error}")
        yield found


@cache
def _tell_once(text: str) -> None:
    print(text, file=sys.stderr)


def _results(subject: str, opponents: dict[str, Opponent], options: Options) -> Results:
    return Results(options.out, subject, machine.describe(opponents.values(), options.setting))


def _chosen(options: Options, every: Iterable[T], name: Callable[[T], str] = lambda case: case.name) -> list[T]:
    """Those with `options.only` in their names."""
    cases = list(every)
    found = [case for case in cases if options.only in name(case)]
    if not found:
        names = "\n  ".join(dict.fromkeys(map(name, cases)))
        raise ConfigError(f"--only {options.only!r}: no case has this in its name; there are\n  {names}")
    return found


def _counted(case: NetCase) -> NetCase:
    """The case with its multiply-accumulates: those of the forward pass, and twice as many more of a backward pass."""
    macs = models.build(case.net, cases.CLASSES, case.preset, case.input_padding).plan(case.shape).macs
    return case._replace(macs=macs * (3 if case.part == "step" else 1))


def _progress(every: Sequence[Any], subject: str) -> Any:
    return tqdm(every, desc=subject, unit="case", disable=not sys.stderr.isatty())
