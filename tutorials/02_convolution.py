# %% [markdown]
# # 2. Convolution: from loops to im2col to row bands
#
# Nearly all the arithmetic of an FCN is one operation. You learn here
#
# * what it computes, in loops that can be checked by hand;
# * how it becomes one matrix product (*im2col*), which is why it is fast;
# * why a whole column matrix is never built, and what *row bands* are;
# * the words that go with it: kernel size $k$, stride $s$, padding, dilation, groups.
#
# It prepares assignment 1 (`assignments/01_conv2d`), together with notebook 3.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection, ops, window

# %% [markdown]
# ## What it computes
#
# The paper (section 3) writes every layer of its nets in one form. With $k$ the kernel size and $s$ the stride,
#
# $$y_{ij} = f_{ks}\left(\{x_{si+\delta i,\;sj+\delta j}\}_{0 \le \delta i, \delta j < k}\right)$$
#
# The output at $(i, j)$ is a function of a $k \times k$ window of the input that begins at $(si, sj)$, and the *same*
# function everywhere. Which function decides the kind of layer: a maximum makes a max-pool, and a **weighted sum makes
# a convolution**. In loops, with $C$ input channels and $O$ output channels:

# %%


def conv2d_loops(x, w, b, stride=1, padding=0):
    """x: (C, H, W), w: (O, C, k, k), b: (O,) -> y: (O, OH, OW)."""
    outputs, channels, k, _ = w.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    height = (x.shape[1] - k) // stride + 1
    width = (x.shape[2] - k) // stride + 1
    y = np.zeros((outputs, height, width))
    for o in range(outputs):
        for i in range(height):
            for j in range(width):
                total = b[o]
                for c in range(channels):
                    for di in range(k):
                        for dj in range(k):
                            total += w[o, c, di, dj] * x[c, stride * i + di, stride * j + dj]
                y[o, i, j] = total
    return y


# %% [markdown]
# By hand: a 4x4 input with one channel, a 3x3 kernel that compares left with right.

# %%
x = np.array([[1, 2, 0, 3], [4, 1, 1, 0], [0, 2, 5, 1], [3, 0, 1, 2]], float)
w = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], float)
y = conv2d_loops(x[None], w[None, None], np.zeros(1))[0]
first = np.full((4, 4), np.nan)
first[:3, :3] = x[:3, :3]
inspection.tiles({"x": x, "the window of y[0, 0]": first, "w": w, "y": y}, inches=2)

# %%
print(
    "y[0, 0] = " + " + ".join(f"{a:g}*{b:g}" for a, b in zip(w.ravel(), x[:3, :3].ravel(), strict=True)), "=", y[0, 0]
)

# %% [markdown]
# **What to see.** Numbers in the window times numbers of the kernel, summed. The kernel is *not* turned round: what
# everybody calls convolution is, strictly, cross-correlation. That is a convention, and it comes back as a turned
# kernel in the backward pass (notebook 3).
#
# On a picture, kernels find things. These two are Sobel's, which answer to edges; the third is a mean.

# %%
image = data.open_dataset("shapes", "train")[10].image
grey = image.mean(axis=2)
kernels = {
    "left to right": w,
    "top to bottom": w.T,
    "mean of 7x7": np.full((7, 7), 1 / 49),
}
fig, axes = plt.subplots(1, 4, figsize=(8, 2.4))
axes[0].imshow(grey)
axes[0].set_title("x")
for a, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
    p = len(kernel) // 2
    filtered, _ = ops.conv2d(grey[None, None], kernel[None, None], np.zeros(1), padding=p)
    a.imshow(filtered[0, 0])
    a.set_title(f"y: {name}")
for a in axes:
    a.axis("off")

# %% [markdown]
# **What to see.** The first two are dark or bright where brightness changes across or down, grey where nothing happens.
# The frame around each is the padding: beyond the picture there are zeros, which is black. A net *learns* its kernels;
# the first layers of trained nets look much like these.
#
# `ops.conv2d` is the engine's. It agrees with the loops for every stride and padding, batches included:

# %%
rng = np.random.default_rng(0)
X, W, B = rng.normal(size=(2, 3, 8, 9)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
errors = {}
for stride in (1, 2, 3):
    for padding in (0, 1, 2):
        fast, _ = ops.conv2d(X, W, B, stride=stride, padding=padding)
        slow = np.stack([conv2d_loops(one, W, B, stride, padding) for one in X])
        errors[stride, padding] = abs(fast - slow).max()
        size = window.conv_size(8, 3, stride, padding), window.conv_size(9, 3, stride, padding)
        assert fast.shape == slow.shape == (2, 4, *size)
print(f"9 cases, largest difference {max(errors.values()):.1e}")

# %% [markdown]
# Output size along an axis of $n$ pixels: $\lfloor (n + 2p - k) / s \rfloor + 1$, which is `window.conv_size`.
# *Padding* adds $p$ zeros on each side; with $p = (k-1)/2$ and stride 1 the size stays.
#
# ## From loops to one matrix product
#
# The same sum, written differently: lay the window of every output side by side as the **columns** of a matrix, and
# each filter as a **row** of another. Then all outputs are one product of matrices, at which computers are very good.
# The laying out is called *im2col*.

# %%


def im2col_loops(x, k, stride=1):
    """x: (C, H, W) -> (C * k * k, OH * OW): column i * OW + j is the window of output (i, j)."""
    height, width = ((n - k) // stride + 1 for n in x.shape[1:])
    columns = []
    for i in range(height):
        for j in range(width):
            columns.append(x[:, stride * i : stride * i + k, stride * j : stride * j + k].ravel())
    return np.stack(columns, axis=1)


cols = im2col_loops(x[None], 3)
product = (w.reshape(1, 9) @ cols).reshape(2, 2)
inspection.tiles({"x": x, "columns (9, 4)": cols, "w as a row (1, 9)": w.reshape(1, 9), "product, as 2x2": product},
                 inches=2.4)  # fmt: skip

# %% [markdown]
# **What to see.** Each column is a window, read row by row; neighbouring columns repeat most of each other's numbers.
# The product is `y` from above.
#
# How much does that help? Loops in Python against the product, on a small layer:

# %%
import time

small = rng.normal(size=(8, 24, 24))
filters = rng.normal(size=(8, 8, 3, 3))


def seconds(function, repeats):
    """The least of a few runs."""
    best = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best.append(time.perf_counter() - start)
    return min(best)


loops = seconds(lambda: conv2d_loops(small, filters, np.zeros(8)), 1)
matrix = seconds(lambda: filters.reshape(8, -1) @ im2col_loops(small, 3), 3)
engine = seconds(lambda: ops.conv2d(small[None], filters, None), 20)
print("the matrix product is more than 20 times as fast as the loops:", loops > 20 * matrix)
print("and the engine more than 100 times:", loops > 100 * engine)

# %% [markdown]
# ## Why there is never a whole column matrix
#
# Each pixel appears in up to $k^2$ columns. For a 3x3 kernel the columns are nine times as large as the input, and that
# input is not small:

# %%
from minifcn import models

plan = models.build("fcn8s", 21).plan((1, 3, 500, 500))
row = plan.row("conv1_2")
channels, height, width = row.out_shape[1:]
whole = channels * 9 * height * width * 4
print(
    f"conv1_2 of FCN-8s on 500x500 pixels: an input of {channels}x{height}x{width}, {row.output_bytes / 2**20:.0f} MiB,"
)
band = window.band_bytes(np)
print(f"columns of {whole / 2**30:.2f} GiB; what the engine builds of them at a time: {band / 2**20:.0f} MiB")

# %% [markdown]
# The trick: an output row needs only $k$ input rows. So columns are built for a *band* of a few output rows,
# multiplied, and forgotten; the next band uses the same memory. `window.bands` cuts the work, by shape alone, so the
# result has the same bits on any number of threads.

# %%
cut = window.bands(np, images=1, rows=64, width=96, bytes_per_column=64 * 9 * 4)  # of a map with 64 channels
print(len(cut), "bands:", ", ".join(f"rows {b.rows.start}-{b.rows.stop - 1}" for b in cut))

picture = rng.normal(size=(4, 40, 60))
weights = rng.normal(size=(5, 4, 3, 3))
whole_at_once, _ = ops.conv2d(picture[None], weights, None)
band_by_band = np.empty_like(whole_at_once)
for start in range(0, 38, 8):  # 38 output rows, 8 at a time
    stop = min(start + 8, 38)
    part = im2col_loops(picture[:, start : stop + 2], 3)  # a band of r rows needs r + k - 1 rows of input
    band_by_band[0, :, start:stop] = (weights.reshape(5, -1) @ part).reshape(5, stop - start, 58)
print(f"band by band against all at once: largest difference {abs(band_by_band - whole_at_once).max():.1e}")

# %%
fig, axes = plt.subplots(1, 3, figsize=(8, 2.7), width_ratios=(1, 1, 1.3))
shade = np.zeros((10, 12))
shade[3:7] = 0.55
shade[4:6] = 1
axes[0].imshow(shade, cmap="gray_r", vmin=0, vmax=1.5)
axes[0].set_title("input rows that a band reads")
axes[0].text(5.5, 4.5, "2 rows of the band", ha="center", va="center", color="white", fontsize=8)
axes[0].text(5.5, 3, "and one above", ha="center", va="center", fontsize=8)
axes[0].text(5.5, 6, "and one below", ha="center", va="center", fontsize=8)
axes[1].imshow((shade == 1).astype(float), cmap="gray_r", vmin=0, vmax=1.5)
axes[1].set_title("output rows that it fills")
sizes = {"input": row.output_bytes, "all columns": whole, "a band": band}
bars = axes[2].barh(list(sizes), [n / 2**20 for n in sizes.values()], color=["#777777", "#bbbbbb", "#333333"])
axes[2].bar_label(bars, fmt="%.0f", padding=4)
axes[2].invert_yaxis()
axes[2].set_title("conv1_2, MiB")
axes[2].margins(x=0.2)
for a in axes[:2]:
    a.set_xticks([])
    a.set_yticks([])
    a.spines[:].set_visible(True)

# %% [markdown]
# **What to see.** Two output rows of a 3x3 convolution need four input rows. Right, in MiB: what is built at a time is
# so little that its bar can hardly be seen.
#
# ## Dilation and groups
#
# With *dilation* $d$ the kernel's taps are $d$ pixels apart: a 3x3 kernel of dilation 2 reaches over 5x5 pixels with
# nine weights (notebook 7 needs this). With *groups* $g$ the channels are cut into $g$ parts that do not see each
# other; AlexNet has 2, and FCN's fixed upsampling one group a class.

# %%
delta = np.zeros((1, 1, 11, 11))
delta[0, 0, 5, 5] = 1  # what a single pixel does to the output shows where the kernel's taps are
ones = np.ones((1, 1, 3, 3))
reach = {f"dilation {d}": ops.conv2d(delta, ones, None, padding=d, dilation=d)[0][0, 0] for d in (1, 2, 4)}
inspection.tiles(reach, inches=2.3)

# %% [markdown]
# **What to see.** The same nine weights reach over 3x3, 5x5 and 9x9 pixels; what lies between the taps is not looked
# at.
#
# ## What was claimed, checked

# %%
assert np.array_equal(product, y)
assert y[0, 0] == (w * x[:3, :3]).sum()
assert max(errors.values()) < 1e-12
assert np.allclose(band_by_band, whole_at_once, atol=1e-12)
assert whole > 1e9 > 10 * band  # a gigabyte of columns, never built
assert cut[0].rows.start == 0 and cut[-1].rows.stop == 64
assert loops > 20 * matrix and loops > 100 * engine
for d in (1, 2, 4):
    assert np.count_nonzero(reach[f"dilation {d}"]) == 9

# %% [markdown]
# ## Exercises
#
# 1. Work out `y[1, 0]` above with pencil and paper, then look.
# 2. `im2col_loops` lacks padding and dilation. Add them and check yourself against `ops.conv2d`.
# 3. Two 3x3 convolutions of stride 1 on top of each other see 5x5 pixels. The paper's rule for compositions is $f_{ks}
#    \circ g_{k's'} = (f \circ g)_{k' + (k-1)s',\; ss'}$. What is $k$ and $s$ of three 3x3 convolutions, a 2x2 pool of
#    stride 2, and two more convolutions? (`models.build("vgg16").coords("conv2_2")` has a part of the answer.)
# 4. *Find the bug:* someone reshapes the weight with `w.reshape(-1, outputs).T` instead of `w.reshape(outputs, -1)`.
#    Shapes fit. For which weights is the result right all the same?
# 5. A 1x1 convolution needs no im2col. What is its matrix product? Why can the engine skip copying the input?
