"""Assignment 2: max-pooling and ReLU, forward and backward. This is the file that you hand in."""

import numpy as np

# --- predict: fill these in before you run anything -----------------------------------------------------------------

#: A picture of 500 rows goes through five max-pools of 3x3 with stride 2, one after the other, without padding. How
#: many rows does it have after each of them, rounding up as Caffe does?
POOLS = None  # five numbers
#: And rounding down?
POOLS_FLOOR = None
#: Max-pooling 5x5 with stride 2: in how many windows can one pixel win at most? And with stride 3?
MOST_WINS = None  # (stride 2, stride 3)
# BEGIN SOLUTION
POOLS = (250, 125, 62, 31, 15)
POOLS_FLOOR = (249, 124, 61, 30, 14)
MOST_WINS = (9, 4)
# END SOLUTION

# --- find the bug: see README.md, "Six colleagues" ------------------------------------------------------------------

#: What did each of them do? One of "right", "overwritten", "shared by the window", "mask from dy", "mask forgotten",
#: "gradient of |x|".
COLLEAGUES = {"Ada": None, "Bo": None, "Cem": None, "Dora": None, "Eli": None, "Fay": None}
# BEGIN SOLUTION
COLLEAGUES = {"Ada": "shared by the window", "Bo": "right", "Cem": "overwritten"}
COLLEAGUES |= {"Dora": "gradient of |x|", "Eli": "mask from dy", "Fay": "right"}
# END SOLUTION


def pool_size(n, k, s, p=0, ceil_mode=False):
    """How many windows of k pixels, s apart, a pooling layer has over n pixels with a padding of p on each side.

    Windows that fit, if not `ceil_mode`. With it, as in Caffe, one more if pixels are left over; but a last window that
    would begin beyond the n pixels and their p pixels of padding on the left (at n + p or later, counted from the
    padding's first pixel) is left out.
    """
    # BEGIN SOLUTION
    span = n + 2 * p - k
    out = (-(-span // s) if ceil_mode else span // s) + 1
    if ceil_mode and (out - 1) * s >= n + p:
        out -= 1
    return out
    # END SOLUTION


def max_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    """The largest value of each window of kernel_size x kernel_size pixels.

    x: (N, C, H, W). stride: None is kernel_size. Padding never wins, whatever the pixels are, and windows that stick
    out of the picture see the part of it that they cover. Returns y: (N, C, OH, OW), of the dtype of x, and a cache.
    Changes nothing in x. It may be called any number of times, on other arrays, before `max_pool2d_backward` gets one
    of the caches.
    """
    # BEGIN SOLUTION
    k, s = kernel_size, stride or kernel_size
    height, width = x.shape[2:]
    rows, columns = (pool_size(n, k, s, padding, ceil_mode) for n in (height, width))
    framed = np.full((*x.shape[:2], height + 2 * padding + k + s, width + 2 * padding + k + s), -np.inf, x.dtype)
    framed[:, :, padding : padding + height, padding : padding + width] = x
    seen = [framed[:, :, i : i + s * rows : s, j : j + s * columns : s] for i in range(k) for j in range(k)]
    seen = np.stack([part[:, :, :rows, :columns] for part in seen])  # (k * k, N, C, OH, OW)
    winner = seen.argmax(axis=0)  # the first of equals
    return seen.max(axis=0), (winner, framed.shape, x.shape, k, s, padding)
    # END SOLUTION


def max_pool2d_backward(dy, cache):
    """The gradient (dx,), a tuple of one, from dy: (N, C, OH, OW).

    Each dy goes to the pixel that won its window; of several that are equal, to the first in reading order. A pixel
    that won in several windows gets the sum.
    """
    # BEGIN SOLUTION
    winner, framed, shape, k, s, padding = cache
    rows, columns = dy.shape[2:]
    dframed = np.zeros(framed, dy.dtype)
    for t in range(k * k):
        i, j = divmod(t, k)
        part = dframed[:, :, i : i + s * rows : s, j : j + s * columns : s]
        part[:, :, :rows, :columns] += dy * (winner == t)
    return (dframed[:, :, padding : padding + shape[2], padding : padding + shape[3]].copy(),)
    # END SOLUTION


def relu(x):
    """max(x, 0), a new array of the dtype of x, and a cache."""
    # BEGIN SOLUTION
    return np.maximum(x, 0), x > 0
    # END SOLUTION


def relu_backward(dy, cache):
    """The gradient (dx,), a tuple of one: dy where x was above 0, and 0 elsewhere, at 0 itself too."""
    # BEGIN SOLUTION
    return (dy * cache,)
    # END SOLUTION
