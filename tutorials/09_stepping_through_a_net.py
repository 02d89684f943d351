# %% [markdown]
# # 9. A net, one step at a time, forward and backward
#
# A net is a graph of layers without circles (a *DAG*). Running it forward is visiting the layers in order; running it
# backward, in reverse order. `net.forward` and `net.backward` do nothing else than exhaust two generators, `net.steps`
# and `net.back_steps`, so one can stop after any layer and look. You learn
#
# * what each layer of an FCN-8s does to a picture;
# * how gradients travel back, and what happens where a blob is read twice;
# * which activations are kept, and why training needs so much more memory than prediction.
#
# It prepares assignment 5 (`assignments/05_dag`), together with notebook 11.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minifcn import data, inspection, models, ops
from minifcn.errors import MinifcnError

# %% [markdown]
# ## The net
#
# FCN-8s with narrow layers (`preset="tiny"`): the whole topology of the published net. Its score layers start at zero;
# here they get random numbers, so that there is something to see.

# %%
rng = np.random.default_rng(0)
net = models.build("fcn8s", num_classes=7, preset="tiny", rng=rng)
for name, param in net.params.items():
    if name.startswith("score") and name.endswith("weight"):
        param.data = 0.05 * rng.standard_normal(param.data.shape, dtype=np.float32)

sample = data.open_dataset("shapes", "train")[14]
x = data.to_blob(sample.image)[None]
labels = sample.label[None]

print("layers:", len(net.nodes), " blobs that two layers read:")
for k, node in enumerate(net.nodes):
    readers = [other.name for other in net.nodes if k in other.inputs]
    if len(readers) > 1:
        print(f"  {node.name:8} -> {', '.join(readers)}")

# %% [markdown]
# (A crop reads the blob that it is to be like, but only asks it for its size.)
#
# ## Forward
#
# A `Step` has the layer's name, the layer, its inputs and its output. `inspection.show` draws it: inputs, weights,
# output, the first six channels of each. (Brighter is more; where values may be negative, the middle grey is 0.)

# %%
looked_at = {"conv1_1", "relu1_1", "pool3"}
sizes = {}
for step in net.steps(x):
    sizes[step.name] = step.output.shape[1:]
    if step.name in looked_at:
        display(inspection.show(step))  # noqa: F821  (a notebook's own function)

# %% [markdown]
# **What to see.** `conv1_1`: each 3x3 kernel (its blue channel is shown) makes one map, and edges and areas appear in
# them. `relu1_1`: what was below 0 is gone. `pool3`: after three pools a cell stands for 8x8 pixels; some channels are
# dark altogether, they found nothing.
#
# All sizes on the way:

# %%
order = list(sizes)
fig, axes = plt.subplots(figsize=(9, 2.7))
values = np.array([np.prod(sizes[name]) for name in order])
head = np.array(["score" in name or "fuse" in name for name in order])
axes.plot(np.flatnonzero(~head), values[~head], "o", color="#888888", markersize=4, label="trunk")
axes.plot(np.flatnonzero(head), values[head], "s", color="black", markersize=4, label="head")
axes.legend(loc="upper center")
named = ("data", "fc6", "score_fr", "fuse_pool3", "score")
marked = [k for k, name in enumerate(order) if name.startswith("pool") or name in named]
axes.set_xticks(marked, [order[k] for k in marked], rotation=60, ha="right", fontsize=7)
axes.set_yscale("log")
axes.grid(axis="y", color="#dddddd")
_ = axes.set_title("how many numbers each layer puts out, from the first to the last")

# %% [markdown]
# **What to see.** (A line across is ten times as much as the one below.) Each pool takes a step down; the head climbs
# up again, adding a finer map at each landing.
#
# ## Backward
#
# The loss gives the gradient at the scores; `back_steps` takes it from there, last layer first. In each step `dy` comes
# in from above, gradients of weights stay in the layer, `dxs` go on below.

# %%
scores = net.forward(x)
loss, cache = ops.softmax_cross_entropy(scores, labels, reduction="mean")
(dscores,) = ops.softmax_cross_entropy_backward(1.0, cache)
net.zero_grads()
norms, arrived = {}, {}
for step in net.back_steps(dscores):
    norms[step.name] = float(np.linalg.norm(step.dy))
    arrived[step.name] = step.dy
    if step.name in {"upscore8", "fuse_pool3", "pool4", "conv1_1"}:
        display(inspection.show(step))  # noqa: F821

# %% [markdown]
# **What to see.** `upscore8` backward: a picture of `dy` is gathered into 12x12 cells, a plain convolution.
# `fuse_pool3`: a sum hands the *same* gradient to both. `pool4`: each gradient goes to one pixel of four, the rest is
# 0. `conv1_1`: what is left are gradients of its kernels; that of the picture was not asked for.
#
# ## Where a blob is read twice, gradients are added
#
# `pool4` feeds `conv5_1` and `score_pool4`. Both send a gradient back, and the loss depends on `pool4` by *both* ways,
# so its gradient is their sum (the chain rule for several paths). Here are the two parts, and what `pool4` got:

# %%
scores = net.forward(x)
parts = {}
for step in net.back_steps(dscores, keep=["pool4"]):
    if step.name in ("conv5_1", "score_pool4"):
        parts[step.name] = step.dxs[0].copy()
total = net.diffs["pool4"]
channel = int(abs(parts["score_pool4"][0]).sum(axis=(1, 2)).argmax())
shown = {f"from {name}": part[0, channel] for name, part in parts.items()} | {"pool4's gradient": total[0, channel]}
inspection.tiles({name: 1e4 * part for name, part in shown.items()}, inches=2.5)

# %% [markdown]
# **What to see.** (Times 10000.) In each cell the third number is the sum of the first two. What came by `score_pool4`,
# a short way, is larger and smoother here than what came by `conv5_1`, a long one.
#
# To *forget* one of them is a classic bug of hand-written nets: everything trains, only worse. The
# gradient check of the whole net finds it (`python -m minifcn.gradcheck`, the mutant "branch forgotten").
#
# ## How strong is the gradient on its way?

# %%
back = list(norms)
fig, axes = plt.subplots(figsize=(9, 2.5))
axes.plot(range(len(back)), list(norms.values()), marker=".")
marked = [k for k, n in enumerate(back) if n.startswith(("pool", "fc", "score", "conv")) and not n.endswith("c")]
axes.set_xticks(marked, [back[k] for k in marked], rotation=60, ha="right", fontsize=7)
axes.set_yscale("log")
_ = axes.set_title("length of dy, from the scores (left) down to conv1_1 (right)")

# %% [markdown]
# **What to see.** From left to right it is the head's streams first, then the trunk. A curve that falls by orders of
# magnitude would mean that the lower layers learn nothing; one that climbs, that training may explode. Initial values
# are chosen to keep it level.
#
# ## What is kept
#
# Forward, an activation lives as long as someone needs it: a later layer, or a layer's cache for its backward pass. So
# `net.blobs` has only what was asked for:

# %%
net.forward(x, keep=["pool3"])
kept = list(net.blobs)
print("kept:", kept)
try:
    net.blobs["pool4"]
except MinifcnError as error:
    print("error:", error)
plan = models.build("fcn8s", 21).plan((1, 3, 500, 500))
weights = 4 * (plan.parameters + plan.fixed)
print("FCN-8s at full width, 500x500 pixels:")
for what, total_bytes, part, part_bytes in (
    ("training", plan.peak_bytes, "activations", plan.activation_bytes),
    ("prediction", plan.inference_bytes, "weights", weights),
):
    print(f"  {what:10} {total_bytes / 2**30:.2f} GiB, of which {part} {part_bytes / 2**20:.0f} MiB")

# %% [markdown]
# ## When something is wrong: strict mode
#
# A NaN spreads to all that comes after, and in the end the loss is NaN and nobody knows why. `net.strict()` checks each
# step and names the first layer:

# %%
weight = net.params["conv3_2.weight"]
good = weight.data.copy()
weight.data[5, 0, 1, 1] = np.nan
try:
    with net.strict():
        net.forward(x)
except MinifcnError as error:
    found = str(error)
print(found)
weight.data = good

# %% [markdown]
# ## What was claimed, checked

# %%
assert np.array_equal(total, parts["conv5_1"] + parts["score_pool4"])
assert sizes["pool3"][1:] == (12, 12) and sizes["score"] == (7, 96, 96)
assert list(norms)[-1] == "conv1_1" and next(iter(norms)) == "score"  # nothing below conv1_1 learns
assert kept == ["pool3"]
assert "conv3_2" in found
assert plan.peak_bytes > 2 * plan.inference_bytes

# the whole net's gradients, end to end, on a picture that float64 can differentiate quickly
from minifcn.gradcheck import check_net

small = models.build("fcn8s", 3, "tiny", rng=np.random.default_rng(1))
report = check_net(small, rng.normal(size=(1, 3, 20, 24)) * 30, np.zeros((1, 20, 24), np.uint8), directions=1)
assert report.passed

# %% [markdown]
# ## Exercises
#
# 1. Step through the net with a picture that is all one colour. After which layer do its maps stop being constant, and
#    why there?
# 2. Set `score_pool3.weight` to zero. *Predict* which parameters get no gradient at all. Then look for `grad` that is
#    all zero.
# 3. Take the gradient at the *picture* (`keep=["data"]`) of one single score, say class 1 at (48, 48): which pixels
#    does it reach? Compare with `inspection.receptive_field(net, "score", 48, 48, sample.image)`.
# 4. Run two steps of `net.steps(x)`, then call `net.forward(x)`, then go on with the first. What are you told, and why
#    must it be so?
# 5. Which steps take longest (`step.seconds`)? Compare with the products of `net.plan(x.shape).rows`. Which layers are
#    slower than their arithmetic says?
