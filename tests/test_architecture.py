"""The floors of the house: a file imports from its own floor and from floors below, never upward.

The walk reads the syntax tree of every file, imports inside functions included, and judges each edge.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "minifcn"

#: From the ground up. A room that is not named here is on the ground that `UPPER` gives.
FLOORS = (
    {"errors", "files", "matfile", "outputs"},
    {"backend"},
    {"window", "coords", "parallel", "workspace"},
    {"kernels"},
    {"ops"},
    {"layers"},
    {"lifetimes", "limits"},
    {"plan", "init", "strict"},
    {"graph"},
    {"net"},
    {"models", "distributed"},
    # Rooms above the engine may use one another; `test_rooms_do_not_import_each_other_in_circles` keeps them apart.
    {"weights", "data", "optim", "recipes", "metrics", "checkpoint", "config", "command", "inspection", "gradcheck"},
    {"inference", "training", "beside", "onnxfile"},
    {"classification"},
)

#: What runs commands as a user would.
RUNS_COMMANDS = frozenset({"experiments"})

#: Rooms of the engine: what nothing above may leak into.
ENGINE = frozenset().union(*FLOORS[:10])

#: Libraries that one room alone may import. The sets may be empty: nowhere.
OWNERS = {
    "cupy": {"backend"},
    "torch": set(),
    "mpi4py": {"distributed"},
    "threadpoolctl": {"parallel"},
    "pickle": set(),
    "matplotlib": {"inspection"},
}

#: Drawing and picture files are no business of the engine.
NOT_IN_THE_ENGINE = {"matplotlib", "PIL", "tqdm", "argparse"}


def floor(room: str) -> int:
    """The floor of a room; commands (`train`, `predict`, ...) live on top, and above them who runs commands."""
    for level, rooms in enumerate(FLOORS):
        if room in rooms:
            return level
    return len(FLOORS) + (room in RUNS_COMMANDS)


def room_of(path: Path, package: Path) -> str:
    """The room of a file: its folder within the package, or its own name."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, relative ones made absolute."""
    inside = ("minifcn", *path.relative_to(package).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join((*inside[: len(inside) - node.level + 1], *filter(None, [node.module])))
            if base == "minifcn":  # from minifcn import ops, window
                yield from ((node.lineno, f"minifcn.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, base


def edges(package: Path) -> Iterator[tuple[str, str, str]]:
    """(room, room that it imports, where) within the package."""
    for path in sorted(package.rglob("*.py")):
        room = room_of(path, package)
        for line, module in imports(path, package):
            parts = module.split(".")
            if parts[0] == "minifcn" and len(parts) > 1 and parts[1] not in (room, "__version__"):
                yield room, parts[1], f"{path.relative_to(package)}:{line}"


def violations(package: Path) -> list[str]:
    """Every forbidden import, in words."""
    found = []
    for room, other, where in edges(package):
        if room not in ("__init__", "__main__") and floor(other) > floor(room):
            found.append(f"{where}: {room} imports {other}, which is a floor above it")
        if floor(room) == len(FLOORS) == floor(other) and room != "__main__":
            found.append(f"{where}: the command {room} imports the command {other}")
    for path in sorted(package.rglob("*.py")):
        room = room_of(path, package)
        for line, module in imports(path, package):
            library, where = module.split(".")[0], f"{path.relative_to(package)}:{line}"
            if library in OWNERS and room not in OWNERS[library]:
                allowed = ", ".join(sorted(OWNERS[library])) or "nothing"
                found.append(f"{where}: {room} imports {library}, which {allowed} may")
            if library in NOT_IN_THE_ENGINE and room in ENGINE:
                found.append(f"{where}: {room} imports {library}, which the engine does without")
    return found


def circles(package: Path) -> list[str]:
    """Rooms that import each other, directly or by way of others."""
    graph: dict[str, set[str]] = {}
    for room, other, _ in edges(package):
        graph.setdefault(room, set()).add(other)

    def reach(room: str) -> set[str]:
        seen, stack = set(), [room]
        while stack:
            for other in graph.get(stack.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return seen

    return sorted(room for room in graph if room in reach(room))


def test_no_import_goes_upward_and_libraries_stay_with_their_owners():
    assert violations(PACKAGE) == []


def test_rooms_do_not_import_each_other_in_circles():
    assert circles(PACKAGE) == []


def test_every_room_of_the_engine_is_there():
    """A room that was renamed would otherwise escape to the top floor, where all is allowed."""
    rooms = {room_of(path, PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert {"errors", "backend", "window", "coords", "parallel", "ops", "layers", "net", "models"} <= rooms


BAD = {
    "an op that asks the net": ("ops/bad.py", "from minifcn.net import Net", "ops imports net"),
    "a window that asks an op": ("window.py", "from minifcn import ops", "window imports ops"),
    "a relative import": ("layers/bad.py", "from ..net import Net", "layers imports net"),
    "a late import": ("net.py", "def f():\n    import minifcn.inspection.plots", "net imports inspection"),
    "a layer that draws": ("layers/bad.py", "import matplotlib.pyplot as plt", "layers imports matplotlib"),
    "a second importer of cupy": ("ops/bad.py", "import cupy", "ops imports cupy, which backend may"),
    "torch": ("weights/bad.py", "from torch.nn import functional", "weights imports torch, which nothing may"),
    "pickle": ("checkpoint.py", "import pickle", "checkpoint imports pickle"),
    "a model that reads data": ("models/bad.py", "from minifcn.data import Loader", "models imports data"),
    "a recipe that trains": ("recipes.py", "from minifcn.training import run", "recipes imports training"),
    "a command in a command": ("evaluate.py", "from minifcn.train import main", "evaluate imports the command train"),
}


@pytest.mark.parametrize("what", BAD)
def test_the_walk_finds(what, tmp_path):
    file, source, told = BAD[what]
    path = tmp_path / "minifcn" / file
    path.parent.mkdir(parents=True)
    path.write_text(source + "\n")
    (found,) = violations(tmp_path / "minifcn")[:1]
    assert told in found


def test_the_walk_allows_what_is_right(tmp_path):
    package = tmp_path / "minifcn"
    (package / "ops").mkdir(parents=True)
    (package / "backend.py").write_text("def f():\n    import cupy\n")
    (package / "ops" / "conv.py").write_text("from minifcn import parallel, window\nfrom . import pool\nimport numpy\n")
    (package / "train.py").write_text("from minifcn.training import run\nimport argparse\n")
    (package / "__main__.py").write_text("from minifcn import train\n")
    assert violations(package) == []


def test_the_walk_finds_circles(tmp_path):
    package = tmp_path / "minifcn"
    package.mkdir()
    for room, other in (("data", "metrics"), ("metrics", "optim"), ("optim", "data"), ("weights", "data")):
        (package / f"{room}.py").write_text(f"from minifcn import {other}\n")
    assert circles(package) == ["data", "metrics", "optim"]
