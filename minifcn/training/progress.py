"""How a run is going: a bar on a terminal, plain lines in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tqdm import tqdm

from minifcn.command import drop_output


class Progress:
    """Loss, learning rate, steps per second and the time left. Use it in a `with`.

    lost: told once when standard output cannot be written (`| head` has seen enough, a disk is full); what is said from
    then on goes nowhere.
    """

    def __init__(
        self,
        start: int,
        total: int,
        every: int,
        bar: bool = True,
        lost: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        self._lost = lost
        self.silent = False  # whether standard output is gone
        self._total, self._every = total, every
        self._first, self._since = start, time.perf_counter()
        shown = bar and sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=start, unit="step", dynamic_ncols=True) if shown else None

    def step(self, step: int, loss: float | None, lr: float) -> None:
        """After step number `step` (from 1); `loss` is the last one read."""
        if self._bar is not None:
            self._bar.update()
            if loss is not None:
                self._bar.set_postfix_str(f"loss {loss:.4g}, lr {lr:.3g}", refresh=False)
        elif loss is not None and (step % self._every == 0 or step in (self._first + 1, self._total)):
            rate = (step - self._first) / (time.perf_counter() - self._since)
            left = tqdm.format_interval((self._total - step) / rate)
            pace = f"{rate:.2f} steps/s  {left} left"
            self.say(f"step {step}/{self._total}  loss {loss:.4g}  lr {lr:.3g}  {pace}")

    def say(self, text: str) -> None:
        """A line of text, above the bar if there is one."""
        try:
            if self._bar is not None:
                self._bar.write(text)
            else:
                print(text, flush=True)
        except OSError as error:
            self.silent = True
            drop_output()
            self._lost(error)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
