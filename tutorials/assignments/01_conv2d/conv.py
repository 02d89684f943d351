"""Assignment 1: convolution, forward and backward. This is the file that you hand in."""

import numpy as np

# --- predict: fill these in before you run anything -----------------------------------------------------------------

#: A net's first convolution has a kernel of 5, stride 2 and padding 33. How high is its output for a picture of 612
#: rows?
FIRST_ROWS = None
#: A convolution of one channel to one, 5x5, stride 2, padding 2, on a picture of 9x9: in how many of the output pixels
#: has the picture's top left pixel a part? The pixel in the middle? Its neighbour on the right?
SEEN_BY = None  # (corner, middle, neighbour)
#: 48 channels to 96, 5x5, stride 1, padding 2, on one picture of 100x80. How many multiplications does a forward pass
#: take, those by the zeros of the padding included? And how many numbers would a matrix of all its im2col columns hold
#: (a column is the window of one output pixel)?
COST = None  # (multiplications, numbers)
# BEGIN SOLUTION
FIRST_ROWS = 337
SEEN_BY = (4, 9, 6)
COST = (48 * 96 * 25 * 100 * 80, 48 * 25 * 100 * 80)
# END SOLUTION

# --- find the bug: see README.md, "Four colleagues" -----------------------------------------------------------------

#: What did each of them do? One of "right", "kernel not rotated", "overwritten", "moved", "batch averaged".
COLLEAGUES = {"Ada": None, "Bo": None, "Cem": None, "Dora": None}
# BEGIN SOLUTION
COLLEAGUES = {"Ada": "kernel not rotated", "Bo": "overwritten", "Cem": "right", "Dora": "moved"}
# END SOLUTION


def output_size(n, k, s, p):
    """How many outputs a window of k pixels makes that moves by s over n pixels with p zeros on each side.

    Pixels that are left over at the end, too few for another step, are not seen.
    """
    # BEGIN SOLUTION
    return (n + 2 * p - k) // s + 1
    # END SOLUTION


def conv2d(x, w, b=None, stride=1, padding=0):
    """y[n, o, p, q] = b[o] + sum over c, i, j of w[o, c, i, j] * x[n, c, s*p + i - pad, s*q + j - pad]

    x: (N, C, H, W), 0 outside of its H x W pixels; w: (O, C, kh, kw); b: (O,) or None, which counts as zeros. s, the
    stride, and pad, the padding, are whole numbers. Returns y: (N, O, OH, OW), of the dtype of x, and a cache: whatever
    your `conv2d_backward` will need, in any form that you like. Changes none of its inputs. It may be called any number
    of times, on other arrays, before `conv2d_backward` gets one of the caches.
    """
    # BEGIN SOLUTION
    images, _, height, width = x.shape
    outputs, _, kh, kw = w.shape
    out_h, out_w = output_size(height, kh, stride, padding), output_size(width, kw, stride, padding)
    framed = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    y = np.zeros((images, outputs, out_h, out_w), x.dtype)
    for i in range(kh):
        for j in range(kw):
            seen = framed[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
            y += np.einsum("nchw,oc->nohw", seen[:, :, :out_h, :out_w], w[:, :, i, j], optimize=True)
    if b is not None:
        y += b[:, None, None]
    return y, (x, w, b is not None, stride, padding, framed)
    # END SOLUTION


def conv2d_backward(dy, cache):
    """The gradients (dx, dw, db) of a loss, from its gradient dy: (N, O, OH, OW) with respect to y.

    Each has the shape and dtype of the array it belongs to. db is None if there was no b.
    """
    # BEGIN SOLUTION
    x, w, has_bias, stride, padding, framed = cache
    kh, kw = w.shape[2:]
    out_h, out_w = dy.shape[2:]
    dframed, dw = np.zeros_like(framed), np.zeros_like(w)
    for i in range(kh):
        for j in range(kw):
            rows, columns = slice(i, i + stride * out_h, stride), slice(j, j + stride * out_w, stride)
            seen = framed[:, :, rows, columns][:, :, :out_h, :out_w]
            dw[:, :, i, j] = np.einsum("nohw,nchw->oc", dy, seen, optimize=True)
            stamp = np.einsum("nohw,oc->nchw", dy, w[:, :, i, j], optimize=True)
            dframed[:, :, rows, columns][:, :, :out_h, :out_w] += stamp
    dx = dframed[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]].copy()
    db = dy.sum(axis=(0, 2, 3)) if has_bias else None
    return dx, dw, db
    # END SOLUTION
