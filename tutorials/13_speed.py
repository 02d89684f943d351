# %% [markdown]
# # 13. Speed: im2col, Winograd, threads, GPU
#
# The arithmetic of notebook 2, made fast. You learn
#
# * how fast a processor multiplies matrices, and how near to that a convolution comes;
# * Winograd's trick: fewer products for the same sum, and what it costs in digits;
# * how threads share the work so that the result has the same bits on any number of them;
# * what to do if you have a GPU.
#
# This notebook measures seconds. They are those of the machine that ran it last; on yours they will be others.

# %%
import time
from statistics import median

import matplotlib.pyplot as plt
import numpy as np

from minifcn import backend, models, ops, parallel

rng = np.random.default_rng(0)


def seconds(*works, repeats=5):
    """The median time of each work, run in turns so that a busy moment hits all."""
    times = [[] for _ in works]
    for turn in range(repeats + 1):
        for taken, work in zip(times, works, strict=True):
            start = time.perf_counter()
            work()
            if turn:  # the first run fills caches
                taken.append(time.perf_counter() - start)
    return [median(taken) for taken in times]


print(backend.describe(), "with", parallel.get_threads(), "threads")

# %% [markdown]
# ## A convolution against a matrix product
#
# The yardstick is one large matrix product, at which the library (BLAS) is as good as it gets. Count
# multiply-accumulates (MAC) a second. A middle layer of VGG16, 128 channels to 128:

# %%
x = rng.standard_normal((1, 128, 56, 56), dtype=np.float32)
w = rng.standard_normal((128, 128, 3, 3), dtype=np.float32)
macs = 128 * 128 * 9 * 56 * 56
a, b = rng.standard_normal((1152, 1152), dtype=np.float32), rng.standard_normal((1152, 1152), dtype=np.float32)
product, im2col, winograd = seconds(
    lambda: a @ b,
    lambda: ops.conv2d(x, w, None, padding=1, algorithm="im2col"),
    lambda: ops.conv2d(x, w, None, padding=1, algorithm="winograd"),
)
rates = {"matrix product": 1152**3 / product, "conv, im2col": macs / im2col, "conv, Winograd": macs / winograd}
fig, axes = plt.subplots(figsize=(7, 2.1))
bars = axes.barh(list(rates), [rate / 1e9 for rate in rates.values()], color=["#bbbbbb", "#777777", "#333333"])
axes.bar_label(bars, fmt="%.0f")
axes.set_xlabel("billion MAC of the definition in a second")
axes.invert_yaxis()
axes.margins(x=0.12)

# %% [markdown]
# **What to see.** im2col stays below the matrix product: the rest goes into copying columns. Winograd gets nearer to
# it, on some machines beyond it, not because it multiplies faster, but because it multiplies less. (The bars count the
# products of the definition.)
#
# ## Winograd's trick
#
# Two neighbouring outputs of a filter with three taps: $y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2$ and $y_1 = d_1 g_0 + d_2 g_1
# + d_3 g_2$. Six products. With these sums four are enough, called F(2, 3):

# %%


def f23(d, g):
    """Two outputs of a filter of three taps over four inputs, in four products."""
    m1 = (d[0] - d[2]) * g[0]
    m2 = (d[1] + d[2]) * (g[0] + g[1] + g[2]) / 2
    m3 = (d[2] - d[1]) * (g[0] - g[1] + g[2]) / 2
    m4 = (d[1] - d[3]) * g[2]
    return np.array([m1 + m2 + m3, m2 - m3 - m4])


d, g = rng.normal(size=4), rng.normal(size=3)
plain = np.array([d[0:3] @ g, d[1:4] @ g])
print("four products:", f23(d, g), " six:", plain)

# %% [markdown]
# The sums of $g$ are made once for a filter, those of $d$ once for an input, shared by all filters; the products, which
# are what grows with channels *times* filters, are fewer. minifcn uses F(4x4, 3x3): 16 outputs from 36 products instead
# of 144, a quarter. `minifcn/kernels/winograd.py` has it all.
#
# The price is digits: differences of large numbers lose some of float32's seven.

# %%
exact, _ = ops.conv2d(x.astype(np.float64), w.astype(np.float64), None, padding=1)
errors = {}
for algorithm in ("im2col", "winograd"):
    y, _ = ops.conv2d(x, w, None, padding=1, algorithm=algorithm)
    errors[algorithm] = float(abs(y - exact).max() / abs(exact).max())
    print(f"{algorithm:9} largest error {errors[algorithm]:.1e} of the largest output")

# %% [markdown]
# Harmless for training and prediction; too much for a gradient check, which runs in float64, where Winograd is never
# taken. Nor does it pay for few channels. The rule that chooses goes by shapes alone, and `minifcn explain` prints it
# in the column "by":

# %%
for row in models.build("vgg16", 1000).plan((1, 3, 224, 224)).rows:
    if row.kind == "Conv2d":
        shape, products = "x".join(map(str, row.out_shape[1:])), row.macs / 1e6
        print(f"{row.name:8} {row.settings:10} {shape:12} {products:6.0f} MMAC  {row.algorithm}")

# %% [markdown]
# ## Threads, and the same bits
#
# BLAS multiplies on all cores, but NumPy copies and adds on one. So the work is cut into bands (notebook 2), and a few
# threads take band after band, columns, product and all. Bands are cut by *shape*, never by the number of threads, and
# sums are made in a fixed order:

# %%
net = models.build("fcn8s", 7, "tiny", rng=np.random.default_rng(1))
picture = rng.standard_normal((2, 3, 160, 160), dtype=np.float32) * 60
dy = rng.standard_normal(net.shapes(picture.shape)["score"], dtype=np.float32)
outputs, gradients = {}, {}
before = parallel.get_threads()
for threads in (1, 2, 3):
    parallel.set_threads(threads)
    outputs[threads] = net.forward(picture)
    net.zero_grads()
    net.backward(dy)
    gradients[threads] = {name: p.grad.copy() for name, p in net.params.items() if p.grad is not None}
parallel.set_threads(before)
same = all(
    np.array_equal(outputs[1], outputs[t])
    and all(np.array_equal(gradients[1][n], gradients[t][n]) for n in gradients[1])
    for t in (2, 3)
)
print("outputs and", len(gradients[1]), "gradients on 1, 2 and 3 threads have the same bits:", same)

# %% [markdown]
# Why that matters: additions of floats depend on their order. A result that changes with the number of cores can be
# neither compared nor resumed exactly. Sum one million numbers in two orders:

# %%
many = rng.standard_normal(10**6).astype(np.float32)
halves, thirds = (sum(part.sum() for part in np.array_split(many, count)) for count in (2, 3))
print(f"in halves {halves:.6f}, in thirds {thirds:.6f}, exactly {many.astype(np.float64).sum():.6f}")

# %% [markdown]
# ## Where the time goes
#
# Steps know how long they took. An FCN's time, layer by layer, beside its products:

# %%
wide = models.build("fcn8s", 21, "small", rng=np.random.default_rng(1))
picture = rng.standard_normal((1, 3, 192, 256), dtype=np.float32) * 60
taken = {}
with wide.inference():
    for _ in range(3):
        for step in wide.steps(picture):
            taken.setdefault(step.name, []).append(step.seconds)
rows = [row for row in wide.plan(picture.shape).rows if row.macs]
share = np.array([median(taken[row.name]) for row in rows]) / sum(median(t) for t in taken.values())
work = np.array([row.macs for row in rows]) / sum(row.macs for row in rows)
fig, axes = plt.subplots(figsize=(9, 2.6))
at = np.arange(len(rows))
axes.bar(at - 0.2, work, 0.4, color="#bbbbbb", label="share of the products")
axes.bar(at + 0.2, share, 0.4, color="#333333", label="share of the time")
axes.set_xticks(at, [row.name for row in rows], rotation=60, ha="right", fontsize=7)
_ = axes.legend()

# %% [markdown]
# **What to see.** Where dark is higher than grey a layer is slower than its products: the first convolution (three
# channels are too few for a good matrix product), those of too few channels for Winograd, `fc6` (7x7 taps, and
# few places to use each), upsampling (few products, much copying). Where time is spent is where to look first.
#
# ## On a GPU
#
# Install CuPy (`pip install 'minifcn[cuda13]'` or `[cuda12]`) and move the net; nothing else changes, for operations
# take their array library from their arrays. A GPU works on after a call has returned, so wait for it before looking at
# the clock: `backend.Timer` does.

# %%
import importlib.util

devices = ["numpy"] + (["cupy"] if importlib.util.find_spec("cupy") else [])
for target in devices:
    try:
        moved = wide.to(target)
    except backend.BackendError as error:
        print(error)
        continue
    on_device = backend.to(picture, target)
    xp = backend.xp_of(on_device)
    with moved.inference():
        moved.forward(on_device)
        with backend.Timer(xp) as timer:
            moved.forward(on_device)
    print(f"{backend.describe(xp)}: {1e3 * timer.seconds:.0f} ms for a picture of 256x192")
_ = wide.to("numpy")

# %% [markdown]
# ## What was claimed, checked

# %%
assert np.allclose(f23(d, g), plain)
assert errors["im2col"] < 1e-5 and errors["winograd"] < 2e-4
assert errors["winograd"] > errors["im2col"]
assert same
big, one = np.float32(1e8), np.float32(1)
assert (big + one) - big != one + (big - big)  # the order counts
plan = {row.name: row for row in models.build("vgg16", 1000).plan((1, 3, 224, 224)).rows}
assert plan["conv1_1"].algorithm == "im2col" and plan["conv3_2"].algorithm == "winograd"  # 3 channels are too few
assert abs(share.sum() - 1) < 0.5 and abs(work.sum() - 1) < 1e-9

# %% [markdown]
# ## Exercises
#
# 1. At how many channels does Winograd begin to pay on your machine? Measure 8, 16, 32, 64, 128 and compare with the
#    rule.
# 2. How many products does F(4, 3) need in one dimension, and F(4x4, 3x3) in two? And how many does F(6x6, 3x3)? What
#    speaks against taking larger and larger tiles? (Change the error measurement above to look at the digits.)
# 3. `parallel.set_threads(1)`, then 2: how much faster is a forward pass, and a backward pass? Why not twice?
# 4. Write the convolution of notebook 2 with `np.lib.stride_tricks.sliding_window_view` and `np.einsum`. Where does it
#    stand in the first figure?
# 5. *Predict* from the plan how long the full FCN-8s takes for 500x500 pixels on your machine. Then try it (0.9 GiB).
