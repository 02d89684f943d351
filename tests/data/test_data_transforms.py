"""Augmentation moves a picture and its label map alike, and what it makes up does not count."""

import numpy as np
import pytest

from minifcn.data import Sample
from minifcn.data.preprocess import MEAN_COLOUR
from minifcn.data.transforms import Mirror, RandomCrop, Scale, Translate, shift, transformed
from minifcn.errors import DataError


def both(height=9, width=13):
    """A picture that says in red and green where each pixel was, and a label map of the same number."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([y, x, 0 * y], axis=2), y * 16 + x


def agrees(image, label):
    """Every labelled pixel still lies on its own picture pixel; every other one has the mean colour."""
    content = label != 255
    expected = image[:, :, 0] * 16 + image[:, :, 1]
    return (expected == label)[content].all() and (image[~content] == MEAN_COLOUR).all()


@pytest.mark.parametrize(
    "transform", [Mirror(), Translate(5), RandomCrop(4, 20), RandomCrop(20, 4), RandomCrop(3, 3)], ids=repr
)
def test_picture_and_labels_move_alike(transform):
    image, label = both()
    before = image.copy(), label.copy()
    results = set()
    for seed in range(30):
        moved = transform(image, label, np.random.default_rng(seed))
        assert agrees(*moved)
        assert (moved[1] != 255).any()
        results.add(moved[1].tobytes())
        np.testing.assert_array_equal(moved[1], transform(image, label, np.random.default_rng(seed))[1])
    assert len(results) > 1
    assert (image == before[0]).all() and (label == before[1]).all()


@pytest.mark.parametrize(
    "make",
    [lambda: Mirror(2), lambda: Translate(-1), lambda: Scale(2, 1), lambda: Scale(0, 1), lambda: RandomCrop(0, 5)],
)
def test_settings_out_of_range(make):
    with pytest.raises(DataError, match="out of range"):
        make()


def test_mirror():
    image, label = both()
    np.testing.assert_array_equal(Mirror(p=1)(image, label, np.random.default_rng(0))[1], label[:, ::-1])
    assert Mirror(p=0)(image, label, np.random.default_rng(0))[1] is label


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-2, 3), (50, 0), (0, -50)])
def test_shift(down, right):
    image, label = both()
    moved, where = shift(image, label, down, right, *label.shape)
    assert agrees(moved, where)
    for y in range(9):
        for x in range(13):
            inside = 0 <= y - down < 9 and 0 <= x - right < 13
            assert where[y, x] == (label[y - down, x - right] if inside else 255)


def test_translation_reaches_its_limits_and_not_beyond():
    image, label = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8)
    shifts = set()
    for seed in range(300):
        rows = (Translate(2)(image, label, np.random.default_rng(seed))[1] == 0).any(axis=1)
        shifts.add(int(np.argmax(rows)) if rows[-1] else -int(np.argmax(rows[::-1])))
    assert shifts == {-2, -1, 0, 1, 2}


def test_crop_has_its_size_and_reaches_every_place():
    image, label = both()
    places = set()
    for seed in range(400):
        _, part = RandomCrop(7, 10)(image, label, np.random.default_rng(seed))
        assert part.shape == (7, 10)
        places.add(int(part[0, 0]))
    assert places == {y * 16 + x for y in range(3) for x in range(4)}


def test_scale():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 200
    label = np.where(np.arange(60) < 30, 3, 255).astype(np.uint8) * np.ones((40, 1), np.uint8)
    factors = []
    for seed in range(40):
        scaled, classes = Scale(0.5, 2)(image, label, np.random.default_rng(seed))
        assert scaled.shape[:2] == classes.shape
        factors.append(classes.shape[1] / 60)
        assert set(np.unique(classes).tolist()) == {3, 255}  # no class in between
        middle = classes.shape[1] // 2
        assert (scaled[:, : middle - 3] == 0).all() and (scaled[:, middle + 3 :] == 200).all()
        assert (classes[:, : middle - 1] == 3).all() and (classes[:, middle + 1 :] == 255).all()
    assert min(factors) < 0.6 and max(factors) > 1.7
    assert 0.3 < np.mean(np.array(factors) < 1) < 0.7  # as often smaller as larger


@pytest.mark.parametrize(
    "transform", [Mirror(), Translate(5), RandomCrop(4, 20), RandomCrop(3, 3), Scale(0.5, 2)], ids=repr
)
def test_every_array_of_a_sample_moves_alike(transform):
    """Two chances in a row: the second transform must find the generator where the first left it for the picture."""
    image, label = both()
    label[0, 0] = 255
    depth = image[:, :, :1].astype(np.float32) - 4
    sample = Sample("a", image, label, {"depth": depth}, (label // 2,))
    for seed in range(20):
        rng, alone = np.random.default_rng(seed), np.random.default_rng(seed)
        moved, expected = sample, (image, label)
        for _ in range(2):
            moved, expected = transformed(transform, moved, rng), transform(*expected, alone)
        assert (moved.image == expected[0]).all() and (moved.label == expected[1]).all()
        there = moved.label != 255
        assert (moved.more_labels[0][there] == moved.label[there] // 2).all()
        assert moved.more_labels[0].shape == moved.label.shape == moved.beside["depth"].shape[:2]
        assert moved.beside["depth"].dtype == np.float32
        if isinstance(transform, Scale):
            away = moved.beside["depth"][:, :, 0] + 4 - moved.image[:, :, 0]
            assert abs(away).max() <= 1.01  # two roundings of the picture to whole numbers
        else:
            content = (moved.image != MEAN_COLOUR).any(axis=2)
            assert (moved.beside["depth"][:, :, 0] == np.where(content, moved.image[:, :, 0] - 4.0, 0)).all()
