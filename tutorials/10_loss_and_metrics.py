# %% [markdown]
# # 10. The loss, ignored pixels, and the measures
#
# What training makes small, and what the result is judged by, are two things. You learn
#
# * softmax and cross-entropy for each pixel, and their gradient, which is simpler than both;
# * what happens at ignored pixels, and the NaN that lurks there;
# * sum or mean: why a learning rate of 1e-10 is not absurd;
# * where loss and measures disagree.
#
# It prepares assignment 4 (`assignments/04_loss`).

# %%
import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection, ops, recipes
from minifcn.errors import DataError
from minifcn.gradcheck import check
from minifcn.metrics import ConfusionMatrix

# %% [markdown]
# ## Softmax and cross-entropy
#
# The net gives scores, any numbers. *Softmax* makes shares of them that add up to 1: $p_c = e^{s_c} / \sum_k e^{s_k}$.
# The loss of a pixel of class $t$ is $-\log p_t$: nothing if the net is sure and right, a lot if it is sure and wrong.

# %%
lead = np.linspace(-6, 6, 200)  # how far the right class is ahead of the only other one
scores = np.zeros((1, 2, 1, 200))
scores[0, 0, 0] = lead
truth = np.zeros((1, 1, 200), np.uint8)
pixel_loss = [float(ops.softmax_cross_entropy(scores[..., k : k + 1], truth[..., :1])[0]) for k in range(200)]
_, cache = ops.softmax_cross_entropy(scores, truth)
(gradient,) = ops.softmax_cross_entropy_backward(1.0, cache)
fig, axes = plt.subplots(1, 2, figsize=(8, 2.6))
axes[0].plot(lead, cache.probabilities[0, 0, 0])
axes[0].set(title="softmax: share of the right class", xlabel="its lead in score")
axes[1].plot(lead, pixel_loss, label="loss")
axes[1].plot(lead, gradient[0, 0, 0], label="gradient")
axes[1].set(title="cross-entropy", xlabel="its lead in score")
_ = axes[1].legend()

# %% [markdown]
# **What to see.** Where the net is badly wrong (left) the loss is a straight line and its gradient -1: it pulls with
# all it has. Where it is right (right) both fade. The gradient is *the share minus what it should be*: $\partial L /
# \partial s_c = p_c - [c = t]$.
#
# By hand for one picture, and against the engine:

# %%


def loss_by_hand(scores, labels, ignore=255):
    """scores: (C, H, W), labels: (H, W) -> the sum over counted pixels, and its gradient."""
    shifted = scores - scores.max(axis=0)  # the same softmax, and e^1000 cannot happen
    shares = np.exp(shifted) / np.exp(shifted).sum(axis=0)
    total, gradient = 0.0, np.zeros_like(scores)
    for (i, j), t in np.ndenumerate(labels):
        if t != ignore:
            total -= np.log(shares[t, i, j])
            gradient[:, i, j] = shares[:, i, j]
            gradient[t, i, j] -= 1
    return total, gradient


rng = np.random.default_rng(0)
scores = rng.normal(size=(3, 4, 5)) * 3
labels = rng.integers(0, 3, (4, 5)).astype(np.uint8)
labels[1:3, 2:4] = data.IGNORE
by_hand, by_hand_gradient = loss_by_hand(scores, labels)
loss, cache = ops.softmax_cross_entropy(scores[None], labels[None])
(gradient,) = ops.softmax_cross_entropy_backward(1.0, cache)
print(
    f"by hand {by_hand:.6f}, engine {float(loss):.6f};",
    f"gradients differ by {abs(gradient[0] - by_hand_gradient).max():.1e}",
)
inspection.tiles(
    {
        "labels (white: 255)": np.where(labels == data.IGNORE, np.nan, labels),
        **{f"gradient of score {c}": gradient[0, c] for c in range(3)},
    },
    inches=2.2,
)

# %% [markdown]
# **What to see.** In each pixel the three gradients add up to 0: one class is pulled up, the others down. At the
# ignored pixels (255) all are 0: whatever the net says there costs nothing and teaches nothing.
#
# ## Sum or mean?
#
# The released nets *sum* the loss over all pixels of a picture; most others take the *mean*. The gradients differ by
# the number of counted pixels, and so must the learning rate. A picture of 500x375 has 187500:

# %%
lr, decay = recipes.sum_to_mean(1e-10, 5e-4, 500 * 375)
print(f"lr 1e-10 with the sum is lr {lr:.2g} with the mean, and weight decay 5e-4 is {decay:.1g}")
both = {}
for reduction in ("sum", "mean"):
    value, cache = ops.softmax_cross_entropy(scores[None], labels[None], reduction=reduction)
    both[reduction] = float(value), ops.softmax_cross_entropy_backward(1.0, cache)[0]
counted = int((labels != data.IGNORE).sum())
print(f"sum {both['sum'][0]:.4f} = {counted} x mean {both['mean'][0]:.4f}")

# %% [markdown]
# ## Two traps
#
# *A picture that is all ignored* has a mean over nothing: 0/0 is NaN, and one NaN in the weights ends the training. The
# engine divides by at least 1. *Scores that overflow:* $e^{1000}$ is infinite; subtracting the largest score first
# changes nothing but that.

# %%
empty, cache = ops.softmax_cross_entropy(scores[None], np.full_like(labels, 255)[None], reduction="mean")
huge, _ = ops.softmax_cross_entropy(1000 * scores[None], labels[None], reduction="mean")
print(
    "all ignored:", float(empty), ops.softmax_cross_entropy_backward(1.0, cache)[0].any(), "  huge scores:", float(huge)
)

with np.errstate(over="ignore", invalid="ignore"):
    naive = np.exp(1000 * scores) / np.exp(1000 * scores).sum(axis=0)
print("softmax without the subtraction:", np.isnan(naive).sum(), "of", naive.size, "are NaN")

try:
    ops.softmax_cross_entropy(scores[None], np.full_like(labels, 3)[None])
except DataError as error:
    told = str(error)
    print("a label of 3 with three classes:", told)

# %% [markdown]
# ## What a net that knows nothing loses
#
# With all scores equal, each class has a share of 1/C, and the loss is $\log C$ a pixel. An FCN's score layers start at
# zero, so this is where *every* training must begin. If it does not, something is wrong before the first step: the
# first rung of the sanity ladder.

# %%
for classes in (2, 7, 21):
    start, _ = ops.softmax_cross_entropy(np.zeros((1, classes, 4, 5)), labels[None] % 255 % classes, reduction="mean")
    print(f"{classes:2} classes: {float(start):.4f}, log C = {np.log(classes):.4f}")

# %% [markdown]
# ## Loss and measures are not the same
#
# Make a predictor from the truth: at each pixel it gives a share of $q$ to the true class and $1 - q$ to a rival, the
# class that the truth has five pixels to the left (and a tenth of all to the seven in equal parts). As $q$ falls, loss
# grows steadily, but the *measures* see only which class is largest: nothing happens, until $q$ falls below the
# rival's.

# %%
sample = data.open_dataset("shapes", "val")[5]
classes = 7
onehot = np.moveaxis(np.eye(classes)[np.where(sample.label == 255, 0, sample.label)], 2, 0)  # (C, H, W)
wrong = np.roll(onehot, 5, axis=2)  # a rival: the truth, moved
qs = np.linspace(0.95, 0.05, 20)  # none is 1/2, where both are equal
losses, ious = [], []
for q in qs:
    shares = 0.9 * (q * onehot + (1 - q) * wrong) + 0.1 / classes
    scores = np.log(shares)[None]
    losses.append(float(ops.softmax_cross_entropy(scores, sample.label[None], reduction="mean")[0]))
    confusion = ConfusionMatrix(classes)
    confusion.update(sample.label, scores[0].argmax(axis=0).astype(np.uint8))
    ious.append(confusion.scores().mean_iu)
fig, axes = plt.subplots(figsize=(6.5, 2.7))
axes.plot(qs, losses, label="loss")
axes.plot(qs, ious, label="mean IU")
axes.set_xlabel("share of the true class, against the same truth moved by 5 pixels")
axes.invert_xaxis()
_ = axes.legend()

# %% [markdown]
# **What to see.** The loss rises all the way, mean IU falls in one step at 1/2. The loss can be *followed* (it has a
# gradient), the measure cannot; the measure is what one wants. That is why both are logged.
#
# ## The confusion matrix
#
# All four measures come from one matrix: rows are the truth, columns the prediction. It is summed over all pictures
# first, and divided only at the end. That is not the same as the mean of each picture's measure:

# %%
val = data.open_dataset("shapes", "val")
together, alone = ConfusionMatrix(classes), []
for i in range(40):
    label = val[i].label
    guess = np.roll(np.where(label == 255, 0, label), (2, 3), axis=(0, 1)).astype(np.uint8)  # the truth, moved
    one = ConfusionMatrix(classes)
    one.update(label, guess)
    together = together + one
    alone.append(one.scores().mean_iu)
summed = together.scores()
matrix = together.matrix / together.matrix.sum(axis=1, keepdims=True)
fig, axes = plt.subplots(figsize=(5.2, 3.9))
axes.imshow(matrix, cmap="gray_r", vmin=0, vmax=1)
for (i, j), share in np.ndenumerate(matrix):
    if share >= 0.005:
        axes.text(
            j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color="white" if share > 0.5 else "black"
        )
axes.set_xticks(range(classes), val.classes, rotation=45, ha="right")
axes.set_yticks(range(classes), val.classes)
axes.set(xlabel="prediction", ylabel="truth")
_ = axes.set_title("% of each class's pixels")
print(f"mean IU of the sum {summed.mean_iu:.3f}, mean of the pictures' mean IUs {np.mean(alone):.3f}")

# %% [markdown]
# **What to see.** The prediction is the truth, moved by two pixels down and three to the right. Thin forms (ring,
# cross, comb) lose most, to the background; the background hardly notices.
#
# ## What was claimed, checked

# %%
assert abs(by_hand - float(loss)) < 1e-9 and np.allclose(gradient[0], by_hand_gradient)
assert abs(gradient.sum(axis=1)).max() < 1e-12 and not gradient[0][:, labels == 255].any()
assert abs(both["sum"][0] - counted * both["mean"][0]) < 1e-9
assert np.allclose(both["sum"][1], counted * both["mean"][1])
assert float(empty) == 0 and np.isfinite(float(huge)) and np.isnan(naive).any()
assert "outside 0..2" in told
assert losses == sorted(losses) and ious[0] == 1 and ious[-1] < 0.7 and len({round(v, 6) for v in ious}) == 2
assert abs(summed.mean_iu - np.mean(alone)) > 0.02
found, to_background = matrix.diagonal(), matrix[:, 0]
assert found[0] > 0.95 and found[4:].max() < found[1:4].min() and to_background[4:].min() > to_background[1:4].max()
random_scores = rng.normal(size=(2, 3, 4, 5))
assert check(
    lambda s: ops.softmax_cross_entropy(s, np.stack([labels, labels])),
    ops.softmax_cross_entropy_backward,
    {"s": random_scores},
).passed

# %% [markdown]
# ## Exercises
#
# 1. Derive $\partial L / \partial s_c = p_c - [c = t]$ from $L = -s_t + \log \sum_k e^{s_k}$.
# 2. *Find the bug:* "masked" by hand, someone sets the *scores* of ignored pixels to 0 instead of their gradient. What
#    is the loss of such a pixel? Does the gradient know?
# 3. The loss of a pixel of a rare class counts as much as that of background. `class_weights` changes that. What
#    weights does `recipes.class_weights` give for this data set, and what do they do to mean IU and to pixel accuracy?
#    (*Predict* the signs.)
# 4. At which share of ignored pixels does summing instead of averaging matter, if all pictures are equally large?
# 5. Write a differentiable stand-in for IU of one class (shares instead of labels), and check its gradient. What does
#    it do on a picture that has none of the class?
