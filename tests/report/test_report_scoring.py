"""Which pictures are the worst and the best, by a score that can be computed by hand."""

import numpy as np
import pytest
from aboutruns import unpacked
from colournet import CLASSES, COLOURS, colournet, picture

from minifcn.data import Sample
from minifcn.errors import ConfigError
from minifcn.report.album import album
from minifcn.report.scoring import Scored, View, chosen, largest, view


class Pictures:
    """Samples whose pictures show `seen` and whose truth is `truth`."""

    name, classes, palette, ignore_index, num_classes = "pictures", CLASSES, COLOURS, 255, 3

    def __init__(self, *pairs):
        self.samples = [
            Sample(f"p{k}", picture(np.array(seen)), np.array(truth, np.uint8)) for k, (seen, truth) in enumerate(pairs)
        ]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


PICTURES = Pictures(
    ([[0, 1, 1, 1]], [[0, 1, 1, 1]]),  # all right
    ([[0, 0, 0, 1]], [[0, 1, 1, 1]]),  # 0: 1 of 3; 1: 1 of 3
    ([[0, 0, 0, 2]], [[0, 0, 0, 0]]),  # 0: 3 of 4; 2 is called but not there, and does not count
    ([[1, 1, 1, 1]], [[255, 255, 255, 255]]),  # nothing to score
    ([[2, 2, 2, 1]], [[1, 1, 1, 255]]),  # 1: 0 of 3, as the ignored pixel is nothing
)


@pytest.fixture
def seen():
    (made,) = view(colournet(), PICTURES, "", None, (104.00698793, 116.66876762, 122.67891434), 1 << 30)
    return made


def test_a_picture_s_score_is_over_the_classes_that_its_truth_shows(seen):
    assert [p.mean_iu for p in seen.pictures] == pytest.approx([1, 1 / 3, 3 / 4, np.nan, 0], nan_ok=True)
    assert [p.pixel_accuracy for p in seen.pictures] == pytest.approx([1, 2 / 4, 3 / 4, np.nan, 0], nan_ok=True)
    np.testing.assert_array_equal(seen.confusion.matrix, sum(p.matrix for p in seen.pictures))
    np.testing.assert_array_equal(seen.pictures[1].label, [[0, 0, 0, 1]])
    assert seen.confusion.matrix.tolist() == [[5, 0, 1], [2, 4, 3], [0, 0, 0]]


def test_the_worst_and_the_best_share_no_picture_and_none_without_a_score(seen):
    def places(count, by="mean-iu"):
        return {group: [p.index for p in found] for group, found in chosen(seen, count, by).items()}

    assert places(1) == {"worst": [4], "best": [0], "confused": []}
    assert places(2) == {"worst": [4, 1], "best": [0, 2], "confused": []}
    assert places(2, "pixel-accuracy")["worst"] == [4, 1]
    assert places(3) == {"worst": [4, 1, 2], "best": [0], "confused": []}
    assert places(12)["worst"] == [4, 1, 2, 0]


def test_what_shows_a_large_confusion_best_is_there_too(seen):
    """1 called 2 is in the worst picture; 1 called 0 in no chosen one."""
    assert largest(seen.confusion.matrix, 9) == [(1, 2), (1, 0), (0, 2)]
    made = [p for p in seen.pictures if p.index in (0, 1, 4)]
    more = [made[2], made[1], made[0]]
    several = View("", 0, seen.names, seen.confusion, [*more, *(_copy(made[0], k) for k in (7, 8, 9))])
    assert [p.index for p in chosen(several, 2, "mean-iu")["confused"]] == []
    order = [_copy(made[2], 10), _copy(made[2], 11), *several.pictures]
    assert [p.index for p in chosen(View("", 0, seen.names, seen.confusion, order), 2, "mean-iu")["confused"]] == [1]


def _copy(one, index):
    return Scored(index, one.mean_iu, one.pixel_accuracy, one.shape, one._label, one._matrix, one._classes)


def test_pictures_of_which_no_pixel_counts_have_neither_best_nor_worst():
    (made,) = view(colournet(), Pictures(*[([[1, 1]], [[255, 255]])] * 2), "", None, (0.0, 0.0, 0.0), 1 << 30)
    assert chosen(made, 2, "mean-iu") == {"worst": [], "best": [], "confused": []}


def test_nothing_wrong_is_no_confusion():
    assert largest(np.diag([3, 4]), 5) == []


def test_large_pictures_are_made_smaller_until_they_fit(rng):
    """By the nearest pixel: no label comes out that was not there."""
    noise = rng.choice([0, 2], (300, 800))
    large = Pictures((noise, noise))
    (made,) = view(colournet(), large, "", None, (104.00698793, 116.66876762, 122.67891434), 1 << 33)
    choices = [chosen(made, 1, "mean-iu")]
    photos, _ = album(large, choices)
    assert (photos["side"], photos["reduced"]) == (640, 1)
    small, pictures = album(large, choices, most=100_000)
    assert small["side"] < 500
    photo = small["photos"][0]
    assert (photo["width"], photo["height"]) == (800, 300)
    packed = [*photo["truths"], pictures[0][0]["label"]]
    assert packed[0]["shape"] == [round(300 * small["side"] / 800), small["side"]]
    assert len(photo["source"]) + sum(len(each["deflate"]) for each in packed) < 100_000
    for each in packed:
        assert set(np.unique(unpacked(each))) == {0, 2}


def test_pictures_that_cannot_be_small_enough_are_refused(seen):
    with pytest.raises(ConfigError, match="even 64 pixels wide or high, and the page has 1000 B for them; show fewer"):
        album(PICTURES, [chosen(seen, 2, "mean-iu")], most=1000)


def test_pictures_that_are_small_stay_as_they_are(seen):
    photos, pictures = album(PICTURES, [chosen(seen, 2, "mean-iu")])
    assert photos["reduced"] == 0
    assert [photo["name"] for photo in photos["photos"]] == ["p0", "p1", "p2", "p4"]  # each once
    worst = pictures[0][0]
    assert photos["photos"][worst["photo"]]["name"] == "p4"
    np.testing.assert_array_equal(unpacked(worst["label"]), [[2, 2, 2, 1]])
    np.testing.assert_array_equal(unpacked(photos["photos"][3]["truths"][0]), [[1, 1, 1, 255]])
