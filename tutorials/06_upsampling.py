# %% [markdown]
# # 6. Upsampling: bilinear interpolation, transposed convolution, and its gradient
#
# The dense net of notebook 5 gives one score for every few pixels. To label *each* pixel, scores must be brought back
# to the picture's size. The paper (section 3.3) does it inside the net, with a layer that can be learned:
# "deconvolution", which is no inverse of anything, but a convolution with forward and backward exchanged. You learn
#
# * what a transposed convolution does, in stamps;
# * that bilinear interpolation is one, and with which filter;
# * what its gradient is (you know it already);
# * and two surprises: what happens at the border, and that 2x twice is not 4x.
#
# It prepares assignment 3 (`assignments/03_upsampling`).

# %%
import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, init, inspection, ops, optim
from minifcn.gradcheck import check
from minifcn.layers import Param

# %% [markdown]
# ## Stamps, further apart
#
# In the backward pass of a convolution every `dy` stamped the kernel onto `dx`, at steps of the stride (notebook 3). Do
# that *forward*: each input pixel stamps its kernel, times its value, onto the output, $s$ pixels apart. The output is
# larger: $(n - 1)s + k - 2p$.

# %%


def conv_transpose2d_loops(x, w, stride):
    """x: (H, W), w: (k, k) -> ((H - 1) * stride + k, ...)."""
    k = len(w)
    y = np.zeros([(n - 1) * stride + k for n in x.shape])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[stride * i : stride * i + k, stride * j : stride * j + k] += x[i, j] * w
    return y


x = np.array([[1.0, 0, 2], [0, 3, 0]])
w = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])
y = conv_transpose2d_loops(x, w, stride=2)
engine, _ = ops.conv_transpose2d(x[None, None], w[None, None], stride=2)
inspection.tiles({"x": x, "w": w, "y: stride 2": y}, inches=2.4)

# %% [markdown]
# **What to see.** Around each value of `x` lies its stamp, two pixels from the next; where stamps overlap (in every
# second row and column) they add up.
#
# ## Bilinear interpolation is a transposed convolution
#
# Between two values, linear interpolation is a weighted mean: the nearer one counts more. Turn that round and ask how
# much one value contributes to each of the new pixels around it. The answer is a little tent, the same for every value;
# so it is a stamp. For a factor $f$ the tent is $2f$ wide (even kernels; $2f - 1$ if the new pixels are to lie *on* the
# old ones).

# %%
row = np.array([1.0, 0.5, 3, 2, 2, 1.5])
f = 4
tent = init.bilinear_filter(2 * f)[:, f - 1 : f + 1].sum(axis=1)  # one row of the filter
tent /= tent.max() / (1 - 0.5 / f)
fig, axes = plt.subplots(figsize=(8, 2.7))
total = np.zeros((len(row) - 1) * f + 2 * f)
places = np.arange(len(total)) - (2 * f - 1) / 2  # of the output, where input 0 is 0, in output pixels
for k, value in enumerate(row):
    stamp = np.zeros_like(total)
    stamp[f * k : f * k + 2 * f] = value * tent
    total += stamp
    axes.plot(places[f * k : f * k + 2 * f], value * tent, color="#999999", linestyle="--", linewidth=1)
axes.plot(places, total, color="black", marker=".", linestyle="-", label="sum: the output")
axes.plot(f * np.arange(len(row)), row, "o", color="#D55E00", markersize=8, label="input values")
axes.set_xlabel("output pixels")
_ = axes.legend()

# %% [markdown]
# **What to see.** Dashed: each value's tent. Their sum runs straight from value to value. At the ends half a tent is
# missing, and the sum falls to zero: remember that.
#
# In two dimensions the filter is the product of two tents; `init.bilinear_filter(k)` makes it:

# %%
inspection.tiles({f"k = {k}, for x{(k + 1) // 2}": init.bilinear_filter(k) for k in (3, 4, 7, 8)}, inches=2.3)

# %%
s = data.open_dataset("shapes", "train")[2]
disc = (s.label == 1).astype(np.float64)[None, None]
coarse, _ = ops.avg_pool2d(disc, 8)  # what a net with a stride of 8 might say: how much disc is in each cell
bilinear, _ = ops.conv_transpose2d(coarse, init.bilinear_filter(16)[None, None].astype(float), stride=8, padding=4)
nearest, _ = ops.conv_transpose2d(coarse, np.ones((1, 1, 8, 8)), stride=8)
fig, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for a, picture, title in zip(
    axes, (disc, coarse, nearest, bilinear), ("96x96", "12x12", "kernel of ones, 8x8", "bilinear, 16x16"), strict=True
):
    a.imshow(picture[0, 0], cmap="gray")
    if picture.shape == disc.shape:
        a.contour(picture[0, 0], [0.5], colors="white", linewidths=3)
        a.contour(picture[0, 0], [0.5], colors="black", linewidths=1.2)
    a.set_title(title)
    a.axis("off")

# %% [markdown]
# **What to see.** The line is where the value crosses one half, that is where a label would change. A kernel of ones
# repeats the cells, stairs and all; from the *same* 144 numbers bilinear interpolation makes a round outline.
#
# FCN's nets have one such filter a class, `groups = classes`: no class leaks into another. In the released Caffe nets
# the same is a dense weight, classes x classes x k x k, with the filter on its diagonal and zeros elsewhere.
#
# ## The gradient: a plain convolution
#
# Forward and backward have changed places. In backward, `dx` of a *transposed* convolution is the *plain* convolution
# of `dy` with the same kernel, not turned: each input pixel collects what its stamp did.

# %%
rng = np.random.default_rng(0)
X, W = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 2, 4, 4))
Y, cache = ops.conv_transpose2d(X, W, stride=2, padding=1)
dY = rng.normal(size=Y.shape)
dX, dW, _ = ops.conv_transpose2d_backward(dY, cache)
plain, _ = ops.conv2d(dY, W, None, stride=2, padding=1)
print(f"dx against conv2d(dy, w): {abs(dX - plain).max():.1e}\n")
report = check(
    lambda x, w: ops.conv_transpose2d(x, w, stride=2, padding=1),
    lambda dy, cache: ops.conv_transpose2d_backward(dy, cache)[:2],
    {"x": X, "w": W}, name="conv_transpose2d", linear=True,
)  # fmt: skip
print(report)

# %% [markdown]
# ## So it can be learned
#
# Start with noise for a kernel, show it coarse maps and the fine ones they came from, and let gradient descent do the
# rest. What kernel does it find? The maps are smooth blobs; the loss is the mean squared difference.

# %%
yy, xx = np.mgrid[:64, :64]


def blobs(count):
    """Random sums of bumps, (count, 1, 64, 64), and their 4x4 means."""
    fine = np.zeros((count, 1, 64, 64))
    for n in range(count):
        for _ in range(6):
            y, x, r = *rng.uniform(0, 64, 2), rng.uniform(6, 12)
            fine[n, 0] += rng.normal() * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * r * r))
    return fine, ops.avg_pool2d(fine, 4)[0]


kernel = Param(rng.normal(size=(1, 1, 8, 8)) * 0.1)
start = kernel.data.copy()
sgd = optim.MomentumSGD({"kernel": kernel}, lr=0.02, momentum=0.9)
errors = []
for _ in range(150):
    fine, coarse = blobs(8)
    guess, cache = ops.conv_transpose2d(coarse, kernel.data, stride=4, padding=2)
    errors.append(float(((guess - fine) ** 2).mean()))
    kernel.grad = None
    kernel.accumulate(ops.conv_transpose2d_backward(2 * (guess - fine) / (64 * 64 * 8) * 16, cache)[1])
    sgd.step()
tent2d = init.bilinear_filter(8).astype(float)
alike = float(np.corrcoef(kernel.data.ravel(), tent2d.ravel())[0, 1])
print(f"error {errors[0]:.3f} -> {errors[-1]:.5f}; correlation with the bilinear filter {alike:.3f}")
kernels = {"at the start": start[0, 0], "learned": kernel.data[0, 0], "bilinear": tent2d}
inspection.tiles({f"{name}, x 100": np.round(100 * k) for name, k in kernels.items()}, inches=2.6)

# %% [markdown]
# **What to see.** It learned a tent by itself, if a crooked one. That is why the paper *starts* its upsampling with
# bilinear filters; whether they then learn on makes little difference there, and the released nets keep them fixed.
#
# ## Two surprises
#
# *At the border* tents are missing. A constant map of ones does not come out as ones:

# %%
ones = np.ones((1, 1, 16, 16))
up, _ = ops.conv_transpose2d(ones, init.bilinear_filter(64)[None, None].astype(float), stride=32)
edge = up[0, 0, 19 : 19 + 500, 19 : 19 + 500]  # FCN-32s crops 500x500 pixels at offset 19
line = np.sin(np.arange(12) / 2.0) + np.arange(12) / 8.0
print(f"FCN-32s at 500x500 pixels: {edge[250, 0]:.3f} at the border's middle, {edge[0, 0]:.3f} in the corner")


def up1d(values, f):
    """Interpolation of a row by f: only its middle rows are of interest."""
    t = init.bilinear_filter(2 * f).astype(float)
    y, _ = ops.conv_transpose2d(np.tile(values, (6, 1))[None, None], t[None, None], stride=f, padding=f // 2)
    return y[0, 0, 3 * f]


ramp, curved = np.arange(12.0), rng.uniform(-2, 2, 12)
gap = {}
for name, values in (("ramp", ramp), ("curved", curved)):
    once, twice = up1d(values, 4), up1d(up1d(values, 2), 2)
    gap[name] = float(abs(once - twice)[8:-8].max())
print(f"x4 at once against x2 twice: on a ramp {gap['ramp']:.1e}, on a curve {gap['curved']:.2f}")

fig, axes = plt.subplots(1, 2, figsize=(9, 2.7))
axes[0].plot(edge[250])
axes[0].set(title="a constant 1, upsampled by FCN-32s", xlabel="column", ylim=(0, 1.1))
axes[1].plot(np.arange(48), up1d(curved, 4), label="x4")
axes[1].plot(np.arange(48), up1d(up1d(curved, 2), 2), label="x2, x2")
axes[1].set(title="the same values, upsampled in one step and in two", xlabel="column")
_ = axes[1].legend()

# %% [markdown]
# **What to see.** Left: near the border all scores shrink. All classes shrink alike, so the largest stays the largest
# and labels do not change; probabilities do. Right: two small tents in a row are not one large one; only on straight
# ramps do they agree. So when training goes from FCN-32s to FCN-16s, which upsamples in two steps, the new net starts
# *nearly*, not exactly, where the old one ended.
#
# ## What was claimed, checked

# %%
assert np.allclose(engine[0, 0], y)
assert np.allclose(total[f // 2 + f : -f - f // 2], np.interp(places[f // 2 + f : -f - f // 2] / f, np.arange(6), row))
assert np.allclose(dX, plain) and report.passed
assert errors[-1] < errors[0] / 20 and alike > 0.9
assert 0.60 < edge[250, 0] < 0.62 and abs(edge[0, 0] - edge[250, 0] ** 2) < 1e-6 and edge[250, 250] > 0.999999
assert gap["ramp"] < 1e-12 and gap["curved"] > 0.05

# %% [markdown]
# ## Exercises
#
# 1. With which kernel does a transposed convolution of stride 2 repeat each pixel 2x2 times? And with which does it
#    leave holes?
# 2. `w` of `ops.conv_transpose2d` is (in, out, k, k), of `ops.conv2d` (out, in, k, k). Why is that the *same* array in
#    the test of the gradient above?
# 3. A kernel of 3 with stride 2 (or 5 with 3) paints a pattern like a chessboard, even on constant input. Show it, and
#    say why kernels of $2f$ do not.
# 4. Give `kernel` 2 channels in and 2 out, let class 0 be `fine` and class 1 be `-fine`, and learn again. Does it find
#    zeros off the diagonal? Does it have to?
# 5. What padding must a transposed convolution have so that `n` cells become exactly `f n` pixels? Why do FCNs crop
#    instead?
