"""Batches: the same for the same (seed, step), padded without a trace in the loss, and no thread left behind."""

import threading
import time

import fakegpu
import numpy as np
import pytest

from minifcn import backend
from minifcn.data import MEAN_BGR, Loader, Sample, from_blob, open_dataset, to_blob
from minifcn.data.loader import collate
from minifcn.data.preprocess import MEAN_COLOUR
from minifcn.data.transforms import Mirror, RandomCrop, Scale, Translate
from minifcn.errors import DataError

EVERYTHING = (Mirror(), Translate(8), Scale(0.5, 2.0), RandomCrop(40, 56))


class Numbered:
    """Sample i is all i, with sides that differ; one of them may be broken."""

    name, classes, palette, ignore_index = "numbered", ["a", "b"], np.zeros((256, 3), np.uint8), 255
    num_classes = 2

    def __init__(self, size=7, broken=None):
        self.size = size
        self.broken = broken

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        if i == self.broken:
            raise DataError(f"sample {i} is broken")
        height, width = 4 + i % 3, 9 - i % 4
        return Sample(str(i), np.full((height, width, 3), i, np.uint8), np.full((height, width), i % 2, np.uint8))


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minifcn-loader")]


def take(count, *args, **options):
    with Loader(*args, **options) as loader:
        return [next(loader) for _ in range(count)]


def same(a, b):
    return a.names == b.names and a.step == b.step and np.array_equal(a.x, b.x) and np.array_equal(a.labels, b.labels)


def test_blob_is_bgr_minus_mean():
    image = np.array([[[255, 0, 10]]], np.uint8)  # red 255, blue 10
    blob = to_blob(image)
    assert blob.dtype == np.float32 and blob.shape == (3, 1, 1) and blob.flags.c_contiguous
    np.testing.assert_allclose(blob.ravel(), [10 - MEAN_BGR[0], -MEAN_BGR[1], 255 - MEAN_BGR[2]], rtol=1e-6)
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(from_blob(to_blob(noise)), noise)
    np.testing.assert_array_equal(from_blob(np.zeros((3, 1, 1), np.float32))[0, 0], MEAN_COLOUR)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_batch_depends_on_seed_and_step_only(workers):
    shapes = open_dataset("shapes:48,train=10", "train")
    whole = take(8, shapes, 3, 5, EVERYTHING)
    resumed = take(3, shapes, 3, 5, EVERYTHING, start_step=5, workers=workers)
    assert all(same(a, b) for a, b in zip(whole[5:], resumed, strict=True))
    assert [batch.step for batch in resumed] == [5, 6, 7]
    other = take(8, shapes, 3, 6, EVERYTHING)
    assert [batch.names for batch in other] != [batch.names for batch in whole]


def test_each_epoch_has_every_sample_once_in_another_order():
    names = [name for batch in take(14, Numbered(), 2, 0) for name in batch.names]  # 28 = 4 epochs of 7
    epochs = [names[k : k + 7] for k in range(0, 28, 7)]
    assert all(sorted(epoch) == list("0123456") for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    in_order = take(4, Numbered(), 3, 0, shuffle=False)
    assert "".join(name for batch in in_order for name in batch.names) == "012345601234"


def test_a_sample_is_augmented_anew_each_time():
    one = open_dataset("shapes:48,train=1", "train")
    batches = take(3, one, 2, 0, (Translate(20),))
    seen = {batch.x[n].tobytes() for batch in batches for n in range(2)}
    assert len(seen) == 6


def test_unequal_sizes_are_padded_with_what_does_not_count():
    batch = take(1, Numbered(), 7, 0, shuffle=False)[0]
    assert batch.x.shape == (7, 3, 6, 9) and batch.x.dtype == np.float32
    for n in range(7):
        sample = Numbered()[n]
        h, w = sample.label.shape
        np.testing.assert_array_equal(batch.x[n, :, :h, :w], to_blob(sample.image))
        np.testing.assert_array_equal(batch.labels[n, :h, :w], sample.label)
        outside = np.ones((6, 9), bool)
        outside[:h, :w] = False
        assert not batch.x[n][:, outside].any() and (batch.labels[n][outside] == 255).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_arrive_where_the_batch_would(workers):
    with Loader(Numbered(broken=5), 1, 0, shuffle=False, workers=workers) as loader:
        assert [next(loader).names for _ in range(5)] == [(name,) for name in "01234"]
        with pytest.raises(DataError, match="sample 5"):
            next(loader)
        assert not loader_threads()
        assert list(loader) == []


def test_no_thread_stays():
    loader = Loader(Numbered(), 2, 0, workers=2)
    next(loader)
    assert loader_threads()
    loader.close()
    loader.close()  # twice does no harm
    assert not loader_threads()
    with pytest.raises(RuntimeError, match="stop"), Loader(Numbered(), 2, 0):
        raise RuntimeError("stop")
    assert not loader_threads()


def test_a_forgotten_loader_ends_with_its_last_reference():
    next(Loader(Numbered(), 2, 0))
    deadline = time.monotonic() + 5
    while loader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not loader_threads()


def test_loading_goes_on_while_the_consumer_works():
    class Slow(Numbered):
        def __getitem__(self, i):
            time.sleep(0.2)
            return super().__getitem__(i)

    with Loader(Slow(), 1, 0) as loader:
        next(loader)
        time.sleep(0.6)  # the net computes; meanwhile the next batches were made
        start = time.perf_counter()
        next(loader)
        assert time.perf_counter() - start < 0.15


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"seed": -1}, {"start_step": -1}, {"workers": 0}])
def test_settings_out_of_range(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        Loader(Numbered(), **{"batch_size": 2, "seed": 0, **wrong})
    with pytest.raises(DataError, match="0 samples"):
        Loader(Numbered(0), 1, 0)


def test_more_inputs_and_targets_are_padded_alike():
    """Of unequal sizes, with two modalities and two tasks: 0 is the mean of every input, 255 counts in no task."""
    samples = []
    for k, (height, width) in enumerate([(3, 5), (4, 2)]):
        label = np.full((height, width), k, np.uint8)
        depth = np.full((height, width, 1), k + 0.5, np.float32)
        samples.append(Sample(str(k), np.zeros((height, width, 3), np.uint8), label, {"depth": depth}, (label + 3,)))
    batch = collate(samples, 0, modalities=("depth", "color"))
    assert [x.shape for x in batch.inputs] == [(2, 1, 4, 5), (2, 3, 4, 5)] and batch.x is batch.inputs[0]
    assert batch.x[0, 0, 2, 4] == 0.5 and batch.x[1, 0, 3, 1] == 1.5
    assert (batch.more_x[0][0, :, :3] == to_blob(samples[0].image)).all()
    assert (batch.more_labels[0][1] == np.where(batch.labels[1] == 255, 255, 4)).all()
    for x in batch.inputs:
        assert not x[0, :, 3:].any() and not x[1, :, :, 2:].any()
    for target in batch.targets:
        assert (target[0, 3:] == 255).all() and (target[1, :, 2:] == 255).all() and (target[1, :, :2] < 255).all()
    with pytest.raises(DataError, match="wants to see color, hha, but hha is not there"):
        collate(samples, 0, modalities=("color", "hha"))


# --- ahead of the device ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_on_the_device_before_they_are_asked_for(workers):
    """Copied from pinned memory on a stream of their own; without having to wait, and the same as on the CPU."""
    expected = take(6, Numbered(), 2, 0)
    fakegpu.transfers.reset()
    with Loader(Numbered(), 2, 0, workers=workers, xp=fakegpu) as loader:
        for wanted in expected:
            batch = next(loader)
            assert same(batch, wanted)
            before = fakegpu.transfers.to_device
            (x,), (labels,) = batch.on(fakegpu)
            assert backend.xp_of(x, labels) is fakegpu
            np.testing.assert_array_equal(x.get(), wanted.x)
            np.testing.assert_array_equal(labels.get(), wanted.labels)
            assert fakegpu.transfers.to_device == before == 0
    assert fakegpu.transfers.ahead >= 2 * len(expected)


def test_what_is_on_its_way_has_not_arrived_until_it_is_waited_for(rng):
    """And what is sent may be changed at once: it was copied."""
    sender = backend.Sender(fakegpu)
    host = rng.normal(size=(3, 4)).astype(np.float32)
    expected = host.copy()
    sent = sender.send(host, np.arange(5))
    host[...] = 0
    later = sender.send(host)
    assert np.isnan(sent.arrays[0].get()).all()
    first, second = sent.receive()
    np.testing.assert_array_equal(first.get(), expected)
    assert second.get().tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(later.arrays[0].get()).all()
    sender.close()
    assert not later.arrays[0].get().any()


def test_on_the_cpu_nothing_is_sent():
    batch = take(1, Numbered(), 2, 0)[0]
    assert batch.sent is None
    (x,), (labels,) = batch.on(np)
    assert x is batch.x and labels is batch.labels
    array = np.ones(3)
    assert backend.Sender(np).send(array).receive()[0] is array
