"""Every format and mode that the installed Pillow writes and reads: whole, cut off, tiny, long, too large, animated."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from minifcn.data import read_image, read_label
from minifcn.data.pictures import EXACT, PROGRAMS, VOC_PALETTE
from minifcn.errors import DataError

Image.init()
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "I;16B", "F")
#: What is no file of one picture, or is written by a plugin that somebody has to bring.
NO_PICTURES = {"PDF", "PALM", "BUFR", "GRIB", "HDF5", "WMF", *PROGRAMS}
FORMATS = sorted(Image.SAVE.keys() & Image.OPEN.keys() - NO_PICTURES)
NUMBERS = np.arange(40 * 48).reshape(40, 48)  # every pixel another


def picture(mode):
    """48 wide, 40 high, smooth enough for a lossy format to keep about."""
    ramps = np.stack([NUMBERS // 48 * 6, NUMBERS % 48 * 5, 255 - NUMBERS // 48 * 6], axis=2).astype(np.uint8)
    rgb = Image.fromarray(ramps)
    if mode == "P":
        return rgb.quantize(64)
    if mode == "PA":
        return rgb.convert("RGBA").quantize(64).convert("PA")
    if mode.startswith("I;16"):
        return Image.fromarray((NUMBERS * 30).astype(np.uint16)).convert(mode)
    if mode == "I":
        return Image.fromarray((NUMBERS * 30).astype(np.int32))
    if mode == "LAB":
        return Image.merge("LAB", rgb.split())
    return rgb.convert("L").convert("LA") if mode == "LA" else rgb.convert(mode)


def saved(form, mode):
    """The bytes of a picture in a format and mode; None if Pillow does not write it, or not so that it can read it."""
    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture(mode).save(file, form)
            Image.open(file).load()  # Pillow 12.3 does not read its own TIFF of YCbCr
    except (OSError, ValueError, KeyError, SystemError, TypeError, AttributeError):
        return None
    return file.getvalue()


FILES = {form: {mode: data for mode in MODES if (data := saved(form, mode))} for form in FORMATS}
SIZED = ("ICNS", "ICO")  # formats whose pictures have sizes of their own
TRUE = ("AVIF", "BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP", "SGI", "QOI", "IM", "DDS", "PCX")

#: Pillow will forget some formats.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_there_are_many():
    some = {"JPEG CMYK", "TIFF F", "PNG I;16", "PNG LA", "GIF P", "WEBP RGBA", "ICO RGBA", "TIFF LAB"}
    every = {f"{form} {mode}" for form, files in FILES.items() for mode in files}
    assert some <= every and len(every) >= 80


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_and_mode_is_rgb_or_one_clear_error(form, tmp_path):
    path = tmp_path / "a.bin"
    for mode, data in FILES[form].items():
        path.write_bytes(data)
        try:
            image = read_image(path)
        except DataError as error:  # what has no one meaning
            assert f"{form} {mode}" in ("TIFF LAB", "SPIDER I;16", "SPIDER I;16B", "SPIDER I", "IM LAB"), error
            assert "a.bin: " in str(error) and ("mode" in str(error) or "pixels range over" in str(error))
            continue
        assert image.dtype == np.uint8 and image.shape[2] == 3
        assert form in SIZED or image.shape[:2] == (40, 48)
        if mode in ("RGB", "RGBA", "CMYK") and form in TRUE:
            assert abs(image - np.asarray(picture("RGB"), float)).mean() < 12, mode


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in SIZED])
def test_what_is_cut_off_is_refused_and_never_half_grey(form, tmp_path):
    path = tmp_path / "a.bin"
    for mode, data in FILES[form].items():
        if f"{form} {mode}" == "PCX P":  # its palette stands last, and Pillow takes a file without one for grey
            continue
        path.write_bytes(data)
        with suppress(DataError):  # one of those that are refused when they are whole
            whole = read_image(path)
            for cut in [*(len(data) * k // 7 for k in range(7)), len(data) - 40, len(data) - 1]:
                path.write_bytes(data[: max(0, cut)])
                try:
                    image = read_image(path)
                except DataError as error:
                    assert "a.bin: " in str(error)
                else:  # what was cut off was not of the picture
                    np.testing.assert_array_equal(image, whole, err_msg=f"{mode} cut to {cut} of {len(data)}")


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_of_an_animation_the_first_frame(form, tmp_path):
    if form not in Image.SAVE_ALL:
        pytest.skip(f"Pillow writes no {form} of several frames here")
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    frames[0].save(tmp_path / "a.bin", form, save_all=True, append_images=frames[1:])
    image = read_image(tmp_path / "a.bin")
    assert abs(image.astype(int) - (250, 0, 0)).max() < 12


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_as_cameras_mean_it(form, orientation, tmp_path):
    """The tag says where row 0 and column 0 of the file lie in the scene: of the eight ways, all."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene = np.zeros((16, 32, 3), np.uint8)
    scene[:8, :8] = 250  # a corner that tells the way up
    ways = {1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1], 5: scene.transpose(1, 0, 2),
            6: scene.transpose(1, 0, 2)[::-1], 7: scene.transpose(1, 0, 2)[::-1, ::-1],
            8: scene.transpose(1, 0, 2)[:, ::-1]}  # fmt: skip
    Image.fromarray(ways[orientation]).save(tmp_path / "a.bin", form, exif=exif)
    assert abs(read_image(tmp_path / "a.bin").astype(int) - scene).mean() < 4


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_tiny_and_long(form, size, tmp_path):
    Image.new("RGB", size, (7, 8, 9)).save(tmp_path / "a.bin", form)
    assert read_image(tmp_path / "a.bin").shape == (size[1], size[0], 3)


@pytest.mark.parametrize("side", [30, 50])  # above the limit, where Pillow warns, and above twice the limit
def test_a_bomb_is_refused_with_what_to_do(side, tmp_path, monkeypatch):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800)
    for read in (read_image, read_label):
        with pytest.raises(DataError, match=r"bomb\.png.*at most 800; make the picture smaller, or raise PIL"):
            read(tmp_path / "bomb.png")


def test_postscript_is_a_program_and_not_run(tmp_path, monkeypatch):
    """Pillow hands it to Ghostscript, whatever the file is called."""

    def run(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "check_call", run)
    monkeypatch.setattr(subprocess, "Popen", run)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", "EPS")
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "EPS"  # this is what Pillow would take it for
    with pytest.raises(DataError, match="would be run as a program; convert it"):
        read_image(tmp_path / "a.png")


def test_a_length_of_4_gb_takes_no_memory(tmp_path):
    """A PNG whose last data says so; Pillow would ask the file for them."""
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = (2**32 - 1).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    code = (
        "import resource, sys; from minifcn.data import read_image; from minifcn.errors import DataError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2)\n"
        "try: read_image(sys.argv[1])\n"
        "except DataError as error: print(type(error.__cause__).__name__)"
    )
    limited = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, text=True, check=True
    )
    assert "MemoryError" not in limited.stdout + limited.stderr


@pytest.mark.parametrize("form", ["JPEG", "JPEG2000", "AVIF"])
def test_label_maps_that_a_format_has_smoothed(form, tmp_path):
    if form not in Image.SAVE:
        pytest.skip(f"Pillow writes no {form} here")
    Image.fromarray(np.eye(16, dtype=np.uint8) * 3).convert("RGB").save(tmp_path / "a.png", form)
    assert form not in EXACT
    with pytest.raises(DataError, match=rf"a label map in {form}, .* save it as PNG"):
        read_label(tmp_path / "a.png")


MASK = np.zeros((32, 32), np.uint8)
MASK[8:20, 8:20] = 1


def written(form, mode="L", **how):
    file = io.BytesIO()
    Image.fromarray(255 * MASK if mode == "1" else MASK).convert(mode).save(file, form, **how)
    return file.getvalue()


def pgm(maxval, plain=False):
    head = f"P{2 if plain else 5}\n32 32\n{maxval}\n".encode()
    return head + (
        " ".join(map(str, MASK.flat)).encode() if plain else MASK.astype(">u2" if maxval > 255 else "u1").tobytes()
    )


def tiff(bits, white):
    """By hand: Pillow writes neither grey of 2 and 4 bits nor, white being the number 0, of any."""
    row = ["".join(f"{number:0{bits}b}" for number in line) for line in MASK]
    rows = b"".join(int(line, 2).to_bytes(len(line) // 8, "big") for line in row)
    short, long = 3, 4
    tags = [(256, short, 32), (257, short, 32), (258, short, bits), (259, short, 1), (262, short, white),
            (273, long, 8), (277, short, 1), (278, short, 32), (279, long, len(rows))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8 + len(rows)) + rows + struct.pack("<H", len(tags)) + entries + bytes(4)


STORED = {
    **{f"PGM up to {maxval}": pgm(maxval) for maxval in (1, 2, 20, 127, 254, 255, 256, 1000, 65535)},
    **{f"plain PGM up to {maxval}": pgm(maxval, plain=True) for maxval in (1, 20, 255, 1000)},
    **{f"TIFF of {bits} bits, 0 {'black' if white else 'white'}": tiff(bits, white)
       for bits in (2, 4, 8) for white in (0, 1)},
    "TIFF of a bit": tiff(1, 1), "TIFF in LZW": written("TIFF", compression="tiff_lzw"),
    "PNG of a bit": written("PNG", "1"),
    **{form: written(form) for form in ("BMP", "GIF", "PCX", "TGA", "SGI", "PNG", "DIB")},
}  # fmt: skip
NOT_STORED = {
    "TIFF with jpeg": written("TIFF", compression="jpeg"), "lossy WebP": written("WEBP", "RGB"),
    "black is stored as 1": written("PPM", "1"), "which of them is class 1": tiff(1, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORED)
def test_the_numbers_that_a_file_stores_are_the_classes(kind, tmp_path):
    """However few its bits are, and whichever end of them is white: Pillow shows 255 for white."""
    (tmp_path / "a").write_bytes(STORED[kind])
    np.testing.assert_array_equal(read_label(tmp_path / "a"), MASK)


@pytest.mark.parametrize("kind", NOT_STORED)
def test_files_that_do_not_tell_the_classes(kind, tmp_path):
    (tmp_path / "a").write_bytes(NOT_STORED[kind])
    with pytest.raises(DataError, match=f"{kind}.* save it as PNG"):
        read_label(tmp_path / "a")


def test_colours_in_a_webp_without_loss(tmp_path, rng):
    label = rng.integers(0, 21, (9, 12), np.uint8)
    frames = [Image.fromarray(VOC_PALETTE[label])] * 2
    for more in ({}, {"save_all": True, "append_images": frames[1:]}):
        frames[0].save(tmp_path / "a.webp", lossless=True, exact=True, **more)
        np.testing.assert_array_equal(read_label(tmp_path / "a.webp"), label)
        frames[0].save(tmp_path / "b.webp", quality=90, **more)
        with pytest.raises(DataError, match="lossy WebP"):
            read_label(tmp_path / "b.webp")


@pytest.mark.parametrize("kind", ["empty", "folder", "circle", "pipe", "unreadable"])
def test_what_is_no_file(kind, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)  # opened, it would wait for a writer for ever
    else:
        Image.new("L", (2, 2)).save(path)

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)  # tests may run as one who may read everything
    with pytest.raises(DataError, match=r"a\.png: (is a folder|cannot be read|not a picture)"):
        read_image(path)
