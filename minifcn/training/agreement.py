"""The processes of a run must have been given the same command.

They would train one net on losses that differ, and nothing would show it; or one would do what all must do together,
evaluate say, while the others do something else, and all would wait for ever. So they compare before anything else.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence

from minifcn import __version__
from minifcn import config as configuration
from minifcn.checkpoint import Checkpoint
from minifcn.config import TrainConfig
from minifcn.distributed import Group
from minifcn.errors import LISTED, ConfigError, counted, printable

#: What each machine may have its own of: files may lie elsewhere there, and cores and memory are its own. What the
#: files hold is compared where they are opened: data in scan.py, weights by `Group.check_alike`.
OWN = frozenset({"data", "val_data", "init", "threads"})
SHOWN = 100  # letters of a value
NOT_GIVEN = "not given"


def check_flags(group: Group, arguments: argparse.Namespace) -> None:
    """ConfigError, in all processes, unless all were given the same of the flags that are no settings."""
    told = {"version of minifcn": __version__}
    for flag in ("resume", "out"):
        given = getattr(arguments, flag)
        told[f"--{flag}"] = _text(given) if given else NOT_GIVEN
    told["--dry-run"] = "given" if arguments.dry_run else NOT_GIVEN
    _compare(group, told)


def check_settings(group: Group, config: TrainConfig, saved: Checkpoint | None = None) -> None:
    """ConfigError, in all processes, that names each setting but `OWN` that is not the same in all, with its values.

    saved: the checkpoint that a run goes on from, which has to be one, too.
    """
    told = {
        "--" + name.replace("_", "-"): _text(getattr(config, name)) for name in configuration.names() if name not in OWN
    }
    told["kind of --data"] = config.data.partition(":")[0]
    told["kind of --val-data"] = config.val_data.partition(":")[0] or NOT_GIVEN
    told["--init"] = "given" if config.init else NOT_GIVEN
    told["checkpoint"] = f"{saved.state.get('stage')}, step {saved.state['step']}" if saved else "none"
    _compare(group, told)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _compare(group: Group, told: dict[str, str]) -> None:
    everyone = group.everyones(told)
    names = dict.fromkeys(name for told in everyone for name in told)
    different = [name for name in names if any(told.get(name) != everyone[0].get(name) for told in everyone)]
    if not different:
        return
    lines = [f"  {name}: {_values([told.get(name, NOT_GIVEN) for told in everyone])}" for name in different[:LISTED]]
    if different[LISTED:]:
        lines.append(f"  and {counted(len(different) - LISTED, 'more difference')}")
    raise ConfigError(
        "\n".join([
            "the processes were not given the same command:", *lines,
            "start all of them with the same flags and the same --config; only the folders and files of --data, "
            "--val-data and --init, --threads and --memory-limit may differ",
        ])
    )  # fmt: skip


def _values(by_rank: Sequence[str]) -> str:
    """ "1 on rank 0, 2 on ranks 1 and 2"."""
    ranks: dict[str, list[str]] = defaultdict(list)
    for rank, value in enumerate(by_rank):
        ranks[value].append(str(rank))
    return ", ".join(f"{printable(value)[:SHOWN]} on {_ranks(which)}" for value, which in ranks.items())


def _ranks(which: list[str]) -> str:
    if len(which) == 1:
        return f"rank {which[0]}"
    if len(which) > LISTED:
        return f"{len(which)} ranks"
    return f"ranks {', '.join(which[:-1])} and {which[-1]}"
