"""One process at a time has a run's folder, and a log that two have written to is mended or explained."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minifcn import train
from minifcn.config import TrainConfig
from minifcn.errors import CheckpointError
from minifcn.training import claim, folder
from minifcn.training.claim import LOCK, Claim
from minifcn.training.folder import Log, RunFolder

pytestmark = pytest.mark.skipif(claim.fcntl is None, reason="needs locks, which this system has not")
CONFIG = TrainConfig()


def test_a_folder_is_claimed_once_and_free_again_afterwards(tmp_path):
    with Claim() as mine:
        mine.take(tmp_path)
        with Claim() as other, pytest.raises(CheckpointError, match=rf"process {os.getpid()} on .* is at work there"):
            other.take(tmp_path)
        assert os.listdir(tmp_path) == [LOCK]
    assert os.listdir(tmp_path) == []
    with Claim() as other:
        other.take(tmp_path)


def test_a_claim_goes_away_with_a_killed_process(tmp_path):
    code = """if True:
        import os, signal, sys
        from pathlib import Path
        from minifcn.training.claim import Claim
        Claim().take(Path(sys.argv[1]))
        os.kill(os.getpid(), signal.SIGKILL)"""
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL and os.listdir(tmp_path) == [LOCK]
    made = RunFolder.create(str(tmp_path), CONFIG)
    assert made.names() == ["config.toml"] == os.listdir(tmp_path)


def test_who_comes_while_the_file_is_removed_does_not_lock_a_file_that_is_gone(tmp_path, monkeypatch):
    lock = claim.fcntl.flock

    def late(file, how):
        monkeypatch.setattr(claim.fcntl, "flock", lock)
        (tmp_path / LOCK).unlink()
        lock(file, how)

    monkeypatch.setattr(claim.fcntl, "flock", late)
    with Claim() as mine, Claim() as other:
        mine.take(tmp_path)
        with pytest.raises(CheckpointError, match="is at work there"):
            other.take(tmp_path)


def test_where_there_are_no_locks_a_run_goes_on_without(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(claim.fcntl, "flock", refused)
        with Claim() as mine:
            mine.take(tmp_path)
            assert os.listdir(tmp_path) == []
    monkeypatch.setattr(claim, "fcntl", None)
    assert RunFolder.create(str(tmp_path), CONFIG).names() == ["config.toml"]


def test_of_two_runs_that_start_at_once_one_has_the_folder(tmp_path, monkeypatch):
    write = RunFolder.write_config

    def second(self, config):
        """While the first has found the folder empty, and has not written yet."""
        monkeypatch.setattr(RunFolder, "write_config", write)
        with pytest.raises(CheckpointError, match="is at work there"):
            RunFolder.create(str(tmp_path), config)
        write(self, config)

    monkeypatch.setattr(RunFolder, "write_config", second)
    RunFolder.create(str(tmp_path), CONFIG)
    assert os.listdir(tmp_path) == ["config.toml"]


def test_two_runs_of_one_second_have_two_folders(tmp_path, monkeypatch):
    class Clock(folder.datetime.datetime):
        @classmethod
        def now(cls):
            return cls(2026, 1, 2)

    mkdir = Path.mkdir

    def second(self, *args, **kwargs):
        """When the first has found its name free, and has not made the folder yet."""
        if "2026" in self.name:
            monkeypatch.setattr(Path, "mkdir", mkdir)
            RunFolder.create("", CONFIG)
        mkdir(self, *args, **kwargs)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folder.datetime, "datetime", Clock)
    monkeypatch.setattr(Path, "mkdir", second)
    assert RunFolder.create("", CONFIG).path.name == "20260102-000000-fcn8s-shapes-2"
    assert sorted(os.listdir("runs")) == ["20260102-000000-fcn8s-shapes", "20260102-000000-fcn8s-shapes-2"]


def test_a_run_that_is_being_written_is_not_resumed(tmp_path, capsys):
    with Claim() as mine:
        run = RunFolder.create(str(tmp_path), CONFIG, mine)
        before = run.config.read_bytes()
        assert train.main(["--resume", str(tmp_path), "--iterations", "1"]) == 2
        assert f"error: {tmp_path}: process {os.getpid()} on " in capsys.readouterr().err
        assert run.names() == ["config.toml"] and run.config.read_bytes() == before


HEAD = "step,loss,lr,seconds,pixel_accuracy,mean_accuracy,mean_iu,frequency_weighted_iu,stage\n"
ONE = "1,0.5,0.1,1.0,,,,,fcn8s\n"
TWO = "2,0.4,0.1,2.0,,,,,fcn8s\n"


def test_rows_that_two_processes_wrote_are_taken_once(tmp_path):
    path = tmp_path / "log.csv"
    evaluated = "2,0.4,0.1,2.5,0.9,0.8,0.7,0.6,fcn8s\n"
    path.write_text(HEAD + TWO + ONE + evaluated + ONE)
    log = Log(path)
    log.go_on(2)
    assert path.read_text() == HEAD + ONE + evaluated.replace("2.5", "2.0")
    path.write_text(HEAD + ONE + TWO + TWO.replace("0.4", "0.3"))
    with pytest.raises(CheckpointError, match=r"two rows of step 2 differ in loss: were two processes at work here\?"):
        log.go_on(2)


def test_a_log_that_is_gone_is_told(tmp_path):
    log = Log(tmp_path / "log.csv")
    with pytest.raises(
        CheckpointError, match=r"log\.csv: is gone, though .* of step 3; put it back, or repeat the run with --c"
    ):
        log.go_on(3)
    log.go_on(0)
    assert (tmp_path / "log.csv").read_text() == HEAD
