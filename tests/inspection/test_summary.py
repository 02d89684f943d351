"""The table of a net: the figures that are known of the FCNs, and how numbers are written."""

from fractions import Fraction

import pytest

from minifcn import models
from minifcn.inspection import summary
from minifcn.inspection.answers import answers

SHAPE = (1, 3, 500, 500)


@pytest.fixture(scope="module")
def fcn8s():
    return models.build("fcn8s")


def row(text, name):
    """The line of a layer, its columns parted by one space."""
    return next(" ".join(line.split()) for line in text.splitlines() if line.split()[:1] == [name])


def test_totals_are_the_published_ones(fcn8s):
    text = summary.summarise(fcn8s, SHAPE)
    assert "134,362,751 (134.36 M)" in text
    assert "180.99 GMAC forward: trunk 180.88, scores 0.08, upsampling 0.03" in text


def test_a_row_says_shape_window_place_and_cost(fcn8s):
    text = summary.summarise(fcn8s, SHAPE)
    # fc6: 16 x 16 positions x 4096 x 512 x 7 x 7 = 26.31 G; 4096 x 16 x 16 x 4 bytes = 4 MiB
    assert row(text, "fc6") == "fc6 Conv2d 7x7 s1 p0 im2col 4096x16x16 32 12.5 404 102,764,544 26.31 G 4.0 MiB"
    assert row(text, "score") == "score Crop offset 31 21x500x500 1 0 491 20.0 MiB"
    assert row(text, "conv5_3").startswith("conv5_3 Conv2d 3x3 s1 p1 winograd 512x44x44")
    # fixed weights are in brackets: 21 x 16 x 16
    assert "(5,376)" in row(text, "upscore8")


def test_height_comes_before_width_in_shapes(fcn8s):
    assert "21x375x500" in row(summary.summarise(fcn8s, (1, 3, 375, 500)), "score")


def test_columns_line_up(fcn8s):
    lines = summary.layer_lines(fcn8s, fcn8s.plan(SHAPE))
    end = lines[0].index("field") + len("field")
    assert all(line[end - 1].isdigit() and line[end : end + 1] in ("", " ") for line in lines[1:])


@pytest.mark.parametrize(
    ("name", "offsets"),
    [("fcn32s", ["= 19"]), ("fcn16s", ["= 5", "= 27"]), ("fcn8s", ["= 5", "= 9", "= 31"])],
)
def test_every_crop_is_derived_in_words(name, offsets):
    net = models.build(name)
    sentences = [summary.offset_sentence(net, node.name) for node in net.nodes if node.layer.kind == "Crop"]
    assert [sentence[sentence.rindex("=") :] for sentence in sentences] == offsets


def test_answers_take_their_numbers_from_the_net(fcn8s):
    text = answers(fcn8s, SHAPE)
    assert "upscore8 begins at input position -31, data at 0, both with stride 1: offset (0 - -31) / 1 = 31" in text
    assert "100 - 69 = 31" in text
    assert "upscore2, upscore_pool4, upscore8: no" in text
    assert "Not in this net" in text
    assert "180.99 GMAC   <- this net" in text
    assert "161.16 GMAC\n" in text  # with 81


def test_answers_of_other_nets():
    at_once = answers(models.build("fcn8s-atonce"), SHAPE)
    assert "scale_pool4 multiplies by 0.01, scale_pool3 multiplies by 0.0001" in at_once
    assert "100 - 81 = 19" in answers(models.build("fcn32s"), SHAPE)
    assert "fc6 is padded by 3" in answers(models.build("fcn8s", preset="tiny"), SHAPE)
    assert answers(models.build("vgg16"), (1, 3, 224, 224)) == ""
    assert "input padding   81" not in answers(models.build("fcn8s"), (1, 3, 1, 1))  # 81 needs 33 pixels


def test_answers_about_alexnet_and_googlenet_are_about_them():
    alexnet, googlenet = (
        answers(models.build(name, 21, "tiny", padding), SHAPE)  # widths do not matter here
        for name, padding in (("fcn-alexnet", 100), ("fcn-googlenet-16s", 35))
    )
    assert "through a window of 6x6, so 5 of its columns" in alexnet
    assert "with 100, 100 - 82 = 18 are too many" in alexnet
    assert "Why is upscore's kernel 63, and not 64?" in alexnet
    assert "The padding of conv1/7x7_s2 moves the trunk" in googlenet
    assert "with 35, 35 - 2 = 33 are too many" in googlenet
    assert "fc6" not in googlenet
    assert "every size works" in alexnet and "every size works" in googlenet
    same = answers(models.build("fcn-googlenet", 21, "tiny", "same"), SHAPE)
    assert "not pad the picture by 35?" in same and "pictures from 31x31 on work" in same
    assert "'s kernel" not in answers(models.build("fcn8s", preset="tiny"), SHAPE)


def test_the_smallest_picture_is_found_by_trying():
    assert "pictures from 33x33 on work" in answers(models.build("fcn32s", 21, "tiny", 81), SHAPE)
    assert "scale_data" not in answers(models.build("fcn8s", preset="tiny"), SHAPE)  # it is no at-once scale


@pytest.mark.parametrize(
    ("value", "text"),
    [(Fraction(3), "3"), (Fraction(-161, 2), "-80.5"), (Fraction(1, 3), "1/3"), (Fraction(1, 32), "1/32")],
)
def test_number(value, text):
    assert summary.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (64_512, "64.51 k"), (81_000_000, "81.00 M"), (26_306_674_688, "26.31 G")],
)
def test_count(value, text):
    assert summary.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12, "12 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 29, "1.50 GiB")]
)
def test_size(value, text):
    assert summary.size(value) == text


def test_both_axes_are_told_apart_only_if_they_differ(fcn8s):
    place = fcn8s.coords("fc6")
    assert summary.both(place, lambda axis: summary.number(axis.scale)) == "32"
    uneven = place._replace(x=place.x._replace(scale=Fraction(16)))
    assert summary.both(uneven, lambda axis: summary.number(axis.scale)) == "32x16"
