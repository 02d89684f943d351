"""`python -m tutorials.build`: makes the notebooks out of their masters, and runs them.

A master is a Python file in percent format (`# %%`, `# %% [markdown]`): what is read in a review and kept in order by
ruff. The notebook beside it is committed with its outputs, so that it can be read without being run. Only what is out
of date is run again, unless `--all` is said, and where only words have changed nothing is; the same master gives the
same bytes on the same machine, but for what a notebook prints of seconds.

Each picture is described to those who cannot see it, in its output's metadata, by the "What to see" that follows it.

What is refused: an error, a time-out, anything on stderr (warnings too), a notebook without pictures, a blank picture,
axes with nothing in them, a picture without "What to see".
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from PIL import Image

HERE = Path(__file__).resolve().parent
#: Seconds that a notebook may take. They are made to take 15, the long ones 90, on two cores with nothing else to do.
LIMIT, LONG_LIMIT = 90, 300
LONG = ("11_training",)
#: Less of a picture than this, in any other colour than its commonest, is nothing to look at.
INK = 0.01
#: Begins the paragraph that says what a picture shows, in the first text after it.
WHAT = "**What to see.**"
#: Why a notebook is out of date that need not be run.
WORDS = "other words around the same code"
#: Runs before a notebook's first cell, and is no part of it: complains of axes that show nothing.
WATCH = """
def _watch():
    import sys
    pyplot = sys.modules.get("matplotlib.pyplot")
    for number in pyplot.get_fignums() if pyplot else ():
        for axes in pyplot.figure(number).axes:
            if axes.axison and not axes.has_data() and not axes.texts:
                print("a figure has axes with nothing in them", file=sys.stderr)
get_ipython().events.register("post_execute", _watch)
"""


class Refused(Exception):
    """A notebook that cannot be published, and why."""


def masters() -> list[Path]:
    """The notebooks' masters, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def notebook_of(master: Path) -> NotebookNode:
    """The notebook of a master, not yet run. Nothing in it depends on when, where or by what it was made."""
    notebook = jupytext.read(master, fmt="py:percent")
    for k, cell in enumerate(notebook.cells):
        cell.id = f"cell-{k:02}"
        cell.metadata = NotebookNode()
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first that knows cell ids
    return notebook


def run(notebook: NotebookNode, limit: float) -> NotebookNode:
    """`notebook` with its outputs, run in `tutorials/` by a kernel of its own; Refused if it is not fit to be read."""
    watch = nbformat.v4.new_code_cell(WATCH, id="watch")
    about = nbformat.from_dict(notebook.metadata)  # a copy: the kernel adds its version to it
    running = NotebookNode(notebook, cells=[watch, *notebook.cells], metadata=about)
    with tempfile.TemporaryDirectory() as settings:  # not the user's own: they might draw otherwise
        client = NotebookClient(
            running,
            timeout=limit,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": HERE}},
            extra_arguments=["--IPKernelApp.log_level=40"],  # no remark that 127.0.0.1 is not encrypted
        )
        path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": settings, "MPLBACKEND": ""}
        environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        start = time.monotonic()
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, RuntimeError) as error:
            raise Refused(_plain(str(error))) from None
    if time.monotonic() - start > limit:
        raise Refused(f"took more than {limit} seconds")
    cells = running.cells[1:]
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.metadata, cell.execution_count = NotebookNode(), count
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _small(output.data["image/png"])
                output.data.pop("text/plain", None)  # a figure's size: of no use beside the figure
                output.metadata = NotebookNode()
    run_through = described(NotebookNode(notebook, cells=cells))
    if faults := list(look(run_through)):
        raise Refused("; ".join(faults))
    return run_through


def described(notebook: NotebookNode) -> NotebookNode:
    """`notebook`, each picture with what is to be seen in it as alternative text, where nbconvert looks for it."""
    shown: list[NotebookNode] = []  # that no text has followed so far
    for cell in notebook.cells:
        shown += [output for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
        if cell.cell_type == "markdown":
            for k, output in enumerate(shown, 1):
                if told := what_to_see(cell.source):
                    which = f"Picture {k} of {len(shown)}. " if len(shown) > 1 else ""
                    output.metadata = nbformat.from_dict({"image/png": {"alt": which + told}})
            shown = []
    return notebook


def what_to_see(text: str) -> str:
    """The first "What to see" of a Markdown text, on one line and without its markup; "" if there is none."""
    paragraph = text.partition(WHAT)[2].partition("\n\n")[0]
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", paragraph).replace("\\partial ", "d")
    return " ".join(re.sub(r"[*`${}]", "", plain).split())


def pictures(notebook: NotebookNode) -> Iterator[Image.Image]:
    """The pictures in a notebook's outputs, in RGB."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if data := output.get("data", {}).get("image/png"):
                yield Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def look(notebook: NotebookNode) -> Iterator[str]:
    """What is wrong with a notebook that ran through."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"{cell.id}: {output.get('text') or output.get('evalue')}"
            if " at 0x" in output.get("data", {}).get("text/plain", ""):
                yield f"{cell.id}: shows an address, another one every time: end the cell in something else"
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}) and not output.metadata.get("image/png", {}).get("alt"):
                yield f'{cell.id}: a picture, and no text with "{WHAT}" after it'
    drawn = list(pictures(notebook))
    if not drawn:
        yield "has no picture"
    for k, picture in enumerate(drawn, 1):
        if ink(picture) < INK:
            yield f"picture {k} is blank"


def ink(picture: Image.Image) -> float:
    """The share of a picture's pixels that have not its commonest colour."""
    _, counts = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_counts=True)
    return 1 - counts.max() / counts.sum()


def stale(master: Path) -> str:
    """Why the notebook of a master is not up to date; "" if it is."""
    path = master.with_suffix(".ipynb")
    if not path.exists():
        return "there is no notebook"
    there, retold = nbformat.read(path, as_version=4), reworded(master)
    if retold is None:
        return "the master says something else"
    if any(cell.cell_type == "code" and not cell.execution_count for cell in there.cells):
        return "it was not run"
    return "; ".join(look(retold)) or ("" if nbformat.writes(there) == nbformat.writes(retold) else WORDS)


def reworded(master: Path) -> NotebookNode | None:
    """The notebook of a master, with the outputs of the one that is there; None if that had other code."""
    there, wanted = nbformat.read(master.with_suffix(".ipynb"), as_version=4), notebook_of(master)
    ran, to_run = ([cell for cell in n.cells if cell.cell_type == "code"] for n in (there, wanted))
    if [cell.source for cell in ran] != [cell.source for cell in to_run]:
        return None
    for old, new in zip(ran, to_run, strict=True):
        new.execution_count, new.outputs = old.execution_count, old.outputs
        for output in new.outputs:
            if "image/png" in output.get("data", {}):
                output.metadata = NotebookNode()
    return described(wanted)


def limit_of(master: Path) -> int:
    """The seconds that this notebook may take."""
    return LONG_LIMIT if master.stem in LONG else LIMIT


def main(argv: list[str] | None = None) -> int:
    """Build what is out of date; 1 if something had to be refused."""
    parser = argparse.ArgumentParser(prog="python -m tutorials.build", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of masters' names, such as 03 (default: all)")
    parser.add_argument("--all", action="store_true", help="run those that are up to date, too")
    arguments = parser.parse_args(argv)
    refused = 0
    for master in masters():
        if arguments.names and not any(name in master.name for name in arguments.names):
            continue
        if not (why := "--all" if arguments.all else stale(master)):
            continue
        print(f"{master.stem}: {why.splitlines()[0]}", end="", flush=True)
        start = time.monotonic()
        try:
            notebook = (why == WORDS and reworded(master)) or run(notebook_of(master), limit_of(master))
        except Refused as error:
            print(f"\n  refused: {error}")
            refused = 1
            continue
        path = master.with_suffix(".ipynb")
        nbformat.write(notebook, path)
        drawn = sum(1 for _ in pictures(notebook))
        size = path.stat().st_size >> 10
        how = "not run" if why == WORDS else f"run in {time.monotonic() - start:.1f} s"
        print(f": {how}, {drawn} pictures, {size} KiB")
    return refused


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Printed lines that follow each other as one: how they were parted is a matter of time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _plain(text: str) -> str:
    """Text without the terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _small(png: str) -> str:
    """A picture in 256 colours, without what matplotlib writes about itself."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    out = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


if __name__ == "__main__":
    sys.exit(main())
