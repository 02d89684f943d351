"""Sums over GPUs: what `backend.Nccl` asks of CuPy, on a stand-in. NCCL itself has not been seen at work."""

import ctypes
import time
from types import SimpleNamespace

import fakecuda
import fakegpu
import fakempi
import numpy as np
import pytest

from minifcn import backend, data, models
from minifcn.config import TrainConfig
from minifcn.errors import BackendError
from minifcn.optim import MomentumSGD
from minifcn.training.objective import Objective

KINDS = {7: np.float32, 8: np.float64, 4: np.int64}


class Communicator:
    """NcclCommunicator(ndev, commId, rank): sums what is at a pointer, when the stream comes to it and not before."""

    def __init__(self, ndev, token, rank):
        self.calls = 0
        self.comm = fakempi.Comm(WORLDS.setdefault(token, fakempi.World(ndev)), rank)

    def allReduce(self, source, target, count, kind, operation, stream):
        assert source == target and operation == 0
        self.calls += 1
        assert fakegpu.stream_at(stream).waits == self.calls  # for the work that makes what is to be summed

        def work():
            size = count * np.dtype(KINDS[kind]).itemsize
            here = np.frombuffer((ctypes.c_ubyte * size).from_address(source), KINDS[kind])
            request = self.comm.Iallreduce(here.copy(), here, fakempi.SUM)
            while not request.Test():
                time.sleep(0.001)

        fakegpu.stream_at(stream).queue(work)


WORLDS: dict = {}


class FakeDevice(fakegpu.Device):
    used: list = []  # noqa: RUF012

    def __init__(self, number=0):
        super().__init__()
        self.number = number

    def use(self):
        self.used.append(self.number)


@pytest.fixture(params=[bytes(range(128)), tuple(range(-64, 64))], ids=["bytes", "tuple"])
def nccl(request, monkeypatch):
    """CuPy's module: its token was a tuple before CuPy 14."""
    WORLDS.clear()
    FakeDevice.used.clear()
    module = SimpleNamespace(
        available=True, NCCL_SUM=0, NCCL_FLOAT32=7, NCCL_FLOAT64=8, NCCL_INT64=4, NcclCommunicator=Communicator,
        get_unique_id=lambda: request.param,
    )  # fmt: skip
    monkeypatch.setattr(fakegpu.cuda, "nccl", module, raising=False)
    monkeypatch.setattr(fakegpu.cuda, "Device", FakeDevice)
    monkeypatch.setattr(fakegpu.cuda, "runtime", SimpleNamespace(getDeviceCount=lambda: 2), raising=False)
    return module


def test_arrays_are_summed_beside_the_work_and_there_once_waited_for(nccl):
    def work(group):
        group.equip(1, fakegpu)
        x = backend.to(np.arange(6, dtype=np.float32) + group.rank, fakegpu)
        y = backend.to(np.full((2, 3), 10.0**group.rank), fakegpu)
        sums = group._nccl
        kept = sums.add(x), sums.add(y.T)
        before = backend.to_numpy(x)
        sums.finish()
        total = group.sum(backend.to(np.array([3, 4]) + group.rank, fakegpu))
        return (
            before,
            backend.to_numpy(kept[0]),
            backend.to_numpy(kept[1]),
            backend.to_numpy(total),
            kept[0].data.ptr == x.data.ptr,
        )

    for rank, (before, x, y, total, in_place) in enumerate(fakempi.on_ranks(2, work)):
        np.testing.assert_array_equal(before, np.arange(6) + rank)  # not yet
        np.testing.assert_array_equal(x, 2 * np.arange(6) + 1)
        np.testing.assert_array_equal(y, np.full((3, 2), 11.0))
        np.testing.assert_array_equal(total, [7, 9])
        assert in_place
    assert sorted(FakeDevice.used) == [0, 1]  # one each


@pytest.mark.skipif(not fakecuda.COMPILER, reason="no g++ to compile the CUDA sources as C++")
def test_steps_on_two_gpus_are_those_of_one_process(nccl, monkeypatch):
    def steps(group, xp):
        config = TrainConfig(batch_size=2, loss="mean")
        train = data.open_dataset("shapes:48,train=6", "train")
        objective = Objective(config, train, group)
        objective.xp = xp
        net = models.build("fcn8s", 7, preset="tiny", rng=np.random.default_rng(0)).to(xp)
        sgd = MomentumSGD(net.params, 1e-3)
        losses = []
        with data.Loader(train, 2, 0, xp=xp, part=group.share(2)) as loader:
            fakegpu.transfers.reset()
            group.most(0)  # the count is that of all threads
            for _ in range(2):
                losses.append(objective.accumulate(net, loader, 1))
                sgd.step()
                net.zero_grads()
            group.most(0)
            read = fakegpu.transfers.to_host
            group.most(0)
        group.check_alike(net)
        return [float(backend.to_numpy(loss)) for loss in losses], net.state_dict(), read

    def on_gpu(group):
        group.equip(1, fakegpu)
        return steps(group, fakegpu)

    losses, weights, _ = fakempi.on_ranks(1, lambda group: steps(group, np))[0]
    for found in fakempi.on_ranks(2, on_gpu):
        np.testing.assert_allclose(found[0], losses, rtol=1e-5)
        assert found[2] == 0  # nothing of a step is waited for
        for name, weight in weights.items():
            np.testing.assert_allclose(found[1][name], weight, rtol=0, atol=1e-4 * max(np.abs(weight).max(), 1e-2))


def test_what_is_missing_is_told(nccl):
    with pytest.raises(BackendError, match="3 processes on a machine with 2 GPUs: NCCL wants a GPU for each; start at"):
        fakempi.on_ranks(3, lambda group: group.equip(1, fakegpu))
    nccl.available = False
    with pytest.raises(BackendError, match=r"CuPy finds no NCCL, .* pip install nvidia-nccl-cu12"):
        fakempi.on_ranks(2, lambda group: group.equip(1, fakegpu))
