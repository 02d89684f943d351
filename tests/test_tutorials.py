"""The notebooks: each runs as it is written, shows pictures, and is no older than its master.

Those that run a kernel are marked: `pytest -m tutorials`.
"""

from __future__ import annotations

import base64
import io

import nbformat
import numpy as np
import pytest
from PIL import Image

from tutorials import build

MASTERS = build.masters()

PLOT = """# %% [markdown]
# # A notebook

# %%
import matplotlib.pyplot as plt
fig, axes = plt.subplots()
axes.plot([1, 3, 2])
print("drawn")

# %% [markdown]
# **What to see.** A *peak*.
"""


def notebook(*outputs):
    """A notebook of one cell that printed or drew `outputs`."""
    cell = nbformat.v4.new_code_cell("x", id="cell-00", outputs=list(outputs), execution_count=1)
    return nbformat.v4.new_notebook(cells=[cell])


def drawing(pixels, alt="noise"):
    """The output of a cell that drew a picture (H, W, 3), and what is said of it."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    data = {"image/png": base64.b64encode(out.getvalue()).decode()}
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


NOISE = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


def test_there_are_notebooks_in_unbroken_order():
    assert [int(master.name[:2]) for master in MASTERS] == list(range(1, len(MASTERS) + 1))
    assert len(MASTERS) >= 12


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.stem)
def test_notebook_is_up_to_date_with_pictures_and_nothing_left_over(master):
    assert build.stale(master) == ""


def test_no_notebook_is_without_a_master():
    assert {path.stem for path in build.HERE.glob("*.ipynb")} == {master.stem for master in MASTERS}


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.stem)
def test_notebook_ends_in_asserts_and_exercises(master):
    cells = build.notebook_of(master).cells
    last = [cell for cell in cells if cell.cell_type == "code"][-1]
    assert last.source.count("assert ") >= 3
    assert cells[-1].source.startswith("## Exercises")


def test_the_list_of_notebooks_names_them_all():
    listed = (build.HERE / "README.md").read_text(encoding="utf-8")
    assert [master.stem for master in MASTERS if f"({master.stem}.ipynb)" not in listed] == []


def test_a_notebook_is_stale_when_its_master_changed_or_it_was_not_run(tmp_path):
    master = tmp_path / "01_plot.py"
    master.write_text(PLOT)
    assert build.stale(master) == "there is no notebook"
    made = build.notebook_of(master)
    nbformat.write(made, master.with_suffix(".ipynb"))
    assert build.stale(master) == "it was not run"
    made.cells[1].execution_count, made.cells[1].outputs = 1, [drawing(NOISE, "A peak.")]
    nbformat.write(made, master.with_suffix(".ipynb"))
    assert build.stale(master) == ""
    master.write_text(PLOT.replace("3, 2", "3, 4"))
    assert build.stale(master) == "the master says something else"


def test_a_notebook_of_other_words_is_written_anew_and_not_run(tmp_path, monkeypatch, capsys):
    master = tmp_path / "01_plot.py"
    master.write_text(PLOT)
    made = build.notebook_of(master)
    made.cells[1].execution_count, made.cells[1].outputs = 1, [drawing(NOISE, "A peak.")]
    nbformat.write(made, master.with_suffix(".ipynb"))
    master.write_text(PLOT.replace("A *peak*.", "A\n# peak, of [`3`](there) and $x^{2}$.\n#\n# More."))
    assert build.stale(master) == build.WORDS
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.delattr(build, "run")  # would be an error
    assert build.main([]) == 0
    assert "not run, 1 pictures" in capsys.readouterr().out
    (output,) = nbformat.read(master.with_suffix(".ipynb"), as_version=4).cells[1].outputs
    assert output.data == drawing(NOISE).data
    assert output.metadata["image/png"]["alt"] == "A peak, of 3 and x^2."
    assert build.stale(master) == ""
    master.write_text(PLOT.replace("**What to see.** ", ""))
    assert build.stale(master) == 'cell-01: a picture, and no text with "**What to see.**" after it'


def test_pictures_that_share_a_text_are_told_apart():
    both = notebook(drawing(NOISE, ""), drawing(NOISE, ""))
    both.cells.append(nbformat.v4.new_markdown_cell("**What to see.** Noise."))
    told = [output.metadata["image/png"]["alt"] for output in build.described(both).cells[0].outputs]
    assert told == ["Picture 1 of 2. Noise.", "Picture 2 of 2. Noise."]


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.stem)
def test_every_picture_is_described_by_the_text_that_follows_it(master):
    made = nbformat.read(master.with_suffix(".ipynb"), as_version=4)
    outputs = [output for cell in made.cells for output in cell.get("outputs", ())]
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    assert shown
    for output in shown:
        alt = output.metadata["image/png"]["alt"]
        assert len(alt) > 40 and not set(alt) & set("*`$\n\\"), alt


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ([drawing(NOISE)], []),
        (
            [drawing(NOISE, "")],
            ['cell-00: a picture, and no text with "**What to see.**" after it'],
        ),
        ([], ["has no picture"]),
        ([drawing(np.full((20, 30, 3), 255, np.uint8))], ["picture 1 is blank"]),
        ([drawing(NOISE), nbformat.v4.new_output("stream", name="stderr", text="careful")], ["cell-00: careful"]),
        ([drawing(NOISE), nbformat.v4.new_output("error", evalue="no")], ["cell-00: no"]),
        (
            [drawing(NOISE), nbformat.v4.new_output("execute_result", data={"text/plain": "<X at 0x7f>"})],
            ["cell-00: shows an address, another one every time: end the cell in something else"],
        ),
    ],
)
def test_a_look_at_a_notebook_finds(outputs, told):
    assert list(build.look(notebook(*outputs))) == told


@pytest.mark.tutorials
@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.stem)
def test_notebook_runs(master):
    build.run(build.notebook_of(master), build.limit_of(master))  # refuses what is wrong


@pytest.mark.tutorials
def test_the_same_master_gives_the_same_bytes(tmp_path):
    master = tmp_path / "01_plot.py"
    master.write_text(PLOT)
    first, second = (nbformat.writes(build.run(build.notebook_of(master), 60)) for _ in range(2))
    assert first == second
    assert '"drawn\\n"' in first and "image/png" in first and '"alt": "A peak."' in first
    assert "pygments" not in first  # nor what the kernel says of its Python's version


@pytest.mark.tutorials
@pytest.mark.parametrize(
    ("line", "limit", "told"),
    [
        ("1 / 0", 60, "ZeroDivisionError"),
        ("import warnings; warnings.warn('old')", 60, "old"),
        ("fig, axes = plt.subplots(1, 2)", 60, "axes with nothing in them"),
        ("import time; time.sleep(30)", 3, "time"),
        ("import os; os._exit(1)", 60, "Kernel died"),
    ],
)
def test_a_notebook_is_refused_for(line, limit, told, tmp_path):
    master = tmp_path / "01_plot.py"
    master.write_text(f"{PLOT}\n# %%\n{line}\n")
    with pytest.raises(build.Refused, match=told):
        build.run(build.notebook_of(master), limit)
