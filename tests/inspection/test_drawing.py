"""The graph as SVG: valid, complete, repeatable, and no box on another."""

from xml.etree import ElementTree

import numpy as np
import pytest

from minifcn import models
from minifcn.inspection import drawing
from minifcn.layers import Add, Concat, Conv2d, ReLU
from minifcn.net import Net

SVG = "{http://www.w3.org/2000/svg}"
NETS = [(name, padding) for name in models.FCNS for padding in (100, "same")]
NETS += [(name, None) for name in models.CLASSIFIERS]


def built(name, padding):
    return models.build(name, preset="tiny", input_padding=padding)


def elements(text, tag):
    return ElementTree.fromstring(text).iter(SVG + tag)


def boxes(text):
    """(x, y, width, height) of each layer's rectangle: those with round corners."""
    found = [e for e in elements(text, "rect") if e.get("rx")]
    return np.array([[float(e.get(key)) for key in ("x", "y", "width", "height")] for e in found])


def inception():
    """A block of branches that leave the trunk and come back to it, as GoogLeNet's."""
    net = Net()
    x = net.input("data", 3)
    a = net.add("stem", Conv2d(3, 4, 3, padding=1), x)
    b1 = net.add("1x1", Conv2d(4, 2, 1), a)
    b3 = net.add("3x3", Conv2d(2, 2, 3, padding=1), net.add("3x3_reduce", Conv2d(4, 2, 1), a))
    b5 = net.add("5x5", Conv2d(2, 2, 5, padding=2), net.add("5x5_reduce", Conv2d(4, 2, 1), a))
    net.add("last", Conv2d(6, 2, 1), net.add("output", Concat(), b1, b3, b5))
    return net


@pytest.mark.parametrize(("name", "padding"), NETS)
def test_every_layer_is_there_and_nothing_overlaps(name, padding):
    net = built(name, padding)
    text = drawing.draw(net, (1, 3, 224, 224), name)
    told = [e.text for e in elements(text, "text")]
    for node in net.nodes:
        folded = {"ReLU": "relu", "Dropout": "dropout"}.get(node.layer.kind)
        assert any(folded in t if folded else t.split(" + ")[0] == node.name for t in told), node.name
    assert_apart(text)


def assert_apart(text):
    found = boxes(text)
    assert len(found) > 3
    x0, y0, x1, y1 = found[:, 0], found[:, 1], found[:, 0] + found[:, 2], found[:, 1] + found[:, 3]
    meet = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    assert not np.triu(meet, 1).any()
    width, height = (float(ElementTree.fromstring(text).get(key)) for key in ("width", "height"))
    assert (found[:, 0] >= 0).all()
    assert (found[:, 0] + found[:, 2] <= width).all()
    assert (found[:, 1] + found[:, 3] <= height).all()


def test_branches_that_return_to_the_trunk_do_not_overlap():
    text = drawing.draw(inception(), (1, 3, 8, 8), "block")
    assert_apart(text)
    assert len(boxes(text)) == 9


def test_an_edge_for_each_input_and_a_dashed_one_for_each_reference():
    net = built("fcn8s", 100)
    paths = [e for e in elements(drawing.draw(net, (1, 3, 96, 96), ""), "path") if e.get("marker-end")]
    dashed = [e for e in paths if e.get("stroke-dasharray")]
    assert len(dashed) == sum(node.layer.kind == "Crop" for node in net.nodes) == 3
    inputs = sum(len(node.inputs) for node in net.nodes)
    folded = sum(node.layer.kind in ("ReLU", "Dropout") for node in net.nodes)
    assert len(paths) == inputs - folded


@pytest.mark.parametrize(("name", "padding"), [case for case in NETS if case[0] in models.FCNS])
def test_what_climbs_stands_in_rows_of_its_own_stride(name, padding):
    net = built(name, padding)
    items = drawing._boxes(net, (1, 3, 224, 224))
    cells = drawing.layout(items)
    assert len(set(cells)) == len(cells)
    strides = {cell.row: item.stride for item, cell in zip(items, cells, strict=True) if cell.column == 0}
    last = max(cell.column for cell in cells)
    climbing = [(item, cell) for item, cell in zip(items, cells, strict=True) if cell.column == last]
    assert climbing[-1][1].row == 0
    for item, cell in climbing:
        assert strides[cell.row] == item.stride, item.row.name


def test_a_relu_that_two_layers_read_is_still_one_box_with_its_convolution():
    net = Net()
    h = net.add("relu", ReLU(), net.add("conv", Conv2d(3, 3, 1), net.input("data", 3)))
    net.add("sum", Add(), net.add("a", Conv2d(3, 3, 1), h), net.add("b", Conv2d(3, 3, 1), h))
    assert len(boxes(drawing.draw(net, (1, 3, 4, 4), "fan-out"))) == 5


def test_a_convolution_that_two_layers_read_keeps_its_relu_apart():
    net = Net()
    h = net.add("conv", Conv2d(3, 3, 1), net.input("data", 3))
    net.add("sum", Add(), net.add("relu", ReLU(), h), h)
    assert len(boxes(drawing.draw(net, (1, 3, 4, 4), "fan-out"))) == 4


def test_names_are_escaped_and_the_text_repeats():
    net = Net()
    net.add("a<b&c", Conv2d(3, 3, 1), net.input("data", 3))
    text = drawing.draw(net, (1, 3, 4, 4), "x < y & z")
    assert "a<b&c" in [e.text for e in elements(text, "text")]
    assert drawing.draw(net, (1, 3, 4, 4), "x < y & z") == text
