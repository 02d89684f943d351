"""`convolutionalize`: the dense net is the classifier patch by patch, and takes pictures of any size (section 3.1)."""

import numpy as np
import pytest

from minifcn import models
from minifcn.errors import ShapeError
from minifcn.layers import AvgPool2d, Conv2d, MaxPool2d, ReLU
from minifcn.net import Net


def filled(net: Net) -> Net:
    rng = np.random.default_rng(5)
    for key, param in net.params.items():
        share = 0.1 if key.endswith("bias") else np.sqrt(2 / param.data[0].size)
        param.data = (share * rng.standard_normal(param.data.shape)).astype(np.float32)
    return net


def by_hand() -> Net:
    """A classifier of pictures of 16x16, without padding: convolution, pool, and one window over all that is left."""
    net = Net()
    h = net.add("conv1", Conv2d(3, 6, 5), net.input("data", channels=3))
    h = net.add("pool1", MaxPool2d(2), net.add("relu1", ReLU(), h))
    net.add("fc", Conv2d(6, 4, 6), h)
    return net


def picture(height: int, width: int) -> np.ndarray:
    return 40 * np.random.default_rng(7).standard_normal((1, 3, height, width), dtype=np.float32)


@pytest.mark.parametrize("name", [*models.CLASSIFIERS, "by hand"])
def test_each_cell_away_from_the_padding_is_the_classifier_on_a_patch(name):
    """A patch starts on the classifier's grid, at a multiple of its stride, and holds the cell's receptive field."""
    net = filled(by_hand() if name == "by hand" else models.build(name, 4, "tiny"))
    dense = models.convolutionalize(net)
    top = net.outputs[0]
    own, place = net.coords(top).x, dense.coords(top).x
    stride, field = int(place.scale), int(place.receptive_field)
    height, width = field + stride, field + 2 * stride - 1
    x = picture(height, width)
    with dense.inference():
        scores = dense.forward(x)

    def inside(cells: int, size: int) -> list[int]:
        return [o for o in range(cells) if stride * o + place.low >= 0 and stride * o + place.high < size]

    def cut(o: int) -> tuple[slice, int]:
        """The patch of a cell along one axis, and the cell's place in the classifier's output for it."""
        start = int(stride * o + place.low) // stride * stride
        cell = (stride * o + place.shift - start - own.shift) / own.scale
        return slice(start, int(stride * o + place.high) + 1), int(cell)

    cells = [(p, q) for p in inside(scores.shape[2], height) for q in inside(scores.shape[3], width)]
    assert len(cells) >= 2
    with net.inference():
        for p, q in cells:
            (rows, i), (columns, j) = cut(p), cut(q)
            alone = net.forward(np.ascontiguousarray(x[:, :, rows, columns]))
            assert name != "by hand" or alone.shape[2:] == (1, 1)
            np.testing.assert_allclose(scores[0, :, p, q], alone[0, :, i, j], atol=1e-5 * np.abs(scores).max())


@pytest.mark.parametrize("name", [*models.CLASSIFIERS, "by hand"])
def test_every_size_gets_scores_that_cover_it(name):
    dense = models.convolutionalize(by_hand() if name == "by hand" else models.build(name, 4))
    top = dense.outputs[0]
    place = dense.coords(top).x
    for n in (*range(1, 70), 224, 227, 500):
        shape = dense.shapes((1, 3, n, 71))[top]
        assert place.shift < place.scale  # the first cell looks no further in than one stride,
        assert place.scale * (shape[2] - 1) + place.shift > n - 1 - place.scale  # and the last as near to the end


def test_the_dense_net_shares_the_weights_and_leaves_the_classifier_alone():
    net = models.build("googlenet", 4, "tiny")
    before = net.layers["conv1/7x7_s2"].geometry
    dense = models.convolutionalize(net)
    assert dense.params.keys() == net.params.keys()
    assert all(dense.params[key] is param for key, param in net.params.items())
    assert net.layers["conv1/7x7_s2"].geometry == before
    assert dense.layers["conv1/7x7_s2"].geometry.padding == (131, 131)


def test_what_is_no_classifier_is_refused():
    empty = Net()
    empty.add("relu", ReLU(), empty.input("data", channels=3))
    with pytest.raises(ShapeError, match="expected a net of one input, one output and convolutions"):
        models.convolutionalize(empty)
    with pytest.raises(ShapeError, match=r"score looks at one input pixel each step: .* is dense already"):
        models.convolutionalize(models.build("fcn32s"))
    wide = Net()
    h = wide.add("conv1", Conv2d(3, 2, 3), wide.input("data", channels=3))
    h = wide.add("pool", AvgPool2d(2), h)
    wide.add("fc", Conv2d(2, 2, 900), h)
    with pytest.raises(ShapeError, match="one pixel reaches no output, even with"):
        models.convolutionalize(wide)
