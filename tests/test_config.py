"""Settings from recipe, file and flags: precedence, types, ranges, and messages that name the slip."""

from __future__ import annotations

import math
import re
import tracemalloc

import pytest

from minifcn import config as configuration
from minifcn import models
from minifcn.command import Parser
from minifcn.config import TrainConfig, names, overrides, read_toml, resolve, to_toml
from minifcn.errors import ConfigError


def parse(*flags: str) -> dict:
    parser = Parser(prog="x")
    configuration.add_flags(parser)
    return configuration.flags_given(parser.parse_args(list(flags)))


def test_flags_win_over_the_file_the_file_over_the_recipe_the_recipe_over_defaults():
    file = {"recipe": "camvid", "lr": 0.5, "batch_size": 3}
    config = resolve(file, {"lr": 0.25})
    assert (config.lr, config.batch_size, config.class_weights) == (0.25, 3, "sqrt-inverse")
    assert config.log_every == TrainConfig.log_every
    assert resolve(file, {"recipe": "heavy2016"}).class_weights == "none"


def test_without_anything_the_recipe_is_tiny():
    assert resolve({}, {}) == resolve({}, {"recipe": "tiny"})


def test_the_learning_rate_of_a_recipe_follows_the_net():
    assert resolve({"recipe": "heavy2016"}, {"net": "fcn8s"}).lr == 1e-14
    assert resolve({"recipe": "heavy2016", "lr": 1e-11}, {"net": "fcn8s"}).lr == 1e-11


def test_toml_and_back(tmp_path):
    config = resolve({}, {"recipe": "heavy2016", "data": 'folder:C:\\a "b" ü', "lr": 1e-10, "strict": True, "seed": 7})
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config, note="a note\nof two lines"), encoding="utf-8")
    read = read_toml(path)
    assert list(read) == names()
    assert resolve(read, {}) == config


def test_every_setting_has_a_flag_that_is_read_in_its_type():
    flags = parse("--lr", "1e-10", "--batch-size", "3", "--no-mirror", "--strict", "--input-padding", "81")
    assert flags == {"lr": 1e-10, "batch_size": 3, "mirror": False, "strict": True, "input_padding": 81}
    assert parse("--input-padding", "same") == {"input_padding": "same"}
    assert parse() == {}
    parser = Parser(prog="x")
    configuration.add_flags(parser)
    text = parser.format_help()
    for name in names():
        assert "--" + name.replace("_", "-") in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"zzz": 1}, "file: unknown setting 'zzz'; there are recipe, net, "),
        ({"batchsize": 1}, "did you mean 'batch_size'"),
        ({"lr": "0.1"}, "file: lr expects a number, got '0.1'"),
        ({"lr": 0}, "lr expects a number above 0, got 0"),
        ({"lr": math.nan}, "lr expects a number above 0, got nan"),
        ({"lr": math.inf}, "got inf"),
        ({"batch_size": 2.0}, "batch_size expects an integer, got 2.0"),
        ({"batch_size": True}, "batch_size expects an integer, got True"),
        ({"iterations": 0}, "iterations expects a number of at least 1"),
        ({"momentum": 1.5}, "momentum expects a number of at least 0 and below 1"),
        ({"momentum": 1}, "of at least 0 and below 1, got 1"),
        ({"mirror": 1}, "mirror expects true or false, got 1"),
        ({"loss": "means"}, "loss cannot be 'means'; did you mean 'mean'"),
        ({"recipe": "tinny"}, "did you mean 'tiny'"),
        ({"device": "tpu"}, "device cannot be 'tpu'"),
        ({"lr": 10**400}, "file: lr expects a number that a float can hold"),
        ({"seed": 2**63}, "file: seed expects an integer of at most 63 bits, got one of 64"),
        ({"input_padding": 1.5}, "input_padding expects an integer or text"),
    ],
)
def test_wrong_settings_are_refused_in_words(values, message):
    with pytest.raises(ConfigError) as error:
        resolve(values, {}, where="file")
    assert message in str(error.value)


def test_a_mistyped_flag_is_recognised():
    with pytest.raises(ConfigError, match=r"unknown argument '--batchsize'; did you mean '--batch-size'"):
        parse("--batchsize", "3")
    with pytest.raises(ConfigError, match="unknown argument '--iter'"):
        parse("--iter", "3")  # no abbreviations
    with pytest.raises(ConfigError, match="argument --lr: invalid float value: 'fast'"):
        parse("--lr", "fast")


def test_overrides_are_told_against_the_recipe():
    config = resolve({}, {"recipe": "heavy2016", "net": "fcn16s", "momentum": 0.9})
    assert overrides(config) == [
        'net = "fcn16s" (recipe heavy2016: "fcn32s")',
        "momentum = 0.9 (recipe heavy2016: 0.99)",
    ]
    assert overrides(resolve({}, {})) == []


@pytest.mark.parametrize("content", [b"lr = ", b"\xff\xfe", b"lr = 1\nlr = 2", b"lr = 1" + b"0" * 5000])
def test_a_file_that_is_no_toml(tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a TOML file"):
        read_toml(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_utf_8_is_read_with_or_without_its_mark_and_no_other(encoding, tmp_path):
    path, text = tmp_path / "config.toml", 'lr = 0.5\ndata = "folder:Übung"\n'
    for sound in ("utf-8", "utf-8-sig"):
        path.write_text(text, encoding=sound)
        assert read_toml(path) == {"lr": 0.5, "data": "folder:Übung"}
    path.write_text(text, encoding=encoding)
    with pytest.raises(
        ConfigError, match=r"config\.toml: not a TOML file: expected text in UTF-8; .* Save it as UTF-8"
    ):
        read_toml(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path / "config.toml")


def test_values_are_in_their_types():
    assert isinstance(TrainConfig(lr=1).lr, float)
    with pytest.raises(ConfigError, match="seed expects"):
        TrainConfig(seed=-1)


def test_what_flags_gave_is_told_as_flags():
    for flags, message in (
        (["--batch-size", "0"], r"^--batch-size expects a number of at least 1, got 0$"),
        (["--loss", "means"], r"^--loss cannot be 'means'; did you mean 'mean'"),
    ):
        with pytest.raises(ConfigError, match=message):
            resolve({}, parse(*flags))
    assert parse("--input-padding", "²5") == {"input_padding": "²5"}  # for the net to refuse


def test_the_help_names_every_preset_of_the_nets():
    parser = Parser(prog="x")
    configuration.add_flags(parser)
    text = " ".join(parser.format_help().split())
    presets = {preset for name in models.FCNS for preset in models.presets_of(name)}
    (listed,) = re.findall(r"of each net some of ([a-z0-9, ]+) \[", text)
    assert set(listed.split(", ")) == presets


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a" + ".a" * 5000 + " = 1", "a line with 5000 dots"),
        ("a = " + "[" * 5000 + "]" * 5000, "not a TOML file"),
        ("a = " + "9" * 5000, "not a TOML file"),
        ("x" * 5000 + " = 1", "unknown setting 'xxx"),
        ('data = "' + "x" * 5000 + '"', "at most 4096 letters"),
        ('data = "a\\u0000b"', "letters of Unicode"),
        ("lr = [" + "1, " * 5000 + "]", "expects a number, got"),
    ],
)
def test_files_of_settings_that_mean_harm(text, says, tmp_path):
    """Nested without end, or so that the library would take memory as the square of the file's length."""
    (tmp_path / "a.toml").write_text(text)
    tracemalloc.start()
    with pytest.raises(ConfigError, match=says) as error:
        resolve(read_toml(tmp_path / "a.toml"), {}, where="a.toml")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20 and len(str(error.value)) < 1000
    tracemalloc.stop()
