"""`folder:DIR`: your own pictures.

    DIR/images/NAME.jpg    pictures of any kind
    DIR/labels/NAME.png    label maps of the same stem: class numbers (grey or palette PNG), or colours (RGB)
    DIR/classes.txt        one class a line, class 0 first; a colour may follow: `road 128 64 128`
    DIR/train.txt, val.txt stems, if you want to choose; otherwise about a fifth of the pictures are val

In classes.txt a line `ignore R G B` is no class: it gives the colour of pixels to ignore (255). After # come remarks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.pairs import PairDataset, need_folder, pair_up, pictures_in, read_list, read_text
from minifcn.data.pictures import IGNORE, VOC_PALETTE, make_palette
from minifcn.errors import DataError, counted, did_you_mean

VAL_SHARE = 0.2
LONGEST = 200  # letters of a class name
_LINE = re.compile(r"(?P<name>.+?)(?:[\s:,]+(?P<r>\d+)[\s,]+(?P<g>\d+)[\s,]+(?P<b>\d+))?")


def read_classes(path: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """Names and palette (256, 3) of a classes.txt; VOC's colours if it gives none."""
    names: list[str] = []
    colours: list[tuple[int, int, int]] = []
    ignore: tuple[int, int, int] | None = None
    blank = 0  # the first blank line after a class
    for number, raw in enumerate(read_text(path).split("\n"), 1):
        line = raw.split("#")[0].strip()
        match = _LINE.fullmatch(line)
        if not match:
            blank = blank or (number if names and not raw.strip() else 0)
            continue
        name = match["name"]
        if len(name) > LONGEST:
            raise DataError(f"{path}, line {number}: a class name of {len(name)} letters; expected {LONGEST} at most")
        told = match.group("r", "g", "b") if match["r"] else ()
        # Python refuses to read a number of thousands of digits.
        if any(len(text) > 3 or int(text) > 255 for text in told):
            shown = ", ".join(text[:20] for text in told)
            raise DataError(
                f"{path}, line {number}: colour ({shown}) is out of range; expected three numbers in 0..255"
            )
        colour = (int(told[0]), int(told[1]), int(told[2])) if told else None
        if colour and (colour in colours or colour == ignore):
            raise DataError(f"{path}, line {number}: colour {colour} is taken; give each class its own")
        if name in names:
            raise DataError(f"{path}, line {number}: class {name!r} stands there twice")
        if name == "ignore":
            ignore = colour
            continue
        if blank:
            raise DataError(
                f"{path}, line {blank}: blank, with classes before and after it; is a class missing there? A class has "
                "the number of the names before it: write its name, or remove the line"
            )
        names.append(name)
        if colour:
            colours.append(colour)
    if not 2 <= len(names) <= IGNORE:
        raise DataError(f"{path}: {counted(len(names), 'class', 'classes')}; expected 2 to {IGNORE}, one a line")
    if colours and len(colours) != len(names):
        raise DataError(f"{path}: {len(colours)} of {len(names)} classes have a colour; give all of them one, or none")
    void = ignore or (224, 224, 192)  # VOC's
    return names, make_palette(colours or [tuple(row) for row in VOC_PALETTE[: len(names)].tolist()], void)


def split_of(stems: Iterable[str]) -> dict[str, str]:
    """Stem -> "train" or "val", by a hash of the stem: a picture stays where it is when others come or go.

    If none falls into val, the one nearest to it does.
    """
    height = {stem: int.from_bytes(sha256(os.fsencode(stem)).digest()[:8], "big") / 2**64 for stem in stems}
    limit = max(VAL_SHARE, min(height.values(), default=0))
    return {stem: "val" if value <= limit else "train" for stem, value in height.items()}


def _unread(images: Path, stem: str) -> str:
    """What to say of a file that would be the picture if Pillow could open it: a phone's .heic, say."""
    names = sorted(path.name for path in images.iterdir() if path.stem == stem)
    return f"; Pillow does not open {names[0]} here: save it as PNG or JPEG" if names else ""


def open_folder(folder: Path, split: str) -> PairDataset:
    """The train or the val part of your own pictures, or any other that has a split file."""
    need_folder(folder, "expected a folder with images/, labels/ and classes.txt")
    images = need_folder(folder / "images", "the pictures belong there")
    labels = need_folder(folder / "labels", "the label maps belong there, with the stems of their pictures")
    if not (folder / "classes.txt").is_file():
        raise DataError(f"{folder}: no classes.txt; write one, a class a line, class 0 first")
    classes, palette = read_classes(folder / "classes.txt")
    strays = []
    if any((folder / f"{name}.txt").is_file() for name in ("train", "val")):
        known = sorted(path.stem for path in folder.glob("*.txt") if path.stem != "classes")
        if split not in known:
            raise DataError(f"{folder}: no split {split!r} ({split}.txt){did_you_mean(split, known)}")
        stems = read_list(folder / f"{split}.txt", inside=("images",), known=pictures_in(images))
    else:
        if split not in ("train", "val"):
            raise DataError(f"{folder}: no {split}.txt, and without split files there are train and val only")
        member = split_of(pictures_in(images))
        stems = [stem for stem, where in member.items() if where == split]
        if not stems:
            raise DataError(f"{images}: no picture is left for {split}, of {len(member)} there; put more there")
        lost = {stem: path for stem, path in pictures_in(labels).items() if stem not in member and split == "train"}
        strays = [f"{path}: a label map without a picture{_unread(images, stem)}" for stem, path in lost.items()]
    pairs = pair_up(stems, images, labels)
    return PairDataset(f"{folder.resolve().name} {split}", classes, palette, pairs, strays=strays)
