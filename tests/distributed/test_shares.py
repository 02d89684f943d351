"""A batch that is shared among processes gives the loss, the gradients and the run of the whole batch.

The processes are threads here, and MPI is `fakempi`; `test_mpiexec.py` has the real ones. In float64 nothing hides:
what is shared wrongly differs in the first digits, what is summed in another order in the last.
"""

import re
from dataclasses import replace
from types import SimpleNamespace

import fakempi
import numpy as np
import pytest
from PIL import Image

from minifcn import data, models, ops
from minifcn.config import TrainConfig
from minifcn.data.transforms import Scale
from minifcn.distributed import ALONE
from minifcn.distributed.gradients import PARCEL, PIECE, SMALL, HostSum
from minifcn.errors import ConfigError, MinifcnError, ShapeError
from minifcn.inference import evaluate
from minifcn.layers import Conv2d
from minifcn.optim import MomentumSGD, clip_gradients
from minifcn.train import _new, _parser, _rates
from minifcn.training.agreement import check_flags, check_settings
from minifcn.training.dry_run import available
from minifcn.training.interrupt import Interrupt
from minifcn.training.objective import Objective
from minifcn.training.sampling import Sampling
from minifcn.training.scan import scan
from minifcn.training.sets import open_sets

SET = "shapes:size=32,train=7,val=5"


def wide(loader):
    """Its batches in float64."""
    for batch in loader:
        yield replace(batch, x=batch.x.astype(np.float64))


def trained(group, steps=2, net="fcn16s", **settings):
    """(losses, gradients of the last step, weights) of a short run in float64, of this process's share."""
    config = TrainConfig(net=net, preset="small", data=SET, **settings)
    train = data.open_dataset(SET, "train")
    objective = Objective(config, train, group)
    net = models.build(config.net, 7, preset="small", rng=np.random.default_rng(0)).astype(np.float64)
    sgd = MomentumSGD(net.params, 0.01, 0.9, 5e-4, config.iter_size)
    losses, part = [], group.share(config.batch_size)
    with data.Loader(train, config.batch_size, 1, [Scale(0.7, 1.3)], part=part) as loader:
        for _ in range(steps):
            net.zero_grads()
            losses.append(float(objective.accumulate(net, wide(loader), config.iter_size)))
            clip_gradients(net.params, 5.0)
            sgd.step()
    states = [generator.bit_generator.state for generator in net.generators()]
    return losses, {name: param.grad for name, param in net.params.items() if param.learns}, net.state_dict(), states


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (3, {"batch_size": 4, "loss": "mean", "iter_size": 2, "steps": 1}),
        (2, {"batch_size": 3, "loss": "sum", "class_weights": "sqrt-inverse"}),
        (2, {"batch_size": 3, "loss": "mean", "loss_sampling": 0.5, "class_weights": "sqrt-inverse"}),
        (3, {"batch_size": 4, "loss": "sum", "patches": 1}),
    ],
    ids=str,
)
def test_shares_of_a_batch_make_the_whole(size, settings):
    """Pictures of several sizes, dropout, shares that differ by one, ranks with other numbers of counted pixels."""
    losses, grads, weights, states = trained(ALONE, **settings)
    for found in fakempi.on_ranks(size, lambda group: trained(group, **settings)):
        np.testing.assert_allclose(found[0], losses, rtol=1e-12)
        for name, grad in grads.items():
            np.testing.assert_allclose(found[1][name], grad, rtol=0, atol=1e-10 * np.abs(grad).max(), err_msg=name)
        for name, weight in weights.items():
            np.testing.assert_allclose(found[2][name], weight, rtol=0, atol=1e-11 * (np.abs(weight).max() or 1))
        assert found[3] == states  # what a checkpoint keeps of dropout does not tell how many processes there were


class Tasks:
    """A set of two tasks, as far as an objective asks."""

    name, ignore_index, num_classes = "two tasks", 255, 4
    tasks = tuple(data.Task(name, list("abcd")[:count], data.VOC_PALETTE) for name, count in (("sem", 4), ("geo", 2)))
    classes, palette = tasks[0].classes, data.VOC_PALETTE


@pytest.mark.parametrize("loss", ["mean", "sum"])
def test_each_task_is_divided_by_the_pixels_of_all(loss, rng):
    """One process has no counted pixel of the second task, and the other few of the first."""
    x = rng.standard_normal((3, 3, 32, 40))
    sem, geo = rng.integers(0, 4, (3, 32, 40)).astype(np.uint8), rng.integers(0, 2, (3, 32, 40)).astype(np.uint8)
    sem[:2, 1:], geo[2] = 255, 255
    whole = data.Batch(x, sem, ("a", "b", "c"), 0, (), (geo,))

    def gradients(group):
        objective = Objective(TrainConfig(loss=loss), Tasks(), group)
        net = models.build("fcn32s", {"sem": 4, "geo": 2}, preset="small", rng=np.random.default_rng(0))
        net.astype(np.float64).training = False
        part = group.share(3)
        mine = replace(whole, x=x[part], labels=sem[part], more_labels=(geo[part],), names=whole.names[part])
        batch = whole if group.size == 1 else replace(mine, first=part.start, whole=3)
        value = objective.accumulate(net, iter([batch]), 1)
        return float(value), {name: param.grad for name, param in net.params.items() if param.learns}

    expected, grads = gradients(ALONE)
    for value, found in fakempi.on_ranks(2, gradients):
        assert value == pytest.approx(expected, rel=1e-12)
        for name, grad in grads.items():
            np.testing.assert_allclose(found[name], grad, rtol=0, atol=1e-11 * np.abs(grad).max(), err_msg=name)


def test_all_processes_have_the_same_bits():
    one, other = fakempi.on_ranks(2, lambda group: trained(group, steps=1, batch_size=2)[2])
    for name, weight in one.items():
        np.testing.assert_array_equal(weight, other[name])


def test_a_part_of_a_batch_has_its_pictures_as_in_the_whole():
    train = data.open_dataset(SET, "train")
    with (
        data.Loader(train, 5, 1, [Scale(0.5, 2)]) as whole,
        data.Loader(train, 5, 1, [Scale(0.5, 2)], part=slice(1, 3)) as part,
    ):
        all_of_it, some = whole.batch(3), part.batch(3)
    assert (some.first, some.whole, some.of, all_of_it.whole, all_of_it.of) == (1, 5, 5, 0, 5)
    assert some.names == all_of_it.names[1:3]
    assert some.x.shape[2:] != all_of_it.x.shape[2:]
    padded = some.padded(*all_of_it.x.shape[2:])
    np.testing.assert_array_equal(padded.x, all_of_it.x[1:3])
    np.testing.assert_array_equal(padded.labels, all_of_it.labels[1:3])
    assert all_of_it.padded(*all_of_it.x.shape[2:]) is all_of_it


def test_dropout_of_a_part_is_that_of_the_whole(rng):
    x = rng.random((5, 2, 3, 4))
    whole, parts = np.random.default_rng(3), np.random.default_rng(3)
    y, _ = ops.dropout(x, 0.5, whole)
    found, _ = ops.dropout(x[1:3], 0.5, parts, (1, 5))
    np.testing.assert_array_equal(found, y[1:3])
    assert whole.random() == parts.random()
    with pytest.raises(ShapeError, match="2 pictures from number 4 on are no part of a batch of 5"):
        ops.dropout(x[:2], 0.5, parts, (4, 5))


def test_a_convolution_of_a_part_goes_the_way_of_the_whole(rng):
    """Winograd's products round otherwise than im2col's, and pay from a number of pictures on."""
    layer = Conv2d(64, 64, 3, padding=1)
    layer.params["weight"].data[...] = rng.standard_normal((64, 64, 3, 3))
    x = rng.standard_normal((6, 64, 28, 28), dtype=np.float32)
    whole = layer.forward(x)
    alone = layer.forward(x[:2])
    layer.part = (0, 6)
    np.testing.assert_array_equal(layer.forward(x[:2]), whole[:2])
    assert not np.array_equal(alone, whole[:2])  # or this test shows nothing


def test_evaluation_is_shared():
    net = models.build("fcn32s", 7, preset="small", rng=np.random.default_rng(0))
    net.params["score_fr.weight"].data[...] = np.random.default_rng(1).standard_normal(
        net.params["score_fr.weight"].data.shape
    )
    val = data.open_dataset(SET, "val")
    (whole,) = evaluate(net, val, progress=False)
    parts = [evaluate(net, val, progress=False, part=slice(rank, None, 3))[0] for rank in range(3)]
    np.testing.assert_array_equal(sum(part.matrix for part in parts), whole.matrix)
    assert all(part.matrix.any() for part in parts)


def test_sampling_keeps_the_same_cells_of_a_picture_on_whichever_process():
    net = models.build("fcn32s", 7, preset="small")
    train = data.open_dataset("shapes:size=96,train=4", "train")
    with data.Loader(train, 4, 1) as whole, data.Loader(train, 4, 1, part=slice(2, 4)) as part:
        for sampling in (Sampling(1, 0.5), Sampling(1, 1.0, 2)):
            mask = sampling.mask(net, whole.batch(0))
            np.testing.assert_array_equal(sampling.mask(net, part.batch(0)), mask[2:])


def test_large_arrays_travel_in_pieces_and_small_ones_together(rng):
    sizes = [3, PIECE // 8 + 5, 10, SMALL // 8, 2 * PIECE // 8 + 1, *[PARCEL // 80] * 12]
    arrays = [rng.integers(-1000, 1000, (3, size)).astype(np.float64) for size in sizes]

    def work(group):
        comm = group._comm
        sums = HostSum(fakempi.Mpi, comm)
        mine = [array[group.rank].copy() for array in arrays]
        found = []
        for array in mine:
            found.append(sums.add(array))
            sums.progress()
        sums.finish()
        assert all(a is b for a, b in zip(found, mine, strict=True))  # in place: fc6's gradient is 0.4 GiB
        return found, sorted(comm.world.bytes)

    for found, sent in fakempi.on_ranks(3, work):
        for total, array in zip(found, arrays, strict=True):
            np.testing.assert_array_equal(total, array.sum(axis=0))
        assert sent[-1] == PIECE and sent.count(PIECE) == 3 * 3  # of three ranks, one and two pieces
        assert len(sent) // 3 < len(sizes)


def test_an_array_that_is_a_view_is_summed_in_a_copy(rng):
    source = rng.integers(0, 9, (4, 6)).astype(np.float32)

    def work(group):
        sums = HostSum(fakempi.Mpi, group._comm)
        found = sums.add(source.T)
        sums.finish()
        return found

    for found in fakempi.on_ranks(2, work):
        np.testing.assert_array_equal(found, 2 * source.T)


def test_a_batch_must_have_a_picture_for_each():
    assert [group.start for group in fakempi.on_ranks(3, lambda group: group.share(4))] == [0, 1, 2]
    with pytest.raises(ConfigError, match=r"a batch of 2 pictures for 3 processes .* --batch-size 3"):
        fakempi.on_ranks(3, lambda group: group.share(2))


def test_what_the_first_process_does_is_told_to_all():
    calls = []

    def make(rank):
        calls.append(rank)
        return "runs/größe"

    assert fakempi.on_ranks(3, lambda group: group.told(lambda: make(group.rank))) == ["runs/größe"] * 3
    assert calls == [0]

    def fails(group):
        def full():
            raise MinifcnError("the disk is full")

        with pytest.raises(MinifcnError, match=r"^the disk is full$"):
            group.told(full)
        return True

    assert fakempi.on_ranks(2, fails) == [True, True]


def test_who_was_asked_to_stop_is_heard_by_all_at_the_same_step():
    def work(group):
        stop, steps = Interrupt(group), 0
        while not stop() and steps < 9:
            steps += 1
            stop.requested = stop.requested or (group.rank == 1 and steps == 3)
            stop.agree()
        return steps

    assert fakempi.on_ranks(3, work) == [3, 3, 3]


def test_processes_that_drifted_apart_are_found():
    def work(group, drift):
        net = models.build("fcn32s", 7, preset="small", rng=np.random.default_rng(0))
        if group.rank == 1 and drift:
            net.params["conv3_1.weight"].data[0, 0, 0, 0] += np.float32(1e-6)
        group.check_alike(net)

    fakempi.on_ranks(3, lambda group: work(group, False))
    with pytest.raises(MinifcnError, match="different weights"):
        fakempi.on_ranks(3, lambda group: work(group, True))


def voc(folder, names, tall=8):
    """A tiny VOC2012 folder whose pictures of "val" are others than those of "train"."""
    for kind in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / kind).mkdir(parents=True)
    for name in ("a", "b", "c", "v"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "JPEGImages" / f"{name}.jpg")
        label = Image.fromarray(np.zeros((tall if name == "b" else 8, 8), np.uint8))
        label.save(folder / "SegmentationClass" / f"{name}.png")
    (folder / "ImageSets/Segmentation/train.txt").write_text("\n".join(names))
    (folder / "ImageSets/Segmentation/val.txt").write_text("v")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"names": "abc"}, "the number of training samples, the names of the training samples, the sizes of the tr"),
        ({"names": "ba"}, "the names of the training samples. All"),
        ({"names": "ab", "tall": 90}, "the sizes of the training files. All"),
        ({"names": "ab"}, None),
    ],
)
def test_processes_that_see_other_files_are_refused(other, told, tmp_path):
    voc(tmp_path / "0", "ab")
    voc(tmp_path / "1", **other)

    def work(group):
        config = TrainConfig(data=f"voc:{tmp_path / str(group.rank)}", split="train", preset="small", overlap="allow")
        return len(scan(*open_sets(config), config, group).train)

    if told is None:
        assert fakempi.on_ranks(2, work) == [2, 2]
        return
    with pytest.raises(ConfigError, match=re.escape(f"rank 1 has other data than rank 0: {told}")):
        fakempi.on_ranks(2, work)


def test_processes_that_see_other_colours_are_refused(tmp_path):
    """The same files and names; but where labels are colours, one would learn boxes as discs."""
    for rank, colours in enumerate(("box 255 0 0\ndisc 0 255 0", "box 0 255 0\ndisc 255 0 0")):
        for kind in ("images", "labels"):
            (tmp_path / str(rank) / kind).mkdir(parents=True)
            for name in "ab":
                Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / str(rank) / kind / f"{name}.png")
        (tmp_path / str(rank) / "classes.txt").write_text(f"{colours}\nignore 9 9 9\n")
        (tmp_path / str(rank) / "train.txt").write_text("a\nb\n")
        (tmp_path / str(rank) / "val.txt").write_text("a\n")

    def work(group):
        config = TrainConfig(data=f"folder:{tmp_path / str(group.rank)}", preset="small", overlap="allow")
        return scan(*open_sets(config), config, group)

    told = "rank 1 has other data than rank 0: the colours of the training set, the colours of the evaluation set. All"
    with pytest.raises(ConfigError, match=told):
        fakempi.on_ranks(2, work)


def compare(group, *flags, saved=None):
    """What processes do that were given these flags of `minifcn train`."""
    arguments = _parser().parse_args([*flags])
    check_flags(group, arguments)
    check_settings(group, TrainConfig() if arguments.resume else _new(arguments), saved)


@pytest.mark.parametrize(
    ("commands", "told"),
    [
        ([["--lr", "0.1"], ["--lr", "0.2"]], "  --lr: 0.1 on rank 0, 0.2 on rank 1\n"),
        ([["--seed", "5"], [], []], "  --seed: 5 on rank 0, 1 on ranks 1 and 2\n"),
        ([[], ["--out", "größe"]], '  --out: not given on rank 0, "größe" on rank 1\n'),
        ([["--dry-run"], []], "  --dry-run: given on rank 0, not given on rank 1\n"),
        ([["--data", "voc:A"], ["--data", "camvid:A"]], "  kind of --data: voc on rank 0, camvid on rank 1\n"),
        (
            [[], ["--iter-size", "2", "--loss", "sum"]],
            '  --iter-size: 1 on rank 0, 2 on rank 1\n  --loss: "mean" on rank 0, "sum" on rank 1\n',
        ),
    ],
    ids=["lr", "three", "out", "dry run", "kind", "two settings"],
)
def test_processes_that_were_told_other_things_are_refused(commands, told):
    def work(group):
        with pytest.raises(ConfigError) as raised:
            compare(group, *commands[group.rank])
        return str(raised.value)

    for text in fakempi.on_ranks(len(commands), work):  # each says so, or one would wait for others
        assert text.startswith("the processes were not given the same command:\n") and told in text
        assert text.count("\n  ") == told.count("\n")


def test_what_machines_may_have_their_own_of_may_differ():
    commands = [
        ["--data", "folder:/a", "--val-data", "folder:/b", "--threads", "1", "--memory-limit", "1G"],
        ["--data", "folder:/c", "--val-data", "folder:/d", "--threads", "2"],
    ]
    assert fakempi.on_ranks(2, lambda group: compare(group, *commands[group.rank])) == [None, None]


def test_processes_that_go_on_from_other_checkpoints_are_refused():
    def work(group):
        saved = SimpleNamespace(state={"step": 10 + group.rank, "stage": "fcn8s"})
        compare(group, "--resume", "runs/it", saved=saved)

    with pytest.raises(ConfigError, match="  checkpoint: fcn8s, step 10 on rank 0, fcn8s, step 11 on rank 1\n"):
        fakempi.on_ranks(2, work)


def test_the_process_with_the_least_memory_decides_for_all():
    """Where a dry run's plan fits some of them alone, these would wait for the others for ever."""
    limits = [1 << 40, 1 << 39, 1 << 41]
    (least,) = {*fakempi.on_ranks(3, lambda group: available(limits[group.rank], np, group))}
    assert 1 << 38 < least <= 1 << 39


def test_counted_pixels_are_those_of_the_whole_batch():
    def work(group):
        labels = np.full((1, 4, 4), data.IGNORE, np.uint8)
        labels[0, : 1 + 2 * group.rank] = 0  # 4 pixels, and 12
        batch = data.Batch(np.zeros((1, 3, 4, 4), np.float32), labels, ("it",), 0)
        return _rates(TrainConfig(), 0.1, batch, group)

    assert all("over 8 counted pixels a picture" in line for line in fakempi.on_ranks(2, work))


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    lines = fakempi.on_ranks(3, lambda group: group.equip(0, np))
    assert lines == [["distributed: 3 processes on one machine, 2 threads each"]] * 3
    assert fakempi.on_ranks(2, lambda group: group.equip(5, np))[0][0].endswith(", 5 threads each")
