"""Runs as `minifcn train` leaves them, made without training, and what a page that tells of one holds."""

import base64
import csv
import json
import re
import zlib

import numpy as np
from PIL import Image

from minifcn import config as configuration
from minifcn import data, models, weights
from minifcn.training.folder import RunFolder

SHAPES = {"data": "shapes:size=40,val=5", "net": "fcn8s", "iterations": 4}


def a_run(folder, rows=4, **settings):
    """A finished run of `SHAPES` and other settings: a net whose scores are by chance, and a log of some rows."""
    config = configuration.resolve({}, {**SHAPES, **settings})
    run = RunFolder.create(str(folder), config)
    dataset = data.open_dataset(config.data, config.val_split, models.modalities_of(config.net))
    write_log(run.log, rows, config.net, [task.name for task in data.tasks_of(dataset)[1:]])
    write_weights(run.weights, config.net, dataset)
    return folder


def write_log(path, rows, net, tasks=()):
    """A log that was evaluated at every second step; further tasks do a tenth as well as the first."""
    names = ["pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu"]
    values = [0.5, 0.4, 0.25, 0.45]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        further = [f"{task}_{name}" for task in tasks for name in names]
        writer.writerow(["step", "loss", "lr", "seconds", *names, "stage", *further])
        for step in range(1, rows + 1):
            measures = values if step % 2 == 0 else [""] * 4
            more = [value / 10 for value in values] if step % 2 == 0 else [""] * 4
            writer.writerow([step, 2 / step, 0.01, step / 10, *measures, net, *more * len(tasks)])


def write_weights(path, net, dataset, seed=1):
    """Weights of a tiny net with scores that differ from place to place."""
    rng = np.random.default_rng(seed)
    made = models.build(net, data.num_classes_of(dataset), preset="tiny", rng=rng)
    for name, param in made.params.items():
        if name.startswith("score") and param.learns:
            param.data[:] = rng.normal(0, 1, param.data.shape)
    weights.save(path, made, data.dataset.told_of(data.tasks_of(dataset)))


def hostile_folder(folder, evil):
    """A data set of one's own whose classes and pictures have names that want to be HTML."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(3)
    for k in range(4):
        name = f"{k}{evil}".replace("/", "\N{FULLWIDTH SOLIDUS}")  # a file's name can hold anything else
        Image.fromarray(rng.integers(0, 255, (40, 48, 3), np.uint8)).save(folder / "images" / f"{name}.png")
        Image.fromarray(rng.choice(np.array([0, 1, 2, 255], np.uint8), (40, 48))).save(
            folder / "labels" / f"{name}.png"
        )
    (folder / "classes.txt").write_text(f"one{evil}\ntwo\n猫\n", encoding="utf-8")
    return folder


def data_of(path):
    """What a page's scripts are given."""
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(found)


def unpacked(packed):
    """The array that a page has packed."""
    values = np.frombuffer(zlib.decompress(base64.b64decode(packed["deflate"])), packed["type"])
    return values.reshape(packed["shape"])
