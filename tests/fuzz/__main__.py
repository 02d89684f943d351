"""`python -m tests.fuzz [TARGET...] --seconds 600`: sound files made unsound, read as the commands read them.

A finding is any error but MinifcnError, a crash, a case that takes too long or too much memory, or one that runs,
imports, fetches or writes something. Each is printed once with its number; `--case N` runs that one again, with its
traceback, and leaves its files in --keep DIR.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]  # `published` and `fuzz` lie there, as in pytest's pythonpath

from fuzz.targets import TARGETS  # noqa: E402

EVERYTHING = 1 << 62


@dataclass
class Result:
    """What came of a target."""

    name: str
    cases: int = 0
    read: int = 0
    refused: int = 0
    found: int = 0
    seconds: float = 0.0
    cpu: float = 0.0  # seconds of a core
    peak: int = 0  # bytes beyond what the process had
    findings: dict[tuple[str, str], int] = field(default_factory=dict)  # (kind, where) -> the first case

    def note(self, kind: str, where: str, case: int) -> None:
        self.findings.setdefault((kind.split(":")[0] if where else kind, where), case)


def fuzz(name: str, seed: int, seconds: float = EVERYTHING, cases: int = EVERYTHING, start: int = 0) -> Result:
    """Runs one target; a child that dies of a case is followed by another that goes on behind it."""
    result, began = Result(name), time.monotonic()
    while True:
        left, before = seconds - (time.monotonic() - began), result.cases
        with tempfile.TemporaryDirectory(prefix="minifcn-fuzz-") as scratch:
            options = {"seed": seed, "start": start, "seconds": left, "cases": cases - result.cases}
            end, stuck = _child(name, scratch, options, result)
            if end is None:
                break
            if not (at := Path(scratch) / "at").exists():
                raise SystemExit(f"{name}: cannot begin, see above")
            died = int.from_bytes(at.read_bytes(), "little")
        result.note(stuck or f"the process ends with status {end}", "", died)
        result.found += 1
        result.cases = before + died + 1 - start  # the last second's, too, of which nothing was told
        start = died + 1
        if left <= 0 or result.cases >= cases:
            break
    result.seconds = time.monotonic() - began
    return result


def _child(name: str, scratch: str, options: dict[str, Any], result: Result) -> tuple[int | None, str]:
    """(None, "") if the child came to its end, else (its status, why it was killed)."""
    command = [sys.executable, "-m", "fuzz.child", name, scratch, json.dumps(options)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # their stacks count as address space
    environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(sys.path[:2])}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child,
        ThreadPoolExecutor(1) as pool,
    ):
        watcher = pool.submit(_kill_stuck, child, Path(scratch) / "at", 3 * TARGETS[name].seconds + 30)
        assert child.stdout is not None
        for line in child.stdout:
            told = json.loads(line)
            if "kind" in told:
                result.note(told["kind"], told["where"], told["case"])
                continue
            result.cases += told["cases"]
            result.read += told["read"]
            result.cpu += told["cpu"]
            result.refused += told["refused"]
            result.found += told["found"]
            result.peak = max(result.peak, told["peak"])
        status = child.wait()
        stuck = watcher.result()
    return (None, "") if status == 0 else (status, stuck)


def _kill_stuck(child: subprocess.Popen, at: Path, seconds: float) -> str:
    """Ends a child that stays on one case, where its own alarm cannot: within a library."""
    last, since = b"", 0.0
    while child.poll() is None:
        with contextlib.suppress(OSError):
            now = at.read_bytes()
            used = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            spent = sum(map(int, used)) / os.sysconf("SC_CLK_TCK")  # seconds of a core
            if now != last:
                last, since = now, spent
            if last and spent - since > seconds:
                child.kill()
                return f"stuck for {seconds:.0f} s"
        time.sleep(0.05)
    return ""


def table(results: Sequence[Result]) -> str:
    """A row for each target."""
    heads = ("target", "cases", "read", "refused", "seconds", "of a core", "peak MiB", "findings")
    rows = [
        (r.name, f"{r.cases:,}", f"{r.read:,}", f"{r.refused:,}", f"{r.seconds:.0f}", f"{r.cpu:.0f}",
         f"{r.peak / 2**20:.0f}",
         str(len(r.findings)))
        for r in results
    ]  # fmt: skip
    widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(f"{text:{'<' if k == 0 else '>'}{widths[k]}}" for k, text in enumerate(row))

    return "\n".join(map(line, (heads, *rows)))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 if there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=10, help="for each target (default: 10)")
    parser.add_argument(
        "--cases", type=int, default=EVERYTHING, help="for each target, if not as many as there is time"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (default: 1)")
    parser.add_argument("--case", type=int, help="only this one, with its traceback")
    parser.add_argument(
        "--keep", type=Path, default=Path("case"), help="folder for the files of --case (default: case)"
    )
    arguments = parser.parse_args(argv)
    names = arguments.targets or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if arguments.case is not None:
        return replay(names[0], arguments.seed, arguments.case, arguments.keep)
    results = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for result in pool.map(lambda name: fuzz(name, arguments.seed, arguments.seconds, arguments.cases), names):
            for (kind, where), case in result.findings.items():
                print(f"{result.name}: {kind} {where} (--case {case} --seed {arguments.seed})", flush=True)
            results.append(result)
            print(table([result]).splitlines()[1], flush=True)
    print("\n" + table(results))
    return 1 if any(result.findings for result in results) else 0


def replay(name: str, seed: int, number: int, keep: Path) -> int:
    """One case again, here, where a debugger can look at it."""
    from fuzz.child import Bench

    with tempfile.TemporaryDirectory(prefix="minifcn-fuzz-") as scratch:
        bench = Bench(TARGETS[name], Path(scratch))
        files, edits = bench.case(seed, number)
        bench.folder = keep
        bench.lay(files, edits)
        for path, edit in edits.items():
            size = "" if edit.content is None else f" {len(edit.content)} bytes"
            print(f"{keep / path}: {edit.kind}{size}".encode(errors="backslashreplace").decode())
        bench.target.run(keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
