"""Runs in bad weather: kills, a disk that fills up, hours on end. A few of each; the modules beside make it long."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from minifcn import checkpoint
from minifcn.train import main
from tests.weather import kills, soak


@pytest.mark.weather
@pytest.mark.parametrize("kind", kills.RUNS)
def test_killed_at_random_moments_and_gone_on_with(kind, tmp_path):
    moments = kills.weathered(kind, tmp_path, 3, np.random.default_rng())
    assert moments.total() == 3


@pytest.mark.weather
def test_memory_and_open_files_stay_flat(tmp_path):
    looks = soak.soak(500, soak.pictures(tmp_path))
    assert soak.growth(looks, settled=300) < 0.01
    assert max(look.files for look in looks[-10:]) <= max(look.files for look in looks[5:15])


@pytest.fixture
def disk(tmp_path):
    """(folder, resize): a small disk of its own, of the size in bytes that `resize` gives it."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "tmpfs", path], capture_output=True).returncode:
        pytest.skip("no right to mount a disk of a test's own (needs root)")

    def resize(size: int) -> None:
        subprocess.run([mount, "-o", f"remount,size={size}", path], check=True)

    yield path, resize
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.weather
def test_a_disk_that_fills_up_costs_nothing_that_was_saved(disk, tmp_path, capsys):
    """Room for one checkpoint and not for the next beside it: the run ends, and goes on when there is room again."""
    folder, resize = disk
    whole, run = tmp_path / "whole", folder / "run"
    assert main([*kills.RUNS["plain"], "--out", str(whole)]) == 0
    resize((whole / "checkpoint.safetensors").stat().st_size * 3 // 2)
    assert main([*kills.RUNS["plain"], "--out", str(run)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "checkpoint.safetensors: cannot be written (" in error and "No space left on device" in error
    assert kills.look(run) == "under way" and checkpoint.load(run / "checkpoint.safetensors").state["step"] == 0
    assert {path.name for path in run.iterdir()} == {"config.toml", "log.csv", "checkpoint.safetensors"}
    resize(1 << 26)
    assert main(["--resume", str(run)]) == 0
    assert kills.result(run) == kills.result(whole)
