"""TOML texts at random: settings that there are and are not, with values of every type, some of them sound."""

from __future__ import annotations

import json

from numpy.random import Generator

from fuzz.mutate import lines_changed
from minifcn import config as configuration
from minifcn.config import TrainConfig
from minifcn.recipes import RECIPES

VALUES = [
    "0", "1", "-1", "2147483648", "9223372036854775807", "9223372036854775808", "9" * 400, "9" * 5000, "0x7f", "0b1",
    "1_000", "0.0", "-0.0", "1e308", "1e309", "5e-324", "inf", "-inf", "nan", "true", "false", '""', '"\\u0000"',
    '"\\ud800"', '"a\\nb"', "'''\nx'''", '"fcn8s"', '"shapes"', '"32s,16s,8s"', '"same"', '"1,2,3"', '"1,nan,3"',
    '"1e-4,1e-6,1e-8"', "[]", "[1, 2]", "{}", "{a = 1}", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "?", "",
    '"' + "a" * 70000 + '"', "[" * 500 + "]" * 500,
]  # fmt: skip


def text(rng: Generator) -> bytes:
    """A TOML file, more or less."""
    lines: list[str] = []
    for name in rng.permutation(configuration.names())[: rng.integers(1, 9)]:
        lines.append(f"{name} = {_value(str(name), rng)}")
    if rng.random() < 0.2:
        lines.insert(0, f'recipe = "{list(RECIPES)[rng.integers(len(RECIPES))]}"')
    if rng.random() < 0.1:
        lines.append(VALUES[rng.integers(len(VALUES))] + " = 1")
    if rng.random() < 0.1:
        lines.append("[section]\na = 1")
    if rng.random() < 0.05:
        lines.append("a" + ".a" * int(rng.choice([3, 900, 5000])) + " = 1")
    made = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    return lines_changed(made, rng) if rng.random() < 0.2 else made


def _value(name: str, rng: Generator) -> str:
    field = TrainConfig.__dataclass_fields__[name]
    choices = field.metadata["choices"]
    kind = rng.random()
    if kind < 0.3:
        return json.dumps(field.default)
    if kind < 0.5 and choices:
        return json.dumps(choices[rng.integers(len(choices))])
    return VALUES[rng.integers(len(VALUES))]
