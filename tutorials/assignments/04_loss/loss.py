"""Assignment 4: the loss of every pixel, and the four measures of the paper. This is the file that you hand in."""

import numpy as np

# --- predict: fill these in before you run anything -----------------------------------------------------------------

#: FCN's score layers start at zero. What is the mean loss of a pixel then, for the 60 classes of PASCAL-Context? Three
#: decimals.
FIRST_LOSS = None
#: And the gradient of that pixel's loss with respect to the score of its own class, and of another? Four decimals.
FIRST_GRADIENT = None  # (own, other)
#: A learning rate of 2e-10 is right for the sum over the pixels of a 640x480 picture, of which a quarter is ignored.
#: Which is, for the mean of those that count? Four digits.
RATE_OF_THE_MEAN = None
#: Four fifths of a picture of three classes are background, the rest is half cat, half dog. A net calls all of it
#: background. Pixel accuracy, mean accuracy, mean IU? Four decimals.
ALL_BACKGROUND = None  # (pixel accuracy, mean accuracy, mean IU)
# BEGIN SOLUTION
FIRST_LOSS = 4.094
FIRST_GRADIENT = (-0.9833, 0.0167)
RATE_OF_THE_MEAN = 4.608e-5
ALL_BACKGROUND = (0.8, 0.3333, 0.2667)
# END SOLUTION

# --- find the bug: see README.md, "Five colleagues" -----------------------------------------------------------------

#: What did each of them do? One of "right", "divided by all pixels", "ignored pixels counted", "label not subtracted",
#: "averaged over pictures", "dy forgotten".
COLLEAGUES = {"Ada": None, "Bo": None, "Cem": None, "Dora": None, "Eli": None}
# BEGIN SOLUTION
COLLEAGUES = {"Ada": "divided by all pixels", "Bo": "right", "Cem": "ignored pixels counted"}
COLLEAGUES |= {"Dora": "label not subtracted", "Eli": "averaged over pictures"}
# END SOLUTION


def softmax_cross_entropy(scores, labels, ignore_index=255, reduction="sum"):
    """The sum over pixels of -log p[n, label, h, w], p being the softmax of the scores over the classes.

    scores: (N, C, H, W); labels: (N, H, W), 0 ... C-1, or ignore_index (which may be a class, too) for pixels that do
    not count, in int64 or in uint8, as PNGs have them. reduction: "sum", or "mean", which divides by the number of
    pixels that count; where none does, the loss is 0. Scores may be as large as 1e4, of either sign. Returns the loss,
    a number, and a cache. Changes none of its inputs, and may be called again, on others, before the backward pass
    gets one of the caches.
    """
    # BEGIN SOLUTION
    counted = labels != ignore_index
    safe = np.where(counted, labels, 0)
    shifted = scores - scores.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    picked = np.take_along_axis(shifted - np.log(total), safe[:, None], axis=1)[:, 0]
    loss = -(picked * counted).sum(dtype=np.float64)
    divisor = 1 if reduction == "sum" else max(1, int(counted.sum()))
    return loss / divisor, (np.exp(shifted) / total, safe, counted, divisor)
    # END SOLUTION


def softmax_cross_entropy_backward(dy, cache):
    """The gradient (dscores,), a tuple of one: (N, C, H, W), of the dtype of the scores.

    dy: a number, the gradient of whatever the loss is used for with respect to the loss.
    """
    # BEGIN SOLUTION
    p, safe, counted, divisor = cache
    dscores = p.copy()
    own = np.take_along_axis(dscores, safe[:, None], axis=1) - 1
    np.put_along_axis(dscores, safe[:, None], own, axis=1)
    factor = dscores.dtype.type(dy / divisor)
    return (dscores * (counted[:, None] * factor),)
    # END SOLUTION


def confusion(truth, prediction, num_classes, ignore_index=255):
    """matrix[i, j]: how many pixels of class i were predicted as class j; (num_classes, num_classes) whole numbers.

    truth, prediction: label maps of one shape, uint8. Pixels whose truth is ignore_index, even if it is a class,
    count nowhere. Changes none of its inputs.
    """
    # BEGIN SOLUTION
    counted = truth != ignore_index
    pairs = truth[counted].astype(np.int64) * num_classes + prediction[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    # END SOLUTION


def measures(matrix):
    """The paper's four measures of a confusion matrix, section 5, with t_i the pixels of class i:

    "pixel_accuracy"         sum_i n_ii / sum_i t_i
    "mean_accuracy"          the mean of n_ii / t_i over the classes that are in the truth
    "mean_iu"                the mean of IU_i = n_ii / (t_i + sum_j n_ji - n_ii) over the classes that are in the truth,
                             or predicted somewhere, or both
    "frequency_weighted_iu"  sum_i t_i IU_i / sum_i t_i

    Returns a dictionary of numbers; each is NaN if nothing was counted.
    """
    # BEGIN SOLUTION
    right, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy, iu = right / truth, right / (truth + predicted - right)
        in_truth, anywhere = truth > 0, truth + predicted > 0
        pixel = right.sum() / truth.sum()
    if not in_truth.any():
        nothing = float("nan")
        return dict.fromkeys(("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu"), nothing)
    return {
        "pixel_accuracy": float(pixel),
        "mean_accuracy": float(accuracy[in_truth].mean()),
        "mean_iu": float(iu[anywhere].mean()),
        "frequency_weighted_iu": float((truth * iu)[in_truth].sum() / truth.sum()),
    }
    # END SOLUTION
