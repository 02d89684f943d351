"""A net run over one picture and back, looked at as it passes: what is kept of each blob is small at once.

Passes: one forward for the statistics, by which channels are chosen and from whose scores the targets are; for each
target one forward with its caches and one backward from that score alone; one forward more for the maps of all channels
that were chosen. So no two full activations are kept that the passes themselves do not keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from minifcn.backend import Array, to_numpy, xp_of
from minifcn.inspection.tracing.maps import Maps, mean_size, rooted, stretched, taken
from minifcn.inspection.tracing.targets import Target
from minifcn.layers import Add, AvgPool2d, Crop, Dropout, LocalResponseNorm, MaxPool2d, ReLU, Scale
from minifcn.net import Net

#: Layers whose output has its input's channels: they show the same ones.
KEEPS_CHANNELS = (Add, AvgPool2d, Crop, Dropout, LocalResponseNorm, MaxPool2d, ReLU, Scale)
THUMB = 80  # cells along a side of the mean map that a layer has in the drawing
STRONGEST = 2  # channels that a target adds by its gradient


class Facts(NamedTuple):
    """Of all values of a blob: the least, the mean, the largest, and the share of zeros."""

    low: float
    mean: float
    high: float
    zeros: float


@dataclass
class Backward:
    """What a backward pass from one score left. By the layer's name: maps and mean map of the gradient at its output,
    and the norm of it; by the parameter's name the norm of its gradient."""

    target: Target
    score: float
    probability: float
    maps: dict[str, Maps] = field(default_factory=dict)
    thumbs: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)


@dataclass
class Trace:
    """What is kept of the passes; by the layer's name.

    labels: for each task the class of each pixel, (H, W). best: for each task all classes, by their highest score.
    """

    labels: list[np.ndarray] = field(default_factory=list)
    best: list[list[int]] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    maps: dict[str, Maps] = field(default_factory=dict)
    thumbs: dict[str, np.ndarray] = field(default_factory=dict)
    backward: list[Backward] = field(default_factory=list)


def trace(
    net: Net,
    xs: Sequence[Array],
    choose: Callable[[Trace], list[Target]],
    channels: int,
    side: int,
    passed: Callable[[Iterable, int], Iterable] = lambda targets, count: targets,
) -> Trace:
    """Run a net over its inputs (1, C, H, W) and back from the targets that `choose` picks, given what the first pass
    found.

    channels: how many of each layer to keep, those of the highest mean activation (see `_strength`), and for each
    target STRONGEST more, those of the largest mean gradient. side: cells along a side of the maps that are kept.
    passed: wraps the targets, to show how far the work is.
    """
    found, roots = Trace(), roots_of(net)
    kept = {name: order[:channels] for name, order in _survey(net, xs, found, roots).items()}
    more: dict[str, set[int]] = {}
    targets = choose(found)
    for target in passed(targets, len(targets)):
        found.backward.append(_back_from(net, xs, target, kept, roots, more, side))
    with net.inference():
        for step in net.steps(*xs):
            shown = kept[step.name] + sorted(more.get(roots[step.name], set()))
            found.maps[step.name] = taken(step.output, shown, side)
            del step
    return found


def roots_of(net: Net) -> dict[str, str]:
    """For each layer the one whose channels it shows: the first above it that makes channels of its own."""
    roots: dict[str, str] = {}
    for node in net.nodes:
        above = net.nodes[node.inputs[0]].name if node.inputs else node.name
        roots[node.name] = roots[above] if isinstance(node.layer, KEEPS_CHANNELS) else node.name
    return roots


def _survey(net: Net, xs: Sequence[Array], found: Trace, roots: dict[str, str]) -> dict[str, list[int]]:
    """A forward pass that fills in facts, thumbs and labels; for each layer its channels, the most active first."""
    order: dict[str, list[int]] = {}
    with net.inference():
        for step in net.steps(*xs):
            y: Array = step.output
            if roots[step.name] == step.name:
                order[step.name] = np.argsort(-_strength(y), kind="stable").tolist()
            else:
                order[step.name] = order[roots[step.name]]
            found.facts[step.name] = _facts(y)
            found.thumbs[step.name] = stretched(mean_size(y, THUMB))
            if step.name in net.outputs:
                found.labels.append(to_numpy(y[0].argmax(axis=0)))
                found.best.append(np.argsort(-to_numpy(y[0].max(axis=(1, 2))), kind="stable").tolist())
            del step, y
    return order


def _back_from(
    net: Net,
    xs: Sequence[Array],
    target: Target,
    kept: dict[str, list[int]],
    roots: dict[str, str],
    more: dict[str, set[int]],
    side: int,
) -> Backward:
    """A forward and a backward pass whose gradient is 1 at the target's score, and 0 elsewhere."""
    was, net.training = net.training, False
    strongest: dict[str, list[int]] = {}
    entrances = list(net.inputs)
    try:
        net.zero_grads()
        outputs = net.forward(*xs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        xp = xp_of(outputs[0])
        scores = to_numpy(outputs[target.task][0, :, target.y, target.x]).astype(np.float64)
        shares = np.exp(scores - scores.max())
        found = Backward(target, float(scores[target.label]), float(shares[target.label] / shares.sum()))
        dys = [xp.zeros(output.shape, output.dtype) for output in outputs]
        dys[target.task][0, target.label, target.y, target.x] = 1
        del outputs

        def look(name: str, dy: Array) -> None:
            root = roots[name]
            if root not in strongest:  # the first that comes by on the way back: the group's last
                sizes = to_numpy(abs(dy[0]).mean(axis=(1, 2)))
                order = [k for k in np.argsort(-sizes, kind="stable").tolist() if k not in kept[root] and sizes[k] > 0]
                strongest[root] = sorted(order[:STRONGEST])
                more.setdefault(root, set()).update(strongest[root])
            found.maps[name] = taken(dy, kept[root] + strongest[root], side)
            found.thumbs[name] = rooted(mean_size(dy, THUMB))
            found.norms[name] = _norm(dy)

        reached = _above(net, net.outputs[target.task])
        for step in net.back_steps(*dys, keep=entrances):
            if step.dy is not None and step.name in reached:
                look(step.name, step.dy)
            for key, param in step.layer.params.items():
                if param.grad is not None:
                    if step.name in reached:  # another task's are zeros
                        found.norms[f"{step.name}.{key}"] = _norm(param.grad)
                    param.grad = None  # of all layers together they would be as large as the weights
            del step
        for name in entrances:
            if name in net.diffs and name in reached:
                look(name, net.diffs[name])
        return found
    finally:
        net.training = was
        net.zero_grads()
        net.diffs.clear()


def _above(net: Net, output: str) -> set[str]:
    """The layers that an output's value comes from: all that a gradient of it can reach."""
    reached = {output}
    for node in reversed(net.nodes):
        if node.name in reached:
            feeds = node.inputs[:1] if isinstance(node.layer, Crop) else node.inputs
            reached.update(net.nodes[i].name for i in feeds)
    return reached


def _strength(y: Array) -> np.ndarray:
    """For each channel of a blob's first picture the mean of its values, negative ones taken as 0: a ReLU's view."""
    return to_numpy(y[0].clip(0, None).mean(axis=(1, 2)))


def _facts(y: Array) -> Facts:
    return Facts(float(y.min()), float(y.mean(dtype=np.float64)), float(y.max()), float((y == 0).mean()))


def _norm(array: Array) -> float:
    """The root of the sum of squares; without a copy, for weights are large."""
    flat = array.reshape(-1)
    return float(flat @ flat) ** 0.5
