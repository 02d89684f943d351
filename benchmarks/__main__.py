"""`python -m benchmarks SUBJECT`: measures, prints a table, and leaves JSON, Markdown and pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import benchmarks
from benchmarks import measure, report, smoke
from benchmarks.engines import ENGINES, USUAL
from benchmarks.measure import Options
from benchmarks.opponents import ROOT, Setting
from minifcn import parallel
from minifcn.command import Parser, positive, reports_errors
from minifcn.errors import ConfigError, did_you_mean
from minifcn.outputs import out_folder

SUBJECTS = {
    "ops": (measure.ops, "each convolution of FCN-8s, forward and both gradients, and every other operation"),
    "nets": (measure.nets, "FCN-8s with padding 100 and same, FCN-GoogLeNet, FCN-8s tiny: forward, training step"),
    "memory": (measure.peaks, "the peak memory of these nets, each in a process of its own"),
    "growth": (measure.growth, "time and memory against pixels, batch, width and threads"),
    "train": (measure.train, "python -m minifcn.train, or --steps of it: before and after a change"),
    "scaling": (measure.scale, "training steps on one process and on two, over MPI: strong and weak"),
}
OTHERS = {
    "smoke": f"under a minute: status 1 if the tiny net takes more than {smoke.LIMIT} times as long as PyTorch's",
    "table": "nothing is measured: print what the folder holds, and write its Markdown and pictures again",
    "all": "ops, nets, memory, growth, train and scaling, one after the other",
}
EXAMPLES = """\
examples
  python -m benchmarks nets --quick                  small pictures, three turns: is all well?
  python -m benchmarks ops --only conv4_2            its three rows; the others stay in the tables
  python -m benchmarks nets --only "padding 100"     FCN-8s as it was released
  python -m benchmarks train --steps 100             the first hundred steps of the default run
  python -m benchmarks nets --device gpu --tf32      CuPy beside PyTorch on a GPU

What is not installed is left out, and told: PyTorch (pip install torch), DeZero (pip install dezero).
A figure is worth what the machine's quiet is worth: let nothing else run.
exit status: 0 done, 1 smoke: too slow, 2 bad input or results that disagree, 130 stopped by Ctrl-C
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Measure a subject, print its table, write the tables and pictures of all."""
    subject, options = _parse(argv)
    if subject == "smoke":
        return smoke.run(options.setting)
    with out_folder(str(options.out)):
        chosen = [name for name in SUBJECTS if subject in (name, "all")]
        for name in chosen:
            SUBJECTS[name][0](options)
            report.show(options.out, name, options.only)
        if subject == "table":
            for name in SUBJECTS:
                report.show(options.out, name)
        written = report.write(options.out)
    print(f"written to {_short(options.out)}: {', '.join(path.name for path in written)}")
    return 0


def _parse(argv: Sequence[str] | None) -> tuple[str, Options]:
    told = {name: about for name, (_, about) in SUBJECTS.items()} | OTHERS
    lines = "\n".join(f"  {name:<7} {about}" for name, about in told.items())
    parser = Parser(
        prog="python -m benchmarks", description=f"{benchmarks.__doc__}\nsubjects\n{lines}", epilog=EXAMPLES
    )
    parser.add_argument("subject", metavar="SUBJECT", help="one of the above")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases with this in their names")
    parser.add_argument("--quick", action="store_true", help="3 turns, pictures of 160x160; into results/quick")
    parser.add_argument("--repeats", type=positive, metavar="N", help="turns of each opponent (default: 7)")
    parser.add_argument(
        "--threads", type=positive, default=parallel.get_threads(), metavar="N", help="of each (default: one a core)"
    )
    parser.add_argument(
        "--engines",
        default=",".join(USUAL),
        metavar="A,B",
        help=f"who takes part beside minifcn, of {', '.join(ENGINES)} (default: the first three)",
    )
    parser.add_argument("--steps", type=positive, metavar="N", help="of train (default: the whole run)")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--tf32", action="store_true", help="a GPU may round factors to 10 bits, in both libraries")
    parser.add_argument("--out", metavar="DIR", help="folder of the results (default: benchmarks/results)")
    arguments = parser.parse_args(argv)
    if arguments.subject not in told:
        raise ConfigError(f"benchmarks: unknown subject {arguments.subject!r}{did_you_mean(arguments.subject, told)}")
    engines = tuple(filter(None, arguments.engines.split(",")))
    for engine in engines:
        if engine not in ENGINES:
            raise ConfigError(f"--engines: unknown engine {engine!r}{did_you_mean(engine, ENGINES)}")
    engines = ("minifcn", *(engine for engine in engines if engine != "minifcn"))
    setting = Setting(arguments.threads, arguments.device, arguments.tf32)
    folder = ROOT / "benchmarks" / "results"
    out = Path(arguments.out) if arguments.out else folder / "quick" if arguments.quick else folder
    repeats = arguments.repeats or (3 if arguments.quick else 7)
    side = 160 if arguments.quick else 500
    return arguments.subject, Options(setting, engines, repeats, out, arguments.only, side, arguments.steps)


def _short(path: Path) -> str:
    """Relative to the clone, where it lies within."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
