# %% [markdown]
# # 1. Pictures, labels, and what segmentation is
#
# A *classifier* gives a picture one label. *Semantic segmentation* gives **every pixel** one: which class of thing does
# it belong to? The paper this course is about (Long, Shelhamer and Darrell, *Fully Convolutional Networks for Semantic
# Segmentation*, CVPR 2015) does it with a net that is nothing but convolutions, from pixels to pixels.
#
# Before any net, look at what goes in and what shall come out. You learn here
#
# * what a label map is, and why one of its values, 255, is no class;
# * in what form a net sees a picture;
# * how predictions are scored, and why counting right pixels is not enough.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection
from minifcn.metrics import ConfusionMatrix, table

# %% [markdown]
# ## A data set that is drawn, not downloaded
#
# `shapes` is a small imitation of PASCAL VOC: pictures with two to five objects, each with its label map. Other sets
# open with the same call: `voc:DIR`, `camvid:DIR`, or `folder:DIR` for your own pictures (notebook 14).

# %%
train = data.open_dataset("shapes", "train")
val = data.open_dataset("shapes", "val")
print(len(train), "pictures to learn from,", len(val), "to be judged by")
print(train.num_classes, "classes:", ", ".join(train.classes))

sample = train[6]
print("picture:", sample.image.shape, sample.image.dtype, " labels:", sample.label.shape, sample.label.dtype)

# %%
fig, axes = plt.subplots(3, 4, figsize=(8, 6.6))
for column, i in zip(axes.T, (6, 2, 10, 14), strict=True):
    s = train[i]
    column[0].imshow(s.image)
    column[0].set_title(s.name)
    inspection.label_map(column[1], s.label, train)
    column[2].imshow(s.label == data.IGNORE, cmap="gray_r")
for a, title in zip(axes[:, 0], ("picture", "labels", "ignored"), strict=True):
    a.set_ylabel(title)
for a in axes.flat:
    a.set_xticks([])
    a.set_yticks([])

# %% [markdown]
# **What to see.** The class is the *form*, not the colour: forms have a favourite colour but wear it only half of the
# time, so a net must look at shape, which needs to see more than a pixel. Around each object is a thin line that is
# *ignored*: nobody knows exactly where an object ends, so those pixels count neither in training nor in the score.
#
# ## A label map is an array of class numbers
#
# Not of colours. The colours are a *palette*, laid over it for our eyes. Here is a small window of the first label map.

# %%
y, x = np.argwhere(sample.label == 3)[0]  # the first pixel of the triangle, from the top
print(sample.label[y - 3 : y + 7, x - 8 : x + 8])
print({int(c): "ignored" if c == data.IGNORE else train.classes[c] for c in np.unique(sample.label)})

# %% [markdown]
# `0` is *background*, a class like any other. `255` (`data.IGNORE`) is no class. Files keep label maps as 8-bit PNGs
# whose pixels are these numbers. Two mistakes are so common that minifcn refuses both: label maps saved as RGB pictures
# of their colours, and labels that were smoothed when the picture was resized. The mean of class 1 (disc) and class 3
# (triangle) is not "half of each", it is class 2, a square.

# %%
from PIL import Image

small = (48, 48)
wrong = np.asarray(Image.fromarray(sample.label).resize(small, Image.Resampling.BILINEAR))
right = np.asarray(Image.fromarray(sample.label).resize(small, Image.Resampling.NEAREST))
made_up = np.setdiff1d(wrong, sample.label)
fig, axes = plt.subplots(1, 3, figsize=(8, 2.9))
inspection.label_map(axes[0], sample.label, train, "96x96")
inspection.label_map(axes[1], right, train, "48x48, nearest: right")
axes[2].imshow(np.isin(wrong, made_up), cmap="gray_r")
axes[2].set_title("48x48, bilinear: numbers nobody wrote", fontsize=9)
axes[2].axis("off")
print("numbers that only the smoothed map has:", made_up[:12], "...")

# %% [markdown]
# **What to see.** On the right, in black: along every outline, 255 was averaged with a class into numbers that nobody
# wrote. Most are no class at all; some, worse, are.
#
# ## What the net sees
#
# A *blob*: float32, **channels first**, in the order **blue, green, red**, values 0..255 less the mean colour of
# ImageNet. That is how the nets of the paper were trained, so pretrained weights expect it.

# %%
blob = data.to_blob(sample.image)
print("blob:", blob.shape, blob.dtype, "mean", blob.mean(axis=(1, 2)).round(1))
fig, axes = plt.subplots(1, 4, figsize=(8, 2.4))
axes[0].imshow(sample.image)
axes[0].set_title("picture (H, W, RGB)")
for k, (a, name) in enumerate(zip(axes[1:], ("blue", "green", "red"), strict=True)):
    a.imshow(blob[k], cmap="gray", vmin=-130, vmax=140)
    a.set_title(f"blob[{k}]: {name} - mean")
for a in axes:
    a.axis("off")

# %% [markdown]
# **What to see.** What is blue is bright in `blob[0]`: the cross. What is green is bright in `blob[1]`: the triangle.
# In `blob[2]`, red, both are dark.
#
# Images go in batches: `x` is (N, C, H, W), here N = 1. The net's output, its *scores*, are (N, classes, H, W): for
# each pixel one number a class. The prediction is the class with the largest, `scores.argmax(axis=1)`.
#
# ## How good is a prediction?
#
# Two simple predictors will show what the measures are worth. The first says "background" everywhere. The second has
# learned from 200 pictures which class each *colour* most often has, and looks at each pixel alone.

# %%
LEVELS = 6  # the cube of colours is cut into 6 x 6 x 6 boxes


def box_of(image):
    """The number of the colour box of each pixel."""
    level = image.astype(int) * LEVELS // 256
    return (level[..., 0] * LEVELS + level[..., 1]) * LEVELS + level[..., 2]


counts = np.zeros((LEVELS**3, train.num_classes), int)  # how often each class wore a colour
for i in range(200):
    s = train[i]
    known = s.label != data.IGNORE
    np.add.at(counts, (box_of(s.image)[known], s.label[known]), 1)
by_share = (counts / counts.sum(axis=0)).argmax(axis=1)  # the class that has most of its own pixels in this box

predictors = {
    "background everywhere": lambda image: np.zeros(image.shape[:2], np.uint8),
    "colour alone": lambda image: by_share[box_of(image)].astype(np.uint8),
}
scores = {}
for name, predictor in predictors.items():
    confusion = ConfusionMatrix(val.num_classes)
    for i in range(len(val)):
        confusion.update(val[i].label, predictor(val[i].image))
    scores[name] = confusion.scores()
    print(f"--- {name}\n{table(scores[name], val.classes)}\n")

# %% [markdown]
# * **Pixel accuracy**, the share of right pixels, is 0.75 for who never finds a thing, since three quarters of all
#   pixels are background; one who finds something of each class gets only 0.07 more.
# * **Mean accuracy** takes the accuracy of each class alone and averages: the first gets 1/7.
# * **IU**, intersection over union, divides the pixels that are class c *both* in truth and prediction by those that
#   are in *either*. Painting too much costs as well as painting too little. Its mean over the classes, **mean IU**, is
#   the paper's main measure, and tells the two apart: 0.11 and 0.39. Weighted by how frequent classes are it is the
#   *frequency weighted IU*.
#
# Ignored pixels count in none of them. In the paper's section 5, with $n_{ij}$ the pixels of class i that were
# predicted as j and $t_i$ the pixels of class i: $\;\mathrm{IU}_i = n_{ii} / (t_i + \sum_j n_{ji} - n_{ii})$.

# %%
yy, xx = np.mgrid[:60, :90]
truth = ((yy - 30) ** 2 + (xx - 38) ** 2 < 24**2).astype(np.uint8)
guess = ((yy - 30) ** 2 + (xx - 52) ** 2 < 24**2).astype(np.uint8)
both, either = (truth & guess).sum(), (truth | guess).sum()
fig, axes = plt.subplots(1, 3, figsize=(8, 2.3))
for a, picture, title in zip(
    axes, (truth, guess, truth + guess), ("truth", "prediction", f"IU = {both} / {either} = {both / either:.2f}"),
    strict=True,
):  # fmt: skip
    a.imshow(picture, cmap="gray_r", vmin=0, vmax=2.6)
    a.set_title(title)
    a.axis("off")

# %% [markdown]
# **What to see.** The dark lens is the intersection, everything that is not white the union. Most of the disc is found,
# and yet IU is below one half.
#
# Last, what a prediction by colour looks like.

# %%
s = val[3]
guess = predictors["colour alone"](s.image)
fig, axes = plt.subplots(1, 3, figsize=(8, 3))
axes[0].imshow(s.image)
axes[0].axis("off")
inspection.label_map(axes[1], s.label, val, "truth")
inspection.label_map(axes[2], guess, val, "colour alone")
# %% [markdown]
# **What to see.** The yellow disc is called a square, and half of the green crosses is called a triangle: those are the
# classes that wear these colours most often. The violet ground is strewn with crumbs of "cross". A pixel alone does not
# know what form it belongs to; it takes *context*, a large receptive field, and yet the outlines must stay sharp. How a
# net gets both is the subject of this course. The FCN-8s that the first command of the README trains reaches a mean IU
# of 0.87 here.
#
# ## What was claimed, checked

# %%
assert sample.label.dtype == np.uint8 and set(np.unique(sample.label)) <= {*range(7), data.IGNORE}
assert made_up.size > 0 and np.setdiff1d(right, sample.label).size == 0
assert np.array_equal(data.from_blob(blob), sample.image)  # nothing is lost on the way into the blob
lazy, colour = scores["background everywhere"], scores["colour alone"]
assert lazy.pixel_accuracy > 0.7 and abs(lazy.mean_accuracy - 1 / 7) < 1e-12 and lazy.mean_iu < 0.12
assert abs(colour.pixel_accuracy - lazy.pixel_accuracy - 0.07) < 0.005
assert abs(lazy.mean_iu - 0.11) < 0.005 and abs(colour.mean_iu - 0.39) < 0.005
disc, square, triangle, cross = (val.classes.index(name) for name in ("disc", "square", "triangle", "cross"))
assert (guess[s.label == disc] == square).mean() > 0.8 and (guess[s.label == 0] == cross).mean() > 0.2
assert 0.4 < (guess[s.label == cross] == triangle).mean() < 0.6
assert both / either < 0.5

# %% [markdown]
# ## Exercises
#
# 1. The second predictor divides each class's counts by the class's total. Take that out (`by_share =
#    counts.argmax(axis=1)`). Which of the four measures rise, which fall, and why?
# 2. What are the four measures of a predictor that throws dice? Work it out first: seven classes, a background of 75 %.
# 3. Open the set with `shapes:tint=1`: each form always wears its colour. How good is the second predictor then? What
#    does that say about judging a net on pictures that were taken under the same light as its training set?
# 4. *Predict, then try:* an ignored line twice as wide. Does mean IU rise or fall for a predictor that draws its
#    outlines one pixel off?
