"""The process in which one student's code runs: limited, timed, its prints thrown away, its results a line each.

This stops accidents, not attackers: code that means to can do here whatever the process may do, and change the very
functions that compare. A container, as Gradescope has one for each submission, protects files and other students from
it, not the grade: whoever gives points reads what is handed in.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from json import dumps, loads
from pathlib import Path
from typing import Any, TextIO

from . import submitted
from .expected import Wrong
from .outline import Outcome
from .questions import Sheet, Trial
from .report import said

FILE_BYTES = 1 << 26
#: Of the processor, for all that this process does: only if whoever marks has died meanwhile, and nobody else stops it.
ALL_SECONDS = 1200
#: How often as long a case may take by the clock as by the processor: code that waits gets nowhere, either.
CLOCK = 3
#: What the further cases of a question have, as a part of a case's time, once one has taken too long.
AFTERWARDS = 0.05
#: Nobody needs more for convolutions; a `fork` in a loop would take the machine.
PROCESSES = 32
#: Of calls within calls, whatever `sys.setrecursionlimit` is asked for: a recursion that does not end would go on until
#: the memory does, and leave none to stop in.
DEPTH = 10_000
_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}


class TooLong(BaseException):
    """A case took longer than it may. No Exception, so that `except Exception` in the student's loop lets it pass."""


def main(arguments: list[str]) -> None:
    """BUNDLE MINE SECONDS MEMORY PLAN PARENT [record]: run the cases of the bundle on the files in MINE.

    PARENT: the process that marks, which this one does not outlive.

    PLAN, JSON: what was found before, if an earlier process had to be stopped. `refused`: files that are not imported
    again, with why; `first`: the case to go on at; `stopped`: why that one, and so its question, has come to its end.
    """
    bundle, mine = Path(arguments[0]), Path(arguments[1])
    seconds, memory, plan = float(arguments[2]), int(arguments[3]), loads(arguments[4])
    _die_with(int(arguments[5]))
    tell = _Teller()
    _limit(memory)
    submitted.take_from(mine)
    sheet = Sheet(bundle, recording=arguments[6:] == ["record"])
    sys.addaudithook(_few_processes(os.getpid()))
    for name in sheet.files:
        _import(tell, name, seconds, plan["refused"])
    _cases(tell, sheet, seconds, plan)
    if sheet.recording:
        _save(sheet, bundle)
    try:
        proof: Any = submitted.fingerprint([Path(name).stem for name in sheet.files])
    except Wrong as wrong:
        proof = {"refused": str(wrong)}
    tell({"proof": proof})
    os._exit(0)  # whatever threads or exit handlers the student's code has left


class _Teller:
    """Lines to whoever marks, through what was the standard output; prints of the student's go nowhere.

    A copy of this process, made by `os.fork` in the student's code, ends where it would tell something.
    """

    def __init__(self) -> None:
        self._told: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._owner = os.getpid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)

    def __call__(self, line: dict[str, Any]) -> None:
        if os.getpid() != self._owner:
            os._exit(0)
        self._told.write(dumps(line) + "\n")
        self._told.flush()


def _import(tell: _Teller, file: str, seconds: float, refused: dict[str, str]) -> None:
    """Import one of the student's files, if it is there; what goes wrong is told by each case that needs it."""
    name = Path(file).stem
    if file in refused:
        submitted.refuse(name, Wrong(f"{file} cannot be imported: {refused[file]}"))
        return
    tell({"began": file})
    try:
        _within(seconds, submitted.load, name)
    except TooLong as late:
        submitted.refuse(name, Wrong(f"{file} cannot be imported: {late}"))
    except BaseException:  # kept, and raised again where it is used
        pass


def _cases(tell: _Teller, sheet: Sheet, seconds: float, plan: dict[str, Any]) -> None:
    """All outcomes from the case `first` on. Once a case of a question was too long, the others have less time."""
    late = ""  # the question of the case that took too long
    lost = ""  # the question whose case ended the process before this one
    for k, trial in enumerate(sheet.trials):
        if k < plan["first"]:
            continue
        if plan["stopped"] and k == plan["first"]:
            lost = trial.question.key
            text = f"{plan['stopped']}; the question's further cases were not tried"
            tell({"case": k, "outcome": _failed(trial, text)})
        elif lost == trial.question.key:
            before = sheet.trials[plan["first"]].case.title
            tell({"case": k, "outcome": _failed(trial, f"not tried, after case {before!r}: {plan['stopped']}")})
        else:
            tell({"began": k})
            limit = seconds * (AFTERWARDS if late == trial.question.key else 1)
            try:
                outcome = _within(limit, sheet.run, trial)
            except TooLong as stop:
                late, outcome = trial.question.key, _failed(trial, str(stop))
            except BaseException as error:  # GeneratorExit, and what students derive from BaseException
                outcome = _failed(trial, said(error))
            tell({"case": k, "outcome": outcome})


def _failed(trial: Trial, text: str) -> Outcome:
    q = trial.question
    return Outcome(q.key, q.title, trial.case.title, trial.hidden, False, text, q.hint)


def _within(seconds: float, work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns; raises TooLong in it after so many seconds of the processor, or CLOCK times that."""
    if not hasattr(signal, "setitimer"):  # not on Windows: there the limit of the process must do
        return work(*arguments)
    armed = True

    def stop(number: int, frame: object) -> None:
        if armed and number == signal.SIGALRM:
            raise TooLong(f"it took longer than {CLOCK * seconds:g} s by the clock: does it wait, or not end?")
        if armed:
            raise TooLong(f"it took longer than {seconds:g} s of the processor: a loop that does not end?")

    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds, 0.5)  # and again, for code that catches everything
        signal.setitimer(signal.ITIMER_REAL, CLOCK * seconds, 0.5)
        return work(*arguments)
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _few_processes(owner: int) -> Callable[[str, tuple], None]:
    """Refuses to start more than a few processes, and any from within one of these."""
    left = PROCESSES

    def audit(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in _STARTS:
            left -= 1
            if left < 0 or os.getpid() != owner:
                raise PermissionError(f"a submission may start {PROCESSES} processes, and these none")

    return audit


def _die_with(parent: int) -> None:
    """On Linux, have this process killed when the one that marks ends, even by SIGKILL: it is in another session, and
    would run on to ALL_SECONDS."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(ImportError, OSError, AttributeError):  # a Python without ctypes
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it has ended before this was said
        os._exit(1)


def _limit(memory: int) -> None:
    """No more memory than this, no large files, and no recursion so deep that it ends by a lack of memory only."""
    limit = sys.setrecursionlimit
    sys.setrecursionlimit = lambda depth: limit(min(depth, DEPTH))
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (ALL_SECONDS, ALL_SECONDS))


def _save(sheet: Sheet, bundle: Path) -> None:
    import numpy as np

    sheet.outline.save(bundle / "outline.json")
    hidden = {key: value for key, value in sheet.store.items() if "/hidden " in key}
    public = {key: value for key, value in sheet.store.items() if key not in hidden}
    np.savez(bundle / "expected.npz", **public)  # type: ignore[arg-type]
    np.savez(bundle / "expected_hidden.npz", **hidden)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1:])
