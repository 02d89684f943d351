"""`python -m minifcn.explain`: what it prints, what it refuses, and that it takes no memory."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from minifcn import explain, models
from minifcn.errors import ConfigError


def test_prints_layers_totals_and_answers(capsys):
    assert explain.main(["fcn8s", "--size", "500x375"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("fcn8s, vgg16, 21 classes, input padding 100: a picture 500 wide, 375 high\n")
    assert "21x375x500" in out
    assert "134,362,751" in out
    assert "Why is the picture padded by 100?" in out


@pytest.mark.parametrize(
    ("name", "preset"), [(name, preset) for name in models.NAMES for preset in models.presets_of(name)]
)
def test_every_net_and_preset(name, preset, capsys):
    assert explain.main([name, "--size", "227x227", "--preset", preset, "--classes", "5"]) == 0
    assert name in capsys.readouterr().out


def test_draws(tmp_path, capsys):
    path = tmp_path / "net.svg"
    assert explain.main(["fcn16s", "--preset", "tiny", "--size", "96x64", "--svg", str(path)]) == 0
    assert ElementTree.parse(path).getroot().get("width")
    assert str(path) in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["net.svg"]


def test_a_drawing_replaces_nothing_unless_asked(tmp_path, capsys):
    path, command = tmp_path / "net.svg", ["fcn8s", "--preset", "tiny", "--size", "96", "--svg"]
    path.write_text("mine")
    assert explain.main([*command, str(path)]) == 2
    assert "net.svg: would be replaced; say --overwrite" in capsys.readouterr().err and path.read_text() == "mine"
    assert explain.main([*command, str(path), "--overwrite"]) == 0
    assert ElementTree.parse(path).getroot().get("width")


@pytest.mark.parametrize(("text", "size"), [("500x375", (500, 375)), ("1X2", (1, 2)), ("96", (96, 96))])
def test_size_is_width_then_height(text, size):
    assert explain.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0x5", "5x", "1x2x3", "-4x4", "4.5x3", "99999999x1", "٣x٣"])
def test_bad_sizes(text):
    with pytest.raises(ConfigError, match="WIDTHxHEIGHT"):
        explain.parse_size(text)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["fcn8"], "did you mean 'fcn8s'"),
        (["fcn8s", "--preset", "tinny"], "did you mean 'tiny'"),
        (["fcn8s", "--input-padding", "3"], "of 81 to"),
        (["vgg16", "--input-padding", "100"], "input_padding is for FCNs"),
        (["fcn-alexnet", "--input-padding", "84"], "of 85 to"),
        (
            ["fcn8s", "--input-padding", "much"],
            "--input-padding: expected 'same' or a number of pixels, such as 100, got 'much'",
        ),
        (["fcn8s", "--input-padding", "81", "--size", "9x9"], "conv|fc6|does not fit|crop|score"),
        (["fcn8s", "--classes", "0"], "at least 1, got '0'"),
        (["fcn8s", "--sizes", "3x3"], "did you mean '--size'"),
        (["vgg16", "--size", "9x9"], "fc6"),
        (["fcn8s", "--svg", ""], "--svg: expected"),
        (["fcn8s", "--svg", "."], r"--svg \.: is a folder; expected the name of a file"),
        (["fcn8s", "--svg", "/"], "--svg /: is a folder; expected the name of a file"),
        (["fcn8s", "--svg", "weights.safetensors"], r"weights.safetensors: expected a name that ends in \.svg"),
        (["fcn8s", "--svg", "no/such/folder/net.svg"], "no/such/folder"),
    ],
)
def test_refuses_with_one_message_and_status_2(flags, message, capsys):
    assert explain.main(flags) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert re.search(message, err)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here to read the peak memory from")
def test_plans_134_million_parameters_without_taking_the_memory():
    code = (
        "from minifcn import explain; explain.main(['fcn8s', '--size', '2000x2000']); "
        "print(open('/proc/self/status').read())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", run.stdout)
    assert int(peak) < 200_000  # the weights alone would be 525,000


def test_output_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "out").write_text("")
    with open(tmp_path / "out") as unwritable:  # as a full disk, but there is one everywhere
        command = [sys.executable, "-m", "minifcn", "explain", "fcn8s"]
        run = subprocess.run(command, stdout=unwritable, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 2
    assert run.stderr == "error: the output cannot be written (Bad file descriptor)\n"
