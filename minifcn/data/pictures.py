"""Reading and writing pictures and label maps.

A picture is uint8 (H, W, 3) RGB; a label map is uint8 (H, W), the class of each pixel, with 255 for "ignore".
Whatever cannot be read as one of the two is a `DataError` that names the file.
"""

from __future__ import annotations

import errno
import functools
import io
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from minifcn.errors import DataError
from minifcn.files import atomic_path

Bytes: TypeAlias = NDArray[np.uint8]
PathLike: TypeAlias = "str | os.PathLike[str]"

IGNORE = 255
PROGRAMS = ("EPS",)  # formats of Pillow's that are no pictures but programs: it would start Ghostscript to run them
LOSSY = (
    "JPEG",
    "MPO",
    "JPEG2000",
    "AVIF",
)  # formats that may change a pixel a little; class numbers have no "a little"


#: Formats that Pillow names but does not read as pictures without more: tables of numbers, films, Windows' own.
NO_PICTURES = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")


@functools.cache
def suffixes() -> frozenset[str]:
    """The endings of files that are opened as pictures: all that Pillow, as it was built here, knows how to read."""
    Image.init()
    left_out = {*PROGRAMS, *NO_PICTURES}
    known = Image.registered_extensions().items()
    return frozenset(end for end, kind in known if kind in Image.OPEN and kind not in left_out) | {".mpo"}  # a JPEG


def is_picture(path: Path) -> bool:
    """Whether a file of a folder of pictures is meant as one: by its ending, and not hidden."""
    return path.suffix.lower() in suffixes() and not path.name.startswith(".")


def _voc_palette() -> Bytes:
    """VOC's colour of class i: the bits of i, lowest first, dealt in turn to r, g, b from their highest bits down.

    So that neighbouring numbers get distant colours: 1 = (128, 0, 0), 2 = (0, 128, 0), 3 = (128, 128, 0), ...
    Source: `VOClabelcolormap.m` of the VOC development kit.
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), int)
    for bit in range(8):
        palette[:, bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return palette.astype(np.uint8)


VOC_PALETTE = _voc_palette()


def make_palette(colours: list[tuple[int, int, int]], ignore: tuple[int, int, int]) -> Bytes:
    """The (256, 3) palette of a few class colours; every other row, row 255 among them, has the colour of `ignore`."""
    palette = np.tile(np.array(ignore, np.uint8), (256, 1))
    palette[: len(colours)] = colours
    return palette


def open_picture(path: PathLike) -> Image.Image:
    """The decoded first frame, turned as its EXIF tag says. Nothing is run: PostScript is no picture here."""
    try:
        with _identified(path) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise DataError(f"{path}: {image.width}x{image.height} pixels are too many: {_too_large(limit)}")
            tile = getattr(image, "tile", None)
            packing = tile[0][3] if tile else None  # "L;4" etc.; loading forgets it
            form = image.format
            image.load()
            turned = ImageOps.exif_transpose(image)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except Image.UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not a picture that Pillow knows, or one that would be run as a program; convert it to PNG or JPEG"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise DataError(f"{path}: refused as a decompression bomb ({error}); {_too_large(limit)}") from error
    except DataError:
        raise
    except Exception as error:  # damaged bytes make decoders raise anything: OSError, SyntaxError, struct.error ...
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        raise DataError(f"{path}: damaged or cut off, cannot be decoded ({error}); fetch or export it again") from error
    turned.info["packing"], turned.info["format"] = packing, form  # what a turned copy forgets
    return turned


def _identified(path: PathLike) -> Image.Image:
    """Pillow's picture, not decoded yet: first of the few common formats, which import nothing, then of the others."""
    content = io.BytesIO(_content(path))  # never reads more than there is, where files do as their headers say
    Image.preinit()
    common = [name for name in Image.ID if name not in PROGRAMS]
    try:
        return Image.open(content, formats=common)
    except Image.UnidentifiedImageError:
        Image.init()
        others = [name for name in Image.ID if name not in (*common, *PROGRAMS)]
        if not others:  # the others have been asked already
            raise
        return Image.open(content, formats=others)


def _content(path: PathLike) -> bytes:
    """The bytes of a file; OSError for what is none, such as a pipe, which might never end."""
    if not (os.path.isfile(path) or os.path.isdir(path)) and os.path.exists(path):
        raise OSError(errno.EINVAL, "it is no file")
    with open(path, "rb") as file:
        return file.read()


def _too_large(limit: int) -> str:
    return f"expected at most {limit:,}; make the picture smaller, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"


def read_image(path: PathLike) -> Bytes:
    """A picture of any mode as RGB, uint8 (H, W, 3).

    Transparent pixels are laid over white, as a browser's page shows them. 16-bit grey is divided by 257 (65535 becomes
    255). Float grey is taken as 0..1, or as 0..255 if it goes above 1. Of an animation, the first frame.
    """
    image = open_picture(path)
    mode = image.mode
    try:
        if mode.startswith("I") or mode == "F":
            return np.repeat(_deep_grey(np.asarray(image), path)[:, :, None], 3, axis=2)
        if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image)
        return np.array(image.convert("RGB"))
    except ValueError as error:
        raise DataError(f"{path}: mode {mode} cannot become RGB ({error}); convert the picture to RGB") from error


def _deep_grey(values: NDArray, path: PathLike) -> Bytes:
    """Grey of 16 bits (Pillow's I;16 and I) or float (F) as 8 bits."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if not (low >= 0 and high <= 255):  # also refuses NaN
            raise DataError(f"{path}: float pixels range over {low}..{high}, expected 0..1 or 0..255; rescale them")
        return np.rint(values * (255 if high <= 1 else 1)).astype(np.uint8)
    if low < 0 or high > 65535:
        raise DataError(f"{path}: integer pixels range over {low}..{high}, expected 16 bits, 0..65535; rescale them")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def read_label(path: PathLike, palette: Bytes = VOC_PALETTE) -> Bytes:
    """A label map as class numbers, uint8 (H, W).

    Of a grey or a palette picture the stored numbers are the classes (a palette only colours them for the eye). A
    picture in RGB is looked up in `palette` (256, 3); where a colour stands in several rows, the last counts, so that
    all rows without a class may share the colour of 255.
    """
    image = open_picture(path)
    lossy = image.info["format"] if image.info["format"] in LOSSY else ""
    if lossy or str(path).lower().endswith((".jpg", ".jpeg")):
        raise DataError(
            f"{path}: a label map in {lossy or 'JPEG'}, whose compression invents colours at every edge; save it as PNG"
        )
    if image.mode in ("L", "P", "1"):
        # Pillow spreads grey of 2 and 4 bits over 0..255; class numbers want that undone.
        return np.asarray(image).astype(np.uint8) // {"L;2": 85, "L;4": 17}.get(image.info["packing"], 1)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > IGNORE:
            raise DataError(f"{path}: class numbers range over {values.min()}..{values.max()}, expected 0..255")
        return values.astype(np.uint8)
    if image.mode in ("RGB", "RGBA"):
        return _colours_to_classes(np.asarray(image.convert("RGB")), palette, path)
    raise DataError(
        f"{path}: a label map of mode {image.mode}; expected grey or palette (class numbers) or RGB (colours)"
    )


def _colours_to_classes(rgb: Bytes, palette: Bytes, path: PathLike) -> Bytes:
    """Looked up among all 2^24 colours: sorting those of a large map takes seconds. Untouched zeros take no memory."""
    row_of = np.zeros(1 << 24, np.uint16)
    row_of[_codes(palette)] = np.arange(1, len(palette) + 1)  # a later row replaces an earlier
    codes = _codes(rgb)
    rows = row_of[codes]
    if not rows.all():
        seen = np.zeros(1 << 24, bool)
        seen[codes[rows == 0]] = True
        unknown = np.flatnonzero(seen)
        r, g, b = (int(unknown[0] >> shift & 255) for shift in (16, 8, 0))
        y, x = np.argwhere(codes == unknown[0])[0]
        raise DataError(
            f"{path}: colour ({r}, {g}, {b}) at row {y}, column {x} is no class's"
            f"{f', nor is any of {len(unknown) - 1} more' if len(unknown) > 1 else ''}; "
            "add it to the palette, or save the label map as class numbers (grey or palette PNG)"
        )
    return (rows - 1).astype(np.uint8)


def _codes(rgb: Bytes) -> NDArray[np.uint32]:
    """Colours (..., 3) as numbers 0xRRGGBB."""
    r, g, b = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    return r << 16 | g << 8 | b


def resized(array: NDArray, height: int, width: int, how: Image.Resampling) -> NDArray:
    """An array (H, W) or (H, W, C), uint8 or float32, at another size."""
    if array.dtype == np.uint8:
        return np.asarray(Image.fromarray(array).resize((width, height), how))
    planes = [Image.fromarray(plane).resize((width, height), how) for plane in np.moveaxis(array, 2, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def write_label(path: PathLike, label: Bytes, palette: Bytes = VOC_PALETTE) -> None:
    """Write a label map (H, W) as a palette PNG: class numbers inside, colours for the eye."""
    if label.dtype != np.uint8 or label.ndim != 2:
        raise DataError(f"{path}: a label map is uint8 (H, W), got {label.dtype} {label.shape}")
    image = Image.fromarray(label)
    image.putpalette(palette.tobytes())  # makes it mode P
    with atomic_path(path) as beside:
        image.save(beside, format="PNG", optimize=True)
