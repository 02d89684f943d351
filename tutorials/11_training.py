# %% [markdown]
# # 11. Training: momentum, learning rates, and the stages 32s, 16s, 8s
#
# Now everything comes together: an FCN learns, first coarse, then finer, as in the paper's section 4.2. You learn
#
# * what momentum does, and what too large a learning rate looks like;
# * why "1e-10 with the sum" and "1e-5 with the mean" take the same steps;
# * three rungs to climb before every long training;
# * what each skip adds: the picture of the paper's figure 4, made here.
#
# It prepares assignment 5 (`assignments/05_dag`), together with notebook 9, and shows what assignment 6 is about. This
# is the long one: about a minute.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection, models, ops, optim, recipes, weights
from minifcn.inference import evaluate, predict
from minifcn.layers import Param

# %% [markdown]
# ## Momentum on a valley
#
# The loss of two numbers, steep in one and flat in the other: $L = \frac12 (25 a^2 + b^2)$. Gradient descent must take
# steps small enough for the steep direction, and then crawls along the flat one. *Momentum* lets steps add up while
# they agree: $V \leftarrow m V + \text{lr} \cdot g, \; w \leftarrow w - V$.

# %%


def descend(lr, momentum, steps=40):
    """The way from (1, 8), a row for each step."""
    w = Param(np.array([1.0, 8.0]))
    sgd = optim.MomentumSGD({"w": w}, lr, momentum)
    way = [w.data.copy()]
    for _ in range(steps):
        w.grad = np.array([25.0, 1.0]) * w.data
        sgd.step()
        way.append(w.data.copy())
    return np.array(way)


ways = {"lr 0.03": descend(0.03, 0), "lr 0.03, momentum 0.8": descend(0.03, 0.8), "lr 0.081": descend(0.081, 0, 12)}
aa, bb = np.meshgrid(np.linspace(-3.2, 3.2, 80), np.linspace(-6.5, 9, 80))
fig, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True)
for a, (name, way) in zip(axes, ways.items(), strict=True):
    a.contour(aa, bb, np.sqrt(25 * aa**2 + bb**2), levels=10, colors="#bbbbbb", linewidths=0.8)
    a.plot(way[:, 0], way[:, 1], ".-", color="black", linewidth=1, markersize=4)
    a.plot(0, 0, "+", color="#D55E00", markersize=12, markeredgewidth=2)
    a.set(title=name, xlim=(-3.2, 3.2), ylim=(-6.5, 9), xlabel="a (steep)")
_ = axes[0].set_ylabel("b (flat)")

# %% [markdown]
# **What to see.** Left: straight to the bottom of the valley, then slowly along. Middle: overshoots a little, arrives.
# Right: a learning rate a bit above 2/25 jumps further with every step; in a net that ends in NaN, and the cure is a
# smaller rate.
#
# In the long run a constant gradient moves the weights by lr/(1 - m) each step: with momentum 0.9 ten times lr, with
# 0.99 (the released nets) a hundred times. This is Caffe's form of the rule, with lr inside V; PyTorch keeps it
# outside, which differs when lr changes.
#
# ## Sum and mean once more
#
# Notebook 10: gradients of a summed loss are P times those of the mean, P the counted pixels. So lr must be P times
# smaller, and weight decay, which is added to the gradient, P times larger. Then the steps are the same.
#
# (With `tint=1` each form always wears its own colour. What a thing is can then be learned in a minute; *where* it is,
# which is what the stages differ in, stays as hard as ever.)

# %%
train = data.open_dataset("shapes:size=128,tint=1", "train")
val = data.open_dataset("shapes:size=128,tint=1,val=32", "val")
loader = data.Loader(train, batch_size=2, seed=1)  # makes batches in the background
batch = loader.batch(0)
pixels = int((batch.labels != data.IGNORE).sum())


def three_steps(reduction, lr, decay):
    """The weights of a small net after three steps on one batch."""
    net = models.build("fcn32s", 7, "tiny", rng=np.random.default_rng(0)).astype(np.float64)
    sgd = optim.MomentumSGD(net.params, lr, 0.9, decay)
    for _ in range(3):
        _, cache = ops.softmax_cross_entropy(net.forward(batch.x.astype(np.float64)), batch.labels, reduction=reduction)
        net.zero_grads()
        net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
        sgd.step()
    return net.params["score_fr.weight"].data


mean_lr, mean_decay = 0.05, 5e-4
sum_lr, sum_decay = recipes.mean_to_sum(mean_lr, mean_decay, pixels)
same = three_steps("mean", mean_lr, mean_decay), three_steps("sum", sum_lr, sum_decay)
print(f"mean: lr {mean_lr}, decay {mean_decay};  sum over {pixels} pixels: lr {sum_lr:.2g}, decay {sum_decay:.3g}")
print(f"weights after three steps differ by {abs(same[0] - same[1]).max():.1e} of {abs(same[0]).max():.2f}")

# %% [markdown]
# ## A step of training
#
# Forward, loss, backward, update: the four lines of every training.

# %%
counts = data.class_shares(data.open_dataset("shapes:size=128,tint=1,train=200", "train"))
class_weights = recipes.class_weights(counts).astype(np.float32)  # rare classes count a little more


def training_step(net, sgd, batch):
    """One update; the loss before it."""
    scores = net.forward(batch.x)  # (N, 7, H, W)
    loss, cache = ops.softmax_cross_entropy(scores, batch.labels, reduction="mean", class_weights=class_weights)
    net.zero_grads()
    net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
    optim.clip_gradients(net.params, 5.0)  # a single wild batch shall not wreck the weights
    sgd.step()
    return float(loss)


# %% [markdown]
# ## Three rungs before a long training
#
# **First:** the loss at the start is log C. **Second:** the net can learn *four pictures by heart*. If it cannot, it
# will not learn two thousand; look for the bug now. **Third:** then train.

# %%
net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(5))
few = data.Loader(data.open_dataset("shapes:size=64,train=4", "train"), batch_size=4, seed=0)
sgd = optim.MomentumSGD(net.params, lr=0.05, momentum=0.9)
four = few.batch(0)
heart = [training_step(net, sgd, four) for _ in range(120)]
few.close()
print(f"at the start {heart[0]:.4f}, log 7 = {np.log(7):.4f};  after 120 steps on four pictures: {heart[-1]:.3f}")

# %% [markdown]
# ## The stages
#
# FCN-32s reads its scores from the coarsest map. FCN-16s starts with *its* weights and adds a score layer on `pool4`,
# which begins at zero (notebook 8); FCN-8s then adds one on `pool3`. `weights.transplant` takes over what has the same
# name, and says what it did. FCN-32s gets the most updates: the trunk begins at random, and it has only 4x4 cells a
# picture to teach it by. In the paper the trunk had learned from ImageNet before.

# %%
STAGES = {"fcn32s": 700, "fcn16s": 300, "fcn8s": 300}  # updates
LR, MOMENTUM, DECAY = 0.02, 0.9, 5e-4
log, nets, scores, found = [], {}, {}, {}
before = None
for name, steps in STAGES.items():
    net = models.build(name, 7, "tiny", rng=np.random.default_rng([1, steps]))
    if before is not None:
        report = weights.transplant(net, before)
        print(f"{name}: {len(report.taken)} arrays from the stage before, new: {', '.join(report.left)}")
    sgd = optim.MomentumSGD(net.params, LR, MOMENTUM, DECAY)
    for k in range(steps):
        sgd.lr = recipes.learning_rate("poly", LR, k, steps)  # falls to 0 at the end of the stage
        log.append((name, training_step(net, sgd, next(loader)), sgd.lr))
    (confusion,) = evaluate(net, val, progress=False)
    nets[name], scores[name], before = net, confusion.scores(), net
    reached = scores[name]
    found[name] = [form for form, iu in zip(val.classes[1:], reached.class_iu[1:], strict=True) if iu > 0.1]
    print(f"{name}: mean IU {reached.mean_iu:.3f}, pixel accuracy {reached.pixel_accuracy:.3f} on unseen pictures")
    print(f"        finds {', '.join(found[name])} (an IU above 0.1)")
loader.close()
counts = data.class_shares(val)
nothing = counts[0] / counts.sum() / 7  # the mean IU of who says "background" everywhere (notebook 1)
print(f"background everywhere: mean IU {nothing:.3f}")

# %%
losses = np.array([loss for _, loss, _ in log])
smooth = np.convolve(losses, np.ones(25) / 25, "valid")
fig, (upper, lower) = plt.subplots(2, 1, figsize=(8, 3.6), sharex=True, height_ratios=(3, 1))
upper.plot(losses, color="#bbbbbb", linewidth=0.7, linestyle="-")
upper.plot(np.arange(len(smooth)) + 12, smooth, color="black", linestyle="-")
upper.set(ylabel="loss", ylim=(0, 2.5))
lower.plot([lr for _, _, lr in log], color="black", linestyle="-")
lower.set(ylabel="lr", xlabel="update")
start = 0
for name, steps in STAGES.items():
    upper.axvline(start, color="#777777", linewidth=0.8, linestyle=":")
    upper.text(start + 8, 2.25, name)
    start += steps

# %% [markdown]
# **What to see.** The loss falls slowly at first: it takes a while until a trunk of random weights hands something
# useful to the last layer. Each stage begins about where the one before ended, for its new scores are zero. The rate,
# large again, stirs that up for a moment; then the loss falls below what the coarser net had reached. In the paper the
# rate falls by 100 from stage to stage; its trunk had learned from ImageNet long before, while ours still learns.
#
# ## The paper's figure 4

# %%
rows = (2, 5, 11)
fig, axes = plt.subplots(len(rows), 5, figsize=(10, 6.2))
for line, i in zip(axes, rows, strict=True):
    s = val[i]
    line[0].imshow(s.image)
    line[0].axis("off")
    for a, (name, net) in zip(line[1:], nets.items(), strict=False):
        inspection.label_map(a, predict(net, s.image), val, name)
    inspection.label_map(line[4], s.label, val, "truth")

# %%
fig, axes = plt.subplots(figsize=(8, 2.7))
for k, (name, each) in enumerate(scores.items()):
    place = np.arange(7) + 0.27 * (k - 1)
    axes.bar(
        place,
        each.class_iu,
        width=0.25,
        label=f"{name}: mean IU {each.mean_iu:.2f}",
        color=("#cccccc", "#888888", "#333333")[k],
    )
axes.set_xticks(range(7), val.classes)
axes.set(ylabel="IU", ylim=(0, 1.15))
_ = axes.legend(ncols=3, loc="upper center", fontsize=8)

# %% [markdown]
# **What to see.** In the run shown FCN-32s paints lumps of disc, square and comb, and does not find the other forms.
# FCN-16s finds all but the cross, FCN-8s all of them, with something like outlines, holes and arms, if no teeth. Thin
# forms (ring, cross, comb) have the most to gain. The order is that of the paper's table 2 (59.4, 62.4, 62.7 on PASCAL
# VOC, whose objects are large and gain less). How much of the gain is owed to the skips, and how much to further
# updates? That is exercise 2.
#
# `minifcn train --stages 32s,16s,8s` does all of this by itself and resumes when stopped; longer, and with colours that
# tell less, it reaches 0.22, 0.59 and 0.83 on pictures of 96x96 (README).
#
# ## What was claimed, checked

# %%
assert abs(ways["lr 0.03"][-1]).max() > 5 * abs(ways["lr 0.03, momentum 0.8"][-1]).max()  # momentum is further
assert abs(ways["lr 0.081"][-1, 0]) > 1  # and above 2/25 it climbs
assert np.allclose(same[0], same[1], rtol=1e-6)
assert abs(heart[0] - np.log(7)) < 1e-4 and heart[-1] < 0.35
ious = [scores[name].mean_iu for name in STAGES]
assert 1.5 * nothing < ious[0] < ious[1] < ious[2] and ious[2] > 0.45, ious
assert scores["fcn32s"].class_iu[4:].mean() < 0.25 and scores["fcn8s"].class_iu[4:].mean() > 0.3  # thin forms
assert len(found["fcn32s"]) < len(found["fcn8s"])
assert losses[75:100].mean() > 0.85 * losses[:25].mean()  # the trunk takes its time
ends = np.cumsum(list(STAGES.values()))
assert all(losses[b - 25 : b].mean() < losses[a - 25 : a].mean() for a, b in pairwise(ends))
assert scores["fcn8s"].pixel_accuracy > scores["fcn32s"].pixel_accuracy

# %% [markdown]
# ## Exercises
#
# 1. In the valley: which learning rate is the largest that still converges with momentum 0.8? *Guess* from 2/25 first.
# 2. Train FCN-8s alone for as many updates as the three stages have together. Is it better or worse? (The paper's
#    released nets have such a net, "at once": what does it need two scale layers for? `models.build("fcn8s-atonce",
#    ...)`.)
# 3. Set the learning rate of one stage to 1/100, as the paper has it. What is learned in that stage, and what not?
# 4. Freeze the trunk (`param.lr_mult = 0` for all that does not begin with "score"). How much of the mean IU is left?
#    (Section 4.3 of the paper found 70 % of it, with a trunk that knew ImageNet.)
# 5. Turn the class weights off. *Predict* which measures rise and which fall.
