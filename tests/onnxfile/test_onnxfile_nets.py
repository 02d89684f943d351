"""Whole nets as ONNX files: onnxruntime's answers are minifcn's, at any size, and the comparing finds what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from minifcn import models, onnxfile, weights
from minifcn.data.modalities import inputs_of, read_depth, read_hha
from minifcn.errors import MinifcnError
from minifcn.layers import Crop, LocalResponseNorm, MaxPool2d, ReLU
from minifcn.onnxfile import PLAIN, Form, comparison, operators, pictures, table
from minifcn.onnxfile.comparison import TOLERANCE

onnx = pytest.importorskip("onnx", reason="onnx writes the files (extra `test`)")
pytest.importorskip("onnxruntime", reason="onnxruntime runs the files (extra `test`)")

ROWS = list(table.tiny_rows())
IDS = [f"{row.settings['name']}, {row}" for row in ROWS]
NET = {"name": "fcn8s", "num_classes": 3, "preset": "tiny"}
MEAN = [1.0, 2.0, 3.0]

#: Of the table's rows those whose nodes differ most, for every day.
FEW = (
    table.Row({**NET, "input_padding": 100}, Form(labels=True)),
    table.Row({**NET, "name": "fcn-googlenet-8s"}, Form(opset=11)),
    table.Row({**NET, "name": "fcn-alexnet", "output_stride": 8}, Form(preprocess=True)),
    table.Row({**NET, "name": "fcn32s-late", "upsampling": "nonlinear"}, Form(preprocess=True, labels=True)),
    table.Row({**NET, "name": "fcn32s-rgbd", "num_classes": {"a": 3, "b": 4}}, Form(preprocess=True, labels=True)),
    table.Row({**NET, "name": "fcn8s-atonce", "upsampling": "learned"}, Form(size=(33, 70), labels=True)),
)


@pytest.mark.parametrize("row", FEW, ids=str)
def test_onnxruntime_s_answer_is_minifcn_s(row):
    sizes = (row.form.size,) if row.form.size else ((33, 33), (61, 98))
    found = table.measure(row, seed=1, sizes=sizes)
    assert [one.size for one in found] == list(sizes)
    assert max(one.error for one in found) < TOLERANCE / 10 and all(one.labels for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_net_of_the_table(row):
    found = table.measure(row, seed=0)
    assert all(one.passes for one in found) and len(found) >= (1 if row.form.size else 5)


def test_the_table_has_every_net_every_setting_and_every_modality():
    settings = [row.settings for row in ROWS]
    assert {one["name"] for one in settings} == set(models.NAMES)
    assert {one.get("upsampling", "fixed") for one in settings} == set(models.UPSAMPLINGS)
    assert {one.get("output_stride", 32) for one in settings} == set(models.OUTPUT_STRIDES)
    assert {row.form.opset for row in ROWS} >= {onnxfile.OLDEST, onnxfile.OPSET, onnxfile.NEWEST}
    assert {one["name"] for one in (row.settings for row in table.FULL_ROWS)} == set(models.NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcn8s", "fcn-alexnet", "fcn-googlenet-8s"])
@pytest.mark.parametrize("padding", ["same", 100])
def test_every_height_and_every_width_from_33_to_500(name, padding):
    """The axes do not know of each other, so each is tried beside a short one."""
    long = range(33, 501)
    row = table.Row({**NET, "name": name, "input_padding": padding})
    found = table.measure(row, seed=2, sizes=(*((n, 33) for n in long), *((34, n) for n in long)))
    assert len(found) == 2 * 468 and max(one.error for one in found) <= TOLERANCE


WRONG = {
    "a crop one pixel off": (Crop, lambda place, layer: _shifted(place, layer)),
    "pools that round down": (MaxPool2d, lambda place, layer: _floored(place, layer)),
    "a forgotten ReLU": (ReLU, lambda place, layer: place.inputs[0]),
    "a forgotten normalisation": (LocalResponseNorm, lambda place, layer: place.inputs[0]),
}


def _shifted(place, layer):
    moved = Crop(offset=tuple(k + 1 for k in layer.offset), size=(1, 1))
    moved.size = None
    return operators._crop(place, moved)


def _floored(place, layer):
    geometry = layer.geometry._replace(ceil_mode=False)
    return operators._max_pool(place, MaxPool2d(*geometry))


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found(what, monkeypatch):
    """At a size that is no multiple of the strides; of pools that round down, the crop has nothing to cut."""
    kind, wrong = WRONG[what]
    monkeypatch.setitem(operators._WRITERS, kind, wrong)
    name = "fcn-alexnet" if kind is LocalResponseNorm else "fcn8s"
    row = table.Row({**NET, "name": name, "input_padding": 100})
    try:
        (found,) = table.measure(row, 0, ((61, 98),))
    except MinifcnError as error:
        assert kind in (Crop, MaxPool2d) and "onnxruntime cannot run it" in str(error)
    else:
        assert found.error > TOLERANCE and not found.passes


def written(path, form=PLAIN, about=None, **settings):
    net = table.random_net(np.random.default_rng(0), **{**NET, **settings})
    onnxfile.write(path, net, about or {"mean": MEAN, "classes": ["a", "b", "c"], "source": "w.safetensors"}, form)
    return net


def test_names_shapes_and_what_the_file_says_of_itself(tmp_path):
    net = written(tmp_path / "net.onnx", Form(preprocess=True, labels=True))
    model = onnx.load(tmp_path / "net.onnx")
    inputs, outputs = ([_described(value) for value in part] for part in (model.graph.input, model.graph.output))
    assert inputs == [("data", "uint8", ["N", "H", "W", 3])]
    assert outputs == [("score", "float32", ["N", 3, "H", "W"]), ("labels", "uint8", ["N", "H", "W"])]
    assert [tensor.name for tensor in model.graph.initializer] == list(net.params)
    assert model.producer_name == "minifcn" and model.opset_import[0].version == 17 and model.ir_version == 8
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert said["classes"] == ["a", "b", "c"] and said["mean"] == MEAN and said["source"] == "w.safetensors"
    assert said["net"] == net.spec and said["minifcn_version"] == model.producer_version


def _described(value):
    kind = value.type.tensor_type
    dims = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
    return value.name, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, dims


def test_what_a_file_takes_without_preprocessing(tmp_path):
    written(tmp_path / "net.onnx", Form(size=(33, 40), opset=11), name="fcn32s-rgbd")
    model = onnx.load(tmp_path / "net.onnx")
    assert [_described(value) for value in model.graph.input] == [
        ("color", "float32", [1, 3, 33, 40]), ("depth", "float32", [1, 1, 33, 40])
    ]  # fmt: skip
    assert [_described(value) for value in model.graph.output] == [("score", "float32", [1, 3, 33, 40])]
    assert model.ir_version == 6
    assert [value.doc_string for value in model.graph.input] == [
        "(N, 3, H, W): B G R, 0..255, less 1, 2, 3",
        "(N, 1, H, W): log of millimetres less 7.844, 0 where not measured",
    ]


def test_the_same_net_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        written(tmp_path / f"{name}.onnx", Form(labels=True, preprocess=True))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_many_classes_have_labels_of_64_bits(tmp_path):
    for classes, kind in ((256, "uint8"), (257, "int64")):
        written(tmp_path / "net.onnx", Form(labels=True), {"mean": MEAN}, num_classes=classes, name="alexnet")
        outputs = onnx.load(tmp_path / "net.onnx").graph.output
        assert _described(outputs[1])[:2] == ("labels", kind)


def test_a_batch_of_pictures(tmp_path, rng):
    net = written(tmp_path / "net.onnx", name="fcn-googlenet")
    x = rng.standard_normal((3, 3, 40, 57), np.float32)
    (found,) = onnxfile.session(tmp_path / "net.onnx").run(None, {"data": x})
    with net.inference():
        expected = net.forward(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), strict=True)


def test_raw_inputs_are_what_minifcn_reads_from_files(tmp_path, rng):
    modalities = ("color", "depth", "hha")
    raw = [pictures.example(modality, (9, 7), rng) for modality in modalities]
    Image.fromarray(raw[1][0, :, :, 0]).save(tmp_path / "depth.png")
    Image.fromarray(raw[2][0]).save(tmp_path / "hha.png")
    beside = {"depth": read_depth(tmp_path / "depth.png"), "hha": read_hha(tmp_path / "hha.png")}
    expected = inputs_of(raw[0][0], beside, modalities, MEAN)
    assert (raw[1] == 0).any()
    for found, blob in zip(pictures.seen(raw, modalities, MEAN), expected, strict=True):
        np.testing.assert_array_equal(found[0], blob, strict=True)


def test_weights_come_back_bit_for_bit_with_all_that_was_said(tmp_path):
    about = {"mean": MEAN, "classes": ["a", "b", "c"], "palette": [[0, 0, 0], [1, 2, 3], [4, 5, 6]]}
    net = written(tmp_path / "net.onnx", Form(preprocess=True, labels=True), about, upsampling="learned")
    back, said = weights.open_net(tmp_path / "net.onnx")
    assert back.spec == net.spec and about.items() <= said.items() and said["told"] == said["assumed"] == []
    for name, param in net.params.items():
        np.testing.assert_array_equal(back.params[name].data, param.data, strict=True)


def test_the_share_by_which_scores_differ():
    """Shapes that NumPy would broadcast are no answer, nor is NaN."""
    scores = np.array([[[[1.0, -4.0]]]], np.float32)
    assert comparison._share(scores + 1, scores) == 0.25 and comparison._share(scores * 0, scores * 0) == 0
    assert comparison._share(scores[..., :1], scores) == float("inf")
    for error, labels, passes in (
        (1e-4, True, True),
        (1.1e-4, True, False),
        (float("nan"), True, False),
        (0, False, False),
    ):
        assert comparison.Difference(error, labels, (1, 1)).passes is passes
