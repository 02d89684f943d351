"""What is fuzzed: sound folders to begin with, how they are changed, and what is then done with them."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator

from fuzz import mutate, seeds, settings
from minifcn import config as configuration
from minifcn import data, train
from minifcn.data.check import examine
from minifcn.data.dataset import tasks_of
from minifcn.errors import MinifcnError
from minifcn.training import scan
from minifcn.training.stages import stage_lines, stages_of
from minifcn.weights import inspection, layouts, opening, readers, writers


class Edit(NamedTuple):
    """What a path becomes: bytes, or with None nothing, a folder, or a link to itself."""

    content: bytes | None
    kind: str = "bytes"


Files = Mapping[str, bytes]  # path within the folder -> content
Edits = dict[str, Edit]


def one_changed(files: Files, rng: Generator) -> Edits:
    """One file with other bytes."""
    name = list(files)[rng.integers(len(files))]
    return {name: Edit(mutate.changed(files[name], rng, list(files.values())))}


def files_changed(files: Files, rng: Generator) -> Edits:
    """Some files of a folder with other bytes, or gone, or in another's place, or something else than files."""
    edits: Edits = {}
    names = list(files)
    texts = [name for name in names if name.endswith((".txt", ".toml", ".csv"))]
    for _ in range(rng.integers(1, 3)):
        name = names[rng.integers(len(names))] if rng.random() < 0.6 or not texts else texts[rng.integers(len(texts))]
        kind = rng.random()
        if kind < 0.04:
            edits[name] = Edit(None, ("gone", "folder", "loop")[rng.integers(3)])
        elif kind < 0.1:
            edits[name] = Edit(files[names[rng.integers(len(names))]])
        elif kind < 0.14:
            odd = ("ä\n", "a\udcff", "a" * 200, " ", "-x", "$a_{$", ".hidden", "CON")[rng.integers(8)]
            edits[str(Path(name).with_name(odd + Path(name).suffix))] = Edit(files[name])
        elif name in texts and kind < 0.7:
            edits[name] = Edit(mutate.lines_changed(files[name], rng))
        else:
            edits[name] = Edit(mutate.changed(files[name], rng, list(files.values())))
    return edits


def new_settings(files: Files, rng: Generator) -> Edits:
    (name,) = files
    if rng.random() < 0.6:
        return {name: Edit(settings.text(rng))}
    if rng.random() < 0.5:
        return {name: Edit(mutate.lines_changed(files[name], rng))}
    return {name: Edit(mutate.bytes_changed(files[name], rng))}


@dataclass(frozen=True)
class Target:
    """A target by name. `seeds` make sound folders; `run` reads one, as the commands do.

    memory: MiB that a case may take beyond what the process has; seconds: how long it may take.
    """

    name: str
    seeds: Sequence[Callable[[Path], object]]
    run: Callable[[Path], None]
    change: Callable[[Files, Generator], Edits] = one_changed
    memory: int = 128
    seconds: float = 10.0
    outside: bool = False  # whether it may read files elsewhere


def weight_file(folder: Path) -> None:
    """As convert and train --init would; a whole net as convert --inspect and predict, too, which take longer."""
    whole = any(path.stem == "net" for path in folder.iterdir())
    _try(folder, readers.read, *([inspection.describe, opening.open_net] if whole else [opening.open_source]))


def any_picture(folder: Path) -> None:
    """As a picture, as a label map and as depth."""
    _try(folder, data.read_image, data.read_label, data.modalities.read_depth)


def _try(folder: Path, *uses: Callable[[Path], object]) -> None:
    """Every use of a folder's file, which may have one of numbers beside it; the first one's error is the case's."""
    (path,) = (Path(entry.path) for entry in os.scandir(folder) if not entry.name.endswith(".bin"))
    errors: list[MinifcnError | None] = []
    for use in uses:
        try:
            use(path)
            errors.append(None)
        except MinifcnError as error:
            errors.append(error)
    if errors[0]:
        raise errors[0]


def sets(folder: Path) -> None:
    """As data check does, sample by sample."""
    kind = next(iter(_kinds(folder)))
    spec, splits, modalities = KINDS[kind]
    refused = None
    for split in splits:
        try:
            dataset = data.open_dataset(f"{kind}:{folder / spec}", split, modalities)
            for task in range(len(tasks_of(dataset))):
                report = examine(dataset, task=task)
                "\n".join(report.lines())
            if report.problems:
                refused = MinifcnError(report.problems[0])
        except MinifcnError as error:
            refused = error
    if refused:
        raise refused


#: Kind of a data set -> (its folder within the seed's, splits, modalities).
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "sbd": ("benchmark_RELEASE/dataset", ("train", "val"), ("color",)),
    "context": ("pascal-context", ("train", "trainval"), ("color",)),
    "nyud": ("nyud", ("train", "trainval"), ("color", "depth", "hha")),
    "siftflow": ("siftflow", ("trainval", "test"), ("color",)),
    "voc": ("VOC2012", ("train", "val"), ("color",)),
    "camvid": ("camvid", ("train", "val"), ("color",)),
    "folder": ("folder", ("train", "val"), ("color",)),
}


def _kinds(folder: Path) -> list[str]:
    return [kind for kind, (inside, _, _) in KINDS.items() if (folder / inside).exists()]


def _inside(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    def made(folder: Path) -> None:
        (folder / name).mkdir()
        make(folder / name)

    return made


def config_file(folder: Path) -> None:
    """As train --config does, up to the data; what is accepted must be written and read again as the same."""
    path = folder / "a.toml"
    config = configuration.resolve(configuration.read_toml(path), {}, where=str(path))
    again = configuration.resolve(configuration.tomllib.loads(configuration.to_toml(config)), {})
    assert again == config, "to_toml and read_toml disagree"
    configuration.mean_of(config)
    configuration.overrides(config)
    stage_lines(stages_of(config))
    if config.data.startswith("shapes") and config.val_data in ("", config.data):
        train.open_sets(config)


class Reached(Exception):
    """The loop would begin now."""


def run_folder(folder: Path) -> None:
    """As train --resume does, up to its first step."""

    def stop(*_: object) -> None:
        raise Reached

    learn, train.learn = train.learn, stop
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Reached):
            scan.read(folder / "run")
            train.main.__wrapped__(["--resume", str(folder / "run")])
    finally:
        train.learn = learn


PICTURES = [
    *(seeds.picture(mode, "png") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")),
    *(seeds.picture(mode, "tif") for mode in ("RGB", "F", "I;16", "CMYK")),
    *(seeds.picture(mode, "jpg") for mode in ("RGB", "L", "CMYK")), seeds.rotated,
    *(seeds.picture("RGB", "tif", compression=kind) for kind in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")),
    *(seeds.picture("RGB", form) for form in ("bmp", "gif", "webp", "ppm", "tga", "jp2", "ico", "avif", "dds", "sgi",
                                              "pcx", "qoi", "im", "icns", "blp")  # the last wants mode P
      if form != "blp"),
    *(seeds.animation(form) for form in ("gif", "png", "webp", "tif")),
    seeds.label, seeds.coloured, seeds.label, seeds.coloured,
]  # fmt: skip

ONNX = next(layout.net for layout in layouts.LAYOUTS if layout.suffix == ".onnx")

TARGETS = {
    target.name: target
    for target in (
        Target("safetensors", [seeds.native, seeds.half, seeds.metadata, seeds.half, seeds.metadata,
                               seeds.small(".safetensors", writers.safetensors)],
               weight_file),
        Target("caffemodel", [*[seeds.small(".caffemodel", writers.caffemodel)] * 6, seeds.text,
                              *[seeds.small(".caffemodel", writers.caffemodel_v1)] * 6, seeds.net(".caffemodel")],
               weight_file),
        Target("onnx", [*[seeds.small(".onnx", writers.onnx), seeds.onnx_beside, seeds.onnx_graph] * 6,
                        seeds.net(".onnx", ONNX)],
               weight_file),
        Target("torch", [seeds.small(".pth", writers.pth), seeds.legacy], weight_file),
        Target("numpy", [*[seeds.small(".npz", writers.npz), seeds.small(".npy", writers.npy)] * 6, seeds.net(".npz")],
               weight_file),
        Target("hdf5", [seeds.small(".h5", writers.h5)], weight_file),
        Target("mat", [seeds.small(".mat", writers.dagnn), seeds.small(".mat", writers.simplenn)], weight_file),
        Target("pictures", PICTURES, any_picture, memory=1536),
        Target("sets-mat", [*seeds.PUBLISHED.values()], sets, files_changed, memory=1536, outside=True),
        Target("sets-png", [_inside("folder", seeds.own), _inside("folder", seeds.own_lists),
                            _inside("camvid", seeds.camvid), seeds.voc],
               sets, files_changed, memory=1536, outside=True),
        Target("config", [seeds.config], config_file, new_settings, outside=True),
        Target("run", [seeds.run, seeds.staged, seeds.of_files], run_folder, files_changed, memory=512, outside=True),
    )
}  # fmt: skip
