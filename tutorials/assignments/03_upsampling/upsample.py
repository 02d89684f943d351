"""Assignment 3: transposed convolution, crop and sum: how FCN brings scores back. The file that you hand in."""

import numpy as np

# --- predict: fill these in before you run anything -----------------------------------------------------------------

#: A net has 16 rows of scores. How many rows does a transposed convolution with kernel 48 and stride 24 make of them?
#: And three, kernels 6, 4, 8 and strides 3, 2, 4, one after the other?
ROWS = None  # (one, three)
#: Kernel 6, stride 2: how many stamps overlap on an output pixel far from the border? And for kernel 5, stride 2, what
#: is the smallest and the largest number?
STAMPS = None  # (kernel 6, least with kernel 5, most with kernel 5)
#: A map that is 1 everywhere goes through the bilinear kernel of 8 with stride 4, without padding. What is the value of
#: the output's top left pixel? And of one in the middle?
OF_ONES = None  # (corner, middle)
# BEGIN SOLUTION
ROWS = (408, 420)
STAMPS = (9, 4, 9)
OF_ONES = (0.015625, 1)
# END SOLUTION

# --- find the bug: see README.md, "Five colleagues" -----------------------------------------------------------------

#: What did each of them do? One of "right", "overwritten", "kernel turned", "cropped at the centre",
#: "offset forgotten", "dy shared out".
COLLEAGUES = {"Ada": None, "Bo": None, "Cem": None, "Dora": None, "Eli": None}
# BEGIN SOLUTION
COLLEAGUES = {"Ada": "kernel turned", "Bo": "right", "Cem": "overwritten"}
COLLEAGUES |= {"Dora": "offset forgotten", "Eli": "cropped at the centre"}
# END SOLUTION


def bilinear_filter(size):
    """The (size, size) filter, float32, with which a transposed convolution interpolates bilinearly.

    The upsampling factor that it fits is f = (size + 1) // 2. With c the middle of 0 ... size - 1,
    w[i, j] = (1 - |i - c| / f) (1 - |j - c| / f).
    """
    # BEGIN SOLUTION
    factor = (size + 1) // 2
    ramp = 1 - np.abs(np.arange(size) - (size - 1) / 2) / factor
    return np.outer(ramp, ramp).astype(np.float32)
    # END SOLUTION


def conv_transpose2d(x, w, b=None, stride=1, padding=0):
    """Every pixel of x stamps the kernel, times its value, onto y; stamps lie `stride` apart and add up.

    x: (N, C, H, W); w: (C, O, kh, kw), so that x[n, c, p, q] adds x[n, c, p, q] * w[c, o, i, j] to row
    stride * p + i and column stride * q + j of output channel o; b: (O,) or None, added to each pixel of y. Then
    `padding` rows and columns are cut off on each of the four sides. Returns y: (N, O, OH, OW), of the dtype of x, with
    OH = (H - 1) * stride + kh - 2 * padding, and a cache. It may be called any number of times, on other arrays, before
    `conv_transpose2d_backward` gets one of the caches.
    """
    # BEGIN SOLUTION
    images, _, height, width = x.shape
    _, outputs, kh, kw = w.shape
    tall, wide = (height - 1) * stride + kh, (width - 1) * stride + kw
    whole = np.zeros((images, outputs, tall, wide), x.dtype)
    stamps = np.einsum("nchw,coij->nohwij", x, w, optimize=True)
    for i in range(kh):
        for j in range(kw):
            under = whole[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            under += stamps[..., i, j]
    y = whole[:, :, padding : tall - padding, padding : wide - padding].copy()
    if b is not None:
        y += b[:, None, None]
    return y, (x, w, b is not None, stride, padding)
    # END SOLUTION


def conv_transpose2d_backward(dy, cache):
    """The gradients (dx, dw, db) from dy: (N, O, OH, OW), each of its array's dtype. db is None if there was no b."""
    # BEGIN SOLUTION
    x, w, has_bias, stride, padding = cache
    frame = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    under = np.lib.stride_tricks.sliding_window_view(np.pad(dy, frame), w.shape[2:], axis=(2, 3))
    under = under[:, :, ::stride, ::stride]  # (N, O, H, W, kh, kw): dy under each stamp
    dx = np.einsum("nohwij,coij->nchw", under, w, optimize=True)
    dw = np.einsum("nchw,nohwij->coij", x, under, optimize=True)
    return dx, dw, dy.sum(axis=(0, 2, 3)) if has_bias else None
    # END SOLUTION


def crop(x, offset, size):
    """The part of x: (N, C, H, W) of size = (rows, columns) that begins at offset = (row, column). And a cache."""
    # BEGIN SOLUTION
    (top, left), (rows, columns) = offset, size
    return x[:, :, top : top + rows, left : left + columns].copy(), (x.shape, top, left)
    # END SOLUTION


def crop_backward(dy, cache):
    """The gradient (dx,), a tuple of one: what was cut off had no part in y."""
    # BEGIN SOLUTION
    shape, top, left = cache
    whole = np.zeros(shape, dy.dtype)
    whole[:, :, top : top + dy.shape[2], left : left + dy.shape[3]] = dy
    return (whole,)
    # END SOLUTION


def add(*xs):
    """The sum of equally shaped arrays, and a cache. A new array, whatever is given."""
    # BEGIN SOLUTION
    total = xs[0].copy()
    for x in xs[1:]:
        total += x
    return total, len(xs)
    # END SOLUTION


def add_backward(dy, cache):
    """The gradients, a tuple of one for each of the arrays that were summed."""
    # BEGIN SOLUTION
    return (dy,) * cache
    # END SOLUTION
