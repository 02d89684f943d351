# %% [markdown]
# # 7. Denser output from the same weights: shift-and-stitch, and filter rarefaction
#
# The dense net of notebook 5 gives a score every 4 pixels, VGG16 every 32. The paper's section 3.2 asks: what would the
# scores *between* be? There are two ways to know, and they give the same numbers. You learn
#
# * shift-and-stitch: run the net on shifted pictures and interlace the outputs;
# * filter rarefaction: run it once, with strides taken away and holes in the filters (today's "dilated" convolution);
# * what each costs, where at the border they part, and why the paper went another way in the end.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, init, inspection, ops
from minifcn.layers import Conv2d, MaxPool2d, ReLU
from minifcn.models.rarefaction import agreement, rarefied, shift_and_stitch, stitching_macs
from minifcn.net import Net

# %% [markdown]
# ## In one dimension
#
# A row of 12 values, a max-pool of 2 with stride 2, then a filter $f$ of three taps. The pool halves what comes out:

# %%
x = np.array([[3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]])
f = np.array([[1.0, 2, -1]])


def pooled(row, stride):
    return ops.max_pool2d(row[None, None], (1, 2), (1, stride))[0][0, 0]


def filtered(row, taps, dilation=1):
    return ops.conv2d(row[None, None], taps[None, None], None, dilation=(1, dilation))[0][0, 0]


coarse = filtered(pooled(x, 2), f)
shifted = filtered(pooled(x[:, 1:], 2), f)
print("y                  ", coarse[0])
print("y, x shifted by one", shifted[0])
inspection.tiles({"x": x, "pool, stride 2": pooled(x, 2), "y": coarse}, columns=1, inches=5.2, height=0.45)

# %% [markdown]
# **What to see.** Of each pair in `x` the pool keeps the larger; of three neighbours the filter makes one. So values of
# `y` lie two pixels of `x` apart, and what is printed above them, of the shifted row, lies between.
#
# **Shift and stitch.** Pixels at odd places were never the first of a window. Shift the row by one, run the *same* net,
# and they are. Interlace both outputs: one value for each pixel.

# %%
stitched = np.empty((1, coarse.size + shifted.size))
stitched[:, 0::2], stitched[:, 1::2] = coarse, shifted
print("stitched", stitched[0])

# %% [markdown]
# **Rarefy.** Or take the stride away: a pool of 2 with stride 1 has both kinds of windows side by side. What were
# neighbours before are now two apart, so the filter must take every second value, too: it gets a hole between its taps.
# In the paper's words, with $s$ the stride taken away,
#
# $$f'_{ij} = f_{i/s,\;j/s} \text{ if } s \text{ divides both } i \text{ and } j, \qquad 0 \text{ otherwise.}$$

# %%
once = filtered(pooled(x, 1), f, dilation=2)
holes = np.zeros((1, 5))
holes[:, ::2] = f
print("rarefied", once[0])
print("with f' ", filtered(pooled(x, 1), holes)[0])
rows = {"f": f, "f'": holes, "pool, stride 1": pooled(x, 1), "stitched": stitched, "rarefied": once}
inspection.tiles(rows, columns=1, inches=5.2, height=0.45)

# %% [markdown]
# **What to see.** `f'` is `f` with a hole between its taps. The last two rows are the same, number for number, and
# every second number of theirs is one of the coarse `y`.
#
# ## In two dimensions, with a whole net
#
# The classifier of notebook 5 once more; its weights may be random here, for what is shown is a matter of structure. It
# has two pools, so a stride of 4: shift-and-stitch needs 4 x 4 = 16 passes, rarefaction one, with dilations 2 and 4.

# %%
LAYERS = (("conv1", 3, 16, 5), ("conv2", 16, 32, 5), ("fc3", 32, 64, 7), ("score", 64, 7, 1))


def classifier(padding=0):
    """The net of notebook 5, its two convolutions padded or not."""
    rng, net = np.random.default_rng(3), Net()
    h = net.input("data", channels=3)
    for name, channels, width, kernel in LAYERS:
        layer = Conv2d(channels, width, kernel, padding=padding if name.startswith("conv") else 0)
        layer.params["weight"].data = init.he(layer.params["weight"].data.shape, rng)
        h = net.add(name, layer, h)
        if name != "score":
            h = net.add(f"relu_{name}", ReLU(), h)
        if name.startswith("conv"):
            h = net.add(f"pool_{name}", MaxPool2d(2), h)
    return net


net = classifier()
s = data.open_dataset("shapes", "val")[11]
x = data.to_blob(s.image)[None] / np.float32(64)
with net.inference():
    coarse = net.forward(x)
stitched = shift_and_stitch(net, x)
dense = rarefied(net)  # a net that shares the weights of the first
with dense.inference():
    at_once = dense.forward(x)

print("layer   window                rarefied")
for name in ("conv1", "pool_conv1", "conv2", "pool_conv2", "fc3"):
    print(f"{name:11} {net.layers[name].describe():14} {dense.layers[name].describe()}")
print("outputs:", coarse.shape, stitched.shape, at_once.shape)

# %%
fig, axes = plt.subplots(1, 4, figsize=(9, 2.6))
axes[0].imshow(s.image)
axes[0].set_title("picture")
low, high = at_once[0, 2].min(), at_once[0, 2].max()
for a, values, title in zip(
    axes[1:],
    (coarse, stitched, at_once),
    ("15x15 scores", "stitched from 16 passes", "rarefied, one pass"),
    strict=True,
):
    a.imshow(values[0, 2], cmap="cividis", vmin=low, vmax=high)
    a.set_title(title)
for a in axes:
    a.axis("off")

# %% [markdown]
# **What to see.** The maps on the right are one. They are no *interpolation* of the first: every score is what the
# classifier says of the 40x40 patch there, and shows detail that lies between the coarse scores. Along each axis
# every fourth is a coarse one.
#
# ## What does it cost?

# %%
macs = {
    "as it is": net.plan(x.shape).macs,
    "shift-and-stitch": stitching_macs(net, x.shape),
    "rarefaction": dense.plan(x.shape).macs,
}
fig, axes = plt.subplots(figsize=(6.5, 2))
bars = axes.barh(list(macs), [m / 1e6 for m in macs.values()], color=["#bbbbbb", "#777777", "#333333"])
axes.bar_label(bars, fmt="%.0f")
axes.set_title("million products for one picture of 96x96", fontsize=10)
axes.invert_yaxis()
axes.margins(x=0.12)

# %% [markdown]
# **What to see.** Rarefaction is cheaper than 16 passes: what the shifted pictures share (all of `conv1`, most of the
# rest) is computed once. Yet it is many times what the coarse net costs, and the *maps* are as large as the picture,
# too, which is why VGG16 is not run like this for every pixel. `minifcn experiments dense` times both on AlexNet.
#
# ## At the border
#
# A layer that *pads* puts zeros around its map. In a shifted picture that border lies elsewhere. So with padding the
# two agree only for outputs that see no padding, and for those that were not shifted; `agreement` says which.

# %%
padded = classifier(padding=2)
one = shift_and_stitch(padded, x)
with (rarefied_padded := rarefied(padded)).inference():
    other = rarefied_padded.forward(x)
rows, columns = agreement(padded, other.shape)
must_agree = rows[:, None] & columns
differs = abs(one - other)[0].max(axis=0) > 1e-4 * abs(other).max()
fig, axes = plt.subplots(1, 2, figsize=(6, 2.7))
axes[0].imshow(~must_agree, cmap="gray_r", vmin=0, vmax=1.5)
axes[0].set_title("dark: may differ")
axes[1].imshow(differs, cmap="gray_r", vmin=0, vmax=1.5)
axes[1].set_title("dark: do differ")
for a in axes:
    a.set_xticks([])
    a.set_yticks([])
    a.spines[:].set_visible(True)

# %% [markdown]
# **What to see.** Here both convolutions pad by 2. Near the upper and the left border, where shifted pictures had their
# zeros, scores differ, but for the rows and columns that no shift moved. Elsewhere they agree, as they must.
#
# ## Why FCNs do something else
#
# Taking strides away makes maps finer *without* letting filters see finer detail: they were trained on pooled maps and
# look at pixels far apart. Rarefying all of VGG16 is a trade of much work for output. The paper tried shift-and-stitch
# and left it (section 3.2): it upsamples the coarse scores, and adds scores that are read from finer, earlier maps.
# Upsampling was notebook 6; the skips come next. A middle way is there as an option: `models.build("fcn32s",
# output_stride=8)`.
#
# ## What was claimed, checked

# %%
assert np.array_equal(
    filtered(pooled(np.arange(12.0)[None], 1), f, 2), filtered(pooled(np.arange(12.0)[None], 1), holes)
)
assert stitched.shape == at_once.shape == (1, 7, 57, 57)
assert np.allclose(stitched, at_once, atol=1e-4 * abs(at_once).max())
assert np.allclose(at_once[:, :, ::4, ::4], coarse, atol=1e-4 * abs(coarse).max())
assert macs["as it is"] < macs["rarefaction"] < macs["shift-and-stitch"] / 2
assert not (differs & must_agree).any() and differs.any()
assert dense.params["fc3.weight"] is net.params["fc3.weight"]  # the same weights, not a copy

# %% [markdown]
# ## Exercises
#
# 1. Do the first section with a pool of 3 and stride 3: how many shifts, which dilation? Check `stitched` against
#    `rarefied`.
# 2. Two filters follow one pool. By how much is each dilated? And behind two pools? Look at the table above, then give
#    the rule.
# 3. `rarefied(net, 2)` takes away only what leads beyond a stride of 2. *Predict* the size of its output and its
#    products (between 55 and the figure above), then run it.
# 4. Interpolate the coarse scores bilinearly to 57x57 (notebook 6) and compare with the dense ones. Where is the
#    difference large? What does that say about the claim "no interpolation"?
# 5. Rarefaction needs no new weights. Could one instead *train* a net whose pools have stride 1? What would its `fc3`
#    have to be like to see as much? (The paper, section 4.2, tried for VGG16: it takes a 14x14 kernel.)
