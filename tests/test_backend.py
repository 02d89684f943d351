"""Where arrays live, that they are not mixed, and that the stand-in for CuPy is as strict as it claims."""

import importlib.util
import subprocess
import sys

import fakegpu
import numpy as np
import pytest

from minifcn import backend
from minifcn.errors import BackendError


@pytest.fixture(autouse=True)
def count_from_zero():
    fakegpu.transfers.reset()


# --- backend ----------------------------------------------------------------------------------------------------------


def test_arrays_bring_their_namespace(xp):
    a = xp.asarray(np.ones(3))
    assert backend.xp_of(a) is xp
    assert backend.xp_of(None, a, None, a) is xp


def test_numbers_of_numpy_count_as_arrays():
    assert backend.xp_of(np.float32(3), np.ones(2)) is np


def test_two_backends_in_one_operation_are_refused():
    with pytest.raises(BackendError, match=r"numpy and fakegpu; .*backend.to"):
        backend.xp_of(np.ones(2), fakegpu.ones(2))


@pytest.mark.parametrize("thing", [[1.0], 2.5, "x"])
def test_what_is_no_array_is_refused(thing):
    with pytest.raises(BackendError, match=type(thing).__name__):
        backend.xp_of(thing)


def test_no_array_at_all_is_refused():
    with pytest.raises(BackendError, match="at least one array"):
        backend.xp_of(None)


def test_there_and_back_again(xp, rng):
    host = rng.normal(size=(2, 3)).astype(np.float32)
    there = backend.to(host, xp)
    assert backend.xp_of(there) is xp
    back = backend.to_numpy(there)
    assert type(back) is np.ndarray
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, host)


def test_moving_to_where_it_is_copies_nothing(xp):
    a = xp.asarray(np.ones(3))
    fakegpu.transfers.reset()
    assert backend.to(a, xp) is a
    assert (fakegpu.transfers.to_device, fakegpu.transfers.to_host) == (0, 0)


def test_to_numpy_of_a_numpy_array_is_itself():
    a = np.ones(3)
    assert backend.to_numpy(a) is a


def test_names_of_backends():
    assert backend.namespace("numpy") is np
    assert backend.namespace(fakegpu) is fakegpu
    assert backend.for_device("cpu") is np
    with pytest.raises(BackendError, match=r"'numpy' or 'cupy', got 'torch'"):
        backend.namespace("torch")
    with pytest.raises(BackendError, match=r"cpu, gpu, got 'cuda'"):
        backend.for_device("cuda")


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed here")
def test_without_cupy_the_error_says_how_to_get_it():
    with pytest.raises(BackendError) as caught:
        backend.for_device("gpu")
    for fragment in ("CuPy is not installed", "pip install", "cuda12", "--device cpu"):
        assert fragment in str(caught.value)


def test_timer_measures_its_block(xp):
    with backend.Timer(xp) as timer:
        sum(range(20_000))
    assert 0 < timer.seconds < 5


def test_memory_adds_up(xp):
    if xp is fakegpu:
        pytest.skip("the stand-in's memory is the host's")
    told = backend.memory(xp)
    assert told.keys() == {"used", "peak", "available"}
    assert 0 < told["used"] <= told["peak"] * 1.01
    assert told["available"] > 0


def test_memory_sees_a_large_array():
    """In a process of its own: in this one, what earlier tests held may be given back meanwhile."""
    code = (
        "import numpy as np; from minifcn import backend; before = backend.memory()['used']; "
        "block = np.ones(100_000_000, np.uint8); print(backend.memory()['used'] - before)"
    )
    grown = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    assert 95_000_000 < grown < 120_000_000


def test_describe_names_the_library(xp):
    assert xp.__version__ in backend.describe(xp)


# --- the stand-in -----------------------------------------------------------------------------------------------------

MIXED = {
    "fake + numpy": lambda f, n: f + n,
    "numpy + fake": lambda f, n: n + f,
    "fake += numpy": lambda f, n: f.__iadd__(n),
    "numpy += fake": lambda f, n: n.__iadd__(f),
    "fake * list": lambda f, n: f * [1.0, 2.0],
    "fake < numpy": lambda f, n: f < n,
    "argument": lambda f, n: fakegpu.maximum(f, n),
    "argument in a list": lambda f, n: fakegpu.concatenate([f, n]),
    "keyword": lambda f, n: fakegpu.add(f, f, out=n),
    "numpy's function": lambda f, n: np.maximum(n, f),
    "numpy's function on it alone": lambda f, n: np.exp(f),
    "conversion": lambda f, n: np.asarray(f),
    "assignment of": lambda f, n: f.__setitem__(slice(None), n),
    "assignment to": lambda f, n: n.__setitem__(slice(None), f),
    "index": lambda f, n: f[n.astype(int)],
    "method": lambda f, n: f.dot(n),
}


@pytest.mark.parametrize("how", MIXED)
def test_the_stand_in_does_not_mix(how):
    with pytest.raises(TypeError):
        MIXED[how](fakegpu.asarray(np.zeros(2)), np.zeros(2))


def test_the_stand_in_has_only_what_cupy_has():
    for name in ("add_at", "vectorize", "nditer", "frompyfunc", "errstate"):
        with pytest.raises(AttributeError, match=name):
            getattr(fakegpu, name)
    assert all(hasattr(np, name) for name in fakegpu.FUNCTIONS)


def test_cupy_has_all_that_the_stand_in_has():
    cupy = pytest.importorskip("cupy", reason="no GPU: CuPy is not installed")
    assert [name for name in fakegpu.FUNCTIONS if not hasattr(cupy, name)] == []


def test_the_stand_in_counts_crossings():
    a = fakegpu.asarray(np.array([1.0, 2.0]))
    assert (fakegpu.transfers.to_device, fakegpu.transfers.to_host) == (1, 0)
    assert float(a.sum()) == 3
    assert bool((a > 1).any())
    assert int(a[0]) == 1
    assert a.get().tolist() == [1, 2]
    assert a[a > 1].shape == (1,)  # how many are there? asks the device
    assert (fakegpu.transfers.to_device, fakegpu.transfers.to_host) == (1, 5)
    b = fakegpu.exp(a * 2) + a[::-1]
    b[0] = 5
    assert (fakegpu.transfers.to_device, fakegpu.transfers.to_host) == (1, 5)


def test_the_stand_in_reduces_to_arrays_not_numbers():
    total = fakegpu.ones((2, 3)).sum()
    assert isinstance(total, fakegpu.ndarray)
    assert total.shape == ()
    assert isinstance(fakegpu.ones(3)[0], fakegpu.ndarray)


def test_the_stand_in_refuses_to_assign_to_repeated_indices():
    a = fakegpu.zeros(4)
    a[fakegpu.asarray([0, 2])] = 1
    a[fakegpu.asarray([True, False, False, True])] = 2
    assert a.get().tolist() == [2, 0, 1, 2]
    with pytest.raises(IndexError, match="repeated"):
        a[fakegpu.asarray([1, 1])] = 3
    with pytest.raises(IndexError, match="repeated"):
        a[fakegpu.asarray([1, 1])] += 3


def test_the_stand_in_fills_new_arrays_with_nonsense():
    assert np.isnan(fakegpu.empty((2, 2), np.float32).get()).all()
    assert (fakegpu.empty(3, np.uint8).get() == 85).all()


def test_views_of_the_stand_in_are_views():
    a = fakegpu.zeros((2, 3))
    a[1, :] += 1
    a.reshape(-1)[0] = 7
    a.T[2, 0] = 9
    assert a.get().tolist() == [[7, 0, 9], [1, 1, 1]]
    for row in a:
        row *= 2
    assert a.get().tolist() == [[14, 0, 18], [2, 2, 2]]


def test_the_stand_in_copies_from_pinned_memory_when_somebody_waits():
    target, stream = fakegpu.empty(3, np.float32), fakegpu.cuda.Stream(non_blocking=True)
    source = np.frombuffer(fakegpu.cuda.alloc_pinned_memory(12), np.float32, 3)
    source[...] = 5
    target.set(source, stream=stream)
    event = stream.record()
    assert np.isnan(target.get()).all() and not event.done
    fakegpu.cuda.get_current_stream().wait_event(event)
    assert target.get().tolist() == [5, 5, 5] and event.done
    target.set(source, stream=stream)
    del source  # given back too early
    stream.synchronize()
    assert 5 not in target.get()
    with pytest.raises(TypeError, match="pinned"):
        target.set(np.zeros(3, np.float32), stream=stream)
