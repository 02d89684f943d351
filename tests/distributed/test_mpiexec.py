"""Training on real processes, `pytest -m mpi`: what they find, how they stop, what is left when one of them dies."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minifcn import checkpoint, weights
from minifcn.train import main

pytestmark = pytest.mark.mpi

ROOT = Path(__file__).parents[2]
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
#: Dropout, augmentation, pictures of several sizes, and shares that differ: all that processes could get wrong.
SMALL = [
    "--data", "shapes:size=40,train=12,val=5", "--preset", "small", "--batch-size", "3", "--iterations", "20",
    "--lr", "0.002", "--momentum", "0.5", "--lr-policy", "fixed", "--jitter", "4", "--scale", "1.2", "--class-weights",
    "sqrt-inverse", "--eval-every", "10", "--checkpoint-every", "10", "--log-every", "1",
]  # fmt: skip
LONG = [*SMALL, "--iterations", "100000", "--eval-every", "0"]
#: Tells its process id, then trains.
RANK = """
import os, sys
from pathlib import Path
import minifcn.distributed.failures as failures
failures.SILENCE = float(sys.argv[2])
rank = os.environ.get("PMI_RANK") or os.environ["OMPI_COMM_WORLD_RANK"]
Path(sys.argv[1], f"pid-{rank}").write_text(str(os.getpid()))
from minifcn.train import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(scope="module", autouse=True)
def mpi():
    """Skips all this where there is no MPI."""
    pytest.importorskip("mpi4py", reason="needs mpi4py: pip install '.[test]' on Linux")
    if MPIEXEC is None:
        pytest.skip("needs mpiexec: pip install mpich")


def launched(size, *command, **kwargs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [MPIEXEC, "-n", str(size), sys.executable, *map(str, command)], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs,
    )  # fmt: skip


def trained(size, *flags, status=0) -> str:
    """The output of `minifcn train` on so many processes."""
    process = launched(size, "-m", "minifcn.train", *flags)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == status, output
    return output


@contextmanager
def running(size, tmp_path, *flags, steps=12, silence=45):
    """A run that has made some steps, and will not end by itself: (process, process ids of the ranks)."""
    process = launched(size, "-c", RANK, tmp_path, silence, *flags)
    try:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith(f"step {steps}/"):
                break
        else:
            pytest.fail("".join(seen))
        yield process, [int((tmp_path / f"pid-{rank}").read_text()) for rank in range(size)]
    finally:
        process.kill()


def log_of(run):
    with open(run / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def compare(run, whole, tolerance):
    """The checkpoint and the log of a run with those of another."""
    found, expected = (checkpoint.load(path / "checkpoint.safetensors") for path in (run, whole))
    assert found.generators == expected.generators and found.state["step"] == expected.state["step"]
    for kind in ("weights", "velocity"):
        arrays = getattr(expected, kind)
        largest = max(np.abs(array).max() for array in arrays.values())
        for name, array in arrays.items():
            difference = np.abs(getattr(found, kind)[name] - array).max()
            assert difference <= tolerance * largest, (kind, name, difference / largest)
    for row, other in zip(log_of(run), log_of(whole), strict=True):
        assert float(row["loss"]) == pytest.approx(float(other["loss"]), rel=tolerance, abs=0)
        assert [row[key] for key in ("step", "lr", "stage", "mean_iu")] == [
            other[key] for key in ("step", "lr", "stage", "mean_iu")
        ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run of one process."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main([*SMALL, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The run of two."""
    out = tmp_path_factory.mktemp("runs") / "two"
    output = trained(2, *SMALL, "--out", out, "--distributed")
    assert "distributed: 2 processes on one machine, 1 thread each" in output or (os.cpu_count() or 1) >= 4
    assert output.count("mean IU") == 2 + 1  # told by one process: two evaluations and the table
    return out


def test_two_processes_find_what_one_finds(two, whole):
    compare(two, whole, 1e-6)
    assert {path.name for path in two.iterdir()} == {path.name for path in whole.iterdir()}


def test_three_go_on_where_two_have_been_stopped(tmp_path, whole, two):
    """Stopped by Ctrl-C, at whichever step; and once more, by a SIGTERM that only one process gets."""
    run = tmp_path / "my run"
    with running(2, tmp_path, *LONG, "--out", run, "--distributed", steps=5) as (process, _):
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    go_on = re.escape(f"go on with: mpiexec -n 2 minifcn train --resume '{run}' --distributed\n")
    (stopped,) = re.findall(rf"stopped after step (\d+); {go_on}", output)
    assert checkpoint.load(run / "checkpoint.safetensors").state["step"] == int(stopped)
    with running(3, tmp_path, "--resume", run, "--distributed", steps=int(stopped) + 2) as (process, pids):
        os.kill(pids[2], signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and output.count("stopped after step") == 1, output
    log = [float(row["loss"]) for row in log_of(run)]
    expected = [float(row["loss"]) for row in log_of(whole)]
    np.testing.assert_allclose(log[:20], expected[: len(log)], rtol=1e-6)


def test_as_many_processes_go_on_bit_for_bit(tmp_path, two):
    run = tmp_path / "run"
    trained(2, *SMALL, "--iterations", 7, "--out", run, "--distributed")
    trained(2, "--resume", run, "--iterations", 20, "--distributed")
    for name in ("weights", "checkpoint"):
        found, expected = (checkpoint.load(path / "checkpoint.safetensors").weights for path in (run, two))
        assert all(np.array_equal(found[key], expected[key]) for key in expected), name


def test_stages_on_two_processes_are_those_of_one(tmp_path):
    """Weights go from net to net, the momentum begins anew, and each stage leaves its own."""
    flags = [
        *SMALL, "--stages", "32s,16s,8s", "--stage-iterations", "7,4,5", "--stage-lr-factor", "0.5", "--eval-every", "3"
    ]  # fmt: skip
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*flags, "--out", str(one)]) == 0
    output = trained(2, *flags, "--out", two, "--distributed")
    assert output.count("fcn16s from ") == output.count("fcn8s from ") == 1
    compare(two, one, 1e-6)
    for name in ("weights-fcn32s", "weights-fcn16s", "weights"):
        found, expected = (weights.open_net(run / f"{name}.safetensors")[0].state_dict() for run in (two, one))
        assert found.keys() == expected.keys()
        for key, array in expected.items():
            assert np.abs(found[key] - array).max() <= 1e-6 * np.abs(array).max(), (name, key)
    assert {row["stage"] for row in log_of(two)} == {"fcn32s", "fcn16s", "fcn8s"}


@pytest.mark.parametrize(
    "flags",
    [
        ["--data", "shapes:size=40,train=12,val=2", "--clip-norm", "0.5", "--conv", "im2col"],
        ["--data", "shapes:size=40,train=12,val=2", "--clip-norm", "0", "--conv", "winograd", "--overfit", "4",
         "--preset", "small"],
        # auto would take im2col for one picture of this size, and winograd for two
        ["--data", "shapes:size=368,train=4,val=1", "--conv", "im2col", "--iterations", "2"],
    ],
    ids=["clipped", "overfit", "large"],
)  # fmt: skip
def test_where_nothing_depends_on_the_batch_the_bits_are_those_of_one(flags, tmp_path):
    """a + b = b + a: two processes with a picture each are one process that makes two passes for an update.

    What README says of when that holds.
    """
    sums = ["--iterations", "6", "--no-mirror", "--loss", "sum", "--lr", "1e-5", "--threads", "1", *flags]
    assert main([*sums, "--batch-size", "1", "--iter-size", "2", "--out", str(tmp_path / "one")]) == 0
    trained(2, *sums, "--batch-size", 2, "--out", tmp_path / "two", "--distributed")
    compare(tmp_path / "two", tmp_path / "one", 0.0)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_is_the_end_of_all_and_each_says_so(victim, tmp_path):
    run = tmp_path / "run"
    with running(3, tmp_path, *LONG, "--out", run, "--distributed") as (process, pids):
        os.kill(pids[victim], signal.SIGKILL)
        start = time.monotonic()
        output, _ = process.communicate(timeout=60)  # within a minute
    assert process.returncode not in (0, 2), output
    go_on = f"mpiexec -n 3 minifcn train --resume {run} --distributed"
    for rank, pid in enumerate(pids):
        (told,) = re.findall(rf"^rank {rank} of 3 \(process {pid}\): (.*)$", output, re.MULTILINE)
        assert told.startswith("ended from outside.") and told.endswith(f"{run} is whole; go on with: {go_on}")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert time.monotonic() - start < 60
    step = checkpoint.load(run / "checkpoint.safetensors").state["step"]
    assert step and step % 10 == 0
    if victim == 0:
        trained(2, "--resume", run, "--distributed", "--iterations", step + 2)


def test_a_process_that_falls_silent_is_noticed(tmp_path):
    """The launcher does not notice: to it, a process that hangs is one that works."""
    with running(2, tmp_path, *LONG, "--out", tmp_path / "run", "--distributed", silence=4) as (process, pids):
        os.kill(pids[1], signal.SIGSTOP)
        output, _ = process.communicate(timeout=60)
    assert "rank 0: nothing has been heard of rank 1 for 4 seconds" in output
    assert "rank 1 of 2" in output and process.returncode != 0


def test_a_job_that_was_paused_goes_on(tmp_path):
    with running(2, tmp_path, *LONG, "--out", tmp_path / "run", "--distributed", silence=4) as (process, pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(7)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "nothing has been heard" not in output, output


def test_an_error_of_one_is_told_with_its_rank_and_ends_all(tmp_path):
    code = RANK.replace("from minifcn.train", """
from minifcn import data
from minifcn.errors import DataError
made = data.Loader.batch
def batch(self, step):
    if step == 3 and self.part.start:
        raise DataError("street.png: cannot be read")
    return made(self, step)
data.Loader.batch = batch
from minifcn.train""")  # fmt: skip
    process = launched(2, "-c", code, tmp_path, 45, *LONG, "--out", tmp_path / "run", "--distributed")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and "\nrank 1: error: street.png: cannot be read\n" in output, output
    assert "\nrank 0 of 2" in output and "rank 1 of 2" not in output and "Traceback" not in output


#: Something happens to rank 1 while the processes find each other.
EARLY = """
import os, signal, sys
from minifcn.distributed import launch
start, what = launch._mpi, sys.argv.pop(1)
if what == "never":
    launch.START = 12
def mpi():
    found = start()
    if what == "all" or found.COMM_WORLD.Get_rank() == 1:
        os.kill(os.getpid(), signal.SIGINT)
    return found
class Reporter(launch.Reporter):
    def agrees_by(self, comm):
        if comm.Get_rank() == 1:
            raise RuntimeError("no more memory for communicators")
        super().agrees_by(comm)
if what == "error":
    launch.Reporter = Reporter
elif what == "never" and (os.environ.get("PMI_RANK") or os.environ["OMPI_COMM_WORLD_RANK"]) == "1":
    sys.exit("no such module")
elif what in ("all", "one"):
    launch._mpi = mpi
from minifcn.train import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("what", "status", "told"),
    [
        ("one", 130, ["\nrank 1: stopped\n", "\nrank 0 of 2"]),
        ("all", 130, ["\nstopped\n"]),
        ("error", 1, ["RuntimeError: no more memory"]),
        ("never", None, ["no such module", "waited for all ranks to start MPI, and gives up after 12 seconds"]),
    ],
)
def test_what_happens_while_they_find_each_other_ends_all(what, status, told, tmp_path):
    """Others wait then in calls of MPI, where Python hears nothing."""
    process = launched(2, "-c", EARLY, what, *LONG, "--out", tmp_path / "run", "--distributed")
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status if status else process.returncode, output
    assert all(line in f"\n{output}" for line in told), output
    assert not (tmp_path / "run").exists()


def differing(tmp_path, *flags):
    """(exit status, output) of two processes of which the second is given more flags."""
    train = [sys.executable, "-m", "minifcn.train", *SMALL, "--out", tmp_path / "run"]
    process = launched(1, *train[1:], "--distributed", ":", "-n", "1", *train, *flags)
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, output


def test_another_command_is_refused_before_anything_is_done(tmp_path):
    """Most of these went on for ever, or to the end with losses that differed."""
    status, output = differing(tmp_path, "--distributed", "--iter-size", 2, "--eval-every", 1, "--loss", "sum")
    assert status == 2 and output.startswith("error: the processes were not given the same command:\n"), output
    for line in ("--iter-size: 1 on rank 0, 2 on rank 1", "--eval-every: 10 on rank 0, 1 on rank 1"):
        assert f"\n  {line}\n" in output
    assert output.count("error") == 1 and not (tmp_path / "run").exists()


@pytest.mark.parametrize("flags", [["--distributed", "--iter"], []], ids=["a slip", "not distributed"])
def test_an_error_in_one_command_is_told_with_its_rank_and_ends_all(flags, tmp_path):
    status, output = differing(tmp_path, *flags)
    assert status == 2 and "rank 1: error: " in output and "\nrank 0 of 2" in output, output


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ["--distributed", "--batch-size", "1"],
            "error: a batch of 1 picture for 2 processes leaves some without work",
        ),
        (["--distributed", "--out", "."], "error: .: is not empty, and nothing is overwritten"),
        (["--distributed", "--batch-size", "2", "--scale", "1", "--lr", "1e30"], "error: step 2: the loss is nan."),
        ([], "error: mpiexec has started 2 processes, and each would train the same net by itself: add --distributed"),
    ],
    ids=["batch", "folder", "loss", "alone"],
)
def test_what_all_meet_is_told_once(flags, told, tmp_path):
    output = trained(2, *SMALL, "--out", tmp_path / "run", *flags, status=2)
    assert output.count("error: ") == 1 and told in output and "rank " not in output
