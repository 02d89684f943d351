# %% [markdown]
# # 4. Pooling, ReLU, and what they lose
#
# Between the convolutions stand two operations without weights. You learn
#
# * what each computes, forward and backward;
# * why pooling must round *up* in an FCN;
# * what is lost with every pool, and how much that costs at most: the reason why FCNs need skips.
#
# It prepares assignment 2 (`assignments/02_pool_relu`).

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection, models, ops, window
from minifcn.metrics import ConfusionMatrix

# %% [markdown]
# ## ReLU
#
# $y = \max(x, 0)$, element by element. Without something that is not linear, a stack of convolutions would be one
# convolution. Backward, the gradient passes where the output was positive and stops elsewhere:

# %%
rng = np.random.default_rng(2)
x = rng.integers(-5, 6, (1, 1, 4, 4)).astype(float)
y, cache = ops.relu(x)
dy = rng.integers(-5, 6, x.shape).astype(float)
(dx,) = ops.relu_backward(dy, cache)
inspection.tiles({"x": x[0, 0], "y": y[0, 0], "dy": dy[0, 0], "dx": dx[0, 0]}, inches=2)

# %% [markdown]
# **What to see.** Where `y` is 0, `dx` is 0 whatever `dy` says: what a ReLU cut off hears nothing of the loss. Note
# that the mask comes from the *forward* pass, not from the sign of `dy`. A unit that is cut off on every picture never
# learns again; that is what one risks with too high a learning rate.
#
# In notebook 3 a gradient check was a matter of one call. Here is a trap: at a kink there is no derivative. `x = 0` is
# one:

# %%
from minifcn.gradcheck import check

apart = (rng.permutation(48) - 23.5).reshape(1, 3, 4, 4) * 0.05  # no two equal, none near 0
at_kink = apart.copy()
at_kink[0, 0, 0, 0] = 0.0
print(check(ops.relu, ops.relu_backward, {"x": apart}, name="relu", case="values apart", linear=True))
kinked = check(ops.relu, ops.relu_backward, {"x": at_kink}, name="relu", case="one value at 0", linear=True)
print(str(kinked).splitlines()[-1])

# %% [markdown]
# ## Max-pooling
#
# The largest value of each window; in the paper's words $f_{ks}$ is a maximum. Backward, each `dy` goes to the one
# pixel that won; the others had no influence.

# %%
x = rng.permutation(36).astype(float).reshape(1, 1, 6, 6)
y, cache = ops.max_pool2d(x, kernel_size=2, stride=2)
dy = np.arange(1.0, 10).reshape(y.shape)
(dx,) = ops.max_pool2d_backward(dy, cache)
inspection.tiles({"x": x[0, 0], "y: 2x2, stride 2": y[0, 0], "dy": dy[0, 0], "dx": dx[0, 0]}, inches=2.1)

# %% [markdown]
# **What to see.** `y` has the largest number of each window of 2x2. At the place where that stood `dx` has the window's
# `dy`, and 0 at the three others.
#
# Windows may overlap (AlexNet and GoogLeNet pool 3x3 with stride 2). A pixel that wins twice gets both gradients,
# added:

# %%
x = np.zeros((1, 1, 5, 5))
x[0, 0, 2, 2], x[0, 0, 0, 0] = 9, 5
y, cache = ops.max_pool2d(x, kernel_size=3, stride=2)
dy = np.array([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2)
(overlapping,) = ops.max_pool2d_backward(dy, cache)
inspection.tiles({"x": x[0, 0], "y: 3x3, stride 2": y[0, 0], "dy": dy[0, 0], "dx": overlapping[0, 0]}, inches=2.1)

# %% [markdown]
# **What to see.** The 9 lies in all four windows and wins them all: its gradient is 1 + 2 + 3 + 4.
#
# ## Rounding up
#
# Five pixels, windows of two, stride two: is the output two or three wide? Caffe, in which the nets of the paper were
# made, rounds **up**: the last window sticks out, and is clipped. Most other systems round down and lose the last row.

# %%
x = np.arange(25.0).reshape(1, 1, 5, 5)
down, _ = ops.max_pool2d(x, 2)
up, _ = ops.max_pool2d(x, 2, ceil_mode=True)
inspection.tiles({"x": x[0, 0], "rounded down": down[0, 0], "rounded up": up[0, 0]}, inches=2.1)

# %% [markdown]
# **What to see.** Rounded down, nobody has looked at the last row and column of `x`. Rounded up, the windows that stick
# out choose among what is there: two pixels, in the corner the 24 alone.
#
# That looks like a detail. But the released FCNs pad the picture by 100, pool five times, upsample by 32 and then crop
# to the picture's size, and they rely on there being enough to crop. For which sizes is there?

# %%


def upsampled_size(n, ceil_mode):
    """Rows of FCN-32s's upscore for a picture of n rows."""
    n = window.conv_size(n, 3, 1, 100)  # conv1_1, padded by 100
    for _ in range(5):
        n = window.pool_size(n, 2, 2, 0, ceil_mode)  # the convolutions between keep the size
    n = window.conv_size(n, 7, 1, 0)  # fc6
    return window.conv_transpose_size(n, 64, 32, 0)


offset = models.build("fcn32s", 21).layers["score"].offset[0]
sizes = range(1, 3001)
too_small = {mode: [n for n in sizes if upsampled_size(n, mode) < offset + n] for mode in (True, False)}
print("crop offset:", offset)
print("sizes of 1..3000 that fail, rounding up:", len(too_small[True]), " rounding down:", len(too_small[False]))
print("among those that fail:", [n for n in (375, 500) if n in too_small[False]], "- the usual sizes of PASCAL VOC")

# %% [markdown]
# ## What is lost
#
# A pool keeps *that* something was there, and forgets *where* in its window. That is wanted: shift a picture by a
# pixel, and much of the output stays.

# %%
image = data.open_dataset("shapes", "train")[10].image.mean(axis=2)[None, None]
pooled, shifted, kept = image, np.roll(image, 1, axis=3), []
for _ in range(5):
    pooled, _ = ops.max_pool2d(pooled, 2, ceil_mode=True)
    shifted, _ = ops.max_pool2d(shifted, 2, ceil_mode=True)
    kept.append(float((pooled == shifted).mean()))
print("cells that do not notice a shift by one pixel, after 1..5 pools:", [f"{share:.0%}" for share in kept])

# %% [markdown]
# But segmentation asks precisely *where*. How much can a net know of the outlines, if its output has one cell for 32x32
# pixels? Take the truth, keep one label a cell (the commonest), enlarge it again, and score it against itself. The
# paper's appendix A has such bounds.

# %%
val = data.open_dataset("shapes", "val")


def coarse(label, factor):
    """The commonest label of each factor x factor block, for the whole block; 255 counts nowhere."""
    n = label.shape[0] // factor
    blocks = label.reshape(n, factor, n, factor).swapaxes(1, 2).reshape(n, n, -1)
    votes = np.stack([(blocks == c).sum(axis=2) for c in range(val.num_classes)])
    return votes.argmax(axis=0).astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)


factors = (1, 2, 4, 8, 16, 32)
bound = {}
for factor in factors:
    confusion = ConfusionMatrix(val.num_classes)
    for i in range(len(val)):
        confusion.update(val[i].label, coarse(val[i].label, factor))
    bound[factor] = confusion.scores().mean_iu
    print(f"one label for {factor}x{factor} pixels: mean IU at most {bound[factor]:.3f}")

# %%
fig, axes = plt.subplots(1, 5, figsize=(9, 2.1))
s = val[5]
axes[0].imshow(s.image)
axes[0].axis("off")
axes[0].set_title("picture", fontsize=9)
for a, factor in zip(axes[1:], (1, 8, 16, 32), strict=True):
    label = s.label if factor == 1 else coarse(s.label, factor)
    inspection.label_map(a, label, val, "truth" if factor == 1 else f"1/{factor}: a cell is {factor}x{factor}")

# %%
fig, axes = plt.subplots(figsize=(5.5, 2.6))
axes.plot(factors, [bound[f] for f in factors], marker="o")
axes.set_xscale("log", base=2)
axes.set_xticks(factors, [f"1/{f}" for f in factors])
axes.set(xlabel="size of the output", ylabel="mean IU, at most", ylim=(0, 1.05))
for name, f in (("FCN-32s", 32), ("FCN-16s", 16), ("FCN-8s", 8)):
    axes.annotate(name, (f, bound[f]), (-4, -14), textcoords="offset points", ha="right", fontsize=9)

# %% [markdown]
# **What to see.** At 1/8 forms are blocky; at 1/16 arms are gone, and a cross is a square; at 1/32 only a lump is left.
# So a net that predicts from its last map alone (FCN-32s) has a low ceiling here, and going back to finer maps (16s,
# 8s) raises it: that is what the paper's skips are for (notebook 8). Forms here are thin; on PASCAL VOC the paper finds
# 86.1 % at 1/32 and 96.4 % at 1/8. And it is a bound for *one label a cell*: a net says how sure it is, and when its
# scores are interpolated smoothly, borders run through cells. The FCN-8s of the README reaches 0.87 here. `minifcn
# experiments bounds` prints both kinds.
#
# ## What was claimed, checked

# %%
assert not kinked.passed and kinked.rows[0].array == "x"
assert overlapping[0, 0, 2, 2] == 10 and overlapping.sum() == 10
assert down.shape[2:] == (2, 2) and up.shape[2:] == (3, 3) and up[0, 0, 2, 2] == 24
assert offset == 19 and not too_small[True] and len(too_small[False]) == 1127
assert {375, 500} <= set(too_small[False])
assert bound[1] == 1 and all(bound[a] >= bound[b] for a, b in pairwise(factors))
assert bound[8] > 0.75 and bound[32] < 0.45

# %% [markdown]
# ## Exercises
#
# 1. *Predict* `dx` of the overlapping pool if the 9 were at the upper right corner instead. Then run it.
# 2. Two values of a window are equal and largest. Where does the gradient go? (Read the docstring of `ops.max_pool2d`.)
#    What would go wrong if it went to both?
# 3. Padding of a max-pool counts as $-\infty$. Suppose it counted as 0: for which inputs is the output wrong, and why
#    is that so hard to notice behind a ReLU?
# 4. `upsampled_size` pads by 100. What is the smallest padding with which no size of 1..3000 fails? The offset changes
#    with it: `models.build("fcn32s", 21, input_padding=...)`.
# 5. Replace the max-pools of the shift experiment by `ops.avg_pool2d`. Why does hardly any cell stay *exactly* equal,
#    and is the average therefore less robust?
