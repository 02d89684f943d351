"""What the smaller experiments share: runs that differ in one thing, their measures side by side."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from minifcn.experiments import report, runs
from minifcn.inspection import charts

Ways = Mapping[str, Mapping[str, Any]]


def compare(arguments: argparse.Namespace, out: Path, ways: Ways, label: str) -> dict[str, list[runs.Run]]:
    """Train each way (name -> settings) with each seed; print and write the means of their measures.

    label: what the ways are, the head of the table's first column. Leaves NAME.csv in `out`. Returns the runs.
    """
    found: dict[str, list[runs.Run]] = {}
    for seed in arguments.seeds:
        for name, settings in ways.items():
            folder = out / f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)}-seed{seed}"
            given = runs.settings(arguments, seed=seed, **settings)
            found.setdefault(name, []).append(runs.trained(folder, f"seed {seed}, {name}", given))
    rows: list[dict[str, Any]] = []
    for name, there in found.items():
        measured = [run.measures() for run in there]
        means = {key: mean(one[key] for one in measured) for key in measured[0]}
        each = {f"seed {seed}": one["mean IU"] for seed, one in zip(arguments.seeds, measured, strict=True)}
        steps = {"steps": len(there[0].log), "seconds": mean(run.seconds for run in there)}
        rows.append({label: name, **means, **(each if len(each) > 1 else {}), **steps})
    print(f"\n{arguments.data}, {arguments.net}, in percent" + ("; mean IU of each seed" if len(each) > 1 else ""))
    print(report.table(rows))
    report.write_csv(rows, out / f"{arguments.name}.csv")
    return found


def curves(arguments: argparse.Namespace, out: Path, found: Mapping[str, list[runs.Run]], measure: str) -> None:
    """Draw a measure of the log over steps and over seconds, the mean over the seeds: NAME.png."""
    parts = {}
    for title, key, xlabel in (("by steps", "step", "steps"), ("by time", "seconds", "seconds")):
        series = {}
        for name, there in found.items():
            evaluated = zip(*(run.evaluations for run in there), strict=True)
            series[name] = [
                (mean(row[key] for row in rows), 100 * mean(row[measure] for row in rows)) for rows in evaluated
            ]
        parts[title] = (series, xlabel)
    charts.panels(parts, out / f"{arguments.name}.png", f"{runs.COLUMNS[measure]}, %")


def bars(arguments: argparse.Namespace, out: Path, found: Mapping[str, list[runs.Run]]) -> None:
    """Draw the final mean IU of each way: NAME.png."""
    groups = {name: {"here": mean(run.measures()["mean IU"] for run in there)} for name, there in found.items()}
    charts.bars(groups, out / f"{arguments.name}.png", "mean IU, %", f"{arguments.data}, {arguments.net}")
