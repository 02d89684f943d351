"""ONNX files of other producers, written by their own libraries, are read by name; nothing outside their folder is."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import models, weights
from minifcn.errors import WeightsError
from minifcn.weights import layouts, readers, table, writers
from minifcn.weights.layouts import LAYOUTS

onnx = pytest.importorskip("onnx", reason="onnx writes the files (extra `test`)")

LAYOUT = next(layout for layout in LAYOUTS if layout.suffix == ".onnx")


def saved(path, tensors, nodes=(), **options):
    """A file of a graph that has only these initializers and nodes."""
    graph = onnx.helper.make_graph(list(nodes), "g", [], [], initializer=list(tensors))
    onnx.save(onnx.helper.make_model(graph), path, **options)
    return path


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "numbers"])
@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT64", "INT32", "UINT8", "INT8"])
def test_every_type_as_onnx_writes_it(kind, raw, tmp_path, rng):
    values = rng.integers(-4, 5, (3, 2)) if "U" not in kind else rng.integers(0, 9, (3, 2))
    number = getattr(onnx.TensorProto, kind)
    if raw:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
        content = values.astype(dtype).tobytes()
    tensor = onnx.helper.make_tensor("a", number, (3, 2), content if raw else values.ravel().tolist(), raw=raw)
    found = readers.read(saved(tmp_path / "a.onnx", [tensor])).arrays["a"]
    np.testing.assert_array_equal(found, values)
    assert found.dtype.kind == ("f" if "FLOAT" in kind or kind == "DOUBLE" else "u" if "U" in kind else "i")


def test_text_and_complex_numbers_are_passed_over(tmp_path):
    text = onnx.helper.make_tensor("t", onnx.TensorProto.STRING, (1,), [b"x"])
    pair = onnx.helper.make_tensor("c", onnx.TensorProto.COMPLEX64, (1,), [1j])
    one = onnx.helper.make_tensor("a", onnx.TensorProto.FLOAT, (), [2.0])
    arrays = readers.read(saved(tmp_path / "a.onnx", [text, pair, one])).arrays
    assert arrays.keys() == {"a"} and arrays["a"] == 2


@pytest.mark.parametrize(
    ("operator", "attributes", "turned"),
    [("Gemm", {"transB": 1}, False), ("Gemm", {}, True), ("Gemm", {"alpha": 1.0}, True), ("MatMul", {}, True),
     ("Conv", {}, False)],
)  # fmt: skip
def test_a_dense_layer_s_weight_is_out_in_whatever_the_operator_wants(operator, attributes, turned, tmp_path, rng):
    weight = rng.standard_normal((3, 4), np.float32)
    node = onnx.helper.make_node(operator, ["x", "fc8.weight"], ["y"], **attributes)
    path = saved(tmp_path / "a.onnx", [onnx.numpy_helper.from_array(weight, "fc8.weight")], [node])
    np.testing.assert_array_equal(readers.read(path).arrays["fc8.weight"], weight.T if turned else weight)


def test_the_small_file_of_the_table_is_one_to_onnx(tmp_path, rng):
    arrays = {"conv1.weight": rng.standard_normal((4, 3, 5, 5), np.float32), "a": np.zeros((300, 0), np.float32)}
    writers.onnx(tmp_path / "a.onnx", arrays)
    graph = onnx.load(tmp_path / "a.onnx").graph
    for tensor in graph.initializer:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), arrays[tensor.name], strict=True)
    assert len(graph.initializer) == 2


# --- numbers in another file ------------------------------------------------------------------------------------------


@pytest.fixture
def apart(tmp_path, rng):
    """A file, the one beside it that has its numbers, and these."""
    arrays = {f"conv{k}.weight": rng.standard_normal((4, 3, 5, 5), np.float32) for k in (1, 2)}
    path = tmp_path / "in" / "net.onnx"
    path.parent.mkdir()
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    saved(path, tensors, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    return path, path.with_name("net.onnx.data"), arrays


def test_numbers_in_a_file_beside_are_read(apart):
    path, _, arrays = apart
    found = readers.read(path).arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_link_out_of_the_folder_is_not_followed(apart):
    path, beside, _ = apart
    beside.symlink_to(beside.rename(path.parents[1] / "elsewhere"))
    with pytest.raises(WeightsError, match=r"'net\.onnx\.data', which is no file in its folder; put that beside it"):
        readers.read(path)


def test_numbers_that_are_missing_or_too_few(apart):
    path, beside, _ = apart
    content = beside.read_bytes()
    beside.write_bytes(content[:-1])
    with pytest.raises(WeightsError, match=r"1200 bytes at 1200 of 'net\.onnx\.data', which has 2399"):
        readers.read(path)
    beside.unlink()
    with pytest.raises(WeightsError, match="no file in its folder"):
        readers.read(path)


# --- whole nets -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_vgg16_that_pytorch_exported(rng, tmp_path):
    """torchvision's names and its pictures; dense layers are Gemm."""
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")

    def write(path, arrays):
        net = torch_vgg16(torch, arrays)
        with pytest.warns(DeprecationWarning):  # of the exporter that needs nothing but PyTorch
            torch.onnx.export(net, torch.zeros(1, 3, 224, 224), path, dynamo=False)

    row = table.measure(LAYOUT._replace(write=write), rng)
    assert row.net == "vgg16" and row.title == "torchvision's VGG16" and row.error < 1e-5


def torch_vgg16(torch, arrays):
    """VGG16 as torchvision builds it, of these weights."""
    nn = torch.nn
    features, x = [], 0
    for k in range(31):
        if f"features.{k}.weight" in arrays:
            out, channels = arrays[f"features.{k}.weight"].shape[:2]
            features += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
        elif len(features) == k:
            features.append(nn.MaxPool2d(2))
        x = k
    assert len(features) == x + 1
    dense = [nn.Linear(*arrays[f"classifier.{k}.weight"].shape[::-1]) for k in (0, 3, 6)]
    classifier = nn.Sequential(dense[0], nn.ReLU(), nn.Dropout(), dense[1], nn.ReLU(), nn.Dropout(), dense[2])

    class VGG16(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.classifier = nn.Sequential(*features), classifier

        def forward(self, x):
            return self.classifier(self.features(x).flatten(1))

    net = VGG16().eval()
    net.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return net


def test_another_s_file_is_a_trunk_to_start_from(tmp_path, rng):
    net = table.trained(LAYOUT, rng)
    writers.onnx(tmp_path / "a.onnx", LAYOUT.arrays(layouts.in_framework(net, True)))
    fcn = models.build("fcn32s", 4, "tiny")
    report = weights.transplant(fcn, tmp_path / "a.onnx")
    assert len(report.taken) + len(report.reshaped) == 30 and report.unused == ["fc8.weight", "fc8.bias"]


def test_a_file_of_nobody_s_names(tmp_path):
    one = onnx.helper.make_tensor("onnx::Conv_12", onnx.TensorProto.FLOAT, (1,), [2.0])
    with pytest.raises(WeightsError, match="does not say which net it belongs to"):
        weights.open_net(saved(tmp_path / "a.onnx", [one]))


def gemm(weight="w", bias="b", **attributes):
    return onnx.helper.make_node("Gemm", ["x", weight, bias], ["y"], **attributes)


def test_a_gemm_s_factors_are_part_of_its_weights(tmp_path, rng):
    weight, bias = rng.standard_normal((3, 4), np.float32), rng.standard_normal(3, np.float32)
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in (("w", weight), ("b", bias))]
    found = readers.read(saved(tmp_path / "a.onnx", tensors, [gemm(alpha=2.0, beta=0.5, transB=1)])).arrays
    np.testing.assert_array_equal(found["w"], 2 * weight, strict=True)
    np.testing.assert_array_equal(found["b"], bias / 2, strict=True)
    found = readers.read(saved(tmp_path / "a.onnx", tensors, [gemm(alpha=2.0)])).arrays
    np.testing.assert_array_equal(found["w"], 2 * weight.T, strict=True)
    path = saved(tmp_path / "a.onnx", tensors, [gemm(alpha=2.0), gemm(bias="c", alpha=3.0)])
    with pytest.raises(WeightsError, match=r"a\.onnx: multiplies 'w' by 2 in one layer, 3 in another"):
        readers.read(path)


def test_constants_are_weights_only_where_a_layer_reads_them(tmp_path):
    def constant(name, value):
        return onnx.helper.make_node(
            "Constant", [], [name], value=onnx.numpy_helper.from_array(np.float32(value), name)
        )

    product = onnx.helper.make_node("MatMul", ["x", "fc8.weight"], ["xw"])
    nodes = [constant("fc8.weight", [[1, 2]]), constant("fc8.bias", [3, 4]), constant("other", [5]), product]
    nodes += [onnx.helper.make_node("Add", ["xw", "fc8.bias"], ["y"]), onnx.helper.make_node("Mul", ["y", "other"], [])]
    arrays = readers.read(saved(tmp_path / "a.onnx", [], nodes)).arrays
    assert {name: array.tolist() for name, array in arrays.items()} == {"fc8.weight": [[1], [2]], "fc8.bias": [3, 4]}


def test_a_graph_without_weights_is_told_so(tmp_path):
    one = onnx.numpy_helper.from_array(np.float32([1]), "a")
    path = saved(tmp_path / "a.onnx", [], [onnx.helper.make_node("Constant", [], ["a"], value=one)])
    with pytest.raises(WeightsError, match=r"a\.onnx: has no initializers of numbers, nor constants that are a conv"):
        readers.read(path)
