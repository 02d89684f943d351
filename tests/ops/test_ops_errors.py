"""What a user gets wrong is told in the user's terms: where, what was expected, what came, what to do."""

import fakegpu
import numpy as np
import pytest

from minifcn import layers, ops
from minifcn.errors import BackendError, DataError, ShapeError

X = np.zeros((2, 3, 5, 7))
W = np.zeros((4, 3, 3, 3))
SCORES, LABELS = np.zeros((2, 4, 3, 5)), np.zeros((2, 3, 5), np.uint8)
loss = ops.softmax_cross_entropy


def conv_cache():
    return ops.conv2d(X, W)[1]


def up_cache():
    return ops.conv_transpose2d(X, np.zeros((3, 2, 4, 4)), stride=2)[1]  # (2, 2, 12, 16)


ERRORS = {
    "conv2d: axes": (lambda: ops.conv2d(X[0], W), ShapeError, ["conv2d", "(N, C, H, W)", "(3, 5, 7)"]),
    "conv2d: channels": (lambda: ops.conv2d(X, W[:, :2]), ShapeError, ["2 input channels", "x has 3"]),
    "conv2d: dtypes": (lambda: ops.conv2d(X, W.astype(np.float32)), ShapeError, ["float64", "float32", ".astype"]),
    "conv2d: integers": (lambda: ops.conv2d(X.astype(int), W.astype(int)), ShapeError, ["floating", "int64"]),
    "conv2d: no pictures": (lambda: ops.conv2d(X[:0], W), ShapeError, ["no axis may be empty", "(0, 3, 5, 7)"]),
    "conv2d: no channels": (lambda: ops.conv2d(X, W[:0]), ShapeError, ["no axis may be empty", "(0, 3, 3, 3)"]),
    "conv2d: foreign bytes": (lambda: ops.conv2d(X.astype(">f8"), W), ShapeError, ["order", "x.astype"]),
    "conv2d: bias": (lambda: ops.conv2d(X, W, np.zeros(3)), ShapeError, ["bias of (4,)", "(3,)"]),
    "conv2d: groups": (lambda: ops.conv2d(X, W[:, :1], groups=3), ShapeError, ["groups=3", "4 output"]),
    "conv2d: groups 0": (lambda: ops.conv2d(X, W, groups=0), ShapeError, ["groups", "positive", "0"]),
    "Conv2d: groups 0": (lambda: layers.Conv2d(3, 4, 3, groups=0), ShapeError, ["Conv2d: groups", "positive", "0"]),
    "conv2d: stride": (lambda: ops.conv2d(X, W, stride=0), ShapeError, ["stride", "at least 1", "got 0"]),
    "conv2d: stride of three": (lambda: ops.conv2d(X, W, stride=(1, 2, 3)), ShapeError, ["stride", "pair"]),
    "conv2d: padding": (lambda: ops.conv2d(X, W, padding=-1), ShapeError, ["padding", "at least 0"]),
    "conv2d: too small": (lambda: ops.conv2d(X, W, dilation=3), ShapeError, ["dilation 3x3", "5x7", "-1x1", "enlarge"]),
    "conv2d_backward: dy": (
        lambda: ops.conv2d_backward(np.zeros((2, 4, 3, 4)), conv_cache()),
        ShapeError,
        ["(2, 4, 3, 5)", "(2, 4, 3, 4)"],
    ),
    "conv2d_backward: dtype": (
        lambda: ops.conv2d_backward(np.zeros((2, 4, 3, 5), np.float32), conv_cache()),
        ShapeError,
        ["float64", "float32"],
    ),
    "conv_transpose2d: channels": (lambda: ops.conv_transpose2d(X, W), ShapeError, ["4 input channels", "x has 3"]),
    "conv_transpose2d: output_padding": (
        lambda: ops.conv_transpose2d(X, W.swapaxes(0, 1), stride=2, output_padding=2),
        ShapeError,
        ["output_padding 2x2", "smaller than stride 2x2"],
    ),
    "conv_transpose2d: nothing left": (
        lambda: ops.conv_transpose2d(X[:, :, :1], W.swapaxes(0, 1), padding=2),
        ShapeError,
        ["padding 2x2", "-1x5"],
    ),
    "conv_transpose2d_backward: dy": (
        lambda: ops.conv_transpose2d_backward(np.zeros((2, 2, 9, 16)), up_cache()),
        ShapeError,
        ["(2, 2, 12, 16)", "(2, 2, 9, 16)"],
    ),
    "max_pool2d: axes": (lambda: ops.max_pool2d(X[0], 2), ShapeError, ["max_pool2d", "(N, C, H, W)"]),
    "max_pool2d: integers": (lambda: ops.max_pool2d(X.astype(int), 2), ShapeError, ["floating", "int64"]),
    "max_pool2d: too small": (lambda: ops.max_pool2d(X, 9), ShapeError, ["(9, 9)", "(5, 7)", "enlarge"]),
    "max_pool2d: padding": (lambda: ops.max_pool2d(X, 2, padding=2), ShapeError, ["padding (2, 2)", "kernel (2, 2)"]),
    "max_pool2d: overhang": (
        lambda: ops.max_pool2d(X, 3, stride=1, padding=1, overhang=2),
        ShapeError,
        ["padding (1, 1)", "overhang (2, 2)", "smaller than the kernel (3, 3)"],
    ),
    "max_pool2d: ceil_mode and overhang": (
        lambda: ops.max_pool2d(X, 2, ceil_mode=True, overhang=1),
        ShapeError,
        ["ceil_mode", "overhang", "one of them"],
    ),
    "max_pool2d: windows that step over the image": (
        lambda: ops.max_pool2d(X[:, :, :1, :4], 2, stride=1, padding=1, dilation=2),
        ShapeError,
        ["dilation (2, 2)", "step over an image of (1, 4)", "multiple of the dilation"],
    ),
    "max_pool2d_backward: dy": (
        lambda: ops.max_pool2d_backward(X, ops.max_pool2d(X, 2)[1]),
        ShapeError,
        ["(2, 3, 2, 3)", "(2, 3, 5, 7)"],
    ),
    "avg_pool2d_backward: dy": (
        lambda: ops.avg_pool2d_backward(X, ops.avg_pool2d(X, 2)[1]),
        ShapeError,
        ["(2, 3, 2, 3)", "(2, 3, 5, 7)"],
    ),
    "relu_backward: dy": (
        lambda: ops.relu_backward(X[:, :1], ops.relu(X)[1]),
        ShapeError,
        ["relu_backward", "(2, 3, 5, 7)", "(2, 1, 5, 7)"],
    ),
    "relu_backward: dtype": (
        lambda: ops.relu_backward(X.astype(np.float32), ops.relu(X)[1]),
        ShapeError,
        ["relu_backward", "float64", "float32"],
    ),
    "max_pool2d_backward: dtype": (
        lambda: ops.max_pool2d_backward(X[:, :, :2, :3].astype(np.float32), ops.max_pool2d(X, 2)[1]),
        ShapeError,
        ["max_pool2d_backward", "float64", "float32"],
    ),
    "avg_pool2d_backward: dtype": (
        lambda: ops.avg_pool2d_backward(X[:, :, :2, :3].astype(np.float32), ops.avg_pool2d(X, 2)[1]),
        ShapeError,
        ["avg_pool2d_backward", "float64", "float32"],
    ),
    "lrn_backward: dtype": (
        lambda: ops.local_response_norm_backward(X.astype(np.float32), ops.local_response_norm(X)[1]),
        ShapeError,
        ["float64", "float32"],
    ),
    "crop_backward: dtype": (
        lambda: ops.crop_backward(X[:, :, :2, :2].astype(np.float32), ops.crop(X, (0, 0), (2, 2))[1]),
        ShapeError,
        ["float64", "float32"],
    ),
    "lrn_backward: dy": (
        lambda: ops.local_response_norm_backward(X[:1], ops.local_response_norm(X)[1]),
        ShapeError,
        ["(2, 3, 5, 7)", "(1, 3, 5, 7)"],
    ),
    "crop_backward: dy": (
        lambda: ops.crop_backward(np.zeros((2, 3, 1, 1)), ops.crop(X, (0, 0), (2, 2))[1]),
        ShapeError,
        ["(2, 3, 2, 2)", "(2, 3, 1, 1)"],
    ),
    "concat_backward: dy": (
        lambda: ops.concat_backward(X, ops.concat(X, X)[1]),
        ShapeError,
        ["(2, 6, 5, 7)", "(2, 3, 5, 7)"],
    ),
    "add: dtypes": (lambda: ops.add(X, X.astype(np.float32)), ShapeError, ["one dtype", "float64, float32"]),
    "concat: dtypes": (lambda: ops.concat(X, X.astype(np.float32)), ShapeError, ["one dtype", "float64, float32"]),
    "lrn: integers": (lambda: ops.local_response_norm(X.astype(int)), ShapeError, ["floating", "int64"]),
    "dropout: p": (lambda: ops.dropout(X, 1.0, np.random.default_rng(0)), ShapeError, ["0 <= p < 1", "1.0"]),
    "lrn: size": (lambda: ops.local_response_norm(X, size=4), ShapeError, ["odd", "4"]),
    "add: shapes": (lambda: ops.add(X, X[:, :, 1:]), ShapeError, ["add", "(2, 3, 5, 7)", "(2, 3, 4, 7)"]),
    "add: coefficients": (lambda: ops.add(X, X, coefficients=(1.0,)), ShapeError, ["2 arrays", "1 coefficients"]),
    "add: no coefficients": (lambda: ops.add(X, X, coefficients=()), ShapeError, ["2 arrays", "0 coefficients"]),
    "add: nothing": (ops.add, BackendError, ["at least one array"]),
    "concat: shapes": (lambda: ops.concat(X, X[:1]), ShapeError, ["concat", "(2, 5, 7)", "(1, 5, 7)"]),
    "crop: outside": (lambda: ops.crop(X, (0, 3), (5, 5)), ShapeError, ["columns", "3 + 5 > 7"]),
    "crop: negative": (lambda: ops.crop(X, (-1, 0), (2, 2)), ShapeError, ["rows", "-1"]),
    "loss: labels' shape": (lambda: loss(SCORES, LABELS[:, :2]), ShapeError, ["(2, 3, 5)", "(2, 2, 5)"]),
    "loss: labels' dtype": (lambda: loss(SCORES, LABELS + 0.0), ShapeError, ["integer labels", "float64"]),
    "loss: scores": (lambda: loss(SCORES[0], LABELS), ShapeError, ["(N, C, H, W)", "(4, 3, 5)"]),
    "loss: reduction": (lambda: loss(SCORES, LABELS, reduction="average"), ShapeError, ["'sum' or 'mean'", "average"]),
    "loss: class weights": (lambda: loss(SCORES, LABELS, class_weights=np.ones(3)), ShapeError, ["4 class", "(3,)"]),
    "loss: mask": (lambda: loss(SCORES, LABELS, mask=LABELS), ShapeError, ["boolean mask", "uint8"]),
    "loss: label too large": (lambda: loss(SCORES, LABELS + 4), DataError, ["30 pixels", "0..3", ": 4", "255"]),
    "two backends": (lambda: ops.conv2d(X, fakegpu.asarray(W)), BackendError, ["numpy", "fakegpu", "backend.to"]),
    "a list": (lambda: ops.relu([1.0, 2.0]), BackendError, ["list", "numpy.asarray"]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_error_says_what_is_needed(name):
    call, error, fragments = ERRORS[name]
    with pytest.raises(error) as caught:
        call()
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_negative_label_is_an_error_unless_it_is_the_ignored_one():
    labels = LABELS.astype(np.int64)
    labels[0, 0, 0] = -1
    with pytest.raises(DataError, match=r"1 pixels .* -1"):
        loss(SCORES, labels)
    assert float(loss(SCORES, labels, ignore_index=-1)[0]) == pytest.approx((LABELS.size - 1) * np.log(4))


def test_a_label_out_of_range_does_not_matter_where_the_pixel_does_not_count():
    labels = LABELS.copy()
    labels[0, 0, 0] = 99
    mask = labels != 99
    assert float(loss(SCORES, labels, mask=mask)[0]) == pytest.approx((LABELS.size - 1) * np.log(4))
