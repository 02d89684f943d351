"""Whose training a VGG16 by torchvision's names is: told by its values, or asked for."""

from __future__ import annotations

import numpy as np
import pytest
from shared import shared_path

from minifcn import weights
from minifcn.errors import WeightsError
from minifcn.weights import inputs, layouts, opening, table, trainings
from minifcn.weights.layouts import LAYOUTS

HE = np.sqrt(2 / 27)


def first(spread, rng, filters=64):
    return (rng.standard_normal((filters, 3, 3, 3)) * spread).astype(np.float32)


@pytest.mark.parametrize("filters", [8, 64])
@pytest.mark.parametrize(("spread", "expected"), [(HE, inputs.TORCHVISION), (HE / 58, inputs.VGG)])
def test_the_size_of_the_weights_tells(spread, expected, filters, rng):
    training = trainings.of_vgg16("a.pth", first(spread, rng, filters), lacks_classifier=False)
    assert training.input is expected
    assert "standard deviation" in training.told and "; minifcn convert --source" in training.told


def test_in_between_the_user_is_asked_and_believed(rng):
    between = first(0.017, rng)
    with pytest.raises(WeightsError, match=r"a\.pth: .* whose\? .*0\.01.* --source torchvision .* --source caffe"):
        trainings.of_vgg16("a.pth", between, lacks_classifier=False)
    for origin, expected in (("torchvision", inputs.TORCHVISION), ("caffe", inputs.VGG)):
        training = trainings.of_vgg16("a.pth", between, False, origin)
        assert training.input is expected and training.told == "as --source says"


def test_the_real_filters_are_recognised_however_large_and_in_which_order():
    """The real ones have a standard deviation of 0.18: by size alone they would be taken for standardised."""
    real = np.load(shared_path("weights/hed_vgg16.npz"))["conv1_1.0"]
    assert real.std() > trainings.STANDARDISED
    for weight, expected in ((real, inputs.VGG), (real[:, ::-1], inputs.FEATURES_ONLY), (real / 58, inputs.VGG)):
        training = trainings.of_vgg16("a.pth", weight, lacks_classifier=False)
        assert training.input is expected and "cosine 1.000" in training.told


def test_fine_tuned_filters_are_still_recognised(rng):
    real = np.load(shared_path("weights/hed_vgg16.npz"))["conv1_1.0"]
    moved = real + rng.standard_normal(real.shape) * 0.1 * real.std()
    assert trainings.of_vgg16("a.pth", moved, lacks_classifier=False).input is inputs.VGG


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (8, 4, 3, 3), (8, 3, 7, 7), (8,)])
def test_what_is_no_first_layer_of_vgg16(shape):
    with pytest.raises(WeightsError, match=r"features\.0\.weight must be \(channels, 3, 3, 3\)"):
        trainings.of_vgg16("a.pth", np.zeros(shape), lacks_classifier=False)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "holds NaN or Inf"), (np.inf, "holds NaN or Inf"), (0, "is zero")]
)
def test_a_first_layer_that_no_training_leaves(value, message):
    with pytest.raises(WeightsError, match=rf"a\.pth: features\.0\.weight {message}"):
        trainings.of_vgg16("a.pth", np.full((64, 3, 3, 3), value, np.float32), lacks_classifier=False)


def test_a_classifier_of_nan_is_refused_and_the_features_serve(tmp_path, rng):
    layout = next(layout for layout in LAYOUTS if layout.lacks)
    net = table.trained(layout, rng)
    layout.write(tmp_path / "a.pth", layout.arrays(layouts.in_framework(net, True)))
    source = opening.open_source(tmp_path / "a.pth")
    assert "fc6.weight" not in source.arrays and "conv5_3.weight" in source.arrays
    assert any("nothing but NaN, and is refused: fc6.weight" in line for line in source.told)
    with pytest.raises(WeightsError, match=r"has not all of vgg16; missing: fc6\.weight"):
        weights.open_net(tmp_path / "a.pth", {"name": "vgg16", "num_classes": 5})


def test_the_word_is_only_for_files_that_do_not_tell(tmp_path, rng):
    layout = next(layout for layout in LAYOUTS if layout.suffix == ".npz")
    net = table.trained(layout, rng)
    layout.write(tmp_path / "a.npz", layout.arrays(layouts.in_framework(net, False)))
    with pytest.raises(WeightsError, match="--source is for a VGG16 by torchvision's names"):
        opening.open_source(tmp_path / "a.npz", "caffe")
