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
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from minifcn.errors import DataError
from minifcn.files import atomic_path

Bytes: TypeAlias = NDArray[np.uint8]
PathLike: TypeAlias = "str | os.PathLike[str]"

IGNORE = 255
PIECE = 1 << 18  # pixels whose colours are looked up at a time
PROGRAMS = ("EPS",)  # formats of Pillow's that are no pictures but programs: it would start Ghostscript to run them
#: Formats that give every number back as it was stored; class numbers have no "a little". TIFF and WebP can do both.
EXACT = ("PNG", "BMP", "DIB", "GIF", "TIFF", "PPM", "TGA", "PCX", "SGI", "WEBP")
LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp", "tiff_sgilog", "tiff_sgilog24")  # Pillow's names of compressions
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
        content = _content(path)
        with _identified(content) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise DataError(f"{path}: {image.width}x{image.height} pixels are too many: {_too_large(limit)}")
            stored = _storage(image, content)
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
        if isinstance(error, IsADirectoryError):
            raise DataError(f"{path}: is a folder; expected the file of one picture") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        raise DataError(f"{path}: damaged or cut off, cannot be decoded ({error}); fetch or export it again") from error
    turned.info.update(stored)
    return turned


def _storage(image: Image.Image, content: bytes) -> dict[str, Any]:
    """What loading, or turning, forgets: "format"; "lossy", how numbers were changed a little, or ""; "packing", "L;4"
    of a TIFF's or a PNG's grey in 4 bits, with "I" for numbers that grow towards black; "maxval", a PGM's largest."""
    tile = getattr(image, "tile", None)
    codec, *_, arguments = tile[0] if tile else ("", None)
    first, *rest = arguments if isinstance(arguments, tuple) else (arguments,)
    form, lossy = image.format or "", ""
    if form == "TIFF" and image.info.get("compression") in LOSSY_TIFF:
        lossy = f"TIFF with {image.info['compression']} compression"
    elif form == "WEBP" and _is_lossy_webp(content):
        lossy = "lossy WebP"
    elif form not in EXACT:
        lossy = form
    maxval = rest[0] if form == "PPM" and codec.startswith("ppm") and rest else None
    return {"format": form, "lossy": lossy, "packing": str(first), "maxval": maxval}


def _is_lossy_webp(content: bytes) -> bool:
    """Whether a frame is VP8's, not VP8L's. Source: the container's specification (RIFF chunks, padded to even)."""
    at = 12
    while at + 8 <= len(content):
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if kind == b"VP8 ":
            return True
        at += 24 if kind == b"ANMF" else 8 + size + size % 2  # of an animation's frame the chunks lie within
    return False


def _identified(file: bytes) -> Image.Image:
    """Pillow's picture, not decoded yet: first of the few common formats, which import nothing, then of the others."""
    content = io.BytesIO(file)  # never reads more than there is, where files do as their headers say
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
    lossy = image.info["lossy"]
    if lossy or str(path).lower().endswith((".jpg", ".jpeg")):
        raise DataError(
            f"{path}: a label map in {lossy or 'JPEG'}, which may not keep the numbers of the classes as they are, nor "
            "edges; save it as PNG"
        )
    if image.mode == "P":
        return np.array(image)
    if image.mode in ("L", "1") or image.mode.startswith("I"):
        values = _stored_numbers(image, path)
        if values.min() < 0 or values.max() > IGNORE:
            raise DataError(f"{path}: class numbers range over {values.min()}..{values.max()}, expected 0..255")
        return values.astype(np.uint8)
    if image.mode in ("RGB", "RGBA"):
        return _colours_to_classes(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), palette, path)
    raise DataError(
        f"{path}: a label map of mode {image.mode}; expected grey or palette (class numbers) or RGB (colours)"
    )


def _stored_numbers(image: Image.Image, path: PathLike) -> NDArray:
    """The numbers of a grey picture as they stand in its file; Pillow spreads and turns them so that 255 is white."""
    values, maxval = np.asarray(image), image.info["maxval"]
    order = image.info["packing"].partition(";")[2]
    if image.mode == "1" and order.startswith("I"):  # PBM, fax
        raise DataError(
            f"{path}: black is stored as 1 and white as 0: which of them is class 1 cannot be told; save it as PNG"
        )
    if image.mode == "L":
        values = (255 - values if "I" in order else values) // {"2": 85, "4": 17}.get(order[:1], 1)
    if maxval is not None:
        full = 255 if image.mode == "L" else 65535
        values = (values.astype(np.int64) * maxval + full // 2) // full
    return values


def _colours_to_classes(rgb: Bytes, palette: Bytes, path: PathLike) -> Bytes:
    """Looked up among all 2^24 colours, piece by piece: sorting those of a large map takes seconds, and gigabytes."""
    row_of = np.zeros(1 << 24, np.uint16)  # untouched zeros take no memory
    row_of[_codes(palette)] = np.arange(1, len(palette) + 1)  # a later row replaces an earlier
    flat = rgb.reshape(-1, 3)
    pieces = [slice(at, at + PIECE) for at in range(0, len(flat), PIECE)]
    classes, unknown, known = np.empty(len(flat), np.uint8), np.zeros(1 << 24, bool), True
    for piece in pieces:
        codes = _codes(flat[piece])
        rows = row_of[codes]
        classes[piece] = rows - 1
        if not rows.all():
            unknown[codes[rows == 0]], known = True, False
    if not known:
        first = int(unknown.argmax())
        r, g, b = (first >> shift & 255 for shift in (16, 8, 0))
        places = (piece.start + np.flatnonzero(_codes(flat[piece]) == first) for piece in pieces)
        y, x = divmod(int(next(found[0] for found in places if found.size)), rgb.shape[1])
        more = int(unknown.sum()) - 1
        raise DataError(
            f"{path}: colour ({r}, {g}, {b}) at row {y}, column {x} is no class's"
            f"{f', nor is any of {more} more' if more else ''}; "
            "add it to the palette, or save the label map as class numbers (grey or palette PNG)"
        )
    return classes.reshape(rgb.shape[:2])


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
