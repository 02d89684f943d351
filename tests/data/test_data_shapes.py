"""`shapes` is a function of (seed, split, i), holds every form, and means by a class number the form it says."""

import numpy as np
import pytest

from minifcn.data import open_dataset
from minifcn.data.shapes import CLASSES, FORMS, Shapes


def drawn(**options):
    return [Shapes(**options)[i] for i in range(24)]


def test_the_same_for_ever():
    """Pixels counted once and for all; up to 5, for a sine that another machine rounds the other way."""
    sample = Shapes()[7]
    assert sample.image.shape == (96, 96, 3) and sample.image.dtype == sample.label.dtype == np.uint8
    assert sample.name == "train_00007"
    counts = np.bincount(sample.label.ravel(), minlength=256)
    np.testing.assert_allclose(counts[[0, 3, 4, 6, 255]], [7191, 537, 286, 415, 787], atol=5)
    np.testing.assert_allclose(sample.image.mean(axis=(0, 1)), [159.298, 149.241, 120.443], atol=0.1)
    again = Shapes(count=8)[7]
    assert (sample.image == again.image).all() and (sample.label == again.label).all()


def test_seed_split_and_number_each_matter():
    pictures = {
        Shapes(split, seed=seed)[i].image.tobytes() for split in ("train", "val") for seed in (0, 1) for i in (0, 1)
    }
    assert len(pictures) == 8


def test_every_class_and_a_thin_border():
    labels = np.stack([sample.label for sample in drawn()])
    assert set(np.unique(labels).tolist()) == {*range(len(CLASSES)), 255}
    assert CLASSES == ["background", "disc", "square", "triangle", "ring", "cross", "comb"]
    assert 0.03 < (labels == 255).mean() < 0.15
    assert 0.5 < (labels == 0).mean() < 0.85
    ignored = np.pad(labels == 255, ((0, 0), (2, 2), (2, 2)))
    deep = np.ones_like(labels, bool)  # the middle of a 5x5 block of ignored pixels
    for dy in range(5):
        for dx in range(5):
            deep &= ignored[:, dy : dy + 96, dx : dx + 96]
    assert deep.mean() < 0.001


def test_objects_touch_the_ground_through_the_border_only():
    for sample in drawn():
        label = sample.label
        for a, b in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
            assert not ((a != b) & (a != 255) & (b != 255)).any()


@pytest.mark.parametrize(
    ("form", "area", "parts_along_a_line"),
    [
        ("disc", np.pi, 1),
        ("square", 1.7**2, 1),
        ("triangle", 3 * 3**0.5 * 0.36, 1),
        ("ring", np.pi * (1 - 0.7**2), 2),
        ("cross", 4 * 0.3 - 0.09, 1),
        ("comb", None, 3),
    ],
)
def test_forms(form, area, parts_along_a_line):
    """Their area at r = 1, t = 0.3, and how many parts a line through them meets (a ring has a hole, a comb teeth)."""
    line = np.linspace(-1.5, 1.5, 601)
    u, v = np.meshgrid(line, line)
    inside = dict(zip(CLASSES[1:], FORMS, strict=True))[form](u, v, 1.0, 0.3) < 0
    if area:
        assert inside.sum() * 0.005**2 == pytest.approx(area, rel=0.02)
    at = inside[:, np.searchsorted(line, 0.2)]  # upwards at u = 0.2
    assert np.count_nonzero(np.diff(at.astype(int)) == 1) == parts_along_a_line


def test_the_form_does_not_follow_from_the_colour():
    """With tint 0 the mean colours of two classes are alike; with tint 1 they are far apart."""

    def apart(tint):
        means = []
        for number in (1, 3):
            pixels = np.concatenate([s.image[s.label == number] for s in drawn(tint=tint)])
            means.append(pixels.mean(axis=0))
        return abs(means[0] - means[1]).max()

    assert apart(1.0) > 80 > 50 > apart(0.0)


def test_spec_options():
    dataset = open_dataset("shapes:128x64,train=5,val=3,seed=9,tint=0.25", "val")
    assert dataset == Shapes("val", 3, 64, 128, 9, 0.25)
    assert dataset[2].image.shape == (64, 128, 3)
    assert len(open_dataset("shapes", "train")) == 2048 and len(open_dataset("shapes", "val")) == 64
    assert open_dataset("shapes:size=48", "train")[0].label.shape == (48, 48)
    with pytest.raises(IndexError):
        dataset[3]
