"""The opponents themselves: sizes, agreement on every operation at small sizes, processes, the command."""

import importlib.util
import json
import re
from pathlib import Path

import fakegpu
import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import cases, draw, measure, opponents
from benchmarks.cases import NetCase
from benchmarks.duel import compare
from benchmarks.engines import Unable
from benchmarks.opponents import Absent, Opponent, Setting
from minifcn import models, parallel
from minifcn.errors import MinifcnError

SETTING = Setting(threads=2)


class Here:
    """An engine in this process."""

    def __init__(self, name):
        if importlib.util.find_spec({"pytorch": "torch", "pytorch_last": "torch"}.get(name, name)) is None:
            pytest.skip(f"{name} is not installed")
        self.engine = importlib.import_module(f"benchmarks.engines.{name}")
        self.engine.start(parallel.get_threads(), "cpu", False)

    def prepare(self, case):
        self.work = self.engine.prepare(case, True)

    def results(self):
        return self.work.results()


# --- the cases --------------------------------------------------------------------------------------------------------


def test_convolutions_have_the_sizes_and_macs_that_fcn8s_has():
    plan = models.build("fcn8s", 21).plan((1, 3, 500, 500))
    shapes = {row.name: row.out_shape for row in plan.rows}
    for case in cases.ops():
        if case.op == "conv":
            row = plan.row(case.name.split()[0])
            assert case.shape == shapes[row.inputs[0]], case.name
            assert case.macs == row.macs, case.name


def test_every_convolution_of_vgg16_is_among_the_cases():
    plan = models.build("fcn8s", 21).plan((1, 3, 500, 500))
    shapes = {row.name: row.out_shape for row in plan.rows}
    trunk = [row for row in plan.rows if row.kind == "Conv2d" and not row.name.startswith("score")]
    measured = {(case.shape, case.macs) for case in cases.ops() if case.op == "conv"}
    assert len(trunk) == 15 and {(shapes[row.inputs[0]], row.macs) for row in trunk} <= measured


@pytest.mark.parametrize(
    ("net", "kind", "op"),
    [
        ("fcn8s", "ReLU", "relu"),
        ("fcn8s", "MaxPool2d", "max_pool"),
        ("fcn8s", "Dropout", "dropout"),
        ("fcn8s", "Crop", "crop"),
        ("fcn8s", "Add", "add"),
        ("fcn8s", "ConvTranspose2d", "conv_transpose"),
        ("fcn8s-atonce", "Scale", "scale"),
        ("fcn-googlenet", "LocalResponseNorm", "local_response_norm"),
    ],
)
def test_other_operations_have_the_largest_size_that_they_have(net, kind, op):
    plan = models.build(net, 21).plan((1, 3, 500, 500))
    shapes = {row.name: row.out_shape for row in plan.rows}
    largest = max((shapes[row.inputs[0]] for row in plan.rows if row.kind == kind), key=np.prod)
    assert largest in {case.shape for case in cases.ops() if case.op == op}


def test_googlenet_s_largest_concatenation_and_pools_are_among_the_cases():
    plan = models.build("fcn-googlenet", 21).plan((1, 3, 500, 500))
    shapes = {row.name: row.out_shape for row in plan.rows}
    concat = max((row for row in plan.rows if row.kind == "Concat"), key=lambda row: np.prod(row.out_shape))
    (settings,) = {case.settings["parts"] for case in cases.ops() if case.op == "concat"}
    assert settings == tuple(shapes[name][1] for name in concat.inputs)
    for stride in (1, 2):
        pools = [row for row in plan.rows if row.kind == "MaxPool2d" and row.settings.startswith(f"3x3 s{stride}")]
        largest = max((shapes[row.inputs[0]] for row in pools), key=np.prod)
        assert largest in {c.shape for c in cases.ops() if c.op == "max_pool" and c.settings["stride"] == stride}


def test_names_of_cases_are_unique():
    for every in (cases.ops(), cases.memory(), cases.nets(160)):
        names = [case.name for case in every]
        assert len(set(names)) == len(names)


# --- what they compute ------------------------------------------------------------------------------------------------


def small(case):
    """The case with a small picture: same operation, few numbers."""
    settings = dict(case.settings)
    if case.op == "crop":
        return case._replace(shape=(1, 3, 20, 20), settings={"offset": 4, "size": 9})
    if case.op == "concat":
        return case._replace(settings={"parts": (3, 1, 2)}, shape=(1, 6, 5, 7))
    if case.op in ("sgd", "clip"):
        return case._replace(shape=(40, 30, 3, 3))
    if case.op == "dropout":
        return case._replace(shape=(1, 64, 64, 64))
    if "outputs" in settings and case.op == "conv":
        settings["outputs"] = 5
        return case._replace(shape=(1, 4, 12, 12), settings=settings)
    side = 16 if case.op in ("avg_pool", "conv_transpose") else 14
    channels = case.shape[1] if case.op in ("softmax_cross_entropy", "conv_transpose") else 8
    return case._replace(shape=(1, channels, side, side))


STEP = NetCase("a net", "fcn8s", "tiny", "same", "step", (2, 3, 32, 40))


@pytest.mark.parametrize("rival", ["pytorch", "dezero"])
@pytest.mark.parametrize("case", cases.ops(), ids=lambda case: case.name)
def test_opponents_compute_the_same_operations(case, rival):
    ours, theirs, case = Here("minifcn"), Here(rival), small(case)
    ours.prepare(case)
    try:
        theirs.prepare(case)
    except Unable as error:
        assert rival == "dezero" and str(error)
        return
    assert compare(case, {"minifcn": ours, rival: theirs}).keys() == {rival}


@pytest.mark.parametrize("case", [*map(small, cases.ops()), STEP], ids=lambda case: case.name)
def test_minifcn_s_engine_runs_on_a_device_that_does_not_mix_with_numpy(case, monkeypatch):
    here = Here("minifcn")
    here.prepare(case)
    on_cpu = here.results()
    monkeypatch.setattr(here.engine, "_xp", fakegpu)
    here.prepare(case)
    on_device = here.results()
    assert all(type(array) is np.ndarray for array in on_device.values())
    assert compare(case, {"cpu": Planted(on_cpu), "device": Planted(on_device)})["device"] < 1e-3


class Planted:
    """Results that are there already."""

    def __init__(self, found):
        self.results = lambda: found


@pytest.mark.parametrize(
    ("net", "preset", "padding", "side", "part"),
    [("fcn8s", "tiny", "same", 64, "forward"), ("fcn8s", "tiny", "same", 50, "step"),
     ("fcn8s", "tiny", 100, 33, "step"), ("fcn-googlenet", "googlenet", 35, 40, "step")],
)  # fmt: skip
def test_pytorch_s_nets_are_ours(net, preset, padding, side, part):
    case = NetCase("a net", net, preset, padding, part, (2, 3, side, side + 3))
    ours, theirs = Here("minifcn"), Here("pytorch")
    ours.prepare(case)
    theirs.prepare(case)
    found = theirs.results()
    theirs.results = lambda: found  # a second step would have another velocity
    compare(case, {"minifcn": ours, "pytorch": theirs})
    assert np.abs(found["scores" if part == "step" else "result 0"]).max() > 1e-3, "zeros would show nothing"
    assert part == "forward" or {"scores", "loss", "velocity of score_fr.weight"} <= found.keys()


@pytest.mark.parametrize("preset", ["tiny", "small", "slim", "vgg16"])
def test_pytorch_s_fcn8s_has_our_parameters(preset):
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks.engines.pytorch_nets import build

    ours = {name: param.data.shape for name, param in models.build("fcn8s", 21, preset, "same").params.items()}
    assert {name: tuple(p.shape) for name, p in build("fcn8s", 21, preset, "same").named_parameters()} == ours


def test_channels_last_computes_the_same():
    case = NetCase("a net", "fcn8s", "tiny", "same", "step", (1, 3, 48, 48))
    ours, theirs = Here("minifcn"), Here("pytorch_last")
    ours.prepare(case)
    theirs.prepare(case)
    assert compare(case, {"minifcn": ours, "pytorch_last": theirs})["pytorch_last"] < 1e-3


def test_dezero_s_tiny_net_is_ours():
    case = NetCase("a net", "fcn8s", "tiny", "same", "step", (2, 3, 64, 64))
    ours, theirs = Here("minifcn"), Here("dezero")
    ours.prepare(case)
    theirs.prepare(case)
    assert compare(case, {"minifcn": ours, "dezero": theirs})["dezero"] < 1e-4
    with pytest.raises(Unable, match="no ceil mode"):
        theirs.prepare(case._replace(shape=(1, 3, 50, 50)))


def test_a_wrong_net_is_found():
    """Scores cropped one pixel off: what the comparison is for."""
    case = NetCase("a net", "fcn8s", "tiny", "same", "forward", (1, 3, 64, 64))
    ours, theirs = Here("minifcn"), Here("pytorch")
    ours.prepare(case)
    theirs.prepare(case)
    right = theirs.results()["result 0"]
    theirs.results = lambda: {"result 0": np.roll(right, 1, axis=3)}
    with pytest.raises(MinifcnError, match="do not compute the same"):
        compare(case, {"minifcn": ours, "pytorch": theirs})


def test_all_get_the_same_numbers_and_no_two_arrays_the_same():
    conv = next(case for case in cases.ops() if case.name == "score_pool3 forward")
    one, other = draw.arrays(conv), draw.arrays(conv)
    assert all(np.array_equal(one[name], other[name]) for name in ("x", "w", "b"))
    add = draw.arrays(next(case for case in cases.ops() if case.op == "add"))
    assert not np.array_equal(add["x"], add["x1"])


# --- processes and the command ----------------------------------------------------------------------------------------


def test_a_process_answers_and_ends():
    with Opponent("minifcn", SETTING) as opponent:
        opponent.prepare(cases.smoke()[0])
        assert opponent.results()["result 0"].shape == (8, 21, 96, 96)
        assert 0 < opponent.seconds(2) < 60
        assert opponent.peak()["host"] > opponent.imports > 1 << 20
        assert opponent.peak()["device"] is None
    assert opponent._process.returncode == 0


def test_an_engine_that_cannot_be_imported_is_absent_and_smoke_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "torch.py").write_text("raise ImportError('planted')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Absent, match=r"not installed here \(planted\)"):
        Opponent("pytorch", SETTING)
    assert command.main(["smoke"]) == 0
    assert "smoke: skipped, PyTorch: not installed here (planted)" in capsys.readouterr().out


def test_a_process_that_dies_is_told(monkeypatch):
    with Opponent("minifcn", SETTING) as opponent:
        opponent._process.kill()
        with pytest.raises(Absent, match="killed by the system"):
            opponent.seconds(1)


def test_an_error_in_a_process_comes_with_its_traceback():
    with Opponent("minifcn", SETTING) as opponent, pytest.raises(MinifcnError, match="KeyError"):
        opponent.prepare(cases.ops()[0]._replace(op="no such operation"))


def test_the_command_measures_and_writes(tmp_path, monkeypatch, capsys):
    """Of minifcn alone, which is there everywhere; a small product, so that the test is quick."""
    monkeypatch.setattr(cases, "product", lambda threads, side=64, real=cases.product: real(threads, side))
    argv = ["--engines", "minifcn", "--repeats", "2", "--threads", "1", "--out", str(tmp_path)]
    assert command.main(["ops", "--only", "fuse_pool3", *argv]) == 0
    assert command.main(["memory", "--only", "tiny, 8 of 96x96, forward", *argv]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^fuse_pool3 forward +[\d.]+", printed, re.MULTILINE)
    rows = json.loads((tmp_path / "ops.json").read_text())["rows"]
    assert [row["case"] for row in rows] == ["matrix product of 64, 1 thread", "fuse_pool3 forward"]
    assert all(len(row["seconds"]["minifcn"]) == 2 for row in rows)
    (row,) = json.loads((tmp_path / "memory.json").read_text())["rows"]
    peak = row["peak"]["minifcn"]
    assert peak["host"] - peak["imports"] > 1 << 20 and row["planned"] > 1 << 20
    text = (tmp_path / "ops.json").read_text() + (tmp_path / "tables.md").read_text()
    assert str(opponents.ROOT) not in text and str(Path.home()) not in text


def test_the_command_refuses_what_it_does_not_know(capsys):
    assert command.main(["opps"]) == 2
    assert "did you mean 'ops'" in capsys.readouterr().err
    assert command.main(["ops", "--engines", "pytorsh"]) == 2
    assert "did you mean 'pytorch'" in capsys.readouterr().err
    assert command.main(["memory", "--only", "alexnet", "--engines", "minifcn"]) == 2
    assert "no case has this in its name; there are\n  FCN-8s, padding 100" in capsys.readouterr().err


def test_train_is_measured_from_its_own_log():
    row = measure.training.run(steps=3, threads=2)
    assert row["steps"] == 3 and 0 < row["step_ms"] < 1e3 * row["seconds"]
    assert 0 <= row["mean_iu"] <= 1


def test_growth_goes_along_four_axes():
    points = cases.growth(threads=2)
    by_axis = {axis: [p.units for p in points if p.axis == axis] for axis in ("pixels", "batch", "width", "threads")}
    assert by_axis["pixels"] == [128**2, 256**2, 512**2, 1024**2]
    assert by_axis["batch"] == [1, 2, 4, 8, 16] and by_axis["threads"] == [1, 0.5]
    assert len(by_axis["width"]) == 4 and len({p.case.name for p in points if p.axis == "width"}) == 4
    assert [p.threads for p in points if p.axis == "threads"] == [1, 2]
    assert max(p.case.shape[3] for p in cases.growth(2, most=256)) == 256
