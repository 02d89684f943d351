"""SIGTERM and SIGHUP as Ctrl-C: what a command has started ends with it, and its temporary folders go."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Inside, the first of these signals raises KeyboardInterrupt, and further ones wait for what cleans up.

    A signal that is ignored, as `nohup` has SIGHUP ignored, stays ignored. Signals reach Python's main thread alone, so
    elsewhere this changes nothing.
    """
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # no SIGHUP on Windows
    numbers = [number for number in map(signal.Signals.__getitem__, names) if _heard(number)]

    def stop(number: int, frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard(number: signal.Signals) -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(number) not in (signal.SIG_IGN, None)
