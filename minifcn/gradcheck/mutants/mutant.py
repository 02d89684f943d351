"""What a mutant is, and what it means to catch one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from minifcn.backend import Namespace
from minifcn.gradcheck import cases
from minifcn.gradcheck.report import Report


class Mutant(NamedTuple):
    """Wrong code for an operation or a layer, and the checks that must catch it: `checks(xp, seed)` yields reports."""

    op: str
    name: str
    description: str
    checks: Callable[[Namespace, int], Iterator[Report]]

    def caught_by(self, xp: Namespace = np, seed: int = 0) -> str | None:
        """The first case whose check fails, or None if the mutant survives them all."""
        for report in self.checks(xp, seed):
            if not report.passed:
                return report.failures[0].case
        return None


def of(op: str, *backwards: Callable) -> tuple[Mutant, ...]:
    """Wrong backward passes of one operation, named and described by their functions."""

    def mutant(backward: Callable) -> Mutant:
        def checks(xp: Namespace, seed: int) -> Iterator[Report]:
            return (case.check(xp, seed, backward) for case in cases.of(op))

        return Mutant(op, backward.__name__.replace("_", " "), (backward.__doc__ or "").strip(), checks)

    return tuple(map(mutant, backwards))
