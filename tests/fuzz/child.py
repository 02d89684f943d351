"""The process that runs the cases: `python -m fuzz.child`, started by the driver.

Case n is a pure function of (seed, n). A line of JSON on standard output tells each finding, and one a second what has
come of the cases since the last; the number of the case under way stands in a file, for a driver whose child has died.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fuzz.targets import TARGETS, Edits, Files, Target
from fuzz.watch import TooLong, Watch, forget_peak, peak
from minifcn.errors import MinifcnError

KINDS = ("read", "refused", "found")


class Bench:
    """The sound folders of a target, and one beside them in which cases happen."""

    def __init__(self, target: Target, scratch: Path) -> None:
        self.target, self.folder = target, scratch / "case"
        self.sound: list[Files] = []
        for k, make in enumerate(target.seeds):
            root = scratch / f"seed{k}"
            root.mkdir()
            make(root)
            self.sound.append(
                {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
            )

    def case(self, seed: int, n: int) -> tuple[Files, Edits]:
        """(the sound files, what becomes of some of them) of case n."""
        key = int.from_bytes(hashlib.sha256(self.target.name.encode()).digest()[:4], "little")
        rng = np.random.default_rng([seed, key, n])
        files = self.sound[rng.integers(len(self.sound))]
        return files, self.target.change(files, rng)

    def lay(self, files: Files, edits: Edits) -> None:
        """The folder of the case, anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name not in edits:
                path.write_bytes(content)
        for name, edit in edits.items():
            path = self.folder / name
            if edit.kind == "folder":
                path.mkdir()
            elif edit.kind == "loop":
                path.symlink_to(path.name)
            elif edit.content is not None:
                path.write_bytes(edit.content)


def run(bench: Bench, watch: Watch, files: Files, edits: Edits) -> tuple[str, str, int]:
    """("read", "refused" or what is wrong, where it was, bytes that it took) of a case."""
    target = bench.target
    bench.lay(files, edits)
    before = forget_peak()
    kind, where = "read", ""
    try:
        with watch.watching(target.seconds), contextlib.redirect_stdout(io.StringIO()):
            target.run(bench.folder)
    except MinifcnError as error:
        kind = "refused"
        if text := _unclear(str(error)):
            kind, where = f"unclear message: {text}", _where(error)
        inner: BaseException | None = error
        while inner is not None:  # one that became a MinifcnError on its way
            if isinstance(inner, MemoryError):
                kind, where = "MemoryError within", _where(inner)
            inner = inner.__cause__ or inner.__context__
    except TooLong as error:
        kind, where = f"takes more than {target.seconds:g} s", _where(error)
    except BaseException as error:
        kind, where = f"{type(error).__name__}: {str(error)[:150]!r}", _where(error)
    took = peak() - before
    if watch.seen:
        kind, where = f"does: {watch.seen[0]}", ""
    elif took > target.memory << 20 and kind in ("read", "refused"):
        kind = f"takes {took >> 20} MiB"
    return kind, where, took


def _unclear(text: str) -> str:
    """What is wrong with a message, if anything."""
    if not text.strip():
        return "empty"
    return "longer than 3000 letters" if len(text) > 3000 else ""


def _where(error: BaseException) -> str:
    """The innermost line of minifcn's that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/minifcn/" in f.filename] or frames[-1:]
    return f"{'/'.join(Path(ours[-1].filename).parts[-2:])}:{ours[-1].lineno}" if ours else ""


def prepared(name: str, scratch: Path) -> Bench:
    """The bench of a target; its sound folders have been read once, so that what that imports is imported."""
    folder = scratch / name
    folder.mkdir()
    bench = Bench(TARGETS[name], folder)
    for files in bench.sound:
        bench.lay(files, {})
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                bench.target.run(bench.folder)
            except MinifcnError as error:
                if bench.target.name in ("sets-png", "sets-mat", "config", "run"):
                    raise SystemExit(f"{name}: a sound folder is refused: {error}") from error
    return bench


def cases(bench: Bench, watch: Watch, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each finding of cases start, start + 1, ... until their number or the seconds are up.

    What has come of them is told about every second, of those since: a case may end this process.
    """
    watch.outside = bench.target.outside
    n, end = asked["start"], time.monotonic() + asked["seconds"]
    counts, worked, told = Counter[str](), time.process_time(), time.monotonic()
    most = done = 0

    def since() -> dict[str, Any]:
        nonlocal worked, told, most
        made = {"cases": counts.total(), **{kind: counts[kind] for kind in KINDS}, "peak": most}
        made["cpu"], worked = time.process_time() - worked, time.process_time()
        told = time.monotonic()
        counts.clear()
        return made

    with open(Path(watch.scratch) / "at", "wb", buffering=0) as at:
        while done < asked["cases"] and time.monotonic() < end:
            os.pwrite(at.fileno(), n.to_bytes(8, "little"), 0)
            kind, where, took = run(bench, watch, *bench.case(asked["seed"], n))
            most = max(most, took)
            counts[kind if kind in KINDS else "found"] += 1
            if kind not in KINDS:
                yield {"case": n, "kind": kind, "where": where}
            n, done = n + 1, done + 1
            if time.monotonic() > told + 1:
                yield since()
    yield since()


def main(names: str, scratch: str, options: str) -> None:
    """The cases of one target, or of several whose names have commas between them, one after the other."""
    out = sys.stdout
    warnings.simplefilter("ignore")
    Image.init()
    benches = [prepared(name, Path(scratch)) for name in names.split(",")]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff and others say there what they think of a file
    # Untouched zeros count as address space and take no memory: nets are built to compare shapes with.
    watch = Watch(Path(scratch), (max(bench.target.memory for bench in benches) << 20) + (2 << 30))
    for bench in benches:
        for told in cases(bench, watch, json.loads(options)):
            print(json.dumps({"target": bench.target.name, **told}), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
