"""Sound files for the targets, small, made by the project's own writers. Each seed is a folder."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import published
import wire
from PIL import Image, ImageSequence

from minifcn import models, train, weights
from minifcn.data import VOC_PALETTE, write_label
from minifcn.weights import layouts, tensors, writers

SHAPES = {"conv1.0": (4, 3, 5, 5), "conv1.1": (4,), "ip.0": (6, 36), "ip.1": (6,)}
RUN = ["--net", "fcn-googlenet", "--batch-size", "1", "--iterations", "2", "--eval-every", "0", "--threads", "1"]


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {key: rng.standard_normal(shape, np.float32) for key, shape in SHAPES.items()}


def small(suffix: str, write: writers.Write) -> Callable[[Path], None]:
    """A file of two layers."""
    return lambda folder: write(folder / f"a{suffix}", arrays())


def net(layout: str, name: str = "googlenet") -> Callable[[Path], None]:
    """A whole net, its layers narrow, in another framework's layout."""
    chosen = next(each for each in layouts.LAYOUTS if each.net == name and each.suffix == layout)

    def make(folder: Path) -> None:
        made = models.build(name, chosen.classes, "tiny", rng=np.random.default_rng(7))
        chosen.write(folder / f"net{layout}", chosen.arrays(layouts.in_framework(made, name in models.CLASSIFIERS)))

    return make


def native(folder: Path) -> None:
    """minifcn's own weights."""
    made = models.build("fcn-googlenet", 3, "tiny", rng=np.random.default_rng(7))
    weights.save(folder / "net.safetensors", made, {"classes": ["a", "b", "c"], "palette": VOC_PALETTE[:3].tolist()})


def half(folder: Path) -> None:
    """safetensors of two bytes a number, bfloat16 among them, put together here."""
    about = {"a.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
             "b.weight": {"dtype": "F16", "shape": [3], "data_offsets": [12, 18]}}  # fmt: skip
    header = json.dumps(about).encode()
    (folder / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(range(18)))


def metadata(folder: Path) -> None:
    tensors.write(folder / "a.safetensors", arrays(), {"format": "minifcn", "version": 1, "mean": [1, 2, 3]})


def legacy(folder: Path) -> None:
    """As PyTorch wrote before 1.6: pickles and storages in a row, put together here."""
    import pickle

    made = arrays()
    items = b"".join(writers._text(k) + writers._tensor(str(n), a) for n, (k, a) in enumerate(made.items()))
    body = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    body += b"\x80\x02}(" + items + b"u." + pickle.dumps([str(n) for n in range(len(made))], 2)
    content = b"".join(a.size.to_bytes(8, "little") + a.astype("<f4").tobytes() for a in made.values())
    (folder / "a.pth").write_bytes(body + content)


def text(folder: Path) -> None:
    (folder / "a.caffemodel").write_bytes(b'name: "net"\nlayer { name: "a" type: "Convolution" }\n')


def onnx_beside(folder: Path) -> None:
    """ONNX whose numbers lie in a file beside it."""
    made = {key: array for key, array in arrays().items() if array.ndim > 1}
    tensors, content = b"", b""
    for key, array in made.items():
        where = {"location": "a.bin", "offset": str(len(content)), "length": str(array.nbytes)}
        entries = (wire.block(13, wire.block(1, k.encode()) + wire.block(2, v.encode())) for k, v in where.items())
        dims = b"".join(wire.number(1, n) for n in array.shape)
        about = wire.number(2, 1) + wire.block(8, key.encode()) + b"".join(entries) + wire.number(14, 1)
        tensors += wire.block(5, dims + about)
        content += array.tobytes()
    (folder / "a.onnx").write_bytes(wire.number(1, 8) + wire.block(7, tensors))
    (folder / "a.bin").write_bytes(content)


def onnx_graph(folder: Path) -> None:
    """ONNX whose pictures go through some arithmetic, and whose weights are constants."""

    def tensor(name: str, array: np.ndarray) -> bytes:
        dims = b"".join(wire.number(1, n) for n in array.shape)
        return dims + wire.number(2, 1) + wire.block(8, name.encode()) + wire.block(9, array.astype("<f4").tobytes())

    def node(operator: str, read: str, made: str, *attributes: bytes) -> bytes:
        names = [wire.block(1, name.encode()) for name in read.split()] + [wire.block(2, made.encode())]
        return wire.block(
            1, b"".join([*names, wire.block(4, operator.encode()), *(wire.block(5, a) for a in attributes)])
        )

    values = {"mean": np.ones((3, 1, 1)), "scale": np.full(1, 0.5), **arrays()}
    content = [
        node("Constant", "", k, wire.block(1, b"value") + wire.block(5, tensor(k, a))) for k, a in values.items()
    ]
    content += [node("Sub", "data mean", "a"), node("Mul", "a scale", "b"), node("Conv", "b conv1.weight", "c")]
    alpha = wire.block(1, b"alpha") + wire.varint(2 << 3 | 5) + np.float32(2).tobytes()
    content += [node("Gemm", f"c {name}", "d", alpha) for name in arrays()]
    axes = b"".join(wire.block(1, wire.number(1, n)) for n in (1, 3, 9, 9))
    content.append(wire.block(11, wire.block(1, b"data") + wire.block(2, wire.block(1, wire.block(2, axes)))))
    (folder / "a.onnx").write_bytes(wire.number(1, 8) + wire.block(7, b"".join(content)))


# --- pictures and data sets -------------------------------------------------------------------------------------------


def _picture(mode: str) -> Image.Image:
    rng = np.random.default_rng(7)
    rgb = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    if mode == "P":
        return rgb.quantize(16)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (9, 12), np.uint16))
    return rgb.convert(mode)


def picture(mode: str, form: str, **options: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _picture(mode).save(folder / f"a.{form}", **options)

    return make


def animation(form: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        frames = [_picture("RGB"), _picture("L").convert("RGB")]
        frames[0].save(folder / f"a.{form}", save_all=True, append_images=frames[1:])
        with Image.open(folder / f"a.{form}") as image:
            assert len(list(ImageSequence.all_frames(image))) == 2

    return make


def rotated(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _picture("RGB").save(folder / "a.jpg", exif=exif)


def label(folder: Path) -> None:
    write_label(folder / "label.png", np.resize(np.array([0, 1, 20, 255], np.uint8), (9, 12)))


def coloured(folder: Path) -> None:
    Image.fromarray(VOC_PALETTE[np.resize(np.array([0, 1, 20, 255]), (9, 12))]).save(folder / "label.png")


def _pairs(root: Path, images: str, labels: str, stems: str, suffix: str = ".png") -> None:
    for name in (images, labels):
        (root / name).mkdir(parents=True)
    for k, stem in enumerate(stems):
        _picture("RGB").save(root / images / (stem + suffix))
        write_label(root / labels / f"{stem}.png", np.resize(np.array([0, k % 2, 1, 255], np.uint8), (9, 12)))


def own(folder: Path) -> None:
    _pairs(folder, "images", "labels", "abc")
    (folder / "classes.txt").write_text("ground 0 0 0\ncar 128 0 0\nignore 224 224 192\n")


def own_lists(folder: Path) -> None:
    own(folder)
    (folder / "classes.txt").write_text("# two\nground\ntall car\n")
    (folder / "train.txt").write_text("a\nimages/b.png\n")
    (folder / "val.txt").write_text("c\n")


def camvid(folder: Path) -> None:
    for split, stems in (("train", "ab"), ("val", "c")):
        _pairs(folder, split, f"{split}annot", stems)
        (folder / f"{split}.txt").write_text("".join(f"/SegNet/CamVid/{split}/{s}.png x\n" for s in stems))


def voc(folder: Path) -> None:
    year = folder / "VOC2012"
    _pairs(year, "JPEGImages", "SegmentationClass", "ab", ".jpg")
    (year / "ImageSets/Segmentation").mkdir(parents=True)
    for split, stem in (("train", "a"), ("val", "b")):
        (year / f"ImageSets/Segmentation/{split}.txt").write_text(f"{stem}\n")


#: published's layouts lie in folders of their own; context has VOC2010 beside it.
PUBLISHED = {kind: getattr(published, kind) for kind in ("sbd", "context", "nyud", "siftflow")}


# --- runs -------------------------------------------------------------------------------------------------------------


def run(folder: Path) -> None:
    """A run of one step of two."""
    _stopped(folder, ["--data", "shapes:size=32,train=3,val=1"])


def staged(folder: Path) -> None:
    _stopped(folder, ["--data", "shapes:size=32,train=3,val=1", "--stages", "32s,16s", "--freeze", "trunk"])


def of_files(folder: Path) -> None:
    """A run on a set of files, of which one cannot be used; they lie beside, and stay as they are."""
    files = folder.with_name("own")
    files.mkdir()
    own_lists(files)
    (files / "train.txt").write_text("a\nb\nmissing\n")
    for path in files.rglob("*.png"):  # large enough for the net
        with Image.open(path) as image:
            larger = image.resize((36, 36), Image.Resampling.NEAREST)
        larger.save(path)
    _stopped(folder, ["--data", f"folder:{files}", "--skip-bad"])


def _stopped(folder: Path, flags: list[str]) -> None:
    """Of a run that is complete, the folder as it was after its first step."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert train.main([*RUN, *flags, "--iterations", "1", "--out", str(folder / "run")]) == 0, said.getvalue()
    for name in ("curves.png", "samples.png", "weights.safetensors"):
        (folder / "run" / name).unlink()
    if "--stages" not in flags:
        config = folder / "run" / "config.toml"
        config.write_text(config.read_text().replace("iterations = 1\n", "iterations = 2\n"))


def config(folder: Path) -> None:
    from minifcn import config as configuration

    (folder / "a.toml").write_text(configuration.to_toml(configuration.resolve({}, {"recipe": "camvid"})))


def copied(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
