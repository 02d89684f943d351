"""Every mode of picture becomes right RGB; every kind of label map the right class numbers; the rest a clear error."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from shared import shared_path

from minifcn.data.camvid import CAMVID_PALETTE
from minifcn.data.pictures import VOC_PALETTE, make_palette, read_image, read_label, write_label
from minifcn.errors import DataError

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (100, 100, 100)


def two_pixels(path, mode, left, right, **options):
    """A picture 2 wide, 1 high."""
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), left)
    image.putpixel((1, 0), right)
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "left", "right", "suffix", "expected"),
    [
        ("RGB", RED, GREY, "png", [RED, GREY]),
        ("L", 0, 100, "png", [(0, 0, 0), GREY]),
        ("1", 0, 1, "png", [(0, 0, 0), (255, 255, 255)]),
        ("RGBA", (255, 0, 0, 255), (9, 9, 9, 0), "png", [RED, (255, 255, 255)]),  # transparent: white shows through
        ("RGBA", (255, 0, 0, 51), (0, 0, 0, 255), "png", [(255, 204, 204), (0, 0, 0)]),
        ("LA", (100, 255), (0, 0), "png", [GREY, (255, 255, 255)]),
        ("I;16", 65535, 100 * 257, "png", [(255, 255, 255), GREY]),
        ("I;16", 128, 129, "png", [(0, 0, 0), (1, 1, 1)]),  # rounded
        ("I", 65535, 100 * 257, "tif", [(255, 255, 255), GREY]),
        ("F", 1.0, 0.2, "tif", [(255, 255, 255), (51, 51, 51)]),
        ("F", 255.0, 100.0, "tif", [(255, 255, 255), GREY]),
        ("CMYK", (0, 255, 255, 0), (0, 0, 0, 255), "tif", [RED, (0, 0, 0)]),
    ],
)
def test_modes(tmp_path, mode, left, right, suffix, expected):
    image = read_image(two_pixels(tmp_path / f"a.{suffix}", mode, left, right))
    assert image.dtype == np.uint8
    assert image.tolist() == [[list(colour) for colour in expected]]
    image[:] = 0  # the caller's own


def test_palette_picture_and_its_transparent_colour(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "solid.png")
    image.save(tmp_path / "holed.png", transparency=1)
    assert read_image(tmp_path / "solid.png").tolist() == [[list(RED), list(GREEN)]]
    assert read_image(tmp_path / "holed.png").tolist() == [[list(RED), [255, 255, 255]]]


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in (RED, GREEN)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (read_image(tmp_path / "a.gif") == RED).all()


@pytest.mark.parametrize(
    ("orientation", "expected"), [(1, [[RED, GREY]]), (3, [[GREY, RED]]), (6, [[RED], [GREY]]), (8, [[GREY], [RED]])]
)
def test_exif_rotation(tmp_path, orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = two_pixels(tmp_path / "a.png", "RGB", RED, GREY, exif=exif)
    assert read_image(path).tolist() == np.array(expected).tolist()


def test_pictures_that_cannot_be_read(tmp_path, monkeypatch):
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    for name, says in [
        ("none.png", "no such file"),
        ("cut.jpg", "cut off"),
        ("text.png", "not a picture"),
        ("empty.png", "not a picture"),
        ("folder.png", "is a folder; expected the file of one picture"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
    for limit in (64 * 64 - 1, 1000):  # Pillow warns above its limit and refuses above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"bomb|limit"):
            read_image(tmp_path / "whole.jpg")


def test_values_out_of_any_convention(tmp_path):
    with pytest.raises(DataError, match="16 bits"):
        read_image(two_pixels(tmp_path / "a.tif", "I", 0, 70000))
    with pytest.raises(DataError, match="float"):
        read_image(two_pixels(tmp_path / "b.tif", "F", 0.0, float("nan")))


def test_voc_palette():
    assert VOC_PALETTE[[0, 1, 2, 3, 15, 20, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [192, 128, 128],
        [0, 64, 128],
        [224, 224, 192],
    ]
    assert len(np.unique(VOC_PALETTE, axis=0)) == 256


def test_label_kinds_agree(tmp_path):
    label = np.array([[0, 1, 2], [20, 255, 3]], np.uint8)
    write_label(tmp_path / "palette.png", label)
    Image.fromarray(label).save(tmp_path / "grey.png")
    Image.fromarray(label.astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(VOC_PALETTE[label]).save(tmp_path / "colour.png")
    Image.fromarray(VOC_PALETTE[label]).convert("RGBA").save(tmp_path / "alpha.png")
    for name in ("palette", "grey", "deep", "colour", "alpha"):
        read = read_label(tmp_path / f"{name}.png")
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, label, err_msg=name)
    with Image.open(tmp_path / "palette.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), VOC_PALETTE[label])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_class_numbers_of_few_bits(tmp_path, bits):
    """Pillow spreads grey of 2 and 4 bits over 0..255, which would turn class 1 into 85 or 17."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8 // bits, 1, bits, 0, 0, 0, 0)  # one byte wide, grey
    row = bytes([0, {1: 0b01010101, 2: 0b00011011, 4: 0x1F}[bits]])
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    assert read_label(tmp_path / "a.png").tolist() == [{1: [0, 1] * 4, 2: [0, 1, 2, 3], 4: [1, 15]}[bits]]


def test_a_colour_of_several_rows_is_the_last(tmp_path):
    palette = make_palette([RED, GREEN], ignore=(0, 0, 0))
    path = two_pixels(tmp_path / "a.png", "RGB", GREEN, (0, 0, 0))
    assert read_label(path, palette).tolist() == [[1, 255]]
    assert CAMVID_PALETTE[11].tolist() == CAMVID_PALETTE[255].tolist() == [0, 0, 0]


def test_unknown_colours_are_named(tmp_path):
    path = two_pixels(tmp_path / "a.png", "RGB", (128, 0, 0), (1, 2, 3))
    with pytest.raises(DataError, match=r"a\.png: colour \(1, 2, 3\) at row 0, column 1.*palette"):
        read_label(path)


def test_labels_that_cannot_be(tmp_path):
    for mode, name, says in [("L", "a.jpg", "JPEG"), ("CMYK", "b.tif", "mode CMYK"), ("LA", "c.png", "mode LA")]:
        Image.new(mode, (2, 2)).save(tmp_path / name)
        with pytest.raises(DataError, match=says):
            read_label(tmp_path / name)
    with pytest.raises(DataError, match=r"0\.\.300"):
        read_label(two_pixels(tmp_path / "d.png", "I;16", 0, 300))
    with pytest.raises(DataError, match="int64"):
        write_label(tmp_path / "e.png", np.zeros((2, 2), np.int64))
    assert not (tmp_path / "e.png").exists()


def test_real_voc_labels():
    paths = sorted(shared_path("data/voc_labels").glob("*.png"))
    assert len(paths) == 60
    for path in paths:
        present = set(np.unique(read_label(path)).tolist())
        assert present <= {*range(21), 255}
        assert 255 in present and present & {*range(1, 21)}, f"{path}: {present}"


def test_real_voc_pairs():
    for path in sorted(shared_path("data/voc_pairs").glob("*.jpg")):
        image, label = read_image(path), read_label(path.with_suffix(".png"))
        assert image.shape[:2] == label.shape
        assert 15 in label  # both show persons


def test_real_photos():
    photos = [path for path in shared_path("data/photos").iterdir() if path.suffix != ".txt"]
    assert photos
    for path in photos:
        image = read_image(path)
        assert image.ndim == 3 and image.shape[2] == 3 and image.std() > 10
    grey = read_image(shared_path("data/photos/cat_gray.jpg"))
    assert (grey == grey[:, :, :1]).all()
