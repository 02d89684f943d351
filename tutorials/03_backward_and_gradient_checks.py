# %% [markdown]
# # 3. The backward pass by hand, and how to know that it is right
#
# A net learns by following the gradient of its loss. There is no automatic differentiation here: each operation has a
# backward pass that somebody wrote. You learn
#
# * the three gradients of a convolution, from the chain rule to loops;
# * two ways to see $dx$: *stamping* and *looking back* with a turned kernel;
# * how a gradient check works, how large its step should be, and what it cannot see if done carelessly;
# * and, at the end, to find a bug with it.
#
# It prepares assignment 1 (`assignments/01_conv2d`), together with notebook 2.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from minifcn import inspection, ops
from minifcn.gradcheck import check

# %% [markdown]
# ## The chain rule, in indices
#
# Notation, in the text and in the code: for an array `x`, `dx` is the gradient of the loss $L$ with respect to it, of
# the same shape. A backward pass is handed `dy` $= \partial L / \partial y$ and must return `dx`, `dw`, `db`.
#
# Forward, one picture, stride $s$ (no padding, to keep it short): $\;y_{oij} = b_o + \sum_{c,\delta i,\delta j} w_{o c
# \delta i \delta j}\; x_{c,\; si+\delta i,\; sj+\delta j}$.
#
# Each weight takes part in every output, so its gradient is a sum over all places. The same for the bias, whose factor
# is 1. And an input pixel takes part in each window that covers it:
#
# $$dw_{o c \delta i \delta j} = \sum_{i,j} dy_{oij}\; x_{c,\; si+\delta i,\; sj+\delta j}$$
#
# $$db_o = \sum_{i,j} dy_{oij}$$
#
# $$dx_{cpq} = \sum_{o}\;\sum_{\delta i,\delta j:\; si+\delta i=p,\; sj+\delta j=q} w_{oc\delta i\delta j}\; dy_{oij}$$
#
# In loops it is the forward pass read from right to left: wherever forward said `y += w * x`, backward says `dw += dy *
# x` and `dx += dy * w`.

# %%


def conv2d(x, w, b, stride=1):
    """x: (C, H, W), w: (O, C, k, k), b: (O,) -> y: (O, OH, OW) and what backward will need."""
    k = w.shape[2]
    height, width = ((n - k) // stride + 1 for n in x.shape[1:])
    y = np.empty((len(w), height, width), x.dtype)
    for i in range(height):
        for j in range(width):
            window = x[:, stride * i : stride * i + k, stride * j : stride * j + k]  # (C, k, k)
            y[:, i, j] = (w * window).sum(axis=(1, 2, 3)) + b
    return y, (x, w, stride)


def conv2d_backward(dy, cache):
    """dy: (O, OH, OW) -> dx, dw, db."""
    x, w, stride = cache
    k = w.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            rows, columns = slice(stride * i, stride * i + k), slice(stride * j, stride * j + k)
            for o in range(len(w)):
                dw[o] += dy[o, i, j] * x[:, rows, columns]
                dx[:, rows, columns] += dy[o, i, j] * w[o]  # += : windows overlap
    return dx, dw, dy.sum(axis=(1, 2))


# %% [markdown]
# ## Stamping
#
# Let `dy` be 1 at one place and 0 elsewhere. Then `dx` is the kernel, stamped where the window was. Of two places whose
# windows overlap, the stamps add up.

# %%
w = np.arange(1.0, 10).reshape(1, 1, 3, 3)
x = np.zeros((1, 7, 7))
shown = {"w": w[0, 0]}
for name, places in {"one": [(1, 1)], "two": [(1, 1), (2, 3)]}.items():
    dy = np.zeros((1, 5, 5))
    for place in places:
        dy[(0, *place)] = 1
    _, cache = conv2d(x, w, np.zeros(1))
    dx, _, _ = conv2d_backward(dy, cache)
    shown[f"dy, {name}"], shown[f"dx, {name}"] = dy[0], dx[0]
inspection.tiles(shown, inches=1.75)

# %% [markdown]
# **What to see.** Where the two stamps overlap, their numbers are added: writing `=` for `+=` is the commonest bug of
# all.
#
# ## Looking back
#
# Now ask from the other side: which `dy` reach one pixel $x_{pq}$? Output $(i, j)$ sees it through tap $(p-i, q-j)$, so
# the *later* outputs see it through *earlier* taps. Collected for each input pixel, `dx` is a convolution of `dy` (with
# zeros around it) with the kernel **turned by 180 degrees**. Same numbers:

# %%
rng = np.random.default_rng(0)
dy = rng.normal(size=(1, 5, 5))
_, cache = conv2d(x, w, np.zeros(1))
stamped, _, _ = conv2d_backward(dy, cache)
turned = w[:, :, ::-1, ::-1]
looked_back, _ = ops.conv2d(dy[None], turned, None, padding=2)
not_turned, _ = ops.conv2d(dy[None], w, None, padding=2)
ways = {"dx, stamped": stamped[0], "dx, looking back": looked_back[0, 0], "kernel not turned": not_turned[0, 0]}
inspection.tiles(ways, inches=2.6, same_scale=True)

# %% [markdown]
# **What to see.** The first two are the same. The third, with the kernel as it is, looks just as plausible. Nobody sees
# such a mistake by eye; a net with it even learns, badly. So gradients are *checked*.
#
# ## Checking a gradient
#
# Move the input a little in some direction $v$, and see how far the output moves. For $L = \langle dy, f(x) \rangle$
#
# $$\langle dx, v \rangle \approx \frac{\langle dy,\; f(x + h v) - f(x - h v) \rangle}{2h}$$
#
# The left side is what backward claims, the right side needs forward alone. How small should $h$ be? Try all, on a
# function that is not linear, in both precisions:

# %%


def quotient_error(dtype, h):
    """Relative error of the central difference of sum(dy * exp(x)) at some x."""
    rng = np.random.default_rng(1)
    x, v, dy = (rng.normal(size=50).astype(dtype) for _ in range(3))
    h = dtype(h)
    claimed = (dy * np.exp(x) * v).sum(dtype=np.float64)
    measured = (dy * (np.exp(x + h * v) - np.exp(x - h * v)) / (2 * h)).sum(dtype=np.float64)
    return abs(measured - claimed) / abs(claimed)


steps = 10.0 ** np.arange(-11, 0.1, 0.5)
curve = {dtype.__name__: [quotient_error(dtype, h) for h in steps] for dtype in (np.float64, np.float32)}
fig, axes = plt.subplots(figsize=(6.5, 3))
for name, errors in curve.items():
    axes.loglog(steps, np.maximum(errors, 1e-16), label=name)
axes.set(xlabel="step h", ylabel="relative error")
axes.annotate("truncation, as h²", (2e-2, 1e-4), (1.5e-3, 1e-1), arrowprops={"arrowstyle": "->"}, ha="center")
axes.annotate("rounding, as 1/h", (1e-8, 1e-8), (1e-10, 1e-11), arrowprops={"arrowstyle": "->"}, ha="center")
_ = axes.legend()
# %% [markdown]
# **What to see.** Too large a step sees the curve bend, too small a one drowns in rounding. At best float64 gets
# eleven digits (near $h = 10^{-5}$), float32 five: therefore checks run in float64. And an operation that is *linear*,
# as convolution is in x, in w and in b, never bends: there $h$ may be as large as you like, and the tolerance tight.
#
# `gradcheck.check` does that for any pair of functions `op(...) -> (y, cache)`, `op_backward(dy, cache) -> gradients`:

# %%
arrays = {"x": rng.normal(size=(3, 6, 7)), "w": rng.normal(size=(2, 3, 3, 3)), "b": rng.normal(size=2)}
report = check(partial(conv2d, stride=2), conv2d_backward, arrays, name="conv2d by hand", linear=True)
print(report)

# %% [markdown]
# ## What careless checks miss
#
# `dy` is drawn at random, and never all ones: that is, the check never just sums the output. Here is a backward pass
# that takes the *mean* of `dy` over the picture instead of each value where it stands. It is quite wrong.

# %%


def conv2d_backward_of_the_mean(dy, cache):
    return conv2d_backward(np.broadcast_to(dy.mean(axis=(1, 2), keepdims=True), dy.shape), cache)


def careless(function, backward, arrays, h=1e-2):
    """A check with dy = 1 along one direction: the relative error of dx."""
    y, cache = function(*arrays.values())
    dx, v = backward(np.ones_like(y), cache)[0], rng.normal(size=arrays["x"].shape)
    moved = [function(arrays["x"] + sign * h * v, arrays["w"], arrays["b"])[0].sum() for sign in (1, -1)]
    measured = (moved[0] - moved[1]) / (2 * h)
    return abs(measured - (dx * v).sum()) / abs(measured)


missed = careless(conv2d, conv2d_backward_of_the_mean, arrays)
caught = check(conv2d, conv2d_backward_of_the_mean, arrays, name="of the mean", linear=True)
print(f"careless check, dy = 1: error {missed:.1e}\n")
print(caught)

# %% [markdown]
# Other things to keep away from: inputs at a *kink* (ReLU at 0, a tie in a max-pool), where there is no derivative; and
# sizes that are all equal, which hide swapped axes. minifcn's own list of ragged cases is `minifcn/gradcheck/cases.py`,
# and `python -m minifcn.gradcheck` runs them all, together with over fifty *wrong* backward passes that it must catch.
#
# ## The adjoint test
#
# A linear operation's backward pass in x is its *adjoint* $A^T$: $\langle A x, y \rangle = \langle x, A^T y \rangle$
# for all x and y. No step, no tolerance to choose. The adjoint of convolution has a name of its own, *transposed
# convolution*, and does the upsampling of FCNs (notebook 6).

# %%
X, Y, W = rng.normal(size=(2, 3, 9, 10)), rng.normal(size=(2, 4, 4, 4)), rng.normal(size=(4, 3, 3, 3))
left = (ops.conv2d(X, W, None, stride=2, padding=0)[0] * Y).sum()
right = (X * ops.conv_transpose2d(Y, W, None, stride=2, output_padding=(0, 1))[0]).sum()
print(f"<conv(x), y> = {left:.12f}\n<x, convT(y)> = {right:.12f}")

# %% [markdown]
# ## A bug to find
#
# The next backward pass is faster than the one above: one loop over the $k \times k$ taps, NumPy does the rest. Its
# author ran it with stride 1 and stride 2, saw plausible pictures, and went home.

# %%


def conv2d_backward_fast(dy, cache):
    x, w, stride = cache
    k = w.shape[2]
    height, width = dy.shape[1:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for di in range(k):
        for dj in range(k):
            rows = slice(di, di + stride * height, stride)
            columns = slice(dj, dj + stride * width, stride)
            dw[:, :, di, dj] = np.einsum("oij,cij->oc", dy, x[:, rows, columns])
            dx[:, rows, columns] = dx[:, rows, columns] + np.einsum("oij,oc->cij", dy, w[:, :, dj, di])
    return dx, dw, dy.sum(axis=(1, 2))


buggy = check(partial(conv2d, stride=2), conv2d_backward_fast, arrays, name="fast", linear=True)
print(buggy)

# %% [markdown]
# The report names the array whose gradient is wrong. *Where* it is wrong says more: a delta in `dy`, and the
# difference.

# %%
_, cache = conv2d(arrays["x"], arrays["w"], arrays["b"])
dy = np.zeros((2, 4, 5))
dy[0, 1, 2] = 1
good, bad = conv2d_backward(dy, cache)[0], conv2d_backward_fast(dy, cache)[0]
kernel = arrays["w"][0, 0]
inspection.tiles(
    {"dx[0] by hand": good[0], "dx[0] fast": bad[0], "fast - by hand": bad[0] - good[0], "w[0, 0]": kernel}
)

# %% [markdown]
# **What to see.** The stamp is at the right place and its diagonal is right; the rest is not. Compare the fast stamp
# with `w[0, 0]`. Which line is wrong? (Exercise 1. The check will tell you when you have it.)
#
# ## What was claimed, checked

# %%
assert np.allclose(stamped[0], looked_back[0, 0]) and not np.allclose(stamped[0], not_turned[0, 0])
assert report.passed
assert 1e-13 < min(curve["float64"]) < 1e-10 and 1e-6 < min(curve["float32"]) < 2e-5  # eleven digits, and five
assert missed < 1e-9 and not caught.passed  # wrong, and only a random dy shows it
assert abs(left - right) < 1e-10
assert [row.array for row in buggy.failures] == ["x"]  # dw and db of the fast one are right
assert np.count_nonzero(bad[0] - good[0]) == 6  # of the stamp's nine numbers

# %% [markdown]
# ## Exercises
#
# 1. Find and mend the bug. One subscript is wrong.
# 2. Put a bug of your own into `conv2d_backward`: `=` for `+=` in dx; dw summed over only the first row of outputs; db
#    as a mean. For each: *predict* which rows of the report fail, then run it. Is there a stride for which the first is
#    no bug?
# 3. Why does the careless check not even see a `dx` whose rows were shuffled, as long as every row of the right one is
#    the same? For which kernels is that so away from the border?
# 4. Write the backward pass of `y = x * x` and check it with `linear=True`, then without. What happens to the error,
#    and why?
# 5. Add padding to the two functions at the top. In which one line does backward have to undo it?
