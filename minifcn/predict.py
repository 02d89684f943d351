"""`python -m minifcn.predict WEIGHTS PICTURE... --out DIR`: label every pixel of your own pictures."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from minifcn.backend import xp_of
from minifcn.beside import folders_of, read_beside
from minifcn.command import (
    Parser,
    add_device_flags,
    add_memory_flag,
    add_net_flags,
    memory_budget,
    net_given,
    plain,
    positive,
    reports_errors,
)
from minifcn.data import Task, read_image, write_label
from minifcn.data.pictures import is_picture, suffixes
from minifcn.errors import ConfigError, MinifcnError, counted, printable
from minifcn.files import atomic_path
from minifcn.inference import label_maps, open_fcn, remarks, tasks_of
from minifcn.inspection.plots import overlay
from minifcn.net import Net
from minifcn.outputs import check_free, out_folder

ABOUT = """\
Label every pixel of pictures of any size and mode with a trained net. For each picture two files appear in DIR:

  NAME.label.png    the class of each pixel, as a palette PNG: numbers inside, colours for the eye
  NAME.overlay.png  the same laid over the picture, with a legend

For a net of several tasks, NAME.TASK.label.png and NAME.TASK.overlay.png. Nets that see depth or HHA find it by the
picture's name, in the folder that --depth or --hha names.

NAME is the picture's name without its suffix; where two pictures would share it (a.jpg, a.png), the suffix stays.
A folder stands for the pictures in it, except such files. Files that are there already are not replaced unless
you say --overwrite. A picture that cannot be used is reported, and the others go on.
"""
EXAMPLES = """\
examples
  minifcn train --out runs/shapes                                  makes the weights of the next line
  minifcn predict runs/shapes/weights.safetensors cat.jpg --out predictions
  minifcn predict weights.safetensors photos/ more/*.png --out predictions --max-side 1000
  minifcn predict rgbd.safetensors rooms/images --depth rooms/depth --out predictions

WEIGHTS is a .safetensors file, as minifcn writes it, or one of another framework, as `minifcn convert` reads it.
exit status: 0 all pictures labelled; 1 some could not be; 2 nothing was done
"""
LABEL, OVERLAY = ".label.png", ".overlay.png"


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Label each picture; 1 if one of them could not be, 2 if none could."""
    arguments = _parser().parse_args(argv)
    pictures = named(collect(arguments.pictures))
    net, about = open_fcn(arguments.weights, net_given(arguments), arguments.device, arguments.threads)
    net.convolve_by(arguments.conv)
    tasks = tasks_of(about)
    _check_free(Path(arguments.out), pictures.values(), tasks, arguments.overwrite)
    folders = folders_of(net, {"depth": arguments.depth, "hha": arguments.hha})
    for line in remarks(arguments.weights, net, about):
        print(line, file=sys.stderr)
    with out_folder(arguments.out) as out:
        available = memory_budget(arguments.memory_limit, xp_of(*(param.data for param in net.params.values())))
        failed = _label_all(net, pictures, out, about["mean"], tasks, arguments.max_side, folders, available)
    print(f"{len(pictures) - failed} of {counted(len(pictures), 'picture')} labelled, in {out}")
    return 0 if not failed else 1 if failed < len(pictures) else 2


def _label_all(
    net: Net,
    pictures: Mapping[Path, str],
    out: Path,
    mean: Sequence[float],
    tasks: Sequence[Task],
    max_side: int | None,
    folders: Mapping[str, Path],
    available: int | None = None,
) -> int:
    """Write label and overlay of each picture into `out`; how many could not be, each reported."""
    failed = 0
    for path, name in tqdm(pictures.items(), unit="picture", disable=None, leave=False):
        try:
            image = read_image(path)
            beside = {modality: read_beside(modality, folder, path, image) for modality, folder in folders.items()}
            labels = label_maps(net, image, mean, max_side, beside, available)
            for task, label in zip(tasks, labels, strict=True):
                write_label(out / _file(name, task, LABEL), label, task.palette)
                with atomic_path(out / _file(name, task, OVERLAY)) as file:
                    picture = Image.fromarray(overlay(image, label, task.palette, task.classes))
                    picture.save(file, format="PNG")
        except MinifcnError as error:
            failed += 1
            where = "" if str(path) in str(error) else f"{path}: "
            tqdm.write(f"error: {plain(where + str(error))}", file=sys.stderr)
        else:
            for task, label in zip(tasks, labels, strict=True):
                said = f" {task.name}" if task.name else ""
                tqdm.write(
                    f"{printable(str(path))} {image.shape[1]}x{image.shape[0]}{said}: {_contents(label, task.classes)}"
                )
    return failed


def collect(arguments: Iterable[str]) -> list[Path]:
    """The pictures meant by files and folders, in order, each once. ConfigError for '' or a folder without any."""
    found: dict[str, Path] = {}  # by what it resolves to: one picture named twice is one picture
    for argument in arguments:
        if not argument:
            raise ConfigError("PICTURE: expected a file or a folder, got ''")
        path = Path(argument)
        inside = [path]
        if os.path.isdir(path):
            inside = sorted(p for p in path.iterdir() if _is_picture(p))
            if not inside:
                raise ConfigError(
                    f"{path}: no pictures in this folder; expected files ending in {', '.join(sorted(suffixes()))}"
                )
        for picture in inside:
            found.setdefault(os.path.realpath(picture), picture)
    return list(found.values())


def named(pictures: Sequence[Path]) -> dict[Path, str]:
    """Picture -> a name of its own for its files: its stem, or if that is shared its full name, numbered if need be.

    Names that differ only in case are taken as shared, since some file systems do.
    """
    stems = Counter(picture.stem.casefold() for picture in pictures)
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for picture in pictures:
        name = picture.stem if stems[picture.stem.casefold()] == 1 else picture.name
        number = 1
        while (candidate := name if number == 1 else f"{name}-{number}").casefold() in taken:
            number += 1
        taken.add(candidate.casefold())
        names[picture] = candidate
    return names


def _is_picture(path: Path) -> bool:
    ours = path.name.endswith((LABEL, OVERLAY))
    return path.is_file() and is_picture(path) and not ours


def _file(name: str, task: Task, suffix: str) -> str:
    """NAME.label.png, or of a task with a name NAME.TASK.label.png."""
    return f"{name}.{task.name}{suffix}" if task.name else name + suffix


def _check_free(out: Path, names: Iterable[str], tasks: Sequence[Task], overwrite: bool) -> None:
    files = [out / _file(name, task, suffix) for name in names for task in tasks for suffix in (LABEL, OVERLAY)]
    check_free(files, overwrite)


def _contents(label: np.ndarray, classes: Sequence[str]) -> str:
    """The classes in a label map, the largest first, with their shares."""
    counts = np.bincount(label.reshape(-1), minlength=len(classes))
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    return ", ".join(f"{classes[k]} {100 * counts[k] / label.size:.1f} %" for k in order)


def _parser() -> Parser:
    parser = Parser(prog="minifcn predict", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="weights of an FCN: see below")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files, or folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if it is not there")
    parser.add_argument(
        "--max-side", type=positive, metavar="N",
        help="make pictures with a side of more than N pixels (1 or more) smaller before labelling",
    )  # fmt: skip
    parser.add_argument("--depth", metavar="DIR", help="for nets that see it: 16-bit PNGs, distances in millimetres")
    parser.add_argument("--hha", metavar="DIR", help="for nets that see it: HHA pictures")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    add_net_flags(parser)
    add_memory_flag(parser)
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
