"""What a results folder holds, printed, and as Markdown and pictures beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import cases, tables
from benchmarks.cases import PRODUCT
from benchmarks.results import read
from minifcn.files import atomic_path

TITLES = {
    "ops": "Operations, each at its largest size in FCN-8s or FCN-GoogLeNet at 500x500",
    "nets": "Nets",
    "memory": "Peak memory of a process",
    "growth": "Growth: a unit is a pixel, a picture, a multiply-accumulate or a thread",
    "train": "python -m minifcn.train",
}


def show(folder: Path, subject: str) -> None:
    """Print a subject's table."""
    rows = _rows(folder, subject)["rows"]
    if rows:
        print(f"{TITLES[subject]}{_threads(rows)}\n{tables.text(tables.SUBJECTS[subject](rows))}\n")
        for reason in sorted({f"{who}: {why}" for row in rows for who, why in row.get("absent", {}).items()}):
            print(f"dash: {reason}")


def write(folder: Path) -> list[Path]:
    """All tables as `tables.md`, ratios.png and growth.png; returns what has been written."""
    from benchmarks import picture  # matplotlib: not before it is needed

    found = {subject: _rows(folder, subject) for subject in TITLES}
    there = {subject: each for subject, each in found.items() if each["rows"]}
    machines = dict.fromkeys(", ".join(each["machine"].values()) for each in there.values())
    lines = [*(f"Measured on {told}.\n" for told in machines)]
    for subject, each in there.items():
        commits = ", ".join(dict.fromkeys(row["commit"] for row in each["rows"]))
        lines += [f"### {TITLES[subject]}{_threads(each['rows'])}", ""]
        lines += [tables.markdown(tables.SUBJECTS[subject](each["rows"])), ""]
        lines += [f"`python -m benchmarks {subject}` at {commits}", ""]
    with atomic_path(folder / "tables.md") as beside:
        beside.write_text("\n".join(lines))
    groups = {
        TITLES[subject]: [row for row in there[subject]["rows"] if not row["case"].startswith(PRODUCT)]
        for subject in ("nets", "memory", "ops")
        if subject in there
    }
    picture.ratios(groups, folder / "ratios.png")
    picture.growth(found["growth"]["rows"], folder / "growth.png")
    return [path for name in ("tables.md", "ratios.png", "growth.png") if (path := folder / name).exists()]


def _rows(folder: Path, subject: str) -> dict[str, Any]:
    """A subject's file, its rows in the order of the cases, whatever the order that they were measured in."""
    found = read(folder / f"{subject}.json")
    names = [case.name for case in cases.ops()] + [case.name for case in cases.memory()]
    place = {name: k for k, name in enumerate(names, start=1)}
    if subject in ("ops", "nets", "memory"):
        found["rows"].sort(key=lambda row: 0 if row["case"].startswith(PRODUCT) else place.get(row["case"], len(place)))
    return found


def _threads(rows: list[dict]) -> str:
    counts = {row["threads"] for row in rows}
    return f", {counts.pop()} threads each" if len(counts) == 1 else ""
