"""`python -m benchmarks.scaling_model`: what training on 8 to 64 processes would cost, on paper.

From what `python -m benchmarks scaling` measured on one process with one thread (seconds of the forward pass, of each
layer's backward pass, of the update, and the bytes of each layer's gradients) and a network's bandwidth and latency.
docs/scaling.md has the arithmetic. No process runs here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks.opponents import ROOT
from benchmarks.results import read
from benchmarks.tables import markdown, number
from minifcn.command import Parser, reports_errors
from minifcn.distributed.gradients import PARCEL, SMALL
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

    pictures: float
    forward: float
    layers: Sequence[tuple[float, int]]
    update: float

    @property
    def seconds(self) -> float:
        return self.forward + sum(seconds for seconds, _ in self.layers) + self.update

    def times(self, factor: float) -> Anatomy:
        """All of it so many times as slow."""
        layers = [(factor * seconds, size) for seconds, size in self.layers]
        return Anatomy(self.pictures, factor * self.forward, layers, factor * self.update)


def with_pictures(one: Anatomy, half: Anatomy, pictures: float) -> Anatomy:
    """The step of a process with another number of pictures: of each part, what the line through the two that were
    measured says; a part that pictures do not lengthen is as long as it was."""
    place = (pictures - half.pictures) / (one.pictures - half.pictures)

    def along(at_half: float, at_one: float) -> float:
        return max(at_half + place * max(at_one - at_half, 0.0), 0.0)

    layers = [(along(less, more), size) for (less, _), (more, size) in zip(half.layers, one.layers, strict=True)]
    return Anatomy(pictures, along(half.forward, one.forward), layers, one.update)


def allreduce_seconds(size: int, processes: int, network: Network) -> float:
    """The sum of `size` bytes over all processes, the faster of two ways, as MPI's libraries choose.

    A ring: N - 1 rounds that add a part of 1/N, N - 1 that hand the sums on. Doubling: in round k each exchanges all of
    it with the process 2^k places away, log2 N rounds: fewer messages, more bytes.
    """
    ring = 2 * (processes - 1) * (network.latency + size / processes / network.bandwidth)
    doubling = math.ceil(math.log2(processes)) * (network.latency + size / network.bandwidth)
    return min(ring, doubling)


def step_seconds(anatomy: Anatomy, processes: int, network: Network) -> tuple[float, float]:
    """(seconds of a step, of these the seconds that wait for sums). Each sum begins when its gradients are there and
    the sums before it are done, small layers' together as in `distributed.gradients`; the update waits for the last."""
    now = anatomy.forward
    free, parcel = 0.0, 0  # when the network has done what it was given; bytes that wait for others
    for seconds, size in anatomy.layers:
        now += seconds
        parcel += size if size < SMALL else 0
        ready = size if size >= SMALL else 0
        if parcel >= PARCEL:
            ready, parcel = ready + parcel, 0
        if ready and processes > 1:
            free = max(now, free) + allreduce_seconds(ready, processes, network)
    if parcel and processes > 1:
        free = max(now, free) + allreduce_seconds(parcel, processes, network)
    end = max(now, free)
    return end + anatomy.update, end - now


def table(one: Anatomy, half: Anatomy, networks: Sequence[Network]) -> list[dict[str, str]]:
    """A row for each network and number of processes."""
    rows = []
    alone = with_pictures(one, half, STRONG).seconds
    for network in networks:
        for processes in SIZES:
            weak, waits = step_seconds(one, processes, network)
            strong, strong_waits = step_seconds(with_pictures(one, half, STRONG / processes), processes, network)
            rows.append(
                {
                    "network": network.name,
                    "processes": str(processes),
                    "ms a step": number(1e3 * weak),
                    "of these waiting": number(1e3 * waits),
                    "pictures/s": number(processes * one.pictures / weak),
                    "efficiency": f"{100 * one.seconds / weak:.0f} %",
                    f"{STRONG} pictures shared, ms": number(1e3 * strong),
                    "of those waiting": number(1e3 * strong_waits),
                    "times as fast as one": number(alone / strong),
                }
            )
    return rows


def anatomy_of(row: dict[str, Any]) -> Anatomy:
    """What a row of results tells, stretched or shrunk to the median of whole steps: the parts are timed one by one."""
    layers = [(seconds, size) for _, size, seconds in row["layers"]]
    parts = Anatomy(row["pictures"], row["forward"], layers, row["update"])
    return parts.times(median(row["seconds"]) / parts.seconds)


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
    rows = {(row["case"], row["key"]): row for row in read(results)["rows"]}
    cases = [case for case, key in rows if key == "one" and arguments.only in case]
    if not cases:
        raise MinifcnError(f"nothing measured of {arguments.only!r}: python -m benchmarks scaling")
    for case in cases:
        one, half = (anatomy_of(rows[case, key]).times(1 / arguments.faster) for key in ("one", "one, half"))
        sizes = [size for _, size in one.layers]
        faster = f", taken {arguments.faster:g} times as fast" if arguments.faster != 1 else ""
        print(
            f"### {case}\n\nOne process{faster}: {number(1e3 * one.seconds)} ms a step, forward "
            f"{number(1e3 * one.forward)}, backward {number(1e3 * sum(seconds for seconds, _ in one.layers))}, update "
            f"{number(1e3 * one.update)}; with half the pictures {number(1e3 * half.seconds)}. Gradients "
            f"{number(sum(sizes) / 2**20)} MiB, of the largest layer {number(max(sizes) / 2**20)}.\n\n"
            f"{markdown(table(one, half, networks))}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
