# %% [markdown]
# # 8. Skips, crops, and where a pixel is: the coordinate algebra
#
# "What is 19?" may be the question that was asked most often about the released FCNs: their files say `crop offset 19`,
# and 5, 9, 27 and 31, without a word. Here these numbers are not written anywhere; they are *derived*. You learn
#
# * how each layer maps positions, and how maps compose: strides, receptive fields and offsets by arithmetic with
#   fractions;
# * how a skip is built: score, upsample, crop, add;
# * what a wrong offset costs, and which mistakes the algebra catches before anything is computed.
#
# It prepares assignment 6 (`assignments/06_fcn8s`).

# %%
import textwrap
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, init, inspection, models
from minifcn.errors import ShapeError
from minifcn.inspection.summary import offset_sentence
from minifcn.layers import Add, Conv2d, ConvTranspose2d, Crop, MaxPool2d
from minifcn.metrics import ConfusionMatrix
from minifcn.net import Net

# %% [markdown]
# ## Where does output $o$ look?
#
# Along one axis, every layer of an FCN maps output index $o$ to a position of its input: $\text{scale} \cdot o +
# \text{shift}$, the middle of what it sees. A window of size $k$, stride $s$, padding $p$ begins at $s\,o - p$, so its
# middle is at $s\,o + (k-1)/2 - p$. A transposed convolution does the reverse. Layers that work on each pixel alone
# change nothing. One layer on another is one map in another, as in the paper's $f_{ks} \circ g_{k's'}$:

# %%


def window(k, s, p=0):
    """(scale, shift) of a convolution or pool."""
    return Fraction(s), Fraction(k - 1, 2) - p


def transposed(k, s, p=0):
    """(scale, shift) of a transposed convolution: the inverse of its window."""
    return Fraction(1, s), (p - Fraction(k - 1, 2)) / s


def after(layer, below):
    """The map of a layer down to the picture, from its own map and that of its input."""
    return below[0] * layer[0], below[0] * layer[1] + below[1]


place = {"data": (Fraction(1), Fraction(0))}
at = place["data"]
for stage, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
    for k in range(convolutions):
        at = after(window(3, 1, 100 if (stage, k) == (1, 0) else 1), at)  # conv1_1 pads by 100, the others by 1
    at = place[f"pool{stage}"] = after(window(2, 2), at)
at = place["score_fr"] = after(window(7, 1), at)  # fc6; fc7 and score_fr are 1x1
at = place["upscore"] = after(transposed(64, 32), at)

print("FCN-32s, all layers by hand:")
for name, (scale, shift) in place.items():
    print(f"  {name:9} a step is {scale!s:>2} pixels, the first lies at {float(shift):6}")

# %% [markdown]
# `upscore` has a step of one pixel again, and its first row lies 19 pixels *before* the picture's first (at -19). To
# lie on the picture it must lose its first 19 rows: **that is 19.** The engine computes the same for every blob, and
# `Crop(like=data)` asks it.

# %%
net = models.build("fcn32s", 21)
for name in ("pool3", "score_fr", "upscore", "score"):
    print(f"{name:9} {net.coords(name).y.scale!s:>2} {float(net.coords(name).y.shift):6}")
print("offset of the crop:", net.layers["score"].offset)

# %% [markdown]
# A picture of it, for a small picture of 96 pixels. Each dot is the middle of what a cell sees.

# %%
eights = models.build("fcn8s", 21)
shapes = eights.shapes((1, 3, 96, 96))
names = ("data", "pool3", "pool4", "score_fr", "upscore2", "upscore_pool4", "upscore8")
fig, axes = plt.subplots(figsize=(9, 3))
for row, name in enumerate(names):
    axis, count = eights.coords(name).x, shapes[name][3]
    places = float(axis.scale) * np.arange(count) + float(axis.shift)
    axes.plot(places, np.full(count, row), ".", color="black", markersize=7 if axis.scale > 4 else 2)
axes.axvspan(0, 95, color="#dddddd", zorder=0)
axes.set_yticks(range(len(names)), [f"{n}, stride {eights.coords(n).x.scale}" for n in names])
axes.set(xlabel="column of the picture (grey); outside it is padding", ylim=(len(names) - 0.5, -0.5))
_ = axes.set_title("FCN-8s, padding 100: where the columns of its blobs lie")

# %% [markdown]
# **What to see.** `pool4` begins far to the left, in the padding; `upscore2`, the coarse scores upsampled to the same
# stride, begins later, because the 7x7 window of fc6 lost three cells on each side. Where both have dots they lie
# exactly above each other: that is what makes adding them possible. `upscore8` covers the picture and more.
#
# ## The offset between two blobs is a subtraction

# %%
for name in ("score_pool4c", "score_pool3c", "score"):
    print(offset_sentence(eights, name))

# %% [markdown]
# And "why is the padding 100"? With less the upsampled scores begin later; from 81 on, they still begin before the
# picture:

# %%
print("padding  32s: score   8s: pool4c pool3c score")
for padding in (81, 85, 90, 100):
    first = models.build("fcn32s", 21, input_padding=padding).layers["score"].offset[0]
    rest = models.build("fcn8s", 21, input_padding=padding)
    more = [rest.layers[name].offset[0] for name in ("score_pool4c", "score_pool3c", "score")]
    print(f"{padding:7}  {first:10}   ", *(f"{offset:6}" for offset in more))
try:
    models.build("fcn32s", 21, input_padding=80)
except ShapeError as error:
    print(*textwrap.wrap(f"     80  {error}", 110), sep="\n         ")

# %% [markdown]
# ## What a wrong offset costs
#
# Some reimplementations take the *middle* of the upsampled scores: offset 34 where FCN-8s needs 31. The labels then lie
# three pixels beside the picture. Let the truth itself be off by so much:

# %%
val = data.open_dataset("shapes", "val")
off, cost = range(0, 7), []
for d in off:
    confusion = ConfusionMatrix(val.num_classes)
    for i in range(len(val)):
        label = val[i].label
        moved = np.roll(np.where(label == data.IGNORE, 0, label), (d, d), axis=(0, 1))
        confusion.update(label, moved)
    cost.append(confusion.scores().mean_iu)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6), width_ratios=(1, 1.5))
left.imshow(val[11].image)
left.contour(np.roll(val[11].label, (3, 3), axis=(0, 1)) > 0, [0.5], colors="white", linewidths=1.5)
left.axis("off")
left.set_title("the truth, 3 pixels off")
right.plot(list(off), cost, marker="o")
_ = right.set(xlabel="pixels down and right", ylabel="mean IU of the truth", ylim=(0, 1.05))

# %% [markdown]
# **What to see.** Three pixels cost a perfect net a third of its mean IU on thin forms. In training it is worse hidden:
# the net *learns* to shift its scores, as far as it can, and nothing ever fails.
#
# ## A skip, built by hand
#
# A trunk with two strides; the coarse scores are upsampled by 2 and added to scores of the finer map, then all is
# upsampled by 4. No offset and no size is given anywhere.

# %%


def two_stream(kernel2=4, crop=True):
    """A small FCN with one skip."""
    net = Net()
    x = net.input("data", channels=3)
    h = net.add("conv1", Conv2d(3, 8, 3, padding=30), x)
    h = net.add("pool1", MaxPool2d(4, ceil_mode=True), h)
    fine = net.add("score_pool1", Conv2d(8, 5, 1), h)
    h = net.add("pool2", MaxPool2d(2, ceil_mode=True), net.add("conv2", Conv2d(8, 8, 3, padding=1), h))
    h = net.add("score_fr", Conv2d(8, 5, 5), h)
    up = net.add("upscore2", ConvTranspose2d(5, 5, kernel2, stride=2, groups=5), h)
    if crop:
        fine = net.add("score_pool1c", Crop(like=up), fine)
    fused = net.add("fuse", Add(), up, fine)
    up = net.add("upscore", ConvTranspose2d(5, 5, 8, stride=4, groups=5), fused)
    net.add("score", Crop(like=x), up)
    return net


hand = two_stream()
for name, shape in hand.shapes((1, 3, 50, 61)).items():
    offset = getattr(hand.layers[name], "offset", "")
    print(f"{name:12} {'x'.join(map(str, shape[1:])):9} {f'offset {offset}' if offset else ''}")

# %% [markdown]
# The three mistakes that everybody makes once, and what they are told, before anything is computed:

# %%


def coarse_to_fine():
    """A crop of one stride to another."""
    net = Net()
    x = net.input("data", channels=3)
    h = net.add("pool", MaxPool2d(2), x)
    net.add("cropped", Crop(like=x), h)


told = []
for what, wrong in {
    "a kernel of the wrong parity": lambda: two_stream(kernel2=3),
    "no crop before the sum": lambda: two_stream(crop=False).shapes((1, 3, 50, 61)),
    "a crop to a blob of another stride": coarse_to_fine,
}.items():
    try:
        wrong()
    except ShapeError as error:
        told.append(str(error))
        print(f"* {what}:", *textwrap.wrap(str(error), 110), sep="\n    ", end="\n\n")

# %% [markdown]
# ## A new skip changes nothing, at first
#
# FCN-16s starts from a trained FCN-32s; the new score layer is **zero** (section 4.2), so the sum is what it was. Here
# a net with random weights below and in `score_fr`, and a zero `score_pool4`:

# %%
rng = np.random.default_rng(0)
sixteen = models.build("fcn16s", 3, "tiny", rng=rng)
weight = sixteen.params["score_fr.weight"]
weight.data = rng.standard_normal(weight.data.shape, dtype=np.float32)
picture = val[11]
x = data.to_blob(picture.image)[None]
with sixteen.inference():
    score = sixteen.forward(x, keep=["upscore2", "upscore2c", "fuse_pool4", "score_pool4"])
kept = sixteen.blobs
skip_weight = sixteen.params["score_pool4.weight"]
skip_weight.data = rng.standard_normal(skip_weight.data.shape, dtype=np.float32)
before = {name: kept[name][0, 0] for name in ("upscore2c", "score_pool4", "fuse_pool4")}
with sixteen.inference():
    sixteen.forward(x, keep=["score_pool4", "fuse_pool4"])
shown = {"upscore2, cropped": before["upscore2c"], "+ score_pool4 = 0": before["score_pool4"],
         "= fuse_pool4": before["fuse_pool4"], "later: score_pool4": sixteen.blobs["score_pool4"][0, 0],
         "and the sum": sixteen.blobs["fuse_pool4"][0, 0]}  # fmt: skip
inspection.tiles({name: values.round(1) for name, values in shown.items()}, inches=1.9)

# %% [markdown]
# **What to see.** At first the sum is the coarse map. As the skip's weights leave zero, detail of the finer map comes
# in.
#
# ## What was claimed, checked

# %%
assert place["upscore"] == (1, -19) and net.layers["score"].offset == (19, 19)
for name, (scale, shift) in place.items():
    assert (net.coords(name).y.scale, net.coords(name).y.shift) == (scale, shift)
offsets = [eights.layers[name].offset[0] for name in ("score_pool4c", "score_pool3c", "score")]
assert offsets == [5, 9, 31]
assert cost[0] == 1 and 0.6 < cost[3] < 0.7 and sorted(cost, reverse=True) == cost
assert hand.shapes((1, 3, 50, 61))["score"] == (1, 5, 50, 61)
assert len(told) == 3
assert np.array_equal(before["fuse_pool4"], before["upscore2c"]) and not before["score_pool4"].any()
assert np.array_equal(init.bilinear_filter(4), sixteen.params["upscore2.weight"].data[0, 0])

# %% [markdown]
# ## Exercises
#
# 1. AlexNet's FCN upsamples with a kernel of 63, not 64. Compute its `(scale, shift)` by hand (conv1 is 11x11, stride
#    4, padding 100; the pools are 3x3, stride 2; fc6 is 6x6) and show why 64 cannot be cropped.
# 2. Derive the rule `offset = padding - 81` for FCN-32s from the table at the top.
# 3. Extend `after` so that it also carries the receptive field (its first and last pixel). What do you get for
#    `score_fr`? (The paper's table 1 says 404.)
# 4. Add a third stream to `two_stream`, from `conv1`. By which factor must the sum be upsampled now? Which crops are
#    needed?
# 5. *Predict:* in FCN-16s with `input_padding="same"` the upsampled scores are cropped, not the skip (`upscore2c`). Why
#    are the roles exchanged?
