"""The measures on cases small enough to count by hand."""

import numpy as np
import pytest

from minifcn.data import check
from minifcn.errors import DataError
from minifcn.metrics import ConfusionMatrix, table

#: 0 0 0 1      predicted as  0 0 1 1
#: 1 1 2 255                  1 0 2 2     (the last pixel is ignored)
TRUTH = np.array([[0, 0, 0, 1], [1, 1, 2, 255]], np.uint8)
PREDICTION = np.array([[0, 0, 1, 1], [1, 0, 2, 2]], np.uint8)


def confusion(truth, prediction, num_classes, ignore_index=255):
    counts = ConfusionMatrix(num_classes, ignore_index)
    counts.update(np.asarray(truth), np.asarray(prediction))
    return counts


def test_counts_rows_of_truth_and_columns_of_prediction():
    matrix = confusion(TRUTH, PREDICTION, 3).matrix
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [1, 2, 0], [0, 0, 1]])


def test_the_four_measures():
    scores = confusion(TRUTH, PREDICTION, 3).scores()
    # right: 2 + 2 + 1 = 5 of 3 + 3 + 1 = 7
    assert scores.pixel_accuracy == pytest.approx(5 / 7)
    # class accuracies: 2/3, 2/3, 1/1
    np.testing.assert_allclose(scores.class_accuracy, [2 / 3, 2 / 3, 1])
    assert scores.mean_accuracy == pytest.approx(7 / 9)
    # unions: 3 + 3 - 2 = 4, 3 + 3 - 2 = 4, 1 + 1 - 1 = 1; IU: 1/2, 1/2, 1
    np.testing.assert_allclose(scores.class_iu, [1 / 2, 1 / 2, 1])
    assert scores.mean_iu == pytest.approx(2 / 3)
    # 3/7 * 1/2 + 3/7 * 1/2 + 1/7 * 1 = 4/7
    assert scores.frequency_weighted_iu == pytest.approx(4 / 7)
    np.testing.assert_allclose(scores.class_share, [3 / 7, 3 / 7, 1 / 7])


def test_a_class_that_occurs_nowhere_is_left_out_of_the_means():
    scores = confusion(TRUTH, PREDICTION, 5).scores()
    assert np.isnan(scores.class_iu[3:]).all()
    assert np.isnan(scores.class_accuracy[3:]).all()
    assert scores.mean_accuracy == pytest.approx(7 / 9)
    assert scores.mean_iu == pytest.approx(2 / 3)
    assert scores.frequency_weighted_iu == pytest.approx(4 / 7)


def test_a_class_that_is_only_predicted_counts_in_mean_iu_with_zero():
    scores = confusion([0, 0, 0, 0], [0, 0, 0, 1], 2).scores()
    # class 0: accuracy 3/4, IU 3/4. class 1: accuracy 0/0, left out; IU 0/1 = 0, counted
    assert scores.mean_accuracy == pytest.approx(3 / 4)
    assert scores.mean_iu == pytest.approx(3 / 8)
    # weights are shares of the truth: 1 * 3/4
    assert scores.frequency_weighted_iu == pytest.approx(3 / 4)


def test_background_counts_like_any_class():
    # one of two background pixels right: IU 1/2; class 1 perfect but for that pixel in its union: IU 1/2
    scores = confusion([0, 0, 1], [0, 1, 1], 2).scores()
    assert scores.mean_iu == pytest.approx(1 / 2)


def test_what_is_predicted_on_ignored_pixels_does_not_matter():
    other = PREDICTION.copy()
    other[TRUTH == 255] = 0
    np.testing.assert_array_equal(confusion(TRUTH, other, 3).matrix, confusion(TRUTH, PREDICTION, 3).matrix)


def test_nothing_but_ignored_pixels_gives_nan_and_no_warning():
    scores = confusion([255, 255], [0, 1], 2).scores()
    four = [scores.pixel_accuracy, scores.mean_accuracy, scores.mean_iu, scores.frequency_weighted_iu]
    assert np.isnan(four).all()


def test_negative_ignore_index():
    np.testing.assert_array_equal(confusion([-1, 0, 1], [1, 0, 0], 2, ignore_index=-1).matrix, [[1, 0], [1, 0]])


def test_streaming_and_adding_equal_one_pass():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 7, (2, 6, 11, 5))
    whole = confusion(truth, prediction, 7)
    streamed = ConfusionMatrix(7)
    for t, p in zip(truth, prediction, strict=True):
        streamed.update(t, p)
    halves = confusion(truth[:2], prediction[:2], 7) + confusion(truth[2:], prediction[2:], 7)
    np.testing.assert_array_equal(streamed.matrix, whole.matrix)
    np.testing.assert_array_equal(halves.matrix, whole.matrix)


def test_agrees_with_counting_in_loops():
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 4, (2, 300))
    expected = np.zeros((4, 4), int)
    for t, p in zip(truth, prediction, strict=True):
        expected[t, p] += 1
    np.testing.assert_array_equal(confusion(truth, prediction, 4).matrix, expected)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([0, 3], [0, 0], r"0\.\.2 in the truth or 255 for ignored, got 3"),
        ([0, -1], [0, 0], "in the truth.*got -1"),
        ([0, 1], [0, 7], r"0\.\.2 in the prediction, got 7"),
        ([0, 1], [0, 255], "in the prediction, got 255"),
        ([0.0, 1.0], [0, 1], "integer labels in the truth, got float64"),
        ([0, 1], [[0, 1]], r"one shape, got \(2,\) and \(1, 2\)"),
        ([0, 1], [0, 1, 1], "one shape"),
    ],
)
def test_bad_labels_are_refused_and_leave_the_counts_alone(truth, prediction, message):
    counts = ConfusionMatrix(3)
    with pytest.raises(DataError, match=message):
        counts.update(np.array(truth), np.array(prediction))
    assert not counts.matrix.any()


@pytest.mark.parametrize(("num_classes", "ignore_index"), [(0, 255), (300, 255), (2, 0)])
def test_impossible_settings_are_refused(num_classes, ignore_index):
    with pytest.raises(DataError, match="ignore_index"):
        ConfusionMatrix(num_classes, ignore_index)


def test_matrices_of_different_classes_do_not_add():
    with pytest.raises(DataError, match="equal numbers"):
        ConfusionMatrix(2) + ConfusionMatrix(3)


def test_table():
    text = table(confusion([0, 0, 0, 1], [0, 0, 1, 1], 3).scores(), ["ground", "cat", "dog"])
    # ground: IU 2/3, accuracy 2/3; cat: IU 1/2, accuracy 1; dog: nowhere. Mean accuracy 5/6, mean IU 7/12,
    # frequency weighted 3/4 * 2/3 + 1/4 * 1/2 = 5/8
    assert text.splitlines() == [
        "pixel accuracy         0.7500",
        "mean accuracy          0.8333",
        "mean IU                0.5833",
        "frequency weighted IU  0.6250",
        "",
        "class                      IU  accuracy    share",
        "ground                 0.6667    0.6667  75.00 %",
        "cat                    0.5000    1.0000  25.00 %",
        "dog                         -         -   0.00 %",
    ]


def test_table_needs_a_name_for_each_class():
    with pytest.raises(DataError, match="expected 3 class names, got 2"):
        table(confusion(TRUTH, PREDICTION, 3).scores(), ["ground", "cat"])


def test_names_of_classes_may_hold_anything_and_a_terminal_is_not_told():
    lines = table(confusion([[0, 1]], [[0, 0]], 2).scores(), ["\x1b[31mred", "blue"], "\x07").splitlines()
    assert lines[0] == "task \\x07" and any(line.startswith("\\x1b[31mred  ") for line in lines)
    assert all(line.isprintable() for line in lines)
    report = check.Report("\x1b[2J", ["\x1b[31mred"], 1, np.ones(1, np.int64), np.ones(1, np.int64))
    assert all(line.isprintable() for line in report.lines())
