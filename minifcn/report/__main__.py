"""`python -m minifcn.report RUN`: what a run has come to, on one page that opens in any browser, without a network."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.backend import xp_of
from minifcn.command import (
    Parser,
    add_device_flags,
    add_memory_flag,
    memory_budget,
    positive,
    reports_errors,
)
from minifcn.data import Dataset
from minifcn.data.spec import HELP
from minifcn.errors import ConfigError
from minifcn.inspection import page, plots
from minifcn.inspection.summary import size as size_text
from minifcn.report import sections
from minifcn.report.album import MOST, album
from minifcn.report.run import Run, Trained
from minifcn.report.scoring import RANKS, View, chosen, view

ABOUT = """\
Write RUN/report.html: one file, with all it needs inside, to open from the disk or to send to someone.

It scores the run's weights on its validation set and shows the curves (drag to zoom, hover for the numbers), the four
measures, a table of classes to sort, the confusion matrix (a click on a cell shows pictures of it), and the worst and
the best pictures, with a line to drag between picture, truth, prediction and errors. Of a staged run, each stage; of
several tasks, each task; of a run that was stopped, the weights of its checkpoint.

A picture's place is given by its mean IU over the classes that its truth shows, or by --rank pixel-accuracy. Pictures
are made smaller until the page has less than 10 MB. The same run gives the same bytes.
"""
EXAMPLES = """\
examples
  minifcn train --out runs/shapes                      makes the run of the next line
  minifcn report runs/shapes                           writes runs/shapes/report.html
  minifcn report runs/shapes --pictures 30 --out shapes.html
  minifcn report runs/camvid --data camvid:DIR         the data lie elsewhere than they did in training
  minifcn report runs/camvid --split test --limit 100

exit status: 0 the page is written; 2 bad input
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Parse, evaluate, write."""
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser().parse_args(argv)
    run = Run.read(arguments.run)
    out = _out(arguments.out, run)
    dataset = run.dataset(arguments.data, arguments.split)
    nets = run.trained()
    for note in run.notes:  # the page has them, too
        print(note)
    views: list[View] = []
    sources: list[Trained] = []  # of each view
    for trained in nets:
        net, mean = run.open(trained, dataset, arguments.device, arguments.threads)
        net.convolve_by(arguments.conv)
        available = memory_budget(arguments.memory_limit, xp_of(*(param.data for param in net.params.values())))
        stage = trained.stage.net if len(run.stages) > 1 else ""
        made = view(net, dataset, stage, arguments.limit, mean, available)
        for each in made:
            scores = each.confusion.scores()
            said = f"{each.title}: " if each.title else ""
            print(f"{said}mean IU {scores.mean_iu:.4f}, pixel accuracy {scores.pixel_accuracy:.4f} on {dataset.name}")
        views += made
        sources += [trained] * len(made)
        parameters = sum(param.data.size for param in net.params.values())
    size = _write(out, run, dataset, views, sources, parameters, arguments, f"minifcn report {shlex.join(given)}")
    print(f"written to {out}: {size_text(size)}; open it in a browser")
    return 0


def _write(
    out: Path,
    run: Run,
    dataset: Dataset,
    views: Sequence[View],
    sources: Sequence[Trained],
    parameters: int,
    arguments: Any,
    command: str,
) -> int:
    """Put the page together; its size in bytes."""
    choices = [chosen(each, arguments.pictures, arguments.rank) for each in views]
    curves = _curves(run, views) if run.rows else None
    photos, pictures = album(dataset, choices, MOST - len(str(curves)))
    first = sources.index(sources[-1])  # what is shown first: of the last net, the first task
    body = [
        sections.head(run, views[first], sources[first], dataset),
        sections.navigation(bool(run.rows)),
        page.tag(
            "main",
            sections.charts() if run.rows else None,
            sections.several(views),
            sections.tabs(views, first),
            sections.results(views, sources, first),
            sections.confusion(),
            sections.pictures(dataset, arguments.rank, photos["side"], photos["reduced"], len(photos["photos"])),
            sections.about(run, list(dict.fromkeys(sources)), parameters, dataset, command),
        ),
        page.tag("footer", "Made by ", page.tag("code", command)),
    ]
    data = {
        "curves": curves,
        "photos": photos["photos"],
        "views": [
            {
                "title": each.title,
                "task": each.task,
                "classes": each.names.classes,
                "colours": each.names.palette[: len(each.names.classes)].tolist(),
                "matrix": each.confusion.matrix.astype(np.float64),
                "pictures": shown,
            }
            for each, shown in zip(views, pictures, strict=True)
        ],
        "first": first,
        "ignored": dataset.ignore_index,
        "rank": arguments.rank,
    }
    room = "minifcn.report"
    scripts = [page.source(room, name) for name in ("charts.js", "confusion.js", "album.js", "report.js")]
    title = f"{run.folder.path.resolve().name}: minifcn report"
    return page.write(out, title, body, data, scripts, [page.source(room, "report.css")])


def _curves(run: Run, views: Sequence[View]) -> dict[str, Any]:
    """The log as packed arrays. Evaluations are those of the first task and of the others that have columns."""
    rows = run.rows
    loss = np.array([row.get("loss", np.nan) for row in rows], np.float64)
    known = np.isfinite(loss)
    smooth = np.full(len(loss), np.nan)
    smooth[known] = plots.smooth(loss[known])
    evaluations = []
    for task, name in {each.task: each.names.name for each in views}.items():
        prefix = f"{name}_" if task else ""
        at = [row for row in rows if prefix + "mean_iu" in row]
        if at:
            lines = [
                {"name": said, "key": key, "values": [row.get(prefix + key) for row in at]}
                for key, (said, _, _) in plots.MEASURES.items()
            ]
            evaluations.append({"task": name, "steps": [row["step"] for row in at], "lines": lines})
    columns: dict[str, np.ndarray] = {
        "step": np.array([row["step"] for row in rows], np.int32),
        "loss": loss.astype(np.float32),
        "smooth": smooth.astype(np.float32),
        "lr": np.array([row.get("lr", np.nan) for row in rows], np.float64),
        "seconds": np.array([row.get("seconds", np.nan) for row in rows], np.float32),
    }
    return {
        **{name: page.pack(values) for name, values in columns.items()},
        "stages": [{"net": s.net, "start": s.start, "end": s.end} for s in run.stages],
        "evaluations": evaluations,
    }


def _out(given: str | None, run: Run) -> Path:
    """Where the page goes; ConfigError if it cannot go there, before there is any work."""
    out = run.folder.report if given is None else Path(given)
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise ConfigError(f"--out {given}: expected the name of an HTML file, such as report.html")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise ConfigError(f"{out}: the folder may not be written to; choose another place with --out FILE.html")
    return out


def _parser() -> Parser:
    parser = Parser(prog="minifcn report", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="the folder of a run, as `minifcn train --out` makes it")
    parser.add_argument("--out", metavar="FILE", help="the page [RUN/report.html]; one that is there is replaced")
    parser.add_argument("--data", metavar="SPEC", help=f"score on this data set instead of the run's own: {HELP}")
    parser.add_argument("--split", metavar="NAME", help="score on this part of the data set")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pictures")
    parser.add_argument(
        "--pictures", type=positive, default=12, metavar="N", help="show the N worst and the N best pictures [12]"
    )
    parser.add_argument("--rank", choices=tuple(RANKS), default="mean-iu", help="what orders pictures [mean-iu]")
    add_memory_flag(parser)
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
