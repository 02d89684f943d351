"""The process in which one student's code runs: limited, timed, its prints thrown away, its results a line each.

This stops accidents, not attackers: code that means to can do here whatever the process may do. Graders that must
withstand that need a container, as Gradescope has one for each submission.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from . import submitted
from .expected import Wrong
from .outline import Outcome
from .questions import Sheet

FILE_BYTES = 1 << 26


class TooLong(BaseException):
    """A case took longer than it may. No Exception, so that `except Exception` in the student's loop lets it pass."""


def main(arguments: list[str]) -> None:
    """BUNDLE MINE SECONDS MEMORY [record]: run all cases of the bundle on the files in MINE."""
    bundle, mine = Path(arguments[0]), Path(arguments[1])
    told = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    _limit(int(arguments[3]))
    submitted.take_from(mine)
    sheet = Sheet(bundle, recording=arguments[4:] == ["record"])
    for k in range(len(sheet.trials)):
        _tell(told, {"began": k})
        _tell(told, {"outcome": _timed(sheet, k, float(arguments[2]))})
    if sheet.recording:
        _save(sheet, bundle)
    try:
        proof: Any = submitted.fingerprint([Path(name).stem for name in sheet.files])
    except Wrong as wrong:
        proof = {"refused": str(wrong)}
    _tell(told, {"proof": proof})
    told.flush()
    os._exit(0)  # whatever threads or exit handlers the student's code has left


def _timed(sheet: Sheet, k: int, seconds: float) -> Outcome:
    """The outcome of one case, failed if it takes more than so many seconds of the processor."""
    trial = sheet.trials[k]
    if not hasattr(signal, "setitimer"):  # not on Windows: there the limit of the whole process must do
        return sheet.run(trial)

    def stop(number: int, frame: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.5)  # and again, for code that catches everything
    try:
        outcome = sheet.run(trial)
        signal.setitimer(signal.ITIMER_PROF, 0)
        return outcome
    except TooLong:
        text = f"it took longer than {seconds:g} s: a loop that does not end?"
        q = trial.question
        return Outcome(q.key, q.title, trial.case.title, trial.hidden, False, text, q.hint)
    finally:
        with suppress(TooLong):
            signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(memory: int) -> None:
    """No more memory than this, and no large files."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _save(sheet: Sheet, bundle: Path) -> None:
    import numpy as np

    sheet.outline.save(bundle / "outline.json")
    hidden = {key: value for key, value in sheet.store.items() if "/hidden " in key}
    public = {key: value for key, value in sheet.store.items() if key not in hidden}
    np.savez(bundle / "expected.npz", **public)  # type: ignore[arg-type]
    np.savez(bundle / "expected_hidden.npz", **hidden)  # type: ignore[arg-type]


def _tell(told: TextIO, line: dict[str, Any]) -> None:
    print(json.dumps(line), file=told)


if __name__ == "__main__":
    main(sys.argv[1:])
