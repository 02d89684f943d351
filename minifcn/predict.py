"""`python -m minifcn.predict WEIGHTS PICTURE... --out DIR`: label every pixel of your own pictures."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from minifcn import backend, parallel, weights
from minifcn.command import Parser, reports_errors
from minifcn.data import MEAN_BGR, VOC_PALETTE, read_image, to_blob, write_label
from minifcn.data.pictures import SUFFIXES
from minifcn.errors import ConfigError, DataError, MinifcnError, ShapeError, WeightsError
from minifcn.files import atomic_path
from minifcn.inspection.plots import overlay
from minifcn.inspection.summary import size
from minifcn.models.fcn import STRIDES
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
  python -m minifcn.predict runs/shapes/weights.safetensors cat.jpg --out predictions
  python -m minifcn.predict weights.safetensors photos/ more/*.png --out predictions --max-side 1000

exit status: 0 all pictures labelled; 1 some could not be; 2 nothing was done
"""
LABEL, OVERLAY = ".label.png", ".overlay.png"


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Label each picture; 1 if one of them could not be."""
    arguments = _parser().parse_args(argv)
    out = Path(arguments.out)
    pictures = named(collect(arguments.pictures))
    _check_free(out, pictures.values(), arguments.overwrite)
    net, about = open_fcn(arguments.weights, arguments.device, arguments.threads)
    classes, palette = classes_of(about)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make this folder ({error.strerror})") from error

    failed = 0
    for path, name in tqdm(pictures.items(), unit="picture", disable=None, leave=False):
        try:
            image = read_image(path)
            label = predict(net, image, about["mean"], arguments.max_side)
            write_label(out / (name + LABEL), label, palette)
            with atomic_path(out / (name + OVERLAY)) as beside:
                Image.fromarray(overlay(image, label, palette, classes)).save(beside, format="PNG")
        except MinifcnError as error:
            failed += 1
            tqdm.write(f"error: {error}" if str(path) in str(error) else f"error: {path}: {error}", file=sys.stderr)
        else:
            tqdm.write(f"{path} {image.shape[1]}x{image.shape[0]}: {_contents(label, classes)}")
    print(f"{len(pictures) - failed} of {len(pictures)} pictures labelled, in {out}")
    return 1 if failed else 0


def predict(net: Net, image: np.ndarray, mean: Sequence[float] = MEAN_BGR, max_side: int | None = None) -> np.ndarray:
    """The class of each pixel, uint8 (H, W), of a picture uint8 RGB (H, W, 3); computed where the net's weights are.

    A picture longer than `max_side` is made smaller first, and its labels are enlarged again, without smoothing.
    Raises DataError before anything is computed if the memory that is free will not do.
    """
    height, width = image.shape[:2]
    if max_side is not None and max(height, width) > max_side:
        smaller = _scaled(height, width, max_side)[::-1]
        shrunk = np.asarray(Image.fromarray(image).resize(smaller, Image.Resampling.LANCZOS))
        label = Image.fromarray(predict(net, shrunk, mean))
        return np.asarray(label.resize((width, height), Image.Resampling.NEAREST))
    xp = backend.xp_of(*(param.data for param in net.params.values()))
    _check_memory(net, height, width, backend.memory(xp)["available"])
    x = backend.to(to_blob(image, mean)[None], xp)  # (1, 3, H, W)
    with net.inference():
        scores = net.forward(x)  # (1, C, H, W)
    return backend.to_numpy(scores[0].argmax(axis=0).astype(np.uint8))  # type: ignore[index]


def open_fcn(path: str, device: str = "cpu", threads: int = 0) -> tuple[Net, dict[str, Any]]:
    """(net, metadata) of a weight file on a device, with the CPU's threads set (0: one for each core).

    Raises WeightsError for weights of a net that does not label pixels, or that wants another input than minifcn's.
    """
    if threads:
        parallel.set_threads(threads)
    xp = backend.for_device(device)
    net, about = weights.open_net(path)
    if net.spec["name"] not in STRIDES:
        raise WeightsError(f"{path}: holds {net.spec['name']}, a classifier; expected one of {', '.join(STRIDES)}")
    if about["channels"] != "BGR" or about["scale"] != 1:
        raise WeightsError(
            f"{path}: made for {about['channels']} pictures times {about['scale']}; expected BGR and 1, "
            "which minifcn.convert makes of it"
        )
    return net.to(xp), about


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
    """The pictures meant by files and folders, in order, each once. Raises ConfigError if a folder has none."""
    found: dict[Path, Path] = {}  # by what it resolves to: one picture named twice is one picture
    for path in map(Path, arguments):
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
        more = f" and {len(there) - 1} more files" if len(there) > 1 else ""
        raise ConfigError(f"{there[0]}{more} would be replaced; say --overwrite, or choose another --out")


def _check_memory(net: Net, height: int, width: int, available: int) -> None:
    needed = _activations(net, height, width)
    if needed <= available:
        return
    fits, too_large = 0, max(height, width)
    while too_large - fits > 1:
        side = (fits + too_large) // 2
        try:
            enough = _activations(net, *_scaled(height, width, side)) <= available
        except ShapeError:  # too small for the net's padding
            enough = False
        fits, too_large = (side, too_large) if enough else (fits, side)
    advice = f"predict it smaller, with --max-side {fits}" if fits else "end other programs"
    raise DataError(f"{width}x{height} pixels need {size(needed)} of memory, {size(available)} are free; {advice}")


def _activations(net: Net, height: int, width: int) -> int:
    """Bytes that a prediction takes beside the weights, which are there already."""
    plan = net.plan((1, 3, height, width))
    return plan.inference_bytes - 4 * (plan.parameters + plan.fixed)


def _scaled(height: int, width: int, longer: int) -> tuple[int, int]:
    """(height, width) of a picture whose longer side becomes `longer`."""
    factor = longer / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _contents(label: np.ndarray, classes: Sequence[str]) -> str:
    """The classes in a label map, the largest first, with their shares."""
    counts = np.bincount(label.reshape(-1), minlength=len(classes))
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    return ", ".join(f"{classes[k]} {100 * counts[k] / label.size:.1f} %" for k in order)


def _parser() -> Parser:
    parser = Parser(prog="python -m minifcn.predict", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="a .safetensors file, as training leaves it")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files, or folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; made if it is not there")
    parser.add_argument("--max-side", type=positive, metavar="N", help="make larger pictures smaller before labelling")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    add_device_flags(parser)
    return parser


def add_device_flags(parser: Parser) -> None:
    """--device and --threads, for commands that run a net."""
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--threads", type=positive, default=0, metavar="N", help="CPU threads (default: one a core)")


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
