# %% [markdown]
# # 5. From a classifier to a fully convolutional net
#
# A classifier looks at a picture of one size and says *what*. Its last layers are "fully connected", so they seem to
# nail it to that size. The paper's first step (section 3.1) is to see that they do not: they are convolutions too, and
# a classifier becomes a net that takes pictures of any size and says *where*. You learn
#
# * why a fully connected layer is a convolution, down to the last bit of its weights;
# * that the dense net gives at every place what the classifier gives for the patch there, and how much work it saves;
# * what a receptive field is, and how to compute it without running anything.
#
# Train a small classifier first, on the spot. (If you have Caffe's GoogLeNet, the last section shows it.)

# %%
import re

import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, init, inspection, ops, optim
from minifcn.layers import Conv2d, MaxPool2d, ReLU
from minifcn.net import Net

# %% [markdown]
# ## Patches to classify
#
# From each picture of `shapes`, patches of 40x40 pixels. The class of a patch is that of the pixel in its middle.

# %%
SIDE = 40
train, val = data.open_dataset("shapes", "train"), data.open_dataset("shapes", "val")


def patches(dataset, count, seed):
    """x: (count, 3, 40, 40) and the class of each middle pixel (count,), classes about equally often."""
    rng = np.random.default_rng(seed)
    xs, classes = [], []
    for i in range(count // 4):
        s = dataset[i]
        blob = data.to_blob(s.image)
        inner = s.label[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
        there = np.unique(inner[inner != data.IGNORE])
        for c in rng.choice(there, 4):
            places = np.argwhere(inner == c)
            y, x = places[rng.integers(len(places))]
            xs.append(blob[:, y : y + SIDE, x : x + SIDE])
            classes.append(c)
    return np.stack(xs), np.array(classes, np.uint8)


x_train, t_train = patches(train, 4800, seed=0)
x_val, t_val = patches(val, 256, seed=1)
print(x_train.shape, "patches of classes", np.bincount(t_train))

fig, axes = plt.subplots(1, 7, figsize=(9, 1.7))
for c, a in enumerate(axes):
    a.imshow(data.from_blob(x_train[np.flatnonzero(t_train == c)[1]]))
    a.plot(SIDE / 2, SIDE / 2, "+", color="white", markersize=9, markeredgewidth=2)
    a.set_title(train.classes[c], fontsize=9)
    a.axis("off")

# %% [markdown]
# **What to see.** The cross marks the middle pixel. Some are hard even for us.
#
# ## A net in the style of AlexNet, small
#
# Convolutions and pools down to a 7x7 map; then a layer that looks at *all* of it (64 units), then a score for each
# class. No padding anywhere, so that a patch of 40x40 pixels gives exactly one position.

# %%
rng = np.random.default_rng(0)


def conv(net, name, below, channels, width, kernel, relu=True):
    layer = Conv2d(channels, width, kernel)
    layer.params["weight"].data = init.he(layer.params["weight"].data.shape, rng)
    h = net.add(name, layer, below)
    return net.add(f"relu_{name}", ReLU(), h) if relu else h


net = Net()
h = net.input("data", channels=3)
h = conv(net, "conv1", h, 3, 16, 5)
h = net.add("pool1", MaxPool2d(2), h)
h = conv(net, "conv2", h, 16, 32, 5)
h = net.add("pool2", MaxPool2d(2), h)
h = conv(net, "fc3", h, 32, 64, 7)  # the whole 7x7 map: "fully connected"
h = conv(net, "score", h, 64, train.num_classes, 1, relu=False)

for name, shape in net.shapes((1, 3, SIDE, SIDE)).items():
    print(f"{name:10} {'x'.join(map(str, shape[1:]))}")

# %%
SCALE = np.float32(1 / 64)  # pixels less their mean are about 64 large; He's weights expect about 1
sgd = optim.MomentumSGD(net.params, lr=0.02, momentum=0.9, weight_decay=5e-4)
losses, STEPS, BATCH = [], 300, 32
for step in range(STEPS):
    sgd.lr = 0.02 * (1 - step / STEPS)
    chosen = rng.integers(len(x_train), size=BATCH)
    scores = net.forward(x_train[chosen] * SCALE)  # (32, 7, 1, 1)
    loss, cache = ops.softmax_cross_entropy(scores, t_train[chosen, None, None], reduction="mean")
    net.zero_grads()
    net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
    optim.clip_gradients(net.params, 5.0)
    sgd.step()
    losses.append(float(loss))


def classify(x):
    with net.inference():
        return net.forward(x * SCALE)


accuracy = float((classify(x_val)[:, :, 0, 0].argmax(axis=1) == t_val).mean())
print(f"loss {np.mean(losses[:20]):.2f} -> {np.mean(losses[-20:]):.2f}; right on {accuracy:.0%} of unseen patches")

# %% [markdown]
# ## Fully connected is convolutional
#
# `fc3` sees a map of 32x7x7 and has 64 units: as a matrix, 64 x 1568. As a convolution it has the same 64 x 1568
# numbers, arranged 64 x 32 x 7 x 7. On a 7x7 map the kernel fits in one place, and both compute the same.

# %%
for step in net.steps(x_val[:1] * SCALE):
    if step.name == "fc3":
        as_matrix = step.layer.params["weight"].data.reshape(64, -1) @ step.inputs[0].reshape(-1)
        as_matrix += step.layer.params["bias"].data
        as_convolution = step.output.reshape(-1)
print("largest difference:", abs(as_matrix - as_convolution).max())

# %% [markdown]
# Nothing in the *convolution* demands that the map be 7x7. Give the net a whole picture of 96x96: the map before `fc3`
# becomes 21x21, its kernel fits in 15x15 places, and out come 15x15 scores. Not one weight has changed.

# %%
picture = val[11]
whole = data.to_blob(picture.image)[None]
dense = classify(whole)
print("one patch:", classify(whole[:, :, :SIDE, :SIDE]).shape, " the whole picture:", dense.shape)

shares = np.exp(dense[0] - dense[0].max(axis=0))
shares /= shares.sum(axis=0)  # softmax: how sure the net is of each class
place = net.coords("score").x
first, last = float(place.shift - place.scale / 2), float(place.shift + 14.5 * place.scale)  # of the scores' cells
fig, axes = plt.subplots(2, 4, figsize=(8.6, 4.7))
axes[0, 0].imshow(picture.image)
axes[0, 0].set_title("picture")
for c, a in enumerate(axes.flat[1:]):
    a.imshow(shares[c], extent=(first, last, last, first), cmap="inferno", vmin=0, vmax=1, interpolation="bilinear")
    a.set_facecolor("#888888")
    a.set(xlim=(0, 95), ylim=(95, 0))
    a.contour(picture.label == c, [0.5], colors="white", linewidths=1)
    a.set_title(train.classes[c], fontsize=9)
for a in axes.flat:
    a.set_xticks([])
    a.set_yticks([])

# %% [markdown]
# **What to see.** A *heatmap* for each class, the bright places being those where the classifier says so; white lines
# are the true outlines. Grey is the frame for which there are no scores: a patch whose middle lies there would stick
# out of the picture. The net knows roughly where things are, and only roughly: its scores lie 4 pixels apart, each says
# what is in the middle of a patch ten times as wide, and one in three is wrong. The paper's figure 2 shows a cat found
# that way.
#
# ## The same as patch by patch, for less
#
# Each of the 225 scores is *exactly* what the classifier says of the 40x40 patch there:

# %%
worst = 0.0
for y in (0, 3, 9, 14):
    for x in (0, 5, 14):
        patch = whole[:, :, 4 * y : 4 * y + SIDE, 4 * x : 4 * x + SIDE]
        worst = max(worst, float(abs(classify(patch)[0, :, 0, 0] - dense[0, :, y, x]).max()))
one, grid = net.plan((1, 3, SIDE, SIDE)).macs, net.plan(whole.shape).macs
print(f"largest difference {worst:.1e} of scores up to {abs(dense).max():.1f}")
print(f"225 patches: {225 * one / 1e6:.0f} million products; the whole picture at once: {grid / 1e6:.0f} million")
print(f"{225 * one / grid:.0f} times less work")

# %% [markdown]
# Neighbouring patches overlap, and the dense net computes what they share once. (The paper's section 3.1 measures 5
# times for AlexNet; `minifcn experiments dense` does it here.) The same holds backward: training on whole pictures is
# training on all their patches at once.
#
# ## Receptive fields
#
# *Which pixels does a score see?* That can be computed from kernel sizes and strides alone. The paper's rule for one
# layer on another, $f_{ks} \circ g_{k's'} = (f \circ g)_{k' + (k-1)s',\; ss'}$, from the top of the net downwards:

# %%
k, s = 1, 1
for name, layer_k, layer_s in reversed(
    [("conv1", 5, 1), ("pool1", 2, 2), ("conv2", 5, 1), ("pool2", 2, 2), ("fc3", 7, 1), ("score", 1, 1)]
):
    k, s = layer_k + (k - 1) * layer_s, s * layer_s
    print(f"from {name:6} up: sees {k:2} pixels, stride {s}")
print("net.coords says:", net.coords("score").x.receptive_field, "and", net.coords("score").x.scale)

# %%
fig, axes = plt.subplots(1, 4, figsize=(9, 2.5))
for a, (blob, y, x) in zip(axes, [("pool1", 20, 20), ("pool2", 10, 10), ("score", 3, 4), ("score", 3, 5)], strict=True):
    inspection.receptive_field(net, blob, y, x, picture.image, a)

# %% [markdown]
# **What to see.** Each layer sees more than the one below. The last two fields are of neighbouring scores, 4 pixels
# apart: they share nine tenths of what they see. That is where the work is saved.
#
# ## With a real one
#
# With Caffe's GoogLeNet (`bvlc_googlenet`, as `.caffemodel` or `.npz`) and any photograph, set the three names below,
# and the same is done with a net that knows 1000 classes: the three that it finds most probable in the square in the
# middle, and for each a heatmap over the whole photograph. `models.convolutionalize` adds padding so that small
# pictures and borders get scores, too.

# %%
WEIGHTS, PHOTO, NAMES = "", "", ""  # say "bvlc_googlenet.npz", "cat.jpg", "synset_words.txt"

if WEIGHTS:
    from minifcn.classify import classify as best_of
    from minifcn.classify import heatmap, open_classifier, read_labels, shortened
    from minifcn.inspection.heat import heat

    googlenet, about = open_classifier(WEIGHTS, "googlenet")
    photo = shortened(data.read_image(PHOTO))
    probabilities = best_of(googlenet, photo, about["mean"])
    names = read_labels(NAMES, 1000) if NAMES else [f"class {c}" for c in range(1000)]
    names = [re.sub(r"^n\d+ ", "", name).partition(",")[0] for name in names]  # of "n02123045 tabby, tabby cat": tabby
    top = np.argsort(-probabilities)[:3]
    fig, axes = plt.subplots(1, 4, figsize=(10, 2.8))
    axes[0].imshow(photo)
    for a, c in zip(axes[1:], top, strict=True):
        a.imshow(heat(photo, heatmap(googlenet, photo, int(c), about["mean"])))
        a.set_title(f"{names[c]} {probabilities[c]:.2f}", fontsize=8)
    for a in axes:
        a.axis("off")
else:
    print("no weights given; `minifcn classify WEIGHTS PICTURE --heatmap FILE` does the same")

# %% [markdown]
# ## What was claimed, checked

# %%
assert 0.58 < accuracy < 0.75 and np.mean(losses[-20:]) < 0.6 * np.mean(losses[:20])  # one in seven would be chance
assert np.allclose(as_matrix, as_convolution, atol=1e-4)
assert dense.shape == (1, 7, 15, 15)
assert worst < 1e-4 * abs(dense).max()
assert 225 * one > 10 * grid
assert (k, s) == (SIDE, 4) == (net.coords("score").x.receptive_field, net.coords("score").x.scale)
assert inspection.field_of(net, "score", 3, 5) == (12, 20, 51, 59)

# %% [markdown]
# ## Exercises
#
# 1. What is the smallest picture that this net takes? And what comes out for one of 41x43 pixels?
# 2. *Predict* the receptive field and stride if `pool2` had stride 1. And the number of scores for 96x96 pixels. Build
#    it and look. (The weights of `fc3` still fit. Does the net still work? Notebook 7.)
# 3. Let the class whose heatmap is brightest be the label of each pixel: bring each class's map to the picture's size
#    with `spread(shares[c], net.coords("score"), (96, 96))` (from `minifcn.inspection.heat`), take `argmax` over the
#    classes, and score it with `minifcn.metrics.ConfusionMatrix`. Compare with colour alone (notebook 1) and with the
#    bound for 1/4 (notebook 4).
# 4. Pad `conv1` by 2 and train again with patches of 36x36. The dense net no longer equals the patches. Where, and why?
# 5. VGG16's `fc6` has 102,764,544 weights and biases. As which convolution? Of which share of all its weights?
