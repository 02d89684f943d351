"""What a results folder holds, printed, and as Markdown and pictures beside it."""

from __future__ import annotations

from pathlib import Path

from benchmarks import cases, scaling, tables
from benchmarks.engines import ENGINES
from benchmarks.results import Row, read
from minifcn.files import atomic_path

TITLES = {
    "ops": "Operations, each at its largest size in FCN-8s or FCN-GoogLeNet at 500x500",
    "nets": "Nets",
    "memory": "Peak memory of a process",
    "growth": "Growth: a unit is a pixel, a picture, a multiply-accumulate or a thread",
    "train": "python -m minifcn.train",
    "scaling": "Training steps on several processes, over MPI",
}


def show(folder: Path, subject: str, only: str = "") -> None:
    """Print a subject's table, or the rows of it with `only` in their names."""
    rows, products = _rows(folder, subject)
    rows = [row for row in rows if only in f"{row.get('axis', '')}: {row['case']}"]
    if rows:
        print(f"{TITLES[subject]}{_threads(rows)}\n{tables.text(tables.SUBJECTS[subject](rows))}\n")
        for reason in sorted({f"{ENGINES[who]} {why}" for row in rows for who, why in row.get("absent", {}).items()}):
            print(f"a dash: {reason}")
        for line in (*tables.rates(products), *_growth(subject, rows)):
            print(line)


def write(folder: Path) -> list[Path]:
    """All tables as `tables.md`, ratios.png and growth.png; returns what has been written."""
    from benchmarks import picture  # matplotlib: not before it is needed

    measured = {subject: each for subject in TITLES if (each := _rows(folder, subject))[0]}
    machines = dict.fromkeys(", ".join(read(_path(folder, subject))["machine"].values()) for subject in measured)
    lines = [f"Measured on {told}.\n" for told in machines]
    for subject, (rows, products) in measured.items():
        commits = ", ".join(dict.fromkeys(row["commit"] for row in rows))
        lines += [f"### {TITLES[subject]}{_threads(rows)}", ""]
        lines += [tables.markdown(tables.SUBJECTS[subject](rows)), ""]
        lines += [f"* {line}" for line in (*tables.rates(products), *_growth(subject, rows))]
        lines += [f"* `python -m benchmarks {subject}` at {commits}", ""]
    with atomic_path(folder / "tables.md") as beside:
        beside.write_text("\n".join(lines))
    titles = TITLES | {"memory": f"{TITLES['memory']}, less its imports"}
    groups = {titles[subject]: measured[subject][0] for subject in ("nets", "memory", "ops") if subject in measured}
    picture.ratios(groups, folder / "ratios.png")
    picture.growth(measured.get("growth", ([], []))[0], folder / "growth.png")
    return [path for name in ("tables.md", "ratios.png", "growth.png") if (path := folder / name).exists()]


def _rows(folder: Path, subject: str) -> tuple[list[Row], list[Row]]:
    """A subject's rows, in the order of the cases and not of their measuring; and those of matrix products."""
    rows = read(_path(folder, subject))["rows"]
    names = [case.name for case in cases.ops()] + [case.name for case in cases.memory()]
    place = {name: k for k, name in enumerate(names)}

    def order(row: Row) -> tuple:
        if subject == "growth":
            return list(cases.AXES).index(row["axis"]), row["threads"], row["units"]
        if subject == "scaling":
            return [each.name for each in scaling.SUBJECTS].index(row["case"]), list(scaling.WAYS).index(row["key"])
        return (place.get(row["case"], len(place)),)

    products = [row for row in rows if row["case"].startswith(cases.PRODUCT)]
    return sorted((row for row in rows if row not in products), key=order), products


def _growth(subject: str, rows: list[Row]) -> list[str]:
    """Of growth, the power of each axis that time and memory grow with, and what to expect."""
    if subject != "growth":
        return []
    return [f"{axis}, {told}: {cases.AXES[axis][1]}" for axis, told in tables.powers(rows).items()]


def _path(folder: Path, subject: str) -> Path:
    return folder / f"{subject}.json"


def _threads(rows: list[Row]) -> str:
    counts = {row["threads"] for row in rows}
    return f", {counts.pop()} threads each" if len(counts) == 1 else ""
