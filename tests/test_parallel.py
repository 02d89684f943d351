"""Bands on threads: every task once, results in order, errors to the caller, BLAS given back."""

import os
import threading
import time
import weakref

import fakegpu
import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from minifcn import parallel
from minifcn.layers import Conv2d, Layer
from minifcn.net import Net

pytestmark = pytest.mark.usefixtures("restore_threads")


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 50])
def test_every_task_runs_once_and_results_keep_their_order(threads, count):
    parallel.set_threads(threads)
    ran = []

    def square(k):
        time.sleep(0.0005 * (k % 3))  # tasks that start later may end sooner
        ran.append(k)
        return k * k

    assert parallel.run(np, square, list(range(count))) == [k * k for k in range(count)]
    assert sorted(ran) == list(range(count))


def test_two_tasks_really_run_at_the_same_time():
    parallel.set_threads(2)
    meeting = threading.Barrier(2, timeout=5)  # raises if the second task waits for the first
    assert sorted(parallel.run(np, lambda _: meeting.wait(), [0, 1])) == [0, 1]


def test_tasks_on_other_arrays_than_numpys_run_in_order_in_the_calling_thread():
    """A GPU computes in the stream of the thread that asks: bands from several threads would race."""
    parallel.set_threads(4)
    ran = []
    parallel.run(fakegpu, lambda k: (ran.append((k, threading.get_ident())), time.sleep(0.001)), list(range(20)))
    assert ran == [(k, threading.get_ident()) for k in range(20)]


def test_an_error_reaches_the_caller_and_ends_the_run():
    for threads in (1, 2, 3):
        parallel.set_threads(threads)
        ran = []

        def work(k, ran=ran):
            ran.append(k)
            if k == 3:
                raise KeyError("task 3")
            time.sleep(0.001)

        with pytest.raises(KeyError, match="task 3"):
            parallel.run(np, work, list(range(200)))
        assert len(ran) < 100  # the rest were not drawn
        assert parallel.run(np, lambda k: k, [1, 2, 3]) == [1, 2, 3]  # and the team still works


def test_a_task_may_use_run_itself():
    parallel.set_threads(2)
    found = []

    def nested():
        found.extend(parallel.run(np, lambda k: parallel.run(np, lambda j: 10 * k + j, [1, 2, 3]), [1, 2, 3, 4]))

    thread = threading.Thread(target=nested, daemon=True)  # a team that waits for itself would wait for ever
    thread.start()
    thread.join(timeout=10)
    assert found == [[10 * k + j for j in (1, 2, 3)] for k in (1, 2, 3, 4)]


def blas_threads():
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


@pytest.mark.parametrize("threads", [1, 2])
def test_blas_has_one_thread_meanwhile_and_its_own_number_again_afterwards(threads):
    parallel.set_threads(threads)
    if not blas_threads():
        pytest.skip("NumPy's BLAS has no thread count that can be read here")
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert parallel.run(np, lambda _: blas_threads(), [0, 1, 2]) == [[1] * len(before)] * 3
        assert blas_threads() == before
        with pytest.raises(ZeroDivisionError):
            parallel.run(np, lambda _: 1 / 0, [0, 1])
        assert blas_threads() == before


def test_set_threads_counts_and_refuses_none():
    parallel.set_threads(3)
    assert parallel.get_threads() == 3
    with pytest.raises(ValueError, match="at least 1, got 0"):
        parallel.set_threads(0)
    assert parallel.get_threads() == 3


@pytest.mark.parametrize(
    ("length", "each"), [(0, 8), (1, 8), (100, 1), (100, parallel.SMALL), (37, parallel.SMALL // 5), (5, 0)]
)
def test_split_covers_a_range_in_order(length, each):
    parts = parallel.split(length, each)
    assert [k for part in parts for k in range(length)[part]] == list(range(length))
    assert all(part.stop - part.start == 1 or (part.stop - part.start) * each <= parallel.SMALL for part in parts)


def test_split_does_not_ask_how_many_threads_there_are():
    parallel.set_threads(1)
    alone = parallel.split(1000, 4096)
    parallel.set_threads(7)
    assert parallel.split(1000, 4096) == alone


@pytest.mark.parametrize("shape", [(3, 5), (700, 801), (0, 4)])
def test_elementwise_gives_what_one_call_gives(xp, shape, rng):
    from minifcn.backend import to_numpy

    host = rng.normal(size=shape)
    x, y = xp.asarray(host), xp.empty(shape, xp.float64)
    parallel.elementwise(xp, lambda a, b: xp.multiply(a, a, out=b), x, y)
    np.testing.assert_array_equal(to_numpy(y), host * host)


def test_elementwise_goes_in_parts_where_it_pays_and_only_there():
    calls = []

    def halve(a, b):
        calls.append(a.size)
        np.multiply(a, 0.5, out=b)

    big = np.ones((600, 700))
    parallel.elementwise(np, halve, big, np.empty_like(big))
    assert len(calls) > 1
    assert sum(calls) == big.size
    for array in (np.ones(10), np.ones((700, 600)).T):  # small, and not contiguous
        calls.clear()
        out = np.empty(array.shape)
        parallel.elementwise(np, halve, array, out)
        assert calls == [array.size]
        assert (out == 0.5).all()


def test_a_workspace_is_reused_by_its_thread_alone():
    first = parallel.workspace(np, "test", (10, 20), np.dtype(np.float64))
    again = parallel.workspace(np, "test", (5, 8), np.dtype(np.float32))
    assert np.shares_memory(first, again)
    assert again.shape == (5, 8)
    assert again.dtype == np.float32
    assert not np.shares_memory(first, parallel.workspace(np, "other", (10, 20), np.dtype(np.float64)))
    elsewhere = []
    thread = threading.Thread(
        target=lambda: elsewhere.append(parallel.workspace(np, "test", (10, 20), np.dtype(np.float64)))
    )
    thread.start()
    thread.join()
    assert not np.shares_memory(first, elsewhere[0])


def test_a_workspace_grows():
    small = parallel.workspace(np, "growing", (2, 2), np.dtype(np.float32))
    large = parallel.workspace(np, "growing", (200, 200), np.dtype(np.float32))
    assert large.shape == (200, 200)
    assert not np.shares_memory(small, large)


def test_nobody_waits_for_a_worker_that_has_not_begun():
    """A worker is woken in some tens of microseconds: small tasks are done by then."""
    parallel.set_threads(2)
    assert parallel.run(np, lambda k: k, [0, 1]) == [0, 1]  # the worker is there
    asleep = threading.Event()
    parallel._team.post(parallel._Errand(asleep.wait))  # and busy
    caller = threading.get_ident()
    assert parallel.run(np, lambda _: threading.get_ident(), range(3)) == [caller] * 3
    asleep.set()


def test_nothing_of_a_run_stays_alive_in_its_workers():
    class Task:
        def __call__(self, k):
            time.sleep(0.001)
            return k

    def ran() -> weakref.ref:
        task = Task()
        assert parallel.run(np, task, range(6)) == list(range(6))
        return weakref.ref(task)

    parallel.set_threads(2)
    helped = ran()
    asleep = threading.Event()
    parallel._team.post(parallel._Errand(asleep.wait))
    not_begun = ran()
    assert not_begun() is None
    asleep.set()
    parallel.run(np, lambda _: None, range(2))
    assert helped() is None


def test_a_net_multiplies_on_one_blas_thread_outside_of_runs_too():
    class Product(Layer):
        def forward(self, *xs):
            seen.append(blas_threads())
            return xs[0]

        def backward(self, dy):
            seen.append(blas_threads())
            return (dy,)

        def out_shape(self, *shapes):
            return shapes[0]

    seen = []
    net = Net()
    net.add("double", Product(), net.add("conv", Conv2d(3, 4, 1), net.input("data", channels=3)))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        net.backward(net.forward(np.ones((1, 3, 4, 5), np.float32)))
        assert seen == [[1] * len(before)] * 2
        assert blas_threads() == before


@pytest.mark.skipif(max(blas_threads(), default=1) == 1, reason="BLAS has one thread here")
def test_blas_is_held_from_whichever_thread():
    """threadpoolctl listens to the thread that set the count first, and to no other for as long as that one lives."""
    before, held = blas_threads(), []

    def hold():
        with parallel.at_work():
            held.append(blas_threads())

    hold()
    for thread in [threading.Thread(target=hold) for _ in range(2)]:
        thread.start()
        thread.join()
    assert held == [[1] * len(before)] * 3
    assert blas_threads() == before


@pytest.mark.skipif(max(blas_threads(), default=1) == 1, reason="BLAS has one thread here")
def test_blas_is_given_back_by_whoever_is_last():
    before = blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with parallel.at_work():
            inside.set()
            leave.wait(5)

    with parallel.at_work():
        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(5)
    leave.set()
    thread.join()
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_that_is_forked_off_at_work_has_a_team_of_its_own():
    parallel.set_threads(2)
    before = blas_threads()
    parallel.run(np, lambda k: k, [0, 1, 2])
    with parallel.at_work():
        child = os.fork()
        if child == 0:
            good = blas_threads() == before and parallel.run(np, lambda k: k, [0, 1, 2]) == [0, 1, 2]
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
