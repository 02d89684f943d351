"""`python -m minifcn.predict WEIGHTS PICTURE... --out DIR`: label every pixel of your own pictures."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from minifcn.command import Parser, add_device_flags, add_net_flags, net_given, out_folder, positive, reports_errors
from minifcn.data import VOC_PALETTE, read_image, write_label
from minifcn.data.pictures import SUFFIXES
from minifcn.errors import ConfigError, MinifcnError, WeightsError, counted
from minifcn.files import atomic_path
from minifcn.inference import open_fcn, predict
from minifcn.inspection.plots import overlay
from minifcn.net import Net

ABOUT = """\
Label every pixel of pictures of any size and mode with a trained net. For each picture two files appear in DIR:

  NAME.label.png    the class of each pixel, as a palette PNG: numbers inside, colours for the eye
  NAME.overlay.png  the same laid over the picture, with a legend

NAME is the picture's name without its suffix; where two pictures would share it (a.jpg, a.png), the suffix stays.
A folder stands for the pictures in it, except such files. Files that are there already are not replaced unless
you say --overwrite. A picture that cannot be used is reported, and the others go on.
"""
EXAMPLES = """\
examples
  minifcn predict runs/shapes/weights.safetensors cat.jpg --out predictions
  minifcn predict weights.safetensors photos/ more/*.png --out predictions --max-side 1000

exit status: 0 all pictures labelled; 1 some could not be; 2 nothing was done
"""
LABEL, OVERLAY = ".label.png", ".overlay.png"


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Label each picture; 1 if one of them could not be, 2 if none could."""
    arguments = _parser().parse_args(argv)
    pictures = named(collect(arguments.pictures))
    _check_free(Path(arguments.out), pictures.values(), arguments.overwrite)
    net, about = open_fcn(arguments.weights, net_given(arguments), arguments.device, arguments.threads)
    for line in about["assumed"]:
        print(f"{arguments.weights}: assumed {line}", file=sys.stderr)
    with out_folder(arguments.out) as out:
        failed = _label_all(net, pictures, out, about, arguments.max_side)
    print(f"{len(pictures) - failed} of {len(pictures)} pictures labelled, in {out}")
    return 0 if not failed else 1 if failed < len(pictures) else 2


def _label_all(
    net: Net, pictures: Mapping[Path, str], out: Path, about: Mapping[str, Any], max_side: int | None
) -> int:
    """Write label and overlay of each picture into `out`; how many could not be, each reported."""
    classes, palette = classes_of(about)
    failed = 0
    for path, name in tqdm(pictures.items(), unit="picture", disable=None, leave=False):
        try:
            image = read_image(path)
            label = predict(net, image, about["mean"], max_side)
            write_label(out / (name + LABEL), label, palette)
            with atomic_path(out / (name + OVERLAY)) as beside:
                Image.fromarray(overlay(image, label, palette, classes)).save(beside, format="PNG")
        except MinifcnError as error:
            failed += 1
            tqdm.write(f"error: {error}" if str(path) in str(error) else f"error: {path}: {error}", file=sys.stderr)
        else:
            tqdm.write(f"{path} {image.shape[1]}x{image.shape[0]}: {_contents(label, classes)}")
    return failed


def classes_of(about: Mapping[str, Any]) -> tuple[list[str], np.ndarray]:
    """Names (C) and palette (256, 3) from a weight file's metadata; numbers and VOC's colours where it has none."""
    count = about["net"]["num_classes"]
    classes = about.get("classes") or [f"class {k}" for k in range(count)]
    colours = np.asarray(about.get("palette") or [], np.uint8).reshape(-1, 3)
    if len(classes) != count:
        raise WeightsError(f"expected {count} names of classes in the weight file, got {len(classes)}")
    palette = VOC_PALETTE.copy()
    palette[: len(colours)] = colours
    return list(classes), palette


def collect(arguments: Iterable[str]) -> list[Path]:
    """The pictures meant by files and folders, in order, each once. ConfigError for '' or a folder without any."""
    found: dict[Path, Path] = {}  # by what it resolves to: one picture named twice is one picture
    for argument in arguments:
        if not argument:
            raise ConfigError("PICTURE: expected a file or a folder, got ''")
        path = Path(argument)
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if _is_picture(p))
            if not inside:
                raise ConfigError(f"{path}: no pictures in this folder; expected files ending in {', '.join(SUFFIXES)}")
        for picture in inside:
            found.setdefault(picture.resolve(), picture)
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
    return path.is_file() and path.suffix.lower() in SUFFIXES and not ours and not path.name.startswith(".")


def _check_free(out: Path, names: Iterable[str], overwrite: bool) -> None:
    there = [out / (name + suffix) for name in names for suffix in (LABEL, OVERLAY) if (out / (name + suffix)).exists()]
    if there and not overwrite:
        more = f" and {counted(len(there) - 1, 'more file')}" if len(there) > 1 else ""
        raise ConfigError(f"{there[0]}{more} would be replaced; say --overwrite, or choose another --out")


def _contents(label: np.ndarray, classes: Sequence[str]) -> str:
    """The classes in a label map, the largest first, with their shares."""
    counts = np.bincount(label.reshape(-1), minlength=len(classes))
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    return ", ".join(f"{classes[k]} {100 * counts[k] / label.size:.1f} %" for k in order)


def _parser() -> Parser:
    parser = Parser(prog="minifcn predict", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="a .safetensors file, as training leaves it")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files, or folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if it is not there")
    parser.add_argument("--max-side", type=positive, metavar="N", help="make larger pictures smaller before labelling")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    add_net_flags(parser)
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
