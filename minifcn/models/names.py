"""The nets that there are, by name, and what a name or a net says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minifcn.errors import ShapeError, counted, did_you_mean
from minifcn.models.alexnet import ALEXNET
from minifcn.models.blocks import Family
from minifcn.models.fcn import HEADS
from minifcn.models.googlenet import GOOGLENET
from minifcn.models.modalities import COLOUR
from minifcn.models.vgg import VGG16
from minifcn.net import Net

#: Trunks, by the name of the classifier that each comes from.
FAMILIES = {"vgg16": VGG16, "alexnet": ALEXNET, "googlenet": GOOGLENET}
FCNS = tuple(HEADS)
CLASSIFIERS = tuple(FAMILIES)
#: Never released: their geometry is ours, where the paper leaves it open.
RECONSTRUCTIONS = tuple(
    name for name, head in HEADS.items() if head.family == "googlenet" or (head.sees != COLOUR and head.stride < 32)
)
NAMES = (*FCNS, *CLASSIFIERS)


def family(name: str) -> Family:
    """The family of the net called `name`. Raises ShapeError for an unknown name."""
    if name not in NAMES:
        raise ShapeError(f"unknown net {name!r}{did_you_mean(name, NAMES)}")
    return FAMILIES[HEADS[name].family if name in HEADS else name]


def presets_of(name: str) -> Mapping[str, Any]:
    """The widths that the net called `name` comes in, the published ones first. ShapeError for an unknown name."""
    return family(name).presets


def with_stride(name: str, stride: int) -> str:
    """The FCN like `name` whose finest scores have this stride: a stage of staged training.

    >>> with_stride("fcn8s", 32), with_stride("fcn-googlenet", 8)
    ('fcn32s', 'fcn-googlenet-8s')

    Raises ShapeError if there is none.
    """
    if name not in HEADS:
        raise ShapeError(f"unknown FCN {name!r}{did_you_mean(name, FCNS)}")
    for other, head in HEADS.items():
        if head == HEADS[name]._replace(stride=stride):
            return other
    raise ShapeError(f"there is no net of stride {stride} like {name}")


def stride_of(name: str) -> int:
    """The stride of the finest scores of the FCN called `name`.

    >>> stride_of("fcn8s"), stride_of("fcn-googlenet")
    (8, 32)
    """
    return HEADS[name].stride


def modalities_of(net: Net | str) -> tuple[str, ...]:
    """What each input of a net, or of the net of that name, takes: for most ("color",). ShapeError for no name."""
    if isinstance(net, str):
        family(net)
    head = HEADS.get(net if isinstance(net, str) else net.spec.get("name", ""))
    return head.sees if head else COLOUR


def classes_text(num_classes: int | Mapping[str, int]) -> str:
    """How many classes there are, of a task or of several, in words.

    >>> classes_text(1), classes_text({"sem": 33, "geo": 3})
    ('1 class', '33 sem classes and 3 geo classes')
    """
    if isinstance(num_classes, Mapping):
        return " and ".join(counted(count, f"{task} class", f"{task} classes") for task, count in num_classes.items())
    return counted(num_classes, "class", "classes")


def tasks_of(net: Net) -> dict[str, int]:
    """Task -> number of classes, in the order of the net's outputs; a single task has the name ""."""
    classes = net.spec["num_classes"]
    return dict(classes) if isinstance(classes, Mapping) else {"": classes}
