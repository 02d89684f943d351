"""Training recipes, as plain dictionaries of settings, each with its source; and the arithmetic that goes with them.

`loss` decides what a learning rate means. With the *sum* over the P counted pixels of a picture, gradients are P times
those of the *mean*. In Caffe's update, V <- m V + lr (g + decay w), the same steps are taken with

    lr_mean = P lr_sum        decay_mean = decay_sum / P

so 1e-10 with the sum is 1.9e-5 with the mean for a picture of 500x375, and a decay of 5e-4 beside the sum is 2.7e-9
beside the mean: nearly none.
"""

from __future__ import annotations

from typing import Any

#: What `(1 - t/T) ** power` uses in the poly policy.
POLY_POWER = 0.9

RECIPES: dict[str, dict[str, Any]] = {
    "cvpr2015": {
        "source": "Long, Shelhamer, Darrell, CVPR 2015, section 4.3. 175 epochs of SBD's 8498 pictures; the 20 of a "
        "minibatch differ in size and are accumulated one by one; lr 100 times smaller for each stage that starts from "
        "the one before",
        "net": "fcn32s",
        "preset": "vgg16",
        "input_padding": 100,
        "batch_size": 1,
        "iter_size": 20,
        "iterations": 74_358,
        "lr": {"fcn32s": 1e-4, "fcn16s": 1e-6, "fcn8s": 1e-8, "fcn8s-atonce": 1e-4},
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "loss": "mean",
    },
    "heavy2016": {
        "source": "shelhamer/fcn.berkeleyvision.org, voc-fcn*/solver.prototxt and solve.py (heavy learning); "
        "fcn8s-atonce was run for 300000 iterations there",
        "net": "fcn32s",
        "preset": "vgg16",
        "input_padding": 100,
        "batch_size": 1,
        "iter_size": 1,
        "iterations": 100_000,
        "lr": {"fcn32s": 1e-10, "fcn16s": 1e-12, "fcn8s": 1e-14, "fcn8s-atonce": 1e-10},
        "momentum": 0.99,
        "weight_decay": 5e-4,
        "loss": "sum",
    },
    "alexnet2016": {
        "source": "shelhamer/fcn.berkeleyvision.org, voc-fcn-alexnet/solver.prototxt and solve.py",
        "net": "fcn-alexnet",
        "preset": "alexnet",
        "input_padding": 100,
        "batch_size": 1,
        "iter_size": 20,
        "iterations": 100_000,
        "lr": 1e-4,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "loss": "mean",
    },
    "tiny": {
        "source": "minifcn: FCN-8s with narrow layers on generated shapes, for two CPU cores and two minutes",
        "net": "fcn8s",
        "preset": "tiny",
        "input_padding": "same",
        "batch_size": 8,
        "iter_size": 1,
        "iterations": 1_000,
        "lr": 0.05,
        "lr_policy": "poly",
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "loss": "mean",
        "class_weights": "sqrt-inverse",
        "clip_norm": 5.0,
        "mirror": True,
        "eval_every": 500,
        # The paper's stages begin with a trunk that is nearly done; one that began at random has much left to learn.
        "staged": {"iterations": 450, "stage_lr_factor": 0.5, "eval_every": 225},
    },
    "tiny-heavy": {
        "source": "minifcn: tiny, but picture by picture, with the momentum and rate that recipes.heavy finds for the "
        "same 8000 pictures",
        "net": "fcn8s",
        "preset": "tiny",
        "input_padding": "same",
        "batch_size": 1,
        "iter_size": 1,
        "iterations": 8_000,
        "lr": 8.18e-4,
        "lr_policy": "poly",
        "momentum": 0.98692,
        "weight_decay": 5e-4,
        "loss": "mean",
        "class_weights": "sqrt-inverse",
        "clip_norm": 5.0,
        "mirror": True,
        "eval_every": 4_000,
        "log_every": 160,
    },
    "camvid": {
        "source": "minifcn: FCN-8s with narrow layers from scratch on CamVid at 240x180, for two CPU cores",
        "net": "fcn8s",
        "preset": "small",
        "input_padding": "same",
        "batch_size": 4,
        "iter_size": 1,
        "iterations": 1_600,
        "lr": 0.02,
        "lr_policy": "poly",
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "loss": "mean",
        "class_weights": "sqrt-inverse",
        "clip_norm": 5.0,
        "mirror": True,
        "staged": {"stage_lr_factor": 0.5},  # as tiny: a trunk that began at random
    },
    "camvid-pretrained": {
        "source": "minifcn: FCN-GoogLeNet from ImageNet weights (--init) on CamVid at 240x180, for two CPU cores; with "
        "--net fcn8s --preset slim from those of a VGG16",
        "net": "fcn-googlenet-8s",
        "preset": "googlenet",
        "input_padding": "same",
        "batch_size": 4,
        "iter_size": 1,
        "iterations": 2_000,
        # VGG16 has no normalization: its skips are read from maps of large values.
        "lr": {"fcn-googlenet-8s": 0.01, "fcn-googlenet-16s": 0.01, "fcn-googlenet": 0.01, "fcn8s": 0.001},
        "trunk_lr": 0.5,
        "lr_policy": "poly",
        "momentum": 0.9,
        "weight_decay": 2e-4,
        "loss": "mean",
        "class_weights": "sqrt-inverse",
        "clip_norm": 5.0,
        "mirror": True,
        "scale": 1.25,
        "eval_every": 500,
        "staged": {"iterations": 700, "stage_lr_factor": 0.5},
    },
}


def settings(name: str, net: str | None = None, first: str | None = None) -> dict[str, Any]:
    """The settings of recipe `name` for `net` (default: the recipe's own), without the source; KeyError if unknown.

    first: the net of the first stage, if the training is staged; the learning rate is then that net's, and what the
    recipe says under "staged" holds.

    >>> settings("heavy2016", "fcn16s")["lr"]
    1e-12
    """
    recipe = {key: value for key, value in RECIPES[name].items() if key != "source"}
    if net is not None:
        recipe["net"] = net
    staged = recipe.pop("staged", {})
    if first is not None:
        recipe |= staged
    if isinstance(recipe["lr"], dict):  # one for each net; a net the source does not train starts as its first
        recipe["lr"] = recipe["lr"].get(first or recipe["net"], next(iter(recipe["lr"].values())))
    return recipe


def learning_rate(policy: str, lr: float, step: int, iterations: int) -> float:
    """The rate of step `step` (from 0) of `iterations`: "fixed", or "poly", lr (1 - step / iterations)^0.9."""
    if policy == "fixed":
        return lr
    return lr * (1 - step / iterations) ** POLY_POWER


def sum_to_mean(lr: float, weight_decay: float, pixels: float) -> tuple[float, float]:
    """(lr, decay) for the mean loss that take the steps of these for the sum over `pixels` counted pixels a picture.

    >>> lr, decay = sum_to_mean(1e-10, 5e-4, 500 * 375)
    >>> f"{lr:.3g} {decay:.2g}"
    '1.88e-05 2.7e-09'
    """
    return lr * pixels, weight_decay / pixels


def mean_to_sum(lr: float, weight_decay: float, pixels: float) -> tuple[float, float]:
    """(lr, decay) for the sum loss that take the steps of these for the mean over `pixels` counted pixels a picture."""
    return lr / pixels, weight_decay * pixels


def heavy(lr: float, momentum: float, pictures: int, iterations: int) -> dict[str, Any]:
    """Settings to learn picture by picture what `iterations` updates would, each by the mean gradient of `pictures`.

    Both see the same pictures. A momentum p that is applied once in k pictures is replaced by p^(1/k) for each: an
    assumption, made so that gradients are forgotten as fast (0.9 and k = 20 give 0.9947; the released nets have 0.99).
    A gradient moves the weights by lr / (1 - momentum) in the long run, so with k of them for one, the rate follows
    from k lr' / (1 - p') = lr / (1 - p).

    >>> settings = heavy(1e-3, 0.9, 20, 5_000)
    >>> settings["iterations"], f"{settings['momentum']:.4f}", f"{settings['lr']:.3g}"
    (100000, '0.9947', '2.63e-06')
    """
    slow = momentum ** (1 / pictures)
    return {
        "batch_size": 1,
        "iter_size": 1,
        "iterations": pictures * iterations,
        "momentum": slow,
        "lr": lr * (1 - slow) / (pictures * (1 - momentum)),
    }


def class_weights(counts: Any, most: float = 4.0) -> Any:
    """Weights (C,) for the loss, the root of the inverse share of pixels, mean share 1, at most `most`.

    `counts` (C,) are pixels of each class. A class with none gets `most`; equal counts give all ones.
    """
    shares = counts / max(1, counts.sum())
    even = 1.0 / len(counts)
    return (even / shares.clip(even / most**2)) ** 0.5
