"""The machine and the versions that figures belong to: no host name, no path."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable

from benchmarks.opponents import ROOT, Opponent, Setting


def describe(opponents: Iterable[Opponent], setting: Setting) -> dict[str, str]:
    """What must be the same for two rows to stand in one table."""
    found = {
        "processor": _from_file("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "device": setting.device + (f", TF32 {'on' if setting.tf32 else 'off'}" if setting.device == "gpu" else ""),
    }
    for opponent in opponents:
        found.update(opponent.versions)
    return found


def commit() -> str:
    """The commit of this checkout, in short, and whether what is measured has been changed since."""
    try:
        short = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "minifcn") or _git(
            "diff", "HEAD", "--stat", "--", "benchmarks/*.py"
        )
        return short + " + changes" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _from_file(path: str, key: str) -> str:
    try:
        with open(path) as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
    except OSError:
        return ""
