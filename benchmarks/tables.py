"""Rows as tables: aligned on the screen, and in Markdown to be pasted into the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.engines import ENGINES
from benchmarks.figures import exponent, ratio, share

MIB = 2**20
Cells = dict[str, str]


def timed(rows: Sequence[Mapping[str, Any]]) -> list[Cells]:
    """Of each case the median milliseconds, ours over PyTorch's, and the shares of the machine's rate of products."""
    found = []
    for row in rows:
        seconds = row["seconds"]
        cells = {"case": row["case"], "threads": str(row["threads"])}
        cells |= {f"{ENGINES[name]}, ms": number(1e3 * median(each)) for name, each in seconds.items()}
        for name in list(seconds)[1:]:
            r = ratio(seconds["minifcn"], seconds[name])
            cells[f"over {ENGINES[name]}"] = f"{r.median:.2f} ({r.least:.2f}-{r.most:.2f})"
        if row["macs"]:
            cells["GMAC"] = number(row["macs"] / 1e9)
            for name in list(seconds)[:2]:
                part = share(row["macs"], median(seconds[name]), row["rate"])
                cells[f"{ENGINES[name]}'s share"] = f"{100 * part:.0f} %" if part else ""
        found.append(cells)
    return found


def memory(rows: Sequence[Mapping[str, Any]]) -> list[Cells]:
    """Of each case the peak, also less what the imports take, ours over PyTorch's, and what `net.plan` had told."""
    found = []
    for row in rows:
        cells: Cells = {"case": row["case"]}
        kind = "device" if row["peak"]["minifcn"]["device"] else "host"
        for less, label in ((0, "MiB"), (1, "less imports")):
            bytes_ = {
                name: peak[kind] - less * peak["imports"] * (kind == "host") for name, peak in row["peak"].items()
            }
            cells |= {f"{ENGINES[name]}, {label}": f"{value / MIB:.0f}" for name, value in bytes_.items()}
            for name in list(bytes_)[1:]:
                cells[f"over {ENGINES[name]}" + ", less imports" * less] = f"{bytes_['minifcn'] / bytes_[name]:.2f}"
        cells["planned, MiB"] = f"{row['planned'] / MIB:.0f}"
        found.append(cells)
    return found


def growth(rows: Sequence[Mapping[str, Any]]) -> list[Cells]:
    """Time and memory along each axis, and how much both are of a unit of it, relative to the axis's first row."""
    first: dict[str, Mapping[str, Any]] = {}
    found = []
    for row in rows:
        cells = {"grows": row["axis"], "case": row["case"], "threads": str(row["threads"])}
        start = first.setdefault(row["axis"], row)
        for name, seconds in row["seconds"].items():
            cells[f"{ENGINES[name]}, ms"] = number(1e3 * median(seconds))
            if name in start["seconds"]:
                each = median(seconds) / row["units"] / (median(start["seconds"][name]) / start["units"])
                cells[f"{ENGINES[name]}, time a unit"] = f"{each:.2f}"
        for name, peak in row["peak"].items():
            cells[f"{ENGINES[name]}, MiB"] = f"{grown_bytes(peak) / MIB:.0f}"
        found.append(cells)
    return found


def powers(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Axis -> the power of it that time and memory grow with between its first and its last row; 1 is in proportion."""
    found = {}
    for axis in dict.fromkeys(row["axis"] for row in rows):
        along = [row for row in rows if row["axis"] == axis]
        if len(along) > 1:
            units = [row["threads"] if axis == "threads" else row["units"] for row in (along[0], along[-1])]
            told = []
            for name in (name for name in along[0]["peak"] if name in along[-1]["peak"]):
                time = exponent(units, [median(row["seconds"][name]) for row in (along[0], along[-1])])
                size = exponent(units, [grown_bytes(row["peak"][name]) for row in (along[0], along[-1])])
                told.append(f"{ENGINES[name]}'s time with the power {time:.2f}, memory {size:.2f}")
            found[axis] = "; ".join(told)
    return found


def grown_bytes(peak: Mapping[str, Any]) -> int:
    """The peak on the device; of a process less its imports."""
    return peak["device"] or peak["host"] - peak["imports"]


def rates(products: Sequence[Mapping[str, Any]]) -> list[str]:
    """The machine's rate of matrix products, by library, a line for each case."""
    return [
        f"{row['case']}, GMAC/s: "
        + ", ".join(
            f"{ENGINES[name]} {number(row['macs'] / median(each) / 1e9)}" for name, each in row["seconds"].items()
        )
        for row in products
    ]


def train(rows: Sequence[Mapping[str, Any]]) -> list[Cells]:
    """The default training run, a row a commit."""
    return [
        {
            "commit": row["commit"],
            "threads": str(row["threads"]),
            "steps": str(row["steps"]),
            "seconds in all": f"{row['seconds']:.1f}",
            "ms a step (median)": number(row["step_ms"]),
            "mean IU": "" if row["mean_iu"] is None else f"{row['mean_iu']:.4f}",
        }
        for row in rows
    ]


def scaling(rows: Sequence[Mapping[str, Any]]) -> list[Cells]:
    """Processes and threads side by side, and their pictures a second over those of one process with one thread."""
    one = {row["case"]: _rate(row) for row in rows if row["key"] == "one"}
    found = []
    for row in rows:
        times = _rate(row) / one[row["case"]]
        found.append(
            {
                "case": row["case"],
                "processes": str(row["processes"]),
                "threads of each": str(row["threads"]),
                "pictures a step": str(row["pictures"]),
                "ms a step": number(1e3 * median(row["seconds"])),
                "waiting for sums, ms": number(1e3 * median(row["waits"])) if row["waits"] else "",
                "pictures/s": number(_rate(row)),
                "times one": f"{times:.2f}",
                "efficiency": f"{100 * times / (row['processes'] * row['threads']):.0f} %",
            }
        )
    return found


def _rate(row: Mapping[str, Any]) -> float:
    return row["pictures"] / median(row["seconds"])


#: Subject -> how its rows become cells.
SUBJECTS = {
    "ops": timed, "nets": timed, "memory": memory, "growth": growth, "train": train, "scaling": scaling,
}  # fmt: skip


def text(rows: Sequence[Cells]) -> str:
    """Aligned columns; the first is aligned left. A missing cell is a dash.

    >>> print(text([{"case": "relu", "ms": "1.2"}, {"case": "pool", "ms": "13.1", "GMAC": "2"}]))
    case    ms  GMAC
    relu   1.2     -
    pool  13.1     2
    """
    names, lines = _lines(rows)
    widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in (names, *lines)
    )


def markdown(rows: Sequence[Cells]) -> str:
    """A Markdown table.

    >>> print(markdown([{"case": "relu", "ms": "1.2"}]))
    | case | ms |
    | --- | ---: |
    | relu | 1.2 |
    """
    names, lines = _lines(rows)
    rule = ["---", *["---:"] * (len(names) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (names, rule, *lines))


def number(value: float) -> str:
    """Three digits, or all before the point.

    >>> number(1234.5), number(56.78), number(0.0123456)
    ('1234', '56.8', '0.0123')
    """
    return f"{value:.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def _lines(rows: Sequence[Cells]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len({row.get("threads") for row in rows}) == 1 and "threads" in names:
        names.remove("threads")  # told above the table
    return names, [[row.get(name) or "-" for name in names] for row in rows]
