"""The peak memory of a net: of a fresh process that builds it, with weights of its own, and runs it a few times."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import CLASSES, NetCase
from benchmarks.opponents import Opponent, Setting
from minifcn import models

#: The velocity appears in the first step, and the largest sum of arrays in the second.
RUNS = {"forward": 2, "step": 3}


def peak(engine: str, case: NetCase, setting: Setting) -> dict[str, int | None]:
    """Bytes: {"imports", "host", "device"}: resident after the imports, and the most in all. Raises Absent."""
    with Opponent(engine, setting) as opponent:
        opponent.prepare(case, alike=False)
        opponent.seconds(RUNS[case.part])
        return {"imports": opponent.imports, **opponent.peak()}


def planned(case: NetCase) -> int:
    """What minifcn tells before anything is allocated."""
    plan = models.build(case.net, CLASSES, case.preset, case.input_padding).plan(case.shape)
    return plan.inference_bytes if case.part == "forward" else plan.peak_bytes


def row(case: NetCase, peaks: dict[str, Any], absent: dict[str, str], setting: Setting, commit: str) -> dict[str, Any]:
    """What the results keep."""
    return {
        "case": case.name, "threads": setting.threads, "commit": commit, "peak": peaks, "planned": planned(case),
        "absent": absent,
    }  # fmt: skip
