"""What a plan says that a pass will take of memory, beside what it takes in a process of its own."""

import argparse
import re
import sys
from types import SimpleNamespace

import aboutruns
import measured
import numpy as np
import pytest
from PIL import Image

from minifcn import explain, limits, models, parallel, train, weights
from minifcn.__main__ import main as minifcn
from minifcn.command import memory_size
from minifcn.errors import ConfigError, MemoryLimitError, MinifcnError, ShapeError
from minifcn.layers import Conv2d
from minifcn.net import Net
from minifcn.ops import workspaces
from minifcn.training import dry_run

MIB = 1 << 20
FCN8S, SAME = {"name": "fcn8s"}, {"name": "fcn8s", "input_padding": "same"}
TINY, SMALL = {"name": "fcn8s", "preset": "tiny"}, {"name": "fcn8s", "preset": "small"}
GOOGLENET, ALEXNET, FCN32S = {"name": "fcn-googlenet"}, {"name": "fcn-alexnet"}, {"name": "fcn32s"}

pytestmark = [
    pytest.mark.usefixtures("restore_threads"),
    pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is read from /proc"),
]


def assert_agreement(spec, shape, training):
    """Plan and measurement agree within 10 %, give or take 8 MiB: gaps that one process's heap has, another's not."""
    found = measured.measured(spec, shape, training)
    parallel.set_threads(2)
    plan = models.build(**spec).plan(shape)
    planned = plan.peak_bytes if training else plan.inference_bytes
    assert planned == found["planned"], "a net that has its weights is planned as one that has none"
    print(f"{spec} {shape} training={training}: {planned / MIB:.0f} MiB, measured {found['peak'] / MIB:.0f} MiB")
    assert abs(planned - found["peak"]) <= 0.1 * found["peak"] + 8 * MIB
    return found


@pytest.mark.parametrize(("training", "shape"), [(False, (1, 3, 512, 512)), (True, (8, 3, 96, 96))])
def test_a_plan_agrees_with_what_is_measured(training, shape):
    assert_agreement(TINY, shape, training)


def test_building_a_net_takes_little_beside_its_weights():
    found = measured.measured(SMALL, (1, 3, 32, 32), training=False)
    weights = 4 * sum(param.data.size for param in models.build(**SMALL).params.values())
    assert found["built"] <= 1.1 * weights + 3 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (FCN8S, (1, 3, 500, 500)), (SAME, (1, 3, 500, 500)), (FCN32S, (2, 3, 300, 300)), (TINY, (8, 3, 96, 96)),
        (TINY, (1, 3, 512, 512)), (SMALL, (2, 3, 320, 240)), (GOOGLENET, (1, 3, 500, 500)),
        (GOOGLENET, (4, 3, 300, 400)), (ALEXNET, (1, 3, 500, 500)), (ALEXNET, (4, 3, 300, 400)),
    ],
    ids=str,
)  # fmt: skip
def test_plans_of_many_nets_agree_with_what_is_measured(spec, shape, training):
    assert_agreement(spec, shape, training)


@pytest.mark.slow
def test_a_large_picture_is_labelled_in_less_than_4_gib():
    found = assert_agreement(FCN8S, (1, 3, 1024, 2048), training=False)
    assert found["before"] + found["peak"] < 4 << 30


@pytest.mark.parametrize("limit", ["4G", True, -5, float("nan"), 1e9])
def test_a_limit_is_a_number_of_bytes(limit):
    with pytest.raises(MinifcnError, match="limit: expected a whole number of bytes"):
        models.build("fcn8s", 3, "tiny").plan((1, 3, 64, 64), limit=limit)


def test_a_limit_refuses_with_what_would_fit():
    net = models.build(**TINY)
    shape = (8, 3, 96, 96)
    plan = net.plan(shape)
    assert net.plan(shape, limit=plan.peak_bytes) == plan
    assert net.plan(shape, limit=plan.inference_bytes, training=False) == plan
    limit = plan.peak_bytes - MIB
    with pytest.raises(MemoryLimitError, match=r"a training step on 8 x 96x96 pixels needs .* MiB of memory") as error:
        net.plan(shape, limit=limit)
    (batch,) = map(int, re.findall(r"a batch of (\d+)", str(error.value)))
    ((width, height),) = re.findall(r"pictures of (\d+)x(\d+) would fit", str(error.value))
    assert net.plan((batch, 3, 96, 96), limit=limit) and net.plan((8, 3, int(height), int(width)), limit=limit)
    with pytest.raises(MemoryLimitError):
        net.plan((batch + 1, 3, 96, 96), limit=limit)
    with pytest.raises(MemoryLimitError):
        net.plan((8, 3, int(height) + 1, int(width) + 1), limit=limit)
    with pytest.raises(MemoryLimitError, match="nothing smaller would fit"):
        net.plan(shape, limit=MIB)


@pytest.mark.parametrize(
    ("preset", "shape"), [("tiny", (900, 3, 40, 48)), ("tiny", (1, 3, 9000, 64)), ("vgg16", (1, 3, 9000, 32))], ids=str
)
def test_large_work_is_told_by_a_part_of_it(preset, shape, monkeypatch):
    """To within 1 % of what counting all bands would tell."""
    net = models.build("fcn8s", 3, preset, "same")
    plan = net.plan(shape)
    for name in ("MANY_ROWS", "MANY_IMAGES"):
        monkeypatch.setattr(workspaces, name, 1 << 40)
    exact = net.plan(shape)
    assert plan.peak_bytes == pytest.approx(exact.peak_bytes, rel=0.01)
    assert plan.inference_bytes == pytest.approx(exact.inference_bytes, rel=0.01)
    assert plan.rows == exact.rows


@pytest.mark.parametrize("shape", [(10**8, 3, 24, 20), (1, 3, 900_000, 900_000)], ids=str)
def test_absurd_work_is_planned_in_a_moment(shape, monkeypatch):
    """There would be millions of bands to count."""
    count, counted = workspaces._count, []

    def watched(band):
        counted.append(None)
        assert len(counted) < 100_000, "it counts every band"
        return count(band)

    monkeypatch.setattr(workspaces, "_count", watched)
    net = Net()
    net.add("conv", Conv2d(3, 16, 3, padding=1), net.input("data", 3))
    assert net.plan(shape).peak_bytes > 4 * 3 * shape[0] * shape[2] * shape[3]


def test_what_would_fit_is_looked_for_from_below():
    """What is far too large takes longest to plan. Sizes below 10 are too small for the net."""
    asked = []

    def need(size):
        asked.append(size)
        if size < 10:
            raise ShapeError("too small")
        return size

    assert limits.largest(10**9, 1000, need) == 1000 and max(asked) < 2048 and len(asked) < 25
    assert limits.largest(20, 15, need) == 15 and limits.largest(20, 9, need) == 0
    assert limits.largest(16, 50, need) == 15 and limits.largest(1, 50, need) == 0


@pytest.mark.parametrize(("text", "size"), [("4G", 4 << 30), ("800m", 800 << 20), ("1.5g", 3 << 29), ("4096", 4096)])
def test_sizes_of_memory(text, size):
    assert memory_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "4 GB", "nan", "0", "inf", "٤G"])
def test_what_is_no_size_of_memory(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a size such as 4G"):
        memory_size(text)


def test_commands_refuse_what_does_not_fit(tmp_path, capsys, monkeypatch):
    flags = ["--data", "shapes:size=32,train=4,val=2", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(dry_run, "memory_budget", lambda limit, xp: 1 << 20)
    assert train.main(flags) == 2
    assert "error: a training step on" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert explain.main(["fcn8s", "--preset", "tiny", "--size", "96", "--memory-limit", "30M"]) == 0
    told = capsys.readouterr().out
    assert "a prediction fits into 30.0 MiB" in told or "a prediction on 1 x 96x96" in told


def test_a_process_without_memory_tells_the_others_before_it_ends():
    """Those that have some would wait for it."""
    asked = []
    group = SimpleNamespace(local_size=1, most=lambda *numbers: asked.append(numbers) or numbers)
    with pytest.raises(ConfigError, match="the process itself holds"):
        dry_run.available(1 << 20, np, group)
    assert asked == [(0,)]


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "trace", "report", "classify"])
def test_a_limit_below_what_the_process_holds_is_called_that(command, tmp_path, capsys, rng):
    """No arrays are to blame then, and no other program."""
    fcn, vgg, picture = (str(tmp_path / name) for name in ("fcn.safetensors", "vgg.safetensors", "a.png"))
    weights.save(fcn, models.build("fcn8s", 7, "tiny", rng=rng))
    weights.save(vgg, models.build("vgg16", 7, "tiny", rng=rng))
    Image.new("RGB", (40, 40)).save(picture)
    flags = {
        "train": ["--data", "shapes:size=32,train=4,val=2", "--out", str(tmp_path / "out")],
        "evaluate": [fcn, "--data", "shapes:size=32,val=1"],
        "predict": [fcn, picture, "--out", str(tmp_path / "out")],
        "trace": [fcn, picture, "--out", str(tmp_path / "page.html")],
        "report": [str(aboutruns.a_run(tmp_path / "run"))] if command == "report" else [],
        "classify": [vgg, picture],
    }[command]
    capsys.readouterr()
    assert minifcn([command, *flags, "--memory-limit", "10M"]) == 2
    told = capsys.readouterr().err
    assert "error: --memory-limit 10.0 MiB: the process itself holds " in told and "allow more than that" in told
    assert not (tmp_path / "out").exists() and not (tmp_path / "page.html").exists()
