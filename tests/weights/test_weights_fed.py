"""What a net without metadata was fed with: its graph says it, or else it is guessed and told."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from minifcn import convert, models, weights
from minifcn.errors import WeightsError
from minifcn.onnxfile import PLAIN, Form, table, write
from minifcn.weights import fed, inputs, inspection, readers, surgery
from minifcn.weights.source import Source

onnx = pytest.importorskip("onnx", reason="onnx writes the files (extra `test`)")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

MEAN = [90.0, 100.0, 110.0]


def trained(**settings):
    """A narrow net, whose pictures are multiplied by 1/64, of random weights."""
    return table.random_net(
        np.random.default_rng(0), **{"name": "fcn8s", "num_classes": 3, "preset": "tiny", **settings}
    )


def changed(path, change):
    """The ONNX file, and what some tool makes of it."""
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def exported(path, net, form=PLAIN, change=lambda model: None):
    write(path, net, {"mean": MEAN}, form)
    return changed(path, change)


def without_properties(model):
    del model.metadata_props[:]


def with_whole_numbers(model):
    """As onnxruntime's optimiser leaves them, and as others do."""
    for name in ("data.2", "data.1"):
        model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), name))


def with_constants_for_weights(model):
    tensors = [*model.graph.initializer]
    del model.graph.initializer[:]
    for tensor in reversed(tensors):
        model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))


def assert_same(net, other):
    assert net.params.keys() == other.params.keys()
    for name, param in net.params.items():
        np.testing.assert_array_equal(param.data, other.params[name].data, strict=True, err_msg=name)


NETS = {
    "one task": {},
    "learned upsampling": {"upsampling": "nonlinear"},
    "every class sees all": {"upsampling": "dense"},
    "two trunks": {"name": "fcn32s-late"},
    "pools that do not subsample": {"output_stride": 8, "upsampling": "nonlinear"},
    "one pool that does not": {"name": "fcn32s", "output_stride": 16},
    "depth": {"name": "fcn32s-rgbd"},
    "GoogLeNet": {"name": "fcn-googlenet"},
}


@pytest.mark.parametrize("preprocess", [False, True], ids=["less the mean", "bytes"])
@pytest.mark.parametrize("settings", NETS.values(), ids=NETS)
def test_a_graph_says_what_it_does_to_pictures(settings, preprocess, tmp_path):
    net = trained(**settings)
    path = exported(tmp_path / "a.onnx", net, Form(preprocess=preprocess), without_properties)
    found, about = weights.open_net(path, {"name": net.spec["name"]})
    assert_same(net, found)
    assert found.spec == net.spec
    if preprocess and settings != NETS["depth"]:
        np.testing.assert_allclose(about["mean"], MEAN, rtol=1e-6)
    if preprocess and settings == NETS["depth"]:
        assert any("what the graph's Greater does before the first conv" in line for line in about["assumed"])
    else:
        assert "divided by 64" in about["told"][0] and not any("pictures" in line for line in about["assumed"])


def test_what_is_cut_out_of_a_graph_is_converted_as_it_was(tmp_path, capsys):
    net = trained()
    exported(tmp_path / "a.onnx", net, Form(labels=True))
    onnx.utils.extract_model(tmp_path / "a.onnx", tmp_path / "b.onnx", ["data"], ["score"])
    assert not onnx.load(tmp_path / "b.onnx").metadata_props
    assert convert.main([str(tmp_path / "b.onnx"), str(tmp_path / "c.safetensors"), "--to", "fcn8s"]) == 0
    assert "less 104.007, 116.669, 122.679, divided by 64" in capsys.readouterr().out
    assert_same(net, weights.open_net(tmp_path / "c.safetensors")[0])


@pytest.mark.parametrize("change", [with_whole_numbers, with_constants_for_weights])
@pytest.mark.parametrize("properties", [True, False], ids=["minifcn's", "of nobody"])
def test_what_other_tools_make_of_a_file_is_read(change, properties, tmp_path):
    net = trained()
    path = exported(tmp_path / "a.onnx", net, change=change)
    if not properties:
        changed(path, without_properties)
    assert_same(net, weights.open_net(path, {"name": "fcn8s"})[0])


def test_properties_that_others_add_are_left_out(tmp_path):
    net = trained()
    path = exported(tmp_path / "a.onnx", net, change=lambda m: m.metadata_props.add(key="author", value="me, not JSON"))
    found, about = weights.open_net(path)
    assert_same(net, found)
    assert "author" not in about and about["mean"] == MEAN

    def broken(model):
        next(entry for entry in model.metadata_props if entry.key == "net").value = "{"

    with pytest.raises(WeightsError, match=r"a\.onnx: its property 'net' is not JSON, as minifcn writes it: '{'"):
        weights.open_net(changed(path, broken))


# --- arrays alone -----------------------------------------------------------------------------------------------------


def saved_npz(path, arrays):
    np.savez(path, **arrays)
    return path


def saved_safetensors(path, arrays):
    save_file(arrays, path)
    return path


@pytest.mark.parametrize("settings", [{}, {"upsampling": "nonlinear"}, {"name": "vgg16"}], ids=str)
@pytest.mark.parametrize(("save", "suffix"), [(saved_npz, ".npz"), (saved_safetensors, ".safetensors")])
def test_arrays_as_only_minifcn_has_them_are_taken_as_its_own(save, suffix, settings, tmp_path):
    net = trained(**settings)
    path = save(tmp_path / f"a{suffix}", net.state_dict())
    other = models.build(**{**net.spec})
    report = weights.transplant(other, path)
    assert_same(net, other)
    said = "pictures divided by 64, as minifcn's nets of these widths divide them, which the file does not say"
    assert said in report.assumed
    assert_same(net, weights.open_net(path, {"name": net.spec["name"]})[0])
    if net.spec["name"] == "vgg16":  # FCN-8s and its twin at once have the same arrays
        assert f"assumed: {said}" in inspection.describe(path).splitlines()


def test_arrays_that_others_have_too_are_taken_as_theirs_and_that_is_told(tmp_path):
    net = trained(name="fcn32s", upsampling="dense")
    found, about = weights.open_net(saved_npz(tmp_path / "a.npz", net.state_dict()), {"name": "fcn32s"})
    assert any(line.startswith("pictures that nothing divides, while minifcn's nets") for line in about["assumed"])
    name = "conv1_1.weight"
    np.testing.assert_array_equal(found.params[name].data, 64 * net.params[name].data)


def test_where_the_net_does_not_divide_either_nothing_is_assumed():
    source = Source("a", "weights", {}, guessed=True)
    assert surgery.guesses(source, [(1.0, 1.0, 1.0)]) == []
    assert len(surgery.guesses(source, [(1 / 64, 1 / 64, 1 / 64, 1.0)])) == 1


# --- graphs of others -------------------------------------------------------------------------------------------------


def graph_of(path, nodes, **constants):
    """A graph whose nodes lead from "x" to "y", which the convolution sees."""
    tensors = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    tensors.append(numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "conv1_1.weight"))
    made = [helper.make_node(op, read, [out], **more) for op, read, out, more in nodes]
    made.append(helper.make_node("Conv", ["y", "conv1_1.weight"], ["z"]))
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, "H", "W"])
    onnx.save(helper.make_model(helper.make_graph(made, "g", [x], [], tensors)), path)
    return readers.read(path)


def each(*values):
    return np.reshape(values, (3, 1, 1))


def source_of(raw):
    made = Source(raw.path, "layers", {})
    return made, fed.by_graph(made, raw)


GRAPHS = {
    "divided": ([("Div", ["x", "a"], "y", {})], {"a": 2}, (2,), None),
    "a mean of bytes": ([("Sub", ["x", "a"], "y", {})], {"a": each(90, 100, 110)}, (1,), (90, 100, 110)),
    "a bias": ([("Add", ["a", "x"], "y", {})], {"a": each(-90, -100, -110)}, (1,), (90, 100, 110)),
    "a mean, and after it scales of channels": (
        [("Sub", ["x", "a"], "b", {}), ("Mul", ["c", "b"], "y", {})],
        {"a": each(90, 100, 110), "c": each(0.5, 0.25, 0.125)}, (2, 4, 8), (90, 100, 110),
    ),
    "a mean of 0 to 1": (
        [("Sub", ["x", "a"], "b", {}), ("Div", ["b", "c"], "y", {})],
        {"a": each(0.5, 0.4, 0.6), "c": 0.25}, (63.75,), (127.5, 102, 153),
    ),
    "taken from a number": ([("Sub", ["a", "x"], "y", {})], {"a": 100}, (-1,), (100, 100, 100)),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants", "divisor", "mean"), GRAPHS.values(), ids=GRAPHS)
def test_what_graphs_of_others_do_to_pictures(nodes, constants, divisor, mean, tmp_path):
    made, known = source_of(graph_of(tmp_path / "a.onnx", nodes, **constants))
    assert known and made.assumed == []
    np.testing.assert_allclose(made.pictures.divisor, divisor, rtol=1e-6)
    np.testing.assert_allclose(made.pictures.mean, mean or inputs.FCN.mean, rtol=1e-6)


NOT_READ = {
    "Sqrt": ([("Sqrt", ["x"], "y", {})], {}),
    "Mul": ([("Mul", ["x", "x"], "y", {})], {}),
    "Div": ([("Div", ["a", "x"], "y", {})], {"a": 1}),
    "Add": ([("Add", ["x", "a"], "y", {})], {"a": np.ones(3)}),  # of columns, not of channels
    "Gather": (
        [("Mul", ["x", "a"], "b", {}), ("Gather", ["b", "c"], "y", {"axis": 1})],
        {"a": each(1, 2, 3), "c": [2, 1, 0]},
    ),
}


@pytest.mark.parametrize("operator", NOT_READ)
def test_what_is_not_understood_is_told(operator, tmp_path):
    nodes, constants = NOT_READ[operator]
    made, known = source_of(graph_of(tmp_path / "a.onnx", nodes, **constants))
    (line,) = made.assumed
    assert not known and f"what the graph's {operator} does before the first convolution is not read" in line


def test_a_factor_of_zero_is_none(tmp_path):
    raw = graph_of(tmp_path / "a.onnx", [("Mul", ["x", "a"], "y", {})], a=0)
    assert source_of(raw)[1] is False
