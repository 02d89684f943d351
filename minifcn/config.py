"""The settings of a training run: one dataclass, from which flags, TOML files, checks and the echo of overrides derive.

Precedence: defaults < recipe < TOML file < flags. To add a setting, add a field; nothing else names it but its user.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

from minifcn import models, recipes
from minifcn.data.preprocess import MEAN_BGR, mean_from
from minifcn.errors import ConfigError, MinifcnError, did_you_mean
from minifcn.ops.algorithm import ALGORITHMS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The `where` of settings that flags gave: an error then names the flag.
FLAGS = "flags"
LONGEST = 4096  # letters of a text: Linux has no longer paths
DOTS = 1000  # in a line of a file: a key a.a.a... makes the library take memory as the square of its length
#: What is said of a file in another encoding.
NOT_UTF8 = "{}: not a TOML file: expected text in UTF-8; is it UTF-16 or another encoding? Save it as UTF-8"
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # in names of files, bytes that are no UTF-8 become such letters
_PRESETS = ", ".join(dict.fromkeys(preset for name in models.FCNS for preset in models.presets_of(name)))


def _setting(
    default: Any,
    help: str,
    *,
    group: str,
    choices: tuple[str, ...] = (),
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Any:
    """A dataclass field with what flags, files and checks need to know. `above` and `below` are not to be reached."""
    limits = dict(help=help, group=group, choices=choices, least=least, most=most, above=above, below=below)
    return field(default=default, metadata=limits)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a run computes. An empty string or 0 switches off what can be off."""

    recipe: str = _setting(
        "tiny", "settings to start from (minifcn/recipes.py)", group="recipe", choices=tuple(recipes.RECIPES)
    )

    net: str = _setting("fcn8s", ", ".join(models.FCNS), group="net")
    preset: str = _setting("tiny", f"width of the layers, of each net some of {_PRESETS}", group="net")
    input_padding: int | str = _setting(
        "preset", "pixels around the picture: 100 as in the paper, 'same', or the 'preset''s own", group="net"
    )
    upsampling: str = _setting(
        "fixed", "of the scores: fixed (bilinear), learned from there, dense (learned, and mixing classes), or a "
        "nonlinear stack (models/upsampling.py)",
        group="net", choices=models.UPSAMPLINGS,
    )  # fmt: skip
    output_stride: int = _setting(
        0, "16 or 8: the last pools do not subsample, later filters are rarefied; 0: as published", group="net", least=0
    )
    init: str = _setting("", "weight file of any format to start from; empty: random trunk", group="net")
    mean: str = _setting(
        "", "of blue, green and red, taken off the pictures; empty: as --init's file says, or the data set's own, or "
        "ImageNet's", group="net",
    )  # fmt: skip

    data: str = _setting(
        "shapes", "data set: shapes[:SIZE], or KIND:DIR with KIND one of voc, sbd, context, nyud, siftflow, camvid, "
        "folder (minifcn data check --help)", group="data",
    )  # fmt: skip
    split: str = _setting("train", "part of it to train on", group="data")
    val_data: str = _setting("", "data set to evaluate on; empty: the same", group="data")
    val_split: str = _setting("val", "part of it to evaluate on", group="data")
    overlap: str = _setting(
        "refuse", "pictures of the training set that are in the evaluation set, too: refuse such sets, drop these "
        "pictures from training, or allow them", group="data", choices=("refuse", "drop", "allow"),
    )  # fmt: skip
    val_limit: int = _setting(0, "evaluate on at most so many pictures; 0: all", group="data", least=0)
    skip_bad: bool = _setting(
        False, "train and evaluate without the samples that cannot be used; they are named, counted and listed in "
        "skipped.csv", group="data",
    )  # fmt: skip
    mirror: bool = _setting(False, "mirror half of the pictures", group="data")
    jitter: int = _setting(0, "move pictures by up to so many pixels", group="data", least=0)
    scale: float = _setting(
        1.0, "resize pictures by a factor between 1/SCALE and SCALE; 1: do not", group="data", least=1, most=8
    )
    crop: int = _setting(0, "cut a random square of so many pixels; 0: whole pictures", group="data", least=0)
    overfit: int = _setting(
        0, "train and evaluate on the same N pictures, by heart: no augmentation, no dropout", group="data", least=0
    )

    iterations: int = _setting(1000, "updates of the weights", group="optimisation", least=1)
    batch_size: int = _setting(1, "pictures in a forward pass", group="optimisation", least=1)
    iter_size: int = _setting(1, "forward passes whose gradients make one update", group="optimisation", least=1)
    lr: float = _setting(0.01, "learning rate; biases have twice as much", group="optimisation", above=0)
    lr_policy: str = _setting(
        "fixed", "fixed, or poly: lr (1 - step/iterations)^0.9", group="optimisation", choices=("fixed", "poly")
    )
    momentum: float = _setting(0.9, "share of the last step in the next", group="optimisation", least=0, below=1)
    weight_decay: float = _setting(0.0005, "pull of the weights to 0; biases have none", group="optimisation", least=0)
    loss: str = _setting(
        "mean", "over the pixels: mean, or the reference's sum", group="optimisation", choices=("mean", "sum")
    )
    class_weights: str = _setting(
        "none", "weight of a class in the loss; sqrt-inverse: root of 1 / its share of the pixels, at most 4",
        group="optimisation", choices=("none", "sqrt-inverse"),
    )  # fmt: skip
    clip_norm: float = _setting(0.0, "largest norm of the gradients; 0: any", group="optimisation", least=0)

    stages: str = _setting(
        "", "train in stages, say 32s,16s,8s: nets like --net, each from the weights of the one before",
        group="techniques",
    )  # fmt: skip
    stage_lrs: str = _setting(
        "", "learning rate of each stage, say 1e-4,1e-6,1e-8; empty: --lr, then by --stage-lr-factor",
        group="techniques",
    )  # fmt: skip
    stage_lr_factor: float = _setting(
        0.01, "a stage's learning rate as a share of the one before; the paper's is 0.01", group="techniques", above=0,
        most=1e6,
    )  # fmt: skip
    stage_iterations: str = _setting(
        "", "updates of each stage, say 600,300,300; empty: --iterations for each", group="techniques"
    )
    trunk_lr: float = _setting(
        1.0, "factor on the learning rate of all layers but the scores, for a pretrained trunk", group="techniques",
        above=0, most=1e6,
    )  # fmt: skip
    freeze: str = _setting(
        "none", "trunk: only the scores learn, for a pretrained trunk", group="techniques", choices=("none", "trunk")
    )
    loss_sampling: float = _setting(
        1.0, "probability that a cell of the coarsest scores counts in the loss; the paper multiplies the pictures of "
        "a batch by its inverse, which --batch-size can", group="techniques", above=0, most=1,
    )  # fmt: skip
    patches: int = _setting(
        0, "patchwise training: only so many random cells of each picture count in the loss; 0: all",
        group="techniques", least=0,
    )  # fmt: skip

    seed: int = _setting(1, "of weights, order, augmentation and dropout", group="run", least=0)
    device: str = _setting("cpu", "cpu or gpu", group="run", choices=("cpu", "gpu"))
    threads: int = _setting(0, "threads on the CPU, results are the same; 0: one a core", group="run", least=0)
    conv: str = _setting(
        "auto", "3x3 convolutions by im2col, or by winograd where possible; auto: where faster, see `minifcn explain`",
        group="run", choices=ALGORITHMS,
    )  # fmt: skip
    strict: bool = _setting(False, "check shapes, dtypes and finiteness of everything: slower", group="run")
    eval_every: int = _setting(0, "steps between evaluations; 0: only at the end", group="run", least=0)
    checkpoint_every: int = _setting(500, "steps between checkpoints; 0: only at the end", group="run", least=0)
    log_every: int = _setting(20, "steps between lines of text and looks at a GPU's loss", group="run", least=1)

    def __post_init__(self) -> None:
        for name in names():
            object.__setattr__(self, name, check(name, getattr(self, name), "setting"))
        if self.net in models.CLASSIFIERS:
            raise ConfigError(f"net {self.net}: a classifier cannot be trained on label maps; choose an fcn")


def mean_of(config: TrainConfig) -> list[float]:
    """The numbers of the setting `mean`; ConfigError if they are none, or not three."""
    if not config.mean:
        return list(MEAN_BGR)
    try:
        return mean_from(config.mean)
    except ValueError:
        raise ConfigError(f"--mean expects three numbers, such as 104,117,123, got {config.mean!r}") from None


def may_change(name: str, before: TrainConfig, now: TrainConfig) -> bool:
    """Whether a run may go on with another value of setting `name`: see `FREE_ON_RESUME`."""
    if "drop" in (before.overlap, now.overlap):  # then what is trained on depends on what is evaluated on
        return name in FREE_ON_RESUME - {"overlap", "val_data", "val_split"}
    return name in FREE_ON_RESUME


#: What may differ when a run goes on: nothing here changes the arithmetic of a step already taken.
FREE_ON_RESUME = frozenset(
    {"iterations", "device", "threads", "strict", "eval_every", "checkpoint_every", "log_every",
     "stage_iterations", "val_data", "val_split", "val_limit", "overlap",
     "skip_bad"}
)  # fmt: skip

_TYPES = {name: hint for name, hint in get_type_hints(TrainConfig).items()}


def names() -> list[str]:
    """All settings, in the order of the dataclass."""
    return [f.name for f in dataclasses.fields(TrainConfig)]


def resolve(file: Mapping[str, Any], flags: Mapping[str, Any], where: str = "settings file") -> TrainConfig:
    """The configuration of a recipe, changed by a file's settings and then by flags.

    The recipe is the one that flags or file name, else the default; its learning rate may depend on the net.
    Raises ConfigError for unknown keys and values that do not fit.
    """
    given = {**checked(file, where), **checked(flags, FLAGS)}
    recipe = check("recipe", given.get("recipe", TrainConfig.recipe), "settings")
    usual = recipes.settings(recipe, given.get("net"))
    stages = stage_nets(usual["net"], given.get("stages", usual.get("stages", "")))
    base = recipes.settings(recipe, given.get("net"), first=stages[0] if stages else None)
    return TrainConfig(**{**base, **given})


def stage_nets(net: str, stages: str) -> list[str]:
    """The nets of staged training, of `stages` as in "32s,16s,8s"; empty for "". ConfigError if there are no such."""
    nets: list[str] = []
    strides: list[int] = []
    for stage in stages.split(",") if stages else ():
        found = re.fullmatch(r"\s*(\d{1,4})s\s*", stage, re.ASCII)
        if not found:
            raise ConfigError(f"stages expects strides, coarsest first, say 32s,16s,8s, got {stages!r}")
        strides.append(int(found[1]))
        try:
            nets.append(models.with_stride(net, strides[-1]))
        except MinifcnError as error:
            raise ConfigError(f"stages {stages}: {error}") from error
    if any(coarse <= fine for coarse, fine in pairwise(strides)):
        raise ConfigError(f"stages: expected strides from coarse to fine, say 32s,16s,8s, got {stages!r}")
    return nets


def overrides(config: TrainConfig) -> list[str]:
    """A line for each setting in which `config` departs from its recipe (where that is silent, from the default)."""
    base = resolve({}, {"recipe": config.recipe, "net": config.net, "stages": config.stages})
    usual = resolve({}, {"recipe": config.recipe})
    base = dataclasses.replace(base, net=usual.net, stages=usual.stages)
    changed = differences(base, config)
    return [f"{name} = {_toml(new)} (recipe {config.recipe}: {_toml(old)})" for name, old, new in changed]


def differences(one: TrainConfig, other: TrainConfig) -> Iterator[tuple[str, Any, Any]]:
    """(name, value in one, value in the other) where they differ."""
    for name in names():
        if getattr(one, name) != getattr(other, name):
            yield name, getattr(one, name), getattr(other, name)


def checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`values` with each value in its setting's type; ConfigError for an unknown key or a value that does not fit."""
    for key in values:
        if key not in _TYPES:
            raise ConfigError(f"{where}: unknown setting {key!r:.200}{did_you_mean(key[:200], names())}")
    return {key: check(key, value, where) for key, value in values.items()}


def check(name: str, value: Any, where: str) -> Any:
    """`value` in the type of setting `name` (an int becomes a float where one is asked for), or ConfigError."""
    kind = _TYPES[name]
    said = "--" + name.replace("_", "-") if where == FLAGS else f"{where}: {name}"
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError as error:
            raise ConfigError(f"{said} expects a number that a float can hold, at most 1.8e308") from error
    if isinstance(value, str) and (len(value) > LONGEST or _UNWRITABLE.search(value)):
        raise ConfigError(
            f"{said} expects at most {LONGEST} letters of Unicode, so that config.toml can say it, got {value!r:.200}"
        )
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{said} expects {_name_of(kind)}, got {value!r:.200}")
    if type(value) is int and abs(value) >= 2**63:
        raise ConfigError(f"{said} expects an integer of at most 63 bits, got one of {value.bit_length()}")
    limits = _limits(name)
    if limits["choices"] and value not in limits["choices"]:
        raise ConfigError(f"{said} cannot be {value!r}{did_you_mean(value, limits['choices'])}")
    if isinstance(value, (int, float)):
        too_low = not (value >= limits["least"] and value > limits["above"])  # written so that NaN is refused
        if too_low or value > limits["most"] or value >= limits["below"]:
            raise ConfigError(f"{said} expects a number {_range(limits)}, got {value!r}")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """The settings that a TOML file gives, unchecked; ConfigError if it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark in front
        if "\0" in text:  # of UTF-16 without its mark
            raise ConfigError(NOT_UTF8.format(path))
        if (dots := max((line.count(".") for line in text.splitlines()), default=0)) > DOTS:
            raise ConfigError(f"{path}: a line with {dots} dots; settings are names and values, one a line")
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(NOT_UTF8.format(path)) from error
    except (ValueError, RecursionError) as error:
        # TOMLDecodeError, an integer too long for Python to read, lists in lists without end
        raise ConfigError(f"{path}: not a TOML file: {error}") from error


def to_toml(config: TrainConfig, note: str = "") -> str:
    """A TOML file of all settings in their groups, that `read_toml` and `resolve` turn into the same configuration."""
    lines = [f"# {line}" for line in note.splitlines()]
    for group, members in _groups():
        lines += ["", f"# {group}", *(f"{name} = {_toml(getattr(config, name))}" for name in members)]
    return "\n".join(lines) + "\n"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for each setting, grouped, its default in the help. What is not given is not in the parsed namespace."""
    usual = resolve({}, {})
    for group, members in _groups():
        arguments = parser.add_argument_group(group)
        for name in members:
            flag, kind, limits = "--" + name.replace("_", "-"), _TYPES[name], _limits(name)
            text = f"{limits['help']} [{_toml(getattr(usual, name))}]".replace("%", "%%")
            if kind is bool:
                form: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
            else:
                metavar = "|".join(limits["choices"]) or {int: "N", float: "X"}.get(kind, name.upper())
                form = {"type": _reader(kind), "metavar": metavar}
            arguments.add_argument(flag, help=text, default=argparse.SUPPRESS, **form)


def flags_given(parsed: argparse.Namespace) -> dict[str, Any]:
    """The settings among parsed arguments."""
    return {name: getattr(parsed, name) for name in names() if hasattr(parsed, name)}


def _groups() -> Iterator[tuple[str, list[str]]]:
    groups = {_limits(name)["group"]: None for name in names()}  # a dict keeps their order
    for group in groups:
        yield group, [name for name in names() if _limits(name)["group"] == group]


def _limits(name: str) -> Mapping[str, Any]:
    return TrainConfig.__dataclass_fields__[name].metadata


def _reader(kind: Any) -> Any:
    """From the text of a flag to its value; argparse reports the ValueError with the flag's name."""
    if kind in (int, float, str):
        return kind

    def number_or_text(text: str) -> int | str:
        try:
            return int(text)
        except ValueError:
            return text

    return number_or_text


def _toml(value: Any) -> str:
    """One value as TOML writes it. JSON's strings, numbers and booleans are TOML's as well."""
    return json.dumps(value, ensure_ascii=False)


def _name_of(kind: Any) -> str:
    return {int: "an integer", float: "a number", bool: "true or false", str: "text"}.get(kind, "an integer or text")


def _range(limits: Mapping[str, Any]) -> str:
    words = []
    if limits["above"] > -math.inf:
        words.append(f"above {limits['above']:g}")
    if limits["least"] > -math.inf:
        words.append(f"of at least {limits['least']:g}")
    if limits["most"] < math.inf:
        words.append(f"of at most {limits['most']:g}")
    if limits["below"] < math.inf:
        words.append(f"below {limits['below']:g}")
    return " and ".join(words) or "that is finite"
