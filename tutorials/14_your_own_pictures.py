# %% [markdown]
# # 14. Your own pictures
#
# The capstone: from a folder of pictures to a net that labels new ones. Everything here has a command, too (`minifcn
# data check`, `train`, `evaluate`, `predict`); this notebook does it step by step, so that each can be looked at. You
# need
#
# * a folder with `images/NAME.jpg`, `labels/NAME.png` and `classes.txt`. Any labelling tool that writes PNGs will do.
# * twenty pictures to see something, a few hundred to get something.
#
# Say where they are. With nothing said, a small set is made up: coins and pens on a table.

# %%
FOLDER = ""  # say "my_pictures"
STEPS = 120  # updates; a few thousand for a real set
made_up = not FOLDER

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from minifcn import data, inspection, models, ops, optim, recipes, weights
from minifcn.data.check import examine
from minifcn.inference import evaluate, open_fcn, predict
from minifcn.metrics import table

# %% [markdown]
# ## What the folder looks like
#
# `classes.txt` names the classes, class 0 first, one a line, with a colour if the label maps are coloured pictures.
# `ignore R G B` is the colour of pixels that shall not count, such as outlines.

# %%
CLASSES = "table 0 0 0\ncoin 220 160 0\npen 30 90 200\nignore 255 255 255\n"


def draw(rng, size=64):
    """A picture of a table with coins and pens on it, uint8 (size, size, 3), and its coloured label map."""
    yy, xx = np.mgrid[:size, :size].astype(float)
    picture = rng.uniform(90, 160) + rng.normal(0, 6, (size, size, 1)) + 12 * np.sin(yy / rng.uniform(2, 5))[..., None]
    picture = np.repeat(picture, 3, axis=2) * rng.uniform(0.8, 1.1, 3)
    colours = np.zeros((size, size, 3), np.uint8)
    for _ in range(rng.integers(2, 5)):
        cy, cx, angle = *rng.uniform(8, size - 8, 2), rng.uniform(0, np.pi)
        u, v = (
            np.cos(angle) * (xx - cx) + np.sin(angle) * (yy - cy),
            np.cos(angle) * (yy - cy) - np.sin(angle) * (xx - cx),
        )
        if rng.random() < 0.5:
            inside, colour, look = (
                np.hypot(u, v) - rng.uniform(6, 10),
                (220, 160, 0),
                rng.uniform(150, 230) * np.array([1, 0.85, 0.5]),
            )
        else:
            inside, colour, look = (
                np.maximum(abs(v) - 2.6, abs(u) - rng.uniform(14, 22)),
                (30, 90, 200),
                rng.uniform(20, 235, 3),
            )
        picture[inside < 0] = look + 25 * (u / 10)[inside < 0][:, None].clip(-1, 1)
        colours[abs(inside) < 0.8] = 255
        colours[inside <= -0.8] = colour
    return picture.clip(0, 255).astype(np.uint8), colours


if made_up:
    FOLDER = f"{tempfile.mkdtemp()}/tables"
    for name in ("images", "labels"):
        (Path(FOLDER) / name).mkdir(parents=True)
    (Path(FOLDER) / "classes.txt").write_text(CLASSES)
    rng = np.random.default_rng(7)
    for k in range(60):
        picture, colours = draw(rng)
        Image.fromarray(picture).save(f"{FOLDER}/images/table{k:02}.jpg", quality=92)
        Image.fromarray(colours).save(f"{FOLDER}/labels/table{k:02}.png")

print((Path(FOLDER) / "classes.txt").read_text())
train, val = data.open_dataset(f"folder:{FOLDER}", "train"), data.open_dataset(f"folder:{FOLDER}", "val")
print(
    len(train),
    "pictures to learn from,",
    len(val),
    "kept apart (by their names; a fifth of a large set. train.txt and val.txt",
)
print("if you want to choose yourself).", train.num_classes, "classes:", ", ".join(train.classes))

# %% [markdown]
# ## Check the data first
#
# Most trainings that fail, fail here: a label map of another size than its picture, a colour that is in no list, a
# class that never occurs. `examine` reads everything (`minifcn data check folder:DIR` prints the same).

# %%
for dataset in (train, val):
    findings = examine(dataset)
    print(*findings.lines(), sep="\n")
    assert not findings.problems

# %%
fig, axes = plt.subplots(2, 4, figsize=(8.6, 4.5))
for column, i in zip(axes.T, range(min(4, len(train))), strict=False):
    s = train[i]
    column[0].imshow(s.image)
    column[0].set_title(s.name, fontsize=9)
    column[0].axis("off")
    inspection.label_map(column[1], s.label, train)

# %% [markdown]
# **What to see.** Labels lie on their objects, in the right classes. Look at twenty of your own before you train: no
# measure shows a systematic mistake in the labels, for it is in the validation set as well.
#
# ## Train
#
# FCN-8s with narrow layers, from scratch. With few pictures *augmentation* helps: each is mirrored half of the time.
# With pretrained weights one would take a wider preset, `weights.transplant(net, FILE)` and a smaller rate (notebook
# 12).

# %%
from minifcn.data.transforms import Mirror

net = models.build("fcn8s", train.num_classes, "tiny", rng=np.random.default_rng(0))
class_weights = recipes.class_weights(data.class_shares(train)).astype(np.float32)
sgd = optim.MomentumSGD(net.params, lr=0.05, momentum=0.9, weight_decay=5e-4)
losses = []
with data.Loader(train, batch_size=8, seed=0, transforms=[Mirror()]) as loader:
    for step in range(STEPS):
        sgd.lr = recipes.learning_rate("poly", 0.05, step, STEPS)
        batch = next(loader)
        scores = net.forward(batch.x)
        loss, cache = ops.softmax_cross_entropy(scores, batch.labels, reduction="mean", class_weights=class_weights)
        net.zero_grads()
        net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
        optim.clip_gradients(net.params, 5.0)
        sgd.step()
        losses.append(float(loss))
print(
    f"loss {losses[0]:.3f} (log {train.num_classes} = {np.log(train.num_classes):.3f}) -> {np.mean(losses[-10:]):.3f}"
)

# %% [markdown]
# ## Evaluate on pictures it has not seen

# %%
(confusion,) = evaluate(net, val, progress=False)
scores = confusion.scores()
print(table(scores, val.classes))

# %%
some = range(min(3, len(val)))
fig, axes = plt.subplots(len(some), 3, figsize=(6.6, 2.25 * len(some)), squeeze=False)
for line, i in zip(axes, some, strict=True):
    s = val[i]
    line[0].imshow(s.image)
    line[0].set_title(s.name, fontsize=9)
    line[0].axis("off")
    inspection.label_map(line[1], s.label, val, "truth")
    inspection.label_map(line[2], predict(net, s.image), val, "prediction")

# %% [markdown]
# **What to see.** Coins are found; pens, which are thin, are painted too fat, and some are missed. With pictures of
# your own, ask where it is wrong: at outlines (normal, with a stride of 8), in whole objects (train longer, more
# pictures), or always for one class (too rare, or labelled inconsistently)? Those are three different problems with
# three different cures.
#
# ## Keep it, and use it
#
# The file has all that is needed: how the net is built, the classes with their colours, the mean of the pictures. Here
# it is opened as `minifcn predict` would, and labels a larger picture than any that it was trained on: it is fully
# convolutional. (Of a set of your own, it labels one that was kept apart.)

# %%
path = str(Path(FOLDER) / "mine.safetensors")
palette = train.palette[: train.num_classes].tolist()
weights.save(path, net, {"classes": train.classes, "palette": palette, "mean": data.MEAN_BGR, "source": "notebook 14"})
opened, about = open_fcn(path)

large = draw(np.random.default_rng(99), size=120)[0] if made_up else val[0].image
label = predict(opened, large, about["mean"])
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
axes[0].imshow(large)
axes[0].set_title(f"{large.shape[1]}x{large.shape[0]} pixels", fontsize=9)
axes[0].axis("off")
inspection.label_map(axes[1], label, val, "prediction")

# %% [markdown]
# **What to see.** Both pens and the coin are found where they are, the pens again too fat.
#
# ## What was claimed, checked

# %%
assert abs(losses[0] - np.log(train.num_classes)) < 1e-3  # score layers start at zero
assert np.mean(losses[-10:]) < 0.6 * losses[0]
if made_up:  # what is said of coins and pens
    table_iu, coin_iu, pen_iu = scores.class_iu
    assert coin_iu > 0.7 and pen_iu < 0.5 * coin_iu and set(np.unique(label)) == {0, 1, 2}
    assert confusion.matrix[0, 2] > confusion.matrix[2, 2] and confusion.matrix[2, 0] > 0.2 * confusion.matrix[2].sum()
    assert scores.mean_iu > 0.5
assert np.array_equal(predict(opened, val[0].image, about["mean"]), predict(net, val[0].image))
assert about["classes"] == train.classes and label.shape == large.shape[:2]

# %% [markdown]
# ## Exercises
#
# 1. Do it with twenty pictures of your own: one class beside the background is enough. Which of the three problems have
#    you got?
# 2. Learning curve: train on 5, 10, 20 and all pictures. How does mean IU grow? How many would you need to halve what
#    is missing?
# 3. *Find the bug:* save one label map as JPEG and rename it to `.png`. What does the check say, and why is a JPEG no
#    label map?
# 4. Take the learning rate ten times larger and ten times smaller. Which do you notice first, and by which curve?
# 5. Start from the weights of notebook 11 instead of from random ones (`weights.save` there, `weights.transplant`
#    here). Does it help, although shapes are not coins? Compare after 30 and after 120 steps.
