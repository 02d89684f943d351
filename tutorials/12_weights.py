# %% [markdown]
# # 12. Loading and converting weights
#
# An FCN starts from a classifier that knows ImageNet; nobody has a week to train that again. But weights are only
# numbers, and every framework lays them out, and feeds its pictures, differently. "It loads, and predicts nonsense" is
# the usual result. You learn
#
# * the three things that differ: order of axes, order of a flattened map, and the pictures a net was trained on;
# * how to rewrite a first layer for other pictures *exactly*, and the way that is not exact at the border;
# * net surgery: a classifier becomes a trunk, an FCN gets a new class.
#
# No pretrained file is needed: small nets stand in for the large ones, the arithmetic is the same. The command for real
# ones is `minifcn convert`.

# %%
import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection, models, ops, weights

os.chdir(tempfile.mkdtemp())  # files of this notebook go here
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. The order of the axes
#
# A kernel here, in Caffe and in PyTorch is (out, in, kh, kw); in TensorFlow, Keras and MatConvNet (kh, kw, in, out).
# The shape mostly tells: (3, 3, 64, 128) can only be the latter. But of (3, 3, 3, 3) both are possible, and then only
# names and context tell.

# %%
ours = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
theirs = ours.transpose(2, 3, 1, 0)  # kh, kw, in, out
print("TensorFlow's", theirs.shape, "-> ours", theirs.transpose(3, 2, 0, 1).shape,
      np.array_equal(theirs.transpose(3, 2, 0, 1), ours))  # fmt: skip

# %% [markdown]
# ## 2. The order of a flattened map
#
# The first fully connected layer sees a map of (C, H, W) as one long row. Caffe and PyTorch flatten it in that order,
# TensorFlow as H, W, C. Shapes are equal either way, nothing fails, and the layer is scrambled:

# %%
C, H, W = 8, 7, 7
fc6 = np.zeros((1, C, H, W), np.float32)
fc6[0, 2] = np.outer(np.hanning(7), np.hanning(7))  # a unit that looks at channel 2, in the middle
fc6[0, 5] = -np.eye(7)
as_hwc = fc6.transpose(0, 2, 3, 1).reshape(1, -1)  # how TensorFlow would keep it: (1, 392)
right = as_hwc.reshape(1, H, W, C).transpose(0, 3, 1, 2)
wrong = as_hwc.reshape(1, C, H, W)
tiles = {
    "right: channel 2": right[0, 2],
    "right: channel 5": right[0, 5],
    "wrong: channel 2": wrong[0, 2],
    "wrong: channel 5": wrong[0, 5],
}
inspection.tiles(tiles, inches=2.1)

# %% [markdown]
# **What to see.** Read in the wrong order the kernel is sand. This is the convolution `fc6` of an FCN: get it wrong and
# the trunk ends in noise.
#
# ## 3. The pictures
#
# Caffe's nets see blue, green, red in 0..255 less a mean. torchvision's see red, green, blue in 0..1, less another
# mean, over a deviation. Instead of feeding pictures in two ways, rewrite the *first layer* once. With $\sigma_c$ the
# deviation of colour c:
#
# $$W'_{o,\,\text{bgr}(c)} = \frac{W_{o,c}}{255\,\sigma_c} \qquad \text{mean}' = 255 \cdot \text{mean}$$
#
# (the mean in the order b, g, r as well).

# %%
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # torchvision's, red first
picture = data.open_dataset("shapes", "val")[11].image

their_blob = ((picture / 255 - MEAN) / STD).transpose(2, 0, 1)[None]
their_w, b = rng.normal(size=(8, 3, 3, 3)), rng.normal(size=8)
expected, _ = ops.conv2d(their_blob, their_w, b, padding=1)

our_mean = 255 * MEAN[::-1]
our_w = (their_w / (255 * STD)[:, None, None])[:, ::-1]
our_blob = data.to_blob(picture, our_mean).astype(np.float64)[None]
exact, _ = ops.conv2d(our_blob, our_w, b, padding=1)

caffe_blob = data.to_blob(picture).astype(np.float64)[None]  # less Caffe's mean, and the difference put into the bias
shift = our_mean - np.array(data.MEAN_BGR)
tempting, _ = ops.conv2d(caffe_blob, our_w, b - (our_w * shift[:, None, None]).sum(axis=(1, 2, 3)), padding=1)
differ = {
    "with torchvision's mean": abs(exact - expected)[0].max(axis=0),
    "with Caffe's, and a bias": abs(tempting - expected)[0].max(axis=0),
}
fig, axes = plt.subplots(1, 3, figsize=(8, 2.7))
axes[0].imshow(picture)
axes[0].set_title("picture")
for a, (name, error) in zip(axes[1:], differ.items(), strict=True):
    a.imshow(error[:16, :16], cmap="gray_r", vmin=-0.005, vmax=0.02)
    a.set_title(f"{name}: {error.max():.1e}", fontsize=9)
for a in axes:
    a.set_xticks([])
    a.set_yticks([])

# %% [markdown]
# **What to see.** (The upper left corner of the output; dark where it is wrong.) Keeping the mean that goes with the
# weights is exact. Keeping Caffe's mean and mending it with the bias is right inside, but not in a frame at the border:
# padding is 0 *after* the mean was taken off, so it has no mean to mend. With the FCN's padding of 100 that frame is
# 100 pixels wide. Therefore in minifcn the mean travels with the weights, from file to file.
#
# ## From a file to a net
#
# A classifier, saved as Chainer would (`conv1_1/W`, fully connected layers as matrices), read, and recognised:

# %%
vgg = models.build("vgg16", 10, "tiny", rng=rng)
arrays = {}
for name, param in vgg.params.items():
    layer, kind = name.split(".")
    value = param.data.reshape(len(param.data), -1) if layer.startswith("fc") and kind == "weight" else param.data
    arrays[f"{layer}/{'W' if kind == 'weight' else 'b'}"] = value
np.savez("vgg16_from_caffe.npz", **arrays)

source = weights.open_source("vgg16_from_caffe.npz")
print(source)
for line in (*source.told, *source.assumed):
    print(" ", line)

# %% [markdown]
# `transplant` puts it into an FCN, by name. What has no place, or is missing, is *said*: silence here is how people
# train for a day on random weights.

# %%
fcn = models.build("fcn32s", 7, "tiny", rng=np.random.default_rng(1))
report = weights.transplant(fcn, "vgg16_from_caffe.npz")
print(report)

# %% [markdown]
# `fc6` came as a matrix and is a convolution now: the same numbers (notebook 5). `score_fr` is new and starts at zero,
# as in the paper.
#
# Save the FCN. The file says how to build the net and how to feed it, so opening needs nothing else:

# %%
train = data.open_dataset("shapes", "train")
weights.save("fcn32s.safetensors", fcn, {"classes": train.classes, "mean": report.mean, "source": "notebook 12"})
opened, about = weights.open_net("fcn32s.safetensors")
print(opened.spec)
print("classes:", ", ".join(about["classes"]), " mean:", [round(value, 3) for value in about["mean"]])

# %% [markdown]
# ## A new class for a trained net
#
# Scores are a 1x1 convolution, a row for each class. More classes are more rows: the old ones are copied, the new are
# zero, and the old classes are scored exactly as before.

# %%
weight = opened.params["score_fr.weight"]
weight.data = 0.05 * rng.standard_normal(weight.data.shape, dtype=np.float32)
larger = models.build("fcn32s", 9, "tiny")
weights.expand_score(larger, opened)
x = data.to_blob(picture)[None]
with opened.inference(), larger.inference():
    before, after = opened.forward(x), larger.forward(x)
print("scores", before.shape, "->", after.shape, " the first seven equal:", np.allclose(before, after[:, :7]))
rows = {
    "score_fr of 7 classes, x 1000": opened.params["score_fr.weight"].data[:, :12, 0, 0],
    "of 9": larger.params["score_fr.weight"].data[:, :12, 0, 0],
}
inspection.tiles({name: np.round(1000 * weight) for name, weight in rows.items()}, inches=3.6)

# %% [markdown]
# **What to see.** (The first 12 of 128 columns, in thousandths.) Two rows of zeros were added, nothing else.
#
# ## What was claimed, checked

# %%
assert np.array_equal(right, fc6) and not np.array_equal(wrong, fc6)
assert differ["with torchvision's mean"].max() < 1e-4
bias_error = differ["with Caffe's, and a bias"]
assert bias_error[1:-1, 1:-1].max() < 1e-4 < 1e-3 < bias_error[0].min()
assert not fcn.params["score_fr.weight"].data.any()
assert "fc6.weight" in report.reshaped and "score_fr.weight" in report.left
assert np.array_equal(fcn.params["fc6.weight"].data.reshape(-1), vgg.params["fc6.weight"].data.reshape(-1))
assert np.allclose(fcn.params["conv1_1.weight"].data, 64 * vgg.params["conv1_1.weight"].data)
others = [name for name in report.taken if name != "conv1_1.weight"]
assert all(np.array_equal(fcn.params[name].data, vgg.params[name].data) for name in others)
assert opened.spec == fcn.spec and np.allclose(before, after[:, :7]) and not after[:, 7:].any()
assert larger.params["score_fr.weight"].data.shape[1] == 128 and not larger.params["score_fr.weight"].data[7:].any()

# %% [markdown]
# ## Exercises
#
# 1. How many numbers of VGG16's `fc6` are at the right place if its map of 512x7x7 is read in the wrong order?
# 2. Two nets come under torchvision's names: torchvision's, for pictures divided by 255 and a deviation, and Caffe's,
#    for pictures of 0..255. Which number of the file tells them apart? (*Hint:* how large must first-layer weights be
#    for inputs that are 58 times smaller?)
# 3. Rename `score_fr` of an FCN of 7 classes to `score` (`np.savez` its arrays, as above), and transplant it. What are
#    you told?
# 4. Fold a *scale* of 1/64 into the first layer of `fcn` instead of a deviation. Which other parameter must stay as it
#    is?
# 5. You have depth beside the colours: a first layer with four input channels. What would you put into the fourth? (The
#    released RGB-D net has the mean of the other three there.)
