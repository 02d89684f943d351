"""Backward passes that are wrong, each in a way that somebody has got it wrong before.

A check that passes on right code shows little; these show that it fails on wrong code. Every mutant computes a gradient
of the right shape and dtype that looks plausible, and each must be caught by the cases that the right backward passes.
They are worth reading, too: they are the mistakes to look for in one's own.
"""

from minifcn.gradcheck.mutants import bookkeeping, conv, loss, pointwise, pool
from minifcn.gradcheck.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = conv.MUTANTS + pool.MUTANTS + pointwise.MUTANTS + loss.MUTANTS + bookkeeping.MUTANTS

__all__ = ["MUTANTS", "Mutant"]
