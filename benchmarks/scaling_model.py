"""`python -m benchmarks.scaling_model`: what training on 8 to 64 processes would cost, on paper.

From what `python -m benchmarks scaling` measured on one process with one thread (seconds of the forward pass, of each
layer's backward pass, of the update, and the bytes of each layer's gradients) and a network's bandwidth and latency.
docs/scaling.md has the arithmetic. No process runs here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks.opponents import ROOT
from benchmarks.results import read
from benchmarks.tables import markdown, number
from minifcn.command import Parser, reports_errors
from minifcn.errors import ConfigError, MinifcnError

EXAMPLES = """\
examples
  python -m benchmarks.scaling_model                                   three nets, three networks
  python -m benchmarks.scaling_model --only tiny --faster 50           were each process 50 times as fast
  python -m benchmarks.scaling_model --bandwidth 3.1 --latency 10      a network of your own: GB/s, microseconds
"""


class Network(NamedTuple):
    """What one process's link carries. bandwidth: bytes a second, each way; latency: seconds of a message."""

    name: str
    bandwidth: float
    latency: float


#: Nominal rates; a message's latency through the usual software.
NETWORKS = (
    Network("1 Gbit/s Ethernet", 0.125e9, 50e-6),
    Network("10 Gbit/s Ethernet", 1.25e9, 30e-6),
    Network("100 Gbit/s InfiniBand", 12.5e9, 2e-6),
)
SIZES = (8, 16, 32, 64)
STRONG = 64  # pictures that all processes share


class Anatomy(NamedTuple):
    """A step of one process, in seconds. layers: (seconds of its backward pass, bytes of its gradients), last first."""

    pictures: int
    forward: float
    layers: Sequence[tuple[float, int]]
    update: float

    @property
    def seconds(self) -> float:
        return self.forward + sum(seconds for seconds, _ in self.layers) + self.update

    def scaled(self, factor: float, update: float = 1.0) -> Anatomy:
        """With this much of the work on pictures, and of the update, which does not depend on them."""
        layers = [(factor * seconds, size) for seconds, size in self.layers]
        return Anatomy(self.pictures, factor * self.forward, layers, update * self.update)


def ring_seconds(size: int, processes: int, network: Network) -> float:
    """A ring's allreduce of `size` bytes: N - 1 rounds that add a part of 1/N, N - 1 that hand the sums on."""
    rounds = 2 * (processes - 1)
    return rounds * (network.latency + size / processes / network.bandwidth)


def step_seconds(anatomy: Anatomy, processes: int, network: Network) -> tuple[float, float]:
    """(seconds of a step, of these the seconds that wait for sums). Each layer's sum begins when its gradient is there
    and the layers' before it are done; the update waits for the last."""
    now = anatomy.forward
    free = 0.0  # when the network has done what it was given
    for seconds, size in anatomy.layers:
        now += seconds
        if size and processes > 1:
            free = max(now, free) + ring_seconds(size, processes, network)
    end = max(now, free)
    return end + anatomy.update, end - now


def table(anatomy: Anatomy, networks: Sequence[Network]) -> list[dict[str, str]]:
    """A row for each network and number of processes."""
    rows = []
    one = anatomy.seconds / anatomy.pictures  # seconds a picture
    for network in networks:
        for size in SIZES:
            weak, waits = step_seconds(anatomy, size, network)
            share = STRONG / size / anatomy.pictures
            strong, _ = step_seconds(anatomy.scaled(share), size, network)
            alone = anatomy.scaled(STRONG / anatomy.pictures).seconds
            rows.append(
                {
                    "network": network.name,
                    "processes": str(size),
                    "ms a step": number(1e3 * weak),
                    "of these waiting": number(1e3 * waits),
                    "pictures/s": number(size * anatomy.pictures / weak),
                    "efficiency": f"{100 * one * anatomy.pictures / weak:.0f} %",
                    f"{STRONG} pictures shared, ms": number(1e3 * strong),
                    "times as fast as one": number(alone / strong),
                }
            )
    return rows


def anatomy_of(row: dict[str, Any]) -> Anatomy:
    """What a row of results tells, stretched or shrunk to the median of whole steps: the parts are timed one by one."""
    layers = [(seconds, size) for _, size, seconds in row["layers"]]
    parts = Anatomy(row["pictures"], row["forward"], layers, row["update"])
    factor = median(row["seconds"]) / parts.seconds
    return parts.scaled(factor, factor)


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each net that was measured."""
    parser = Parser(prog="python -m benchmarks.scaling_model", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--only", default="", metavar="TEXT", help="only nets with this in their names")
    parser.add_argument("--bandwidth", type=float, metavar="GB/S", help="of a network instead of the three")
    parser.add_argument("--latency", type=float, default=10.0, metavar="US", help="of that network (default: 10)")
    parser.add_argument("--faster", type=float, default=1.0, metavar="X", help="each process so many times as fast")
    arguments = parser.parse_args(argv)
    for name in ("bandwidth", "latency", "faster"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"--{name} expects a number above 0, got {value}")
    networks: Sequence[Network] = NETWORKS
    if arguments.bandwidth:
        named = f"{arguments.bandwidth:g} GB/s, {arguments.latency:g} us"
        networks = [Network(named, arguments.bandwidth * 1e9, arguments.latency * 1e-6)]
    results = ROOT / "benchmarks" / "results" / "scaling.json"
    rows = [row for row in read(results)["rows"] if "layers" in row and arguments.only in row["case"]]
    if not rows:
        raise MinifcnError(f"nothing measured of {arguments.only!r}: python -m benchmarks scaling")
    for row in rows:
        anatomy = anatomy_of(row)
        anatomy = anatomy.scaled(1 / arguments.faster, 1 / arguments.faster)
        gradients = sum(size for _, size in anatomy.layers)
        backward = sum(seconds for seconds, _ in anatomy.layers)
        faster = f", taken {arguments.faster:g} times as fast" if arguments.faster != 1 else ""
        print(
            f"### {row['case']}\n\nOne process{faster}: {number(1e3 * anatomy.seconds)} ms a step, forward "
            f"{number(1e3 * anatomy.forward)}, backward {number(1e3 * backward)}, update "
            f"{number(1e3 * anatomy.update)}; gradients {number(gradients / 2**20)} MiB, of the largest layer "
            f"{number(max(size for _, size in anatomy.layers) / 2**20)}.\n\n{markdown(table(anatomy, networks))}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
