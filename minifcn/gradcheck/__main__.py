"""`python -m minifcn.gradcheck [NAME]`: check every hand-written gradient, and the checks themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence

from minifcn import backend
from minifcn.backend import Namespace
from minifcn.command import Parser, reports_errors
from minifcn.errors import ConfigError, did_you_mean
from minifcn.gradcheck.mutants import MUTANTS
from minifcn.gradcheck.report import header, line
from minifcn.gradcheck.subjects import LAYERS, NETS, ON_REQUEST, OPS, SUBJECTS

_DESCRIPTION = """\
Compare every hand-written backward pass with central differences, in float64:

    <dx, v>  against  <dy, f(x + h v) - f(x - h v)> / 2h

for a random dy, along every axis of small arrays and three random directions of large ones. "error" is the largest
difference, relative to the gradient's size. Linear operations must agree to 1e-9, others to 1e-6.

Then run wrong backward passes ("mutants": a kernel that is not rotated, = for += where windows overlap, ...) through
the same checks. Each one must be caught, or the checks would not be worth much.
"""


def parser() -> Parser:
    """The command's flags."""
    epilog = (
        f"operations: {', '.join(OPS)}\nlayers: {', '.join(LAYERS)}\nnets: {', '.join(NETS)}\n"
        f"nets that are checked when named: {', '.join(ON_REQUEST)}\n\n"
        "example: python -m minifcn.gradcheck max_pool2d ReLU\n"
        "exit status: 0 all passed and all mutants caught, 1 a failure, 2 bad arguments\n"
        "your own backward pass: minifcn.gradcheck.check(function, backward, {'x': x}) in Python"
    )
    flags = Parser(prog="minifcn gradcheck", description=_DESCRIPTION, epilog=epilog)
    flags.add_argument("names", nargs="*", metavar="NAME", help="what to check (default: the first three lists)")
    flags.add_argument("--device", default="cpu", choices=("cpu", "gpu"), help="where the arrays live (default: cpu)")
    flags.add_argument("--seed", type=int, default=0, help="of inputs, upstream gradients and directions (default: 0)")
    flags.add_argument("--no-mutants", action="store_true", help="leave the wrong backward passes out")
    return flags


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    args = parser().parse_args(argv)
    for name in args.names:
        if name not in SUBJECTS | ON_REQUEST:
            raise ConfigError(f"gradcheck: unknown NAME {name!r}{did_you_mean(name, SUBJECTS | ON_REQUEST)}")
    if args.seed < 0:
        raise ConfigError(f"gradcheck: --seed must not be negative, got {args.seed}")
    xp = backend.for_device(args.device)
    names = args.names or list(SUBJECTS)
    start = time.perf_counter()
    good = _check(names, xp, args.seed)
    if not args.no_mutants:
        good &= _hunt(args.names, xp, args.seed)
    print(f"{time.perf_counter() - start:.0f} s on {backend.describe(xp)}, seed {args.seed}")
    return 0 if good else 1


def _check(names: Sequence[str], xp: Namespace, seed: int) -> bool:
    """Check the subjects, printing rows as they come; whether all passed."""
    print(header())
    passed = total = 0
    for name in names:
        for report in (SUBJECTS | ON_REQUEST)[name](xp, seed):
            for row in report.rows:
                print(line(row), flush=True)
                passed, total = passed + row.passed, total + 1
    print(f"\n{passed} of {total} gradients pass")
    return passed == total


def _hunt(names: Sequence[str], xp: Namespace, seed: int) -> bool:
    """Run the mutants of the named operations (of all, if none is named); whether all were caught."""
    mutants = [mutant for mutant in MUTANTS if not names or mutant.op in names]
    if not mutants:
        return True
    survivors = [mutant for mutant in mutants if mutant.caught_by(xp, seed) is None]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants caught")
    for mutant in survivors:
        print(f"  SURVIVED  {mutant.op}: {mutant.name}. {mutant.description}")
    return not survivors


if __name__ == "__main__":
    raise SystemExit(main())
