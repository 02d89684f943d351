"""Fail at step 0, not at step 10,000: what is wrong with a run, as early as it shows, and what to do about it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from minifcn.backend import to_numpy, xp_of
from minifcn.config import TrainConfig
from minifcn.data import IGNORE, Batch
from minifcn.errors import ConfigError, DataError, MinifcnError, WeightsError
from minifcn.net import Net
from minifcn.optim import MomentumSGD

SETTLED = 100  # steps after which velocities are near their full size: 0.99 to the 100th is 0.37


def labels(batch: Batch, num_classes: int | Mapping[str, int]) -> None:
    """DataError that names the picture if a label is neither a class of its task nor 255."""
    counts = num_classes.values() if isinstance(num_classes, Mapping) else [num_classes]
    for target, count in zip(batch.targets, counts, strict=True):
        _labels(batch.names, target, count)


def _labels(names: Sequence[str], target: NDArray[np.uint8], num_classes: int) -> None:
    wrong = (target >= num_classes) & (target != IGNORE)
    if not wrong.any():
        return
    n = int(np.flatnonzero(wrong.any(axis=(1, 2)))[0])
    values = ", ".join(str(value) for value in np.unique(target[n][wrong[n]])[:5])
    raise DataError(
        f"{names[n]}: {int(wrong[n].sum())} pixels have labels outside 0..{num_classes - 1}: {values}; map them "
        f"to a class or to {IGNORE} (ignored), or list all classes; `minifcn data check SPEC` finds all such files"
    )


def trunk(net: Net) -> None:
    """WeightsError if layers are all zero that must not be: nothing would ever reach the loss through them.

    Score layers are meant to start at zero; a layer that does not learn would stay there.
    """
    zero = [
        name
        for name, param in net.params.items()
        if name.endswith(".weight") and not name.startswith("score") and not bool(param.data.any())
    ]
    if zero:
        raise WeightsError(
            f"{', '.join(zero[:4])}{' ...' * (len(zero) > 4)}: all zero, so nothing passes through, and the net would "
            "learn biases only; were the pretrained weights forgotten (--init FILE), or do they lack these layers?"
        )


def output(net: Net, batch: Batch) -> None:
    """ConfigError if the net does not score every pixel of its input."""
    shapes = net.shapes(*(x.shape for x in batch.inputs))
    shape = shapes[net.outputs[0]]
    if tuple(shape[2:]) != batch.x.shape[2:]:
        raise ConfigError(
            f"net {net.spec.get('name')}: expected scores for each of {batch.x.shape[2:]} pixels, got an output of "
            f"{shape}; a classifier cannot be trained on label maps: choose an fcn"
        )


def gradients(net: Net) -> None:
    """MinifcnError if no weight got a gradient from the first backward pass.

    Biases alone do not count: behind a dead trunk the scores' biases still learn how frequent the classes are.
    """
    weights = [param for name, param in net.params.items() if name.endswith(".weight") and param.learns]
    if not any(param.grad is not None and bool(param.grad.any()) for param in weights):
        raise MinifcnError(
            "the first backward pass gave every weight a gradient of zero: no signal passes through the net; are all "
            "pictures or activations zero, or all layers frozen, or all labels of the first batch ignored?"
        )


def rounding(sgd: MomentumSGD, loss: str) -> list[str]:
    """A warning if the last step was too short for most weights: w - V is w, to the bit, where V is less than half the
    distance from w to the next float32.

    Weights without a gradient do not count. About a million weights of each parameter stand for all of them. To be
    asked when V has built up (`SETTLED` steps), and scores that began at zero let gradients through. loss: "mean" or
    "sum".
    """
    found = []  # of each weight, how many times longer its step would have to be
    for name, param in sgd.params.items():
        if param.grad is None:
            continue
        sample = slice(None, None, 1 + param.data.size // 1_000_000)
        w, g, v = (to_numpy(a.reshape(-1)[sample]) for a in (param.data, param.grad, sgd.velocity[name]))
        step = np.maximum(np.abs(v[g != 0], dtype=np.float64), np.finfo(np.float64).tiny)
        found.append(np.spacing(np.abs(w[g != 0])) / 2 / step)
    short = np.concatenate(found) if found else np.zeros(0)
    if not len(short) or np.median(short) <= 1:
        return []
    hint = " (is the rate one for the sum over pixels, --loss sum?)" if loss == "mean" else ""
    return [
        f"warning: {(short > 1).mean():.0%} of the weights do not move: at a rate of {sgd.lr:.3g} their updates are "
        f"less than half their last digit, and round away; at {sgd.lr * np.median(short):.1e} half would move{hint}"
    ]


def explain_loss(
    net: Net, step: int, loss: float, lr: float, config: TrainConfig, rerun: Callable[[], object]
) -> MinifcnError:
    """The error for a loss that is NaN or infinite; `rerun()` repeats its forward and backward pass, to be watched.

    lr: the stage's learning rate.
    """
    cause = _where(net, rerun)
    flag = f"--stage-lrs with {lr / 10:.3g} for {net.spec['name']}" if config.stages else f"--lr {lr / 10:.3g}"
    clip = "" if config.clip_norm else ", or --clip-norm 5"
    return MinifcnError(
        f"step {step}: the loss is {loss}. {cause}. Try {flag} (now {lr:.3g}){clip}; a loss "
        "summed over pixels wants a rate as many times smaller as a picture has pixels. Checkpoints are untouched"
    )


@contextmanager
def no_warnings() -> Iterator[None]:
    """Inside, NumPy is silent about overflow and NaN in all threads: the loss is looked at, and explained better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _where(net: Net, rerun: Callable[[], object]) -> str:
    for name, param in net.params.items():
        if not bool(xp_of(param.data).isfinite(param.data).all()):
            return f"The last updates made {name} NaN or infinite: the steps were too long"
    try:
        with net.strict():
            rerun()
    except MinifcnError as error:
        return f"Run again under strict checks: {error}"
    return "Run again under strict checks, every layer's output was finite: only the loss itself overflowed"
