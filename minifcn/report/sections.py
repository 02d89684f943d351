"""The page's HTML, all but what its scripts draw: head, curves' place, tables, and the places of the pictures."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from minifcn import __version__
from minifcn import config as configuration
from minifcn.data import Dataset
from minifcn.errors import counted
from minifcn.inspection import plots
from minifcn.inspection.page import HTML, tag
from minifcn.recipes import RECIPES
from minifcn.report.run import Run, Trained
from minifcn.report.scoring import RANKS, View

#: What a cell says where there was nothing to measure.
NOTHING = "–"  # noqa: RUF001


def head(run: Run, view: View, trained: Trained, dataset: Dataset) -> HTML:
    """The title, what the run has come to in one line, and what is missing. trained: what is shown first."""
    config, end = run.config, run.stages[-1].end
    least = trained.step if run.finished else f"{trained.step:,} or more of {end:,}"
    made = f"{run.step:,} of {end:,} steps" if run.rows else f"{least} steps"
    said = f"{config.net}, {config.preset}, trained on {config.data} {config.split}, {made}"
    if run.rows:
        said += f" in {_duration(run.rows[-1]['seconds'])}"
    notes = list(run.notes)
    if not run.finished:
        why = f"This run is not finished: {made}."
        if not run.folder.weights.is_file() and max(run.step, trained.step) >= end:
            why = f"{run.folder.weights.name} is missing, though this run has made all of its {end:,} steps."
        notes.insert(0, f"{why} What is below is of {_where(trained)} of step {trained.step:,}.")
    seen = counted(len(view.pictures), "picture")
    if len(view.pictures) < len(dataset):
        notes.append(f"Scored on the first {seen} of {len(dataset)}.")
    scores = view.confusion.scores()
    of = f" of {view.title}" if view.title else ""
    return tag(
        "header",
        tag("p", "minifcn report", class_="faint eyebrow"),
        tag("h1", run.folder.path.resolve().name),
        tag("p", said, "; scored on ", dataset.name, f", {seen}: ",
            tag("strong", f"mean IU {_share(scores.mean_iu)}"), ", pixel accuracy ", _share(scores.pixel_accuracy), of),
        [tag("p", note, class_="note", role="note") for note in notes],
    )  # fmt: skip


def navigation(curves: bool) -> HTML:
    """Links to the sections."""
    places = {"curves": "Curves"} if curves else {}
    places |= {"classes": "Classes", "confusion": "Confusion", "pictures": "Pictures", "about": "About the run"}
    links = [tag("li", tag("a", name, href=f"#{place}")) for place, name in places.items()]
    return tag("nav", tag("ul", links), aria_label="Sections")


def charts() -> HTML:
    """Where charts.js draws."""
    return tag(
        "section",
        tag("h2", "Curves", id="curves-title"),
        tag("div", id="charts"),
        tag("p", "Drag over a chart to zoom, double-click for all of it. With the keyboard: ", tag("kbd", "←"), " ",
            tag("kbd", "→"), " move the readout, ", tag("kbd", "+"), " ", tag("kbd", "−"),  # noqa: RUF001
            " zoom, ", tag("kbd", "0"), " shows all.", class_="faint hint"),
        id="curves", aria_labelledby="curves-title",
    )  # fmt: skip


def tabs(views: Sequence[View], first: int) -> HTML | None:
    """A button for each view, if there are several."""
    if len(views) < 2:
        return None
    buttons = [
        tag("button", view.title, type="button", data_view=k, aria_pressed=str(k == first).lower())
        for k, view in enumerate(views)
    ]
    return tag("div", tag("span", "Show ", class_="faint"), buttons, class_="tabs", role="group", aria_label="Net")


def several(views: Sequence[View]) -> HTML | None:
    """The four measures of every view beside each other, if there are several."""
    if len(views) < 2:
        return None
    rows = []
    for view in views:
        scores = view.confusion.scores()
        cells = [tag("td", _share(getattr(scores, name)), class_="number") for name in reversed(plots.MEASURES)]
        rows.append(tag("tr", tag("th", view.title, scope="row"), cells))
    names = [tag("th", name, scope="col", class_="number") for name, _, _ in reversed(plots.MEASURES.values())]
    return tag(
        "section",
        tag("h2", "Side by side"),
        tag("div", tag("table", tag("thead", tag("tr", tag("th", "net", scope="col"), names)), tag("tbody", rows)),
            class_="wide"),
    )  # fmt: skip


def results(views: Sequence[View], sources: Sequence[Trained], first: int) -> HTML:
    """Of each view the measures and the classes; only one is shown at first."""
    parts = zip(views, sources, range(len(views)), strict=True)
    return tag("section", [_result(v, t, k, k == first) for v, t, k in parts], id="classes")


def _result(view: View, trained: Trained, number: int, shown: bool) -> HTML:
    """A view's four measures and its table of classes."""
    scores = view.confusion.scores()
    tiles = [
        tag("div", tag("dt", name), tag("dd", _share(getattr(scores, key))), class_="tile")
        for key, (name, _, _) in reversed(plots.MEASURES.items())
    ]
    columns = ("class", "IU", "accuracy", "share")
    header = [
        tag("th", tag("button", text, type="button", title=f"sort by {text}"), scope="col",
            aria_sort="none", data_sort="text" if text == "class" else "number")
        for text in columns
    ]  # fmt: skip
    rows = []
    values = zip(view.names.classes, view.names.palette, scores.class_iu, scores.class_accuracy, scores.class_share,
                 strict=False)  # fmt: skip
    for k, (name, colour, iu, accuracy, share) in enumerate(values):
        cells = [_bar(iu, "blue"), _bar(accuracy, "green"), _bar(share, "faint", percent=True)]
        rows.append(tag("tr", tag("th", swatch(colour), name, scope="row", data_value=k), cells))
    return tag(
        "div",
        tag("h2", "Measures and classes", f": {view.title}" if view.title else ""),
        tag("p", _which(trained), class_="faint"),
        tag("dl", tiles, class_="tiles"),
        tag("div", tag("table", tag("thead", tag("tr", header)), tag("tbody", rows), class_="classes"), class_="wide"),
        data_of_view=number, hidden=not shown,
    )  # fmt: skip


def confusion() -> HTML:
    """Where confusion.js draws."""
    return tag(
        "section",
        tag("h2", "Confusion", id="confusion-title"),
        tag("p", "Rows are the truth, columns what the net says: the diagonal (", tag("span", "blue", class_="right"),
            ") is right, all else (", tag("span", "orange", class_="wrong"), ") is wrong; the stronger, the more of "
            "the row. A click on a cell, or Enter, shows pictures of it.", class_="hint"),
        tag("div", id="matrix"),
        id="confusion", aria_labelledby="confusion-title",
    )  # fmt: skip


def pictures(dataset: Dataset, by: str, side: int, reduced: int, total: int) -> HTML:
    """Where album.js hangs the pictures."""
    said = [
        tag("p", f"Ordered by {RANKS[by]}, of each picture alone. Ignored pixels count nowhere and are hatched in the "
            "truth. Drag the line across a picture, or use ", tag("kbd", "←"), " ", tag("kbd", "→"),
            "; the pointer tells the classes under it."),
    ]  # fmt: skip
    if reduced:
        said.append(
            tag("p", f"To keep this page small, {reduced} of {counted(total, 'picture')} are shown {side} pixels at "
                "the longer side; all were scored at their own size.",
                class_="faint")
        )  # fmt: skip
    return tag(
        "section",
        tag("h2", "Pictures", id="pictures-title"),
        said,
        tag("noscript", tag("p", "The pictures need JavaScript; this page has all of it inside.", class_="note")),
        tag("div", id="album"),
        id="pictures", aria_labelledby="pictures-title",
    )  # fmt: skip


def about(run: Run, trained: Sequence[Trained], parameters: int, dataset: Dataset, command: str) -> HTML:
    """What was trained on what, and the commands that make it again."""
    config, path = run.config, shlex.quote(str(run.folder))
    entries: dict[str, Any] = {
        "net": f"{config.net}, preset {config.preset}, {parameters:,} parameters; input padding {config.input_padding}",
        "trained on": f"{config.data}, split {config.split}",
        "scored on": f"{dataset.name}, {counted(len(dataset), 'picture')}",
        "recipe": f"{config.recipe}: {RECIPES[config.recipe]['source']}",
        "overrides": _lines(configuration.overrides(config)) or "none",
        "steps": f"{run.stages[-1].end:,}, of them made: {run.step:,}" if run.rows else f"{run.stages[-1].end:,}",
    }
    if len(run.stages) > 1:
        entries["stages"] = _lines(f"{s.net}: steps {s.start + 1:,} to {s.end:,}, lr {s.lr:.3g}" for s in run.stages)
    entries["began with"] = config.init or "random weights"
    entries["weights"] = [[each.path.name, tag("br"), tag("code", f"sha256 {each.sha256}"), tag("br")]
                          for each in trained]  # fmt: skip
    entries["mean of the pictures"] = ", ".join(f"{m:.7g}" for m in configuration.mean_of(config)) + " (B, G, R)"
    entries["versions"] = f"minifcn {__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
    commands = [f"minifcn train --config {path}/{run.folder.config.name} --out ANOTHER    # the same run again"]
    if run.folder.checkpoint.is_file():
        more = "" if run.step < run.stages[-1].end else " --iterations MORE"
        commands.append(f"{run.folder.to_go_on()}{more}    # go on with it")
    commands.append(f"{command}    # this page")
    settings = configuration.to_toml(config).strip()
    return tag(
        "section",
        tag("h2", "About the run", id="about-title"),
        tag("dl", [[tag("dt", key), tag("dd", value)] for key, value in entries.items()], class_="facts"),
        tag("h3", "Commands"),
        tag("pre", "\n".join(commands), tabindex=0),
        tag("details", tag("summary", "All settings"), tag("pre", settings, tabindex=0)),
        id="about", aria_labelledby="about-title",
    )  # fmt: skip


def swatch(colour: np.ndarray) -> HTML:
    """A small square in a class's colour."""
    fill = "#" + bytes(colour.tolist()).hex()
    square = tag("rect", width=12, height=12, rx=2, fill=fill)
    return tag("svg", square, class_="swatch", viewBox="0 0 12 12", width=12, height=12, aria_hidden="true")


def _bar(value: float, colour: str, percent: bool = False) -> HTML:
    """A cell with a number and a bar as long."""
    if np.isnan(value):
        return tag("td", NOTHING, class_="number", data_value=-1)
    bar = tag("rect", width=f"{100 * value:.2f}", height=1, fill=f"var(--{colour})")
    drawn = tag("svg", bar, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
    text = f"{100 * value:.2f} %" if percent else f"{value:.4f}"
    return tag("td", drawn, tag("span", text), class_="number", data_value=f"{value:.8f}")


def _which(trained: Trained) -> str:
    return f"{trained.stage.net} after step {trained.step:,}, from {_where(trained)}"


def _where(trained: Trained) -> str:
    return "the checkpoint" if trained.saved else trained.path.name


def _share(value: float) -> str:
    return NOTHING if np.isnan(value) else f"{value:.4f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _lines(texts: Any) -> list[Any]:
    return [[text, tag("br")] for text in texts]
