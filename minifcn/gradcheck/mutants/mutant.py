"""What a mutant is, and what it means to catch one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minifcn.backend import Namespace
from minifcn.gradcheck import cases


class Mutant(NamedTuple):
    """A wrong backward pass of one operation."""

    op: str
    backward: Callable

    @property
    def name(self) -> str:
        """What is wrong, in a few words."""
        return self.backward.__name__.replace("_", " ")

    @property
    def description(self) -> str:
        """What is wrong, in a sentence."""
        return (self.backward.__doc__ or "").strip()

    def caught_by(self, xp: Namespace = np, seed: int = 0) -> str | None:
        """The first case of the operation whose gradient check fails, or None if the mutant survives them all."""
        for case in cases.of(self.op):
            if not case.check(xp, seed, self.backward).passed:
                return case.name
        return None


def of(op: str, *backwards: Callable) -> tuple[Mutant, ...]:
    """Mutants of one operation."""
    return tuple(Mutant(op, backward) for backward in backwards)
