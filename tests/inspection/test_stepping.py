"""Figures of steps, receptive fields, small arrays and label maps: what is drawn is what is there."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from minifcn import data, inspection, models
from minifcn.errors import ShapeError
from minifcn.inspection import tiling
from minifcn.layers import Conv2d, ConvTranspose2d, Crop, MaxPool2d, ReLU
from minifcn.net import Net


@pytest.fixture(scope="module")
def net():
    net = models.build("fcn16s", 3, "tiny", rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for name, param in net.params.items():
        if name.startswith("score"):
            param.data = rng.standard_normal(param.data.shape, dtype=np.float32)
    return net


def labels(figure):
    """The text beside each row of a figure."""
    return [axes.get_ylabel().split("\n")[0] for axes in figure.axes if axes.get_ylabel()]


def images(figure):
    """The arrays that a figure draws, in order."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_a_forward_step_shows_inputs_weights_and_output(net, rng):
    x = rng.standard_normal((2, 3, 32, 40)).astype(np.float32)
    for step in net.steps(x):
        if step.name not in ("conv1_1", "fuse_pool4"):
            continue
        figure = inspection.show(step)
        if step.name == "conv1_1":
            assert labels(figure) == ["x", "weight", "bias", "y"]
            shown = images(figure)
            assert np.array_equal(shown[0], step.inputs[0][0, 0])
            assert np.array_equal(shown[-1], step.output[0, 5])  # the sixth channel is the last shown
        if step.name == "fuse_pool4":
            assert labels(figure) == ["x0", "x1", "y"]
        assert step.name in figure.get_suptitle()


def test_a_backward_step_shows_gradients(net, rng):
    y = net.forward(rng.standard_normal((1, 3, 32, 40)).astype(np.float32))
    net.zero_grads()
    for step in net.back_steps(rng.standard_normal(y.shape).astype(np.float32)):
        if step.name not in ("conv5_1", "conv1_1"):
            continue
        figure = inspection.show(step, channels=2)
        if step.name == "conv5_1":
            assert labels(figure) == ["dy", "d weight", "d bias", "dx"]
            shown = images(figure)
            assert np.array_equal(shown[0], step.dy[0, 0])
            assert np.array_equal(shown[2], net.params["conv5_1.weight"].grad[0, 0])
            assert np.array_equal(shown[-1], step.dxs[0][0, 1])
            assert "backward" in figure.get_suptitle()
    assert labels(figure) == ["dy", "d weight", "d bias"]  # the picture's gradient was not asked for


def test_the_outline_is_the_field_that_a_gradient_reaches(rng):
    net = Net()
    h = net.input("data", channels=1)
    h = net.add("conv", Conv2d(1, 1, 3, padding=1), h)
    h = net.add("pool", MaxPool2d(2), h)
    h = net.add("score", Conv2d(1, 1, 3), h)
    for param in net.params.values():
        param.data = np.ones_like(param.data)
    reached = np.zeros((16, 20), bool)
    for _ in range(40):  # another pixel wins in a pool's window each time
        y = net.forward(rng.standard_normal((1, 1, 16, 20)).astype(np.float32))
        dy = np.zeros_like(y)
        dy[0, 0, 2, 3] = 1
        net.backward(dy, keep=["data"])
        reached |= net.diffs["data"][0, 0] != 0
    rows, columns = np.flatnonzero(reached.any(axis=1)), np.flatnonzero(reached.any(axis=0))
    field = inspection.field_of(net, "score", 2, 3)
    assert field == (rows[0], columns[0], rows[-1], columns[-1])
    figure = inspection.receptive_field(net, "score", 2, 3, np.zeros((16, 20, 3), np.uint8))
    x, y = figure.axes[0].lines[0].get_data()
    assert (min(y), max(y)) == (field.top - 0.5, field.bottom + 0.5)
    assert (min(x), max(x)) == (field.left - 0.5, field.right + 0.5)


def test_behind_a_transposed_convolution_a_field_is_a_bound_and_said_to_be_one(rng):
    net = Net()
    h = picture = net.input("data", channels=1)
    h = net.add("conv", Conv2d(1, 1, 3, stride=2, padding=1), h)
    h = net.add("up", ConvTranspose2d(1, 1, 3, stride=2), h)
    h = net.add("score", Crop(like=picture), h)
    net.add("beside", Crop(like=h), net.add("relu", ReLU(), picture))
    net.add("top", ReLU(), h)
    assert inspection.bounded(net) == {"up", "score", "top"}
    for param in net.params.values():
        param.data = np.ones_like(param.data)
    beside, y = net.forward(np.ones((1, 1, 16, 20), np.float32))
    dy = np.zeros_like(y)
    dy[0, 0, 6, 7] = 1
    net.backward(np.zeros_like(beside), dy, keep=["data"])
    rows = np.flatnonzero(net.diffs["data"][0, 0].any(axis=1))
    field = inspection.field_of(net, "score", 6, 7)
    assert field.top <= rows[0] and rows[-1] <= field.bottom and rows[-1] - rows[0] < field.bottom - field.top
    image = np.zeros((16, 20, 3), np.uint8)
    titles = [inspection.receptive_field(net, blob, 3, 3, image).axes[0].get_title() for blob in ("score", "conv")]
    assert titles == ["score (3, 3) sees at most 5x5 pixels", "conv (3, 3) sees 3x3 pixels"]


def test_a_field_is_drawn_on_the_picture_that_the_net_kept(net):
    sample = data.open_dataset("shapes", "val")[0]
    net.forward(data.to_blob(sample.image)[None], keep=["data"])
    figure = inspection.receptive_field(net, "pool4", 2, 3)
    assert np.array_equal(images(figure)[0], sample.image)
    assert "100x100" in figure.axes[0].get_title()
    with pytest.raises(ShapeError, match="pool4 has 6x6 positions, so none at"):
        inspection.receptive_field(net, "pool4", 6, 0)


def test_tiles_write_the_numbers_of_small_arrays_only(rng):
    figure = inspection.tiles({"small": np.array([[1.0, -0.25]]), "large": rng.normal(size=(30, 30))})
    small, large = figure.axes
    assert [text.get_text() for text in small.texts] == ["1", "-.25"]
    assert not large.texts
    assert small.images[0].get_clim() == (-1, 1)  # 0 in the middle
    with pytest.raises(ShapeError, match="two axes"):
        inspection.tiles({"x": np.zeros(3)})


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (-0.5, "-.5"), (0.0, "0"), (-0.0, "0"), (123.4, "1.2e+02"), (0.031, ".031")]
)
def test_numbers_are_short(value, text):
    assert tiling.short(value) == text


def test_a_label_map_has_the_names_of_its_classes_on_them_or_tied_to_them():
    dataset = data.open_dataset("shapes", "val")
    figure = Figure()
    label = dataset[0].label
    inspection.label_map(figure.subplots(), label, dataset)
    texts = figure.axes[0].texts
    assert "background" in [text.get_text() for text in texts]
    for text in texts:
        x, y = text.xy
        assert dataset.classes[label[int(y), int(x)]] == text.get_text()


def stripes():
    """A label map of three thin classes side by side: no room for their names."""
    label = np.zeros((96, 96), np.uint8)
    for c in (1, 2, 3):
        label[:, 36 + 4 * c : 40 + 4 * c] = c
    return label


def test_no_name_in_a_label_map_lies_on_another_or_sticks_out():
    dataset = data.open_dataset("shapes:size=64", "val")
    figure = Figure(figsize=(10, 2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    every = figure.subplots(1, 5)
    for axes, label in zip(every, [stripes(), *(dataset[i].label for i in (2, 5, 8, 14))], strict=True):
        inspection.label_map(axes, label, dataset, "truth")
    canvas.draw()
    for axes in every:
        boxes = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
        assert len(boxes) > 2
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        picture = axes.images[0].get_window_extent().padded(1)
        assert all(picture.x0 < box.x0 and box.x1 < picture.x1 for box in boxes)
        assert all(picture.y0 < box.y0 and box.y1 < picture.y1 for box in boxes)


def test_a_name_without_room_on_its_class_is_tied_to_it():
    axes = Figure(figsize=(2, 2)).subplots()
    inspection.label_map(axes, stripes(), data.open_dataset("shapes", "val"))
    tied = [text.get_text() for text in axes.texts if text.arrow_patch is not None]
    assert tied and "background" not in tied


def test_a_figure_shows_itself():
    assert inspection.tiles({"x": np.eye(3)})._repr_png_().startswith(b"\x89PNG")
