"""Rows in files, tables and pictures."""

import doctest
import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import benchmarks
from benchmarks import figures, report, tables
from benchmarks.results import Results, read
from minifcn.errors import MinifcnError

MACHINE = {"processor": "P", "torch": "2"}
TIMED = {
    "case": "conv1_2 forward", "threads": 2, "commit": "abc", "rate": 1e10, "macs": 4_000_000_000, "absent": {},
    "difference": {"pytorch": 1e-7}, "seconds": {"minifcn": [0.2, 0.4, 0.3], "pytorch": [0.4, 0.4, 0.2]},
}  # fmt: skip
PEAK = {
    "case": "FCN-8s tiny, 96x96, forward", "threads": 2, "commit": "abc", "planned": 8 << 20, "absent": {},
    "peak": {"minifcn": {"imports": 10 << 20, "host": 20 << 20, "device": None},
             "pytorch": {"imports": 200 << 20, "host": 240 << 20, "device": None}},
}  # fmt: skip


def grown(axis, units, seconds):
    return {**TIMED, **PEAK, "axis": axis, "key": axis, "units": units, "case": f"{axis} {units}",
            "seconds": {"minifcn": [seconds], "pytorch": [seconds / 2]}}  # fmt: skip


def test_a_timed_row():
    (cells,) = tables.timed([TIMED])
    assert cells["minifcn, ms"] == "300"
    assert cells["over PyTorch"] == "1.00 (0.50-1.50)"
    assert cells["minifcn's share"] == "133 %"  # 4e9 in 0.3 s, of 1e10 a second: more than all
    assert cells["PyTorch's share"] == "100 %"


def test_what_is_no_sum_of_products_has_no_share():
    (cells,) = tables.timed([{**TIMED, "macs": 0}])
    assert "GMAC" not in cells and not any("share" in name for name in cells)


def test_a_row_of_memory_with_and_without_imports():
    (cells,) = tables.memory([PEAK])
    assert (cells["minifcn, MiB"], cells["PyTorch, MiB"], cells["over PyTorch"]) == ("20", "240", "0.08")
    assert (cells["minifcn, less imports"], cells["over PyTorch, less imports"]) == ("10", "0.25")
    assert cells["planned, MiB"] == "8"


def test_on_a_gpu_the_device_s_memory_counts():
    peak = {name: {**each, "device": 50 << 20} for name, each in PEAK["peak"].items()}
    (cells,) = tables.memory([{**PEAK, "peak": peak}])
    assert cells["minifcn, MiB"] == cells["minifcn, less imports"] == "50"


def test_growth_is_told_a_unit_along_each_axis():
    rows = [grown("pixels", 100, 1.0), grown("pixels", 400, 4.0), grown("batch", 1, 1.0), grown("batch", 4, 2.0)]
    told = [cells.get("minifcn, time a unit") for cells in tables.growth(rows)]
    assert told == ["1.00", "1.00", "1.00", "0.50"]


def test_the_powers_of_growth_are_of_threads_and_not_of_time_a_thread():
    rows = [grown("pixels", 100, 1.0), grown("pixels", 400, 4.0)]
    rows += [
        {**grown("threads", 1, 1.0), "threads": 1},
        {**grown("threads", 0.5, 0.5), "threads": 2},
        grown("batch", 1, 1),
    ]
    told = tables.powers(rows)
    assert told["pixels"].startswith("minifcn's time with the power 1.00, memory 0.00; PyTorch's time")
    assert told["threads"].startswith("minifcn's time with the power -1.00") and "batch" not in told


def test_the_rate_of_products():
    assert tables.rates([TIMED]) == ["conv1_2 forward, GMAC/s: minifcn 13.3, PyTorch 10.0"]


def test_a_column_that_says_the_same_in_all_rows_is_not_printed():
    assert "threads" not in tables.text(tables.timed([TIMED]))
    assert "threads" in tables.text(tables.timed([TIMED, {**TIMED, "threads": 1}]))


def test_a_row_takes_the_place_of_the_one_before_and_others_stay(tmp_path):
    results = Results(tmp_path, "ops", MACHINE)
    results.add(TIMED)
    results.add({**TIMED, "case": "other"})
    again = Results(tmp_path, "ops", MACHINE)
    again.add({**TIMED, "commit": "def"})
    found = read(tmp_path / "ops.json")
    assert [(row["case"], row["commit"]) for row in found["rows"]] == [("conv1_2 forward", "def"), ("other", "abc")]
    assert found["machine"] == MACHINE


def test_rows_of_another_machine_go_and_a_new_opponent_s_do_not(tmp_path, capsys):
    Results(tmp_path, "ops", MACHINE).add(TIMED)
    assert len(Results(tmp_path, "ops", {**MACHINE, "dezero": "0"}).rows) == 1
    assert len(Results(tmp_path, "ops", {"processor": "P"}).rows) == 1  # torch is absent this time
    assert capsys.readouterr().out == ""
    assert Results(tmp_path, "ops", {**MACHINE, "torch": "3"}).rows == []
    assert "1 earlier rows go, they were measured with another torch" in capsys.readouterr().out


def test_a_file_that_is_no_results_is_refused(tmp_path):
    (tmp_path / "ops.json").write_text(json.dumps([1, 2]))
    with pytest.raises(MinifcnError, match=r"ops\.json: not a file of results"):
        Results(tmp_path, "ops", MACHINE)


def test_the_report_holds_every_subject_once_measured(tmp_path, capsys):
    train = {"case": "minifcn train", "threads": 2, "commit": "abc", "key": "abc", "steps": 9, "seconds": 1.0,
             "step_ms": 50.0, "mean_iu": 0.5}  # fmt: skip
    rows = {"ops": [{**TIMED, "case": "conv2_1 dw"}, TIMED], "memory": [PEAK], "train": [train],
            "growth": [grown("pixels", 100, 1.0), grown("pixels", 400, 4.0), grown("threads", 0.5, 0.6)]}  # fmt: skip
    for subject, each in rows.items():
        results = Results(tmp_path, subject, MACHINE)
        for row in each:
            results.add(row)
    assert {path.name for path in report.write(tmp_path)} == {"tables.md", "ratios.png", "growth.png"}
    told = (tmp_path / "tables.md").read_text()
    assert told.count("Measured on P, 2.") == 1 and told.count("### ") == 4
    assert told.index("| conv1_2 forward |") < told.index("| conv2_1 dw |")  # in the cases' order
    assert "`python -m benchmarks ops` at abc" in told
    report.show(tmp_path, "train")
    assert "0.5000" in capsys.readouterr().out


def test_the_exponent_of_growth():
    assert figures.exponent([1, 4], [1, 2]) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["cases", "figures", "tables"])
def test_examples_in_docstrings_are_true(name):
    result = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert result.attempted and not result.failed


def test_the_parent_loads_no_opponent_and_a_worker_nothing_of_the_parent_s():
    """It would count as the opponent's memory."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    assert "torch" not in loaded_by(*(f"benchmarks.{name}" for name in names))
    assert not {"minifcn", "matplotlib", "torch"} & loaded_by("benchmarks.worker")


def loaded_by(*modules):
    """What a fresh process has loaded that imports these."""
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
