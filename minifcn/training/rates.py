"""How fast each layer learns: a pretrained trunk needs little, or nothing, where new scores need much.

With the trunk frozen, only the layers that score classes learn, a linear classifier of each place: in the paper that
came to 70 % of what fine-tuning all layers reaches (section 4.3).
"""

from __future__ import annotations

from minifcn.config import TrainConfig
from minifcn.net import Net

#: What the names of the layers on top of the trunk begin with: the 1x1 convolutions and the upsampling between them.
HEAD = ("score", "upscore")


def in_trunk(name: str) -> bool:
    """Whether a layer or parameter of this name belongs to the trunk."""
    return not name.startswith(HEAD)


def set_rates(net: Net, trunk_lr: float = 1.0, freeze: str = "none") -> None:
    """Multiplies the trunk's learning rates by `trunk_lr`; with `freeze` "trunk" they become 0.

    A parameter of rate 0 gets no gradient, and the backward pass ends above the lowest layer that learns. To be done
    once, before an optimizer is made, which has a velocity for what learns alone.
    """
    factor = 0.0 if freeze == "trunk" else trunk_lr
    for name, param in net.params.items():
        if in_trunk(name):
            param.lr_mult *= factor


def lines(net: Net, config: TrainConfig) -> list[str]:
    """What learns, and how fast, where that is not the net's own way."""
    if config.freeze == "none" and config.trunk_lr == 1:
        return []
    learns = sum(param.data.size for param in net.params.values() if param.learns)
    trunk = sum(param.data.size for name, param in net.params.items() if in_trunk(name))
    if config.freeze == "trunk":
        told = [f"trunk frozen: {learns:,} parameters learn, those of the scores; {trunk:,} of the trunk do not"]
        if not config.init:
            told.append("warning: the frozen trunk is random and stays so; --init FILE gives it weights")
        return told
    return [f"trunk of {trunk:,} parameters at {config.trunk_lr:g} times the learning rate of the scores"]
