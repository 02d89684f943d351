"""A classifier as a dense net: the paper's section 3.1, and the map of its figure 2."""

from __future__ import annotations

from copy import copy

from minifcn.errors import ShapeError
from minifcn.layers import Conv2d, Input
from minifcn.net import Handle, Net, Node

MOST = 64  # strides of padding to try: far more than any classifier needs


def convolutionalize(net: Net) -> Net:
    """A net of the same weights that scores every place of a picture of any size, in steps of the classifier's stride.

    minifcn's classifiers are convolutions already, their "fully connected" layers too, so all that keeps them from a
    small picture, or from the border of a large one, is that their last windows are as wide as the whole map. The
    dense net pads the picture by as many whole strides as let even one pixel reach the output. Its grid is therefore
    the classifier's own with cells added around: away from the padding, each cell is the classifier on a patch.

    The two nets share their parameters. Where the cells lie in the picture, `dense.coords(...)` tells. Raises
    ShapeError if `net` does not start with one convolution, or no padding helps.
    """
    first = _first_convolution(net)
    place = net.coords(net.outputs[0])
    if place.y.scale <= 1 or place.x.scale <= 1:
        raise ShapeError(
            f"convolutionalize: {net.outputs[0]} looks at one input pixel each step: a net like this is dense already"
        )
    steps = (int(place.y.scale), int(place.x.scale))
    channels = next(node.layer.channels for node in net.nodes if isinstance(node.layer, Input))
    for count in range(MOST):
        dense = _padded(net, first, (count * steps[0], count * steps[1]))
        try:
            dense.shapes((1, channels, 1, 1))
        except ShapeError:
            continue
        return dense
    raise ShapeError(f"convolutionalize: one pixel reaches no output, even with {MOST} strides of padding")


def _first_convolution(net: Net) -> Node:
    convolutions = [node for node in net.nodes if isinstance(node.layer, Conv2d)]
    if not convolutions or sum(not node.inputs for node in net.nodes) != 1 or len(net.outputs) != 1:
        raise ShapeError("convolutionalize: expected a net of one input, one output and convolutions between them")
    return convolutions[0]


def _padded(net: Net, first: Node, more: tuple[int, int]) -> Net:
    """`net` with `more` rows and columns of padding at its first convolution; parameters are shared."""
    padded = Net()
    handles: list[Handle] = []
    for node in net.nodes:
        if isinstance(node.layer, Input):
            handles.append(padded.input(node.name, node.layer.channels))
            continue
        layer = copy(node.layer)  # the parameters' dictionary stays the same one
        layer.drop_cache()
        if node is first and isinstance(layer, Conv2d):
            y, x = layer.geometry.padding
            layer.geometry = layer.geometry._replace(padding=(y + more[0], x + more[1]))
        handles.append(padded.add(node.name, layer, *(handles[k] for k in node.inputs)))
    return padded
