"""How a process finds its group, what it says where that fails, and who speaks when a process dies."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import fakempi
import numpy as np
import pytest

from minifcn.distributed import ALONE, failures, joined, launch
from minifcn.distributed.failures import LastWords, Pulse, Reporter
from minifcn.errors import ConfigError, MinifcnError


@pytest.fixture(autouse=True)
def nobody_started_us(monkeypatch):
    for name in (*launch.SIZES, *launch.RANKS):
        monkeypatch.delenv(name, raising=False)


def test_a_process_by_itself_is_its_own_group():
    with joined(False) as group:
        assert group is ALONE
    assert (group.rank, group.size, group.leads, group.share(5)) == (0, 1, True, slice(0, 5))
    array = np.arange(3)
    assert group.sum(array) is array and group.most(3, 4) == (3, 4) and group.told(lambda: "it") == "it"


def test_without_mpi4py_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ConfigError, match=r"--distributed needs mpi4py: pip install 'minifcn\[mpi\]'"), joined(True):
        pass


@pytest.mark.parametrize("name", ["PMI", "OMPI_COMM_WORLD"])
def test_processes_that_would_each_train_the_same_are_refused_once(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv(f"{name}_SIZE", "4")
    monkeypatch.setenv(f"{name}_RANK", "0")
    with pytest.raises(ConfigError, match=r"has started 4 processes, .* add --distributed"), joined(False):
        pass
    monkeypatch.setenv(f"{name}_RANK", "3")
    with pytest.raises(SystemExit) as ended, joined(False):
        pass
    assert ended.value.code == 2
    monkeypatch.setenv(f"{name}_SIZE", "1")
    with joined(False) as group:
        assert group is ALONE


def test_an_mpiexec_of_another_mpi_is_noticed(monkeypatch):
    class Mpi(fakempi.Mpi):
        COMM_WORLD = fakempi.Comm(fakempi.World(1), 0)

        @staticmethod
        def Get_library_version():
            return "Some MPI v1, of another house"

    monkeypatch.setattr(launch, "_mpi", lambda: Mpi)
    monkeypatch.setenv("PMI_SIZE", "2")
    told = r"each finds itself alone: mpi4py speaks to another MPI \(Some MPI v1\)"
    with pytest.raises(ConfigError, match=told), joined(True):
        pass
    with pytest.raises(ConfigError, match="each would train the same net by itself"), joined(False):
        pass


def test_a_call_of_mpi_that_never_returns_is_ended(monkeypatch):
    """MPI waits for all processes to start it, and one may have failed before: a mistyped name of a module, say."""
    code = """
import os, sys, time
os.environ |= {"PMI_SIZE": "2", "PMI_RANK": "1"}
from minifcn.distributed import joined, launch
launch.START = 1
launch._mpi = lambda: time.sleep(60)
with joined("wanted" in sys.argv):
    pass
"""
    child = subprocess.run(
        [sys.executable, "-c", code, "wanted"], text=True, stderr=subprocess.PIPE, timeout=50,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert child.returncode == -signal.SIGALRM
    assert child.stderr.startswith("rank 1 of 2 (process ")
    assert child.stderr.endswith("It waited for all ranks to start MPI, and gives up after 1 seconds\n")


def test_ctrl_c_waits_until_all_can_be_told_of_it(monkeypatch):
    """Else the others wait for ever in calls of MPI that this process never makes."""
    world = fakempi.World(1)
    made = []

    class Mpi(fakempi.Mpi):
        @staticmethod
        def Query_thread():
            return 0

    class Comm(fakempi.Comm):
        def Dup(self):
            made.append(self)
            return super().Dup()

    def started():
        signal.raise_signal(signal.SIGINT)
        Mpi.COMM_WORLD = Comm(world, 0)
        return Mpi

    monkeypatch.setattr(launch, "_mpi", started)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), joined(True):
        pytest.fail("never comes here")
    assert len(made) == 3  # all communicators
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_keep_the_first_from_ending_all(monkeypatch, capsys):
    class Comm(fakempi.Comm):
        def Abort(self, status):
            signal.raise_signal(signal.SIGINT)
            raise Aborted(status)

    with (
        pytest.raises(Aborted, match="130"),
        Reporter(fakempi.Mpi, Comm(fakempi.World(2), 0)).watching(LastWords()),
    ):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # as it was


CHILD = """
import sys, time
from minifcn.distributed.failures import LastWords
words = LastWords()
words.begin(1, 4)
if "saved" in sys.argv:
    words.set("The last checkpoint is whole; go on\\nwith this")
if "ends" in sys.argv:
    words.take_back()
    sys.exit()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("argument", ["", "saved", "ends"])
def test_who_is_killed_has_last_words(argument):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, argument], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    if argument != "ends":
        assert child.stdout.readline() == "ready\n"
        child.kill()
    _, told = child.communicate(timeout=30)
    if argument == "ends":
        assert told == ""
        return
    assert told.startswith(f"rank 1 of 4 (process {child.pid}): ended from outside.") and told.count("\n") == 1
    assert ("go on with this" in told) == (argument == "saved")
    assert ("No checkpoint had been written yet" in told) == (argument == "")


class Aborted(BaseException):
    pass


class Comm(fakempi.Comm):
    """One whose Abort is seen."""

    def Abort(self, status):
        raise Aborted(status)


def meet(errors, monkeypatch, capsys, knows=True):
    """Each rank meets its error, or none: (what was raised in each, standard error)."""
    monkeypatch.setattr(failures, "PATIENCE", 1.0)
    world = fakempi.World(len(errors))

    def work(group):
        words = LastWords()
        try:
            reporter = Reporter(fakempi.Mpi, Comm(world, group.rank))
            with reporter.watching(words):
                if knows:
                    reporter.agrees_by(Comm(world, group.rank))
                if errors[group.rank]:
                    raise errors[group.rank]
                time.sleep(1.5)
        except BaseException as error:
            return error
        finally:
            words.take_back()
        return None

    return fakempi.on_ranks(len(errors), work), capsys.readouterr().err


def test_an_error_that_all_meet_goes_on_in_one(monkeypatch, capsys):
    raised, told = meet([MinifcnError("full"), MinifcnError("full")], monkeypatch, capsys)
    assert isinstance(raised[0], MinifcnError) and isinstance(raised[1], SystemExit) and raised[1].code == 2
    assert told == ""


def test_errors_that_differ_are_told_by_each(monkeypatch, capsys):
    raised, told = meet([MinifcnError("full"), KeyboardInterrupt()], monkeypatch, capsys)
    assert [error.code for error in raised] == [2, 130]
    assert sorted(told.splitlines()) == ["rank 0: error: full", "rank 1: stopped"]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [(MinifcnError("full"), 2, "rank 1: error: full"), (ValueError("a bug"), 1, "ValueError: a bug")],
)
def test_the_error_of_one_ends_all(error, status, line, monkeypatch, capsys):
    raised, told = meet([None, error], monkeypatch, capsys)
    assert raised[0] is None and isinstance(raised[1], Aborted) and raised[1].args == (status,)
    assert line in told.splitlines()


def test_an_error_before_there_is_a_way_to_agree_ends_all(monkeypatch, capsys):
    raised, told = meet([MinifcnError("full"), MinifcnError("full")], monkeypatch, capsys, knows=False)
    assert [error.args for error in raised] == [(2,), (2,)] and all(isinstance(error, Aborted) for error in raised)
    assert sorted(told.splitlines()) == ["rank 0: error: full", "rank 1: error: full"]


def test_an_error_that_cannot_be_told_ends_all_nevertheless(monkeypatch, capsys):
    """The disk is full, and standard output is a file."""

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failures, "sys", SimpleNamespace(stdout=SimpleNamespace(flush=full), stderr=sys.stderr))
    raised, told = meet([None, OSError(28, "No space left on device")], monkeypatch, capsys)
    assert raised[0] is None and isinstance(raised[1], Aborted)
    assert "rank 1: " in told


def test_an_error_about_a_file_whose_name_is_no_text_goes_on(monkeypatch, capsys):
    raised, _ = meet([MinifcnError("\udce4.png"), MinifcnError("\udce4.png")], monkeypatch, capsys)
    assert isinstance(raised[0], MinifcnError) and isinstance(raised[1], SystemExit)


class Post:
    """A communicator of two that carries a byte from one to the other, as long as both are there."""

    def __init__(self, rank, boxes, aborted):
        self.rank, self.boxes, self.aborted = rank, boxes, aborted

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return 2

    def Isend(self, data, dest):
        self.boxes[dest] += 1

        class Sent:
            def Test(self):
                return True

        return Sent()

    def Iprobe(self, source):
        return self.boxes[self.rank] > 0

    def Recv(self, data, source):
        self.boxes[self.rank] -= 1

    def Abort(self, status):
        self.aborted.append((self.rank, status))


class Threads:
    THREAD_MULTIPLE = 3

    @staticmethod
    def Query_thread():
        return 3


class NoTimer:
    """The real one would end the tests, should MPI not."""

    def __init__(self, seconds, function, arguments):
        assert function is os._exit

    def start(self):
        pass


def test_a_silent_process_is_given_up(monkeypatch, capfd):
    monkeypatch.setattr(failures, "BEAT", 0.02)
    monkeypatch.setattr(failures, "SILENCE", 0.4)
    monkeypatch.setattr(failures.threading, "Timer", NoTimer)
    boxes, aborted = [0, 0], []
    words = LastWords()
    one, other = (Pulse(Threads, Post(rank, boxes, aborted), words) for rank in (0, 1))
    with one:
        with other:
            time.sleep(0.6)
            assert not aborted
        time.sleep(0.8)  # the other has fallen silent
    assert aborted == [(0, 3)]
    assert "rank 0: nothing has been heard of rank 1 for 0 seconds" in capfd.readouterr().err


def test_who_slept_itself_waits_anew_for_the_others(monkeypatch, capfd):
    """A job that is paused as a whole: all clocks jump, and the others may wake later."""
    later = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + later[0])
    monkeypatch.setattr(failures, "BEAT", 0.02)
    monkeypatch.setattr(failures, "SILENCE", 1.2)
    monkeypatch.setattr(failures, "time", clock)
    monkeypatch.setattr(failures.threading, "Timer", NoTimer)
    boxes, aborted = [0, 0], []
    with Pulse(Threads, Post(0, boxes, aborted), LastWords()):
        time.sleep(0.1)
        later[0] = 100.0
        time.sleep(0.3)
        assert not aborted
        time.sleep(1.5)  # they do not
    assert aborted == [(0, 3)]


def test_signals_do_not_reach_the_shell_that_speaks():
    """Ctrl-C in a terminal goes to all processes of a group, the launcher's signals to all of a session."""
    words = LastWords()
    try:
        assert os.getsid(words._shell.pid) == words._shell.pid != os.getsid(0)
    finally:
        words.take_back()
