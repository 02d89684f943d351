"""Ctrl-C without loss: the step under way is finished and saved. So it is when nobody reads the output any more."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import FrameType

from minifcn.distributed import ALONE, Group


class Interrupt:
    """In a `with`, Ctrl-C and SIGTERM only set `requested`; a second one stops at once, as ever.

    Signals reach Python's main thread alone, so elsewhere this changes nothing. In a group of processes they come to
    each at another moment, or to one alone: all stop once they have agreed to.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, group: Group = ALONE) -> None:
        self.requested = False
        self._group = group
        self._agreed = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(self, *exc: object) -> None:
        self._restore()

    def __call__(self) -> bool:
        """Whether to stop: the same in all processes."""
        return self.requested if self._group.size == 1 else self._agreed

    def agree(self) -> None:
        """All processes stop if one was asked to: each must call this at the same point of its work."""
        self._agreed = self._group.any(self.requested)

    def output_lost(self, error: OSError) -> None:
        """Standard output cannot be written: asks to stop, as Ctrl-C does."""
        if not self.requested:
            self.requested = True
            _tell(f"standard output is gone ({error.strerror}); finishing this step, then saving\n")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()
        _tell("\nfinishing this step, then saving; once more stops at once\n")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}


def _tell(text: str) -> None:
    """Not print: a signal may have come in the middle of one, and Python's buffers are not re-entrant."""
    with suppress(OSError):  # it may be gone, too
        os.write(2, text.encode())
