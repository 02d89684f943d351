"""Gradient checks of layers and nets: their parameters are arrays like the inputs, only kept in boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from minifcn import ops
from minifcn.backend import Array, to_numpy, xp_of
from minifcn.errors import ShapeError
from minifcn.gradcheck.check import DIRECTIONS, check
from minifcn.gradcheck.report import Report
from minifcn.layers import Layer, Param
from minifcn.net import Net
from minifcn.ops.loss import LossCache


def check_layer(
    layer: Layer,
    *xs: Array,
    name: str = "",
    case: str = "",
    linear: bool = False,
    directions: int | None = None,
    rng: np.random.Generator | None = None,
) -> Report:
    """Check the gradients of a layer's inputs and of those of its parameters that learn.

    xs: float64 arrays. The parameters are checked as float64, whatever they are, and start from a gradient that is not
    zero, to which `backward` has to add. Parameters, gradients and generators are as before afterwards. Other arguments
    as for `check`.
    """
    inputs = {"x": xs[0]} if len(xs) == 1 else {f"x{k}": x for k, x in enumerate(xs)}
    learning = {key: param for key, param in layer.params.items() if param.learns}
    rngs = [found for found in [getattr(layer, "rng", None)] if found is not None]
    rng = rng or np.random.default_rng(0)

    with _borrowed(layer.params, rngs) as rewind:
        layer.keeps_cache, layer.wants_dx = True, True
        before = {key: rng.normal(size=param.data.shape) for key, param in learning.items()}

        def forward(*arrays: Array) -> tuple[Array, None]:
            rewind()
            for param, array in zip(learning.values(), arrays[len(xs) :], strict=True):
                param.data = array
            return layer.forward(*arrays[: len(xs)]), None

        def backward(dy: Array, cache: None) -> tuple[Array | None, ...]:
            xp = xp_of(dy)
            for key, param in learning.items():
                param.grad = xp.asarray(before[key].copy())
            dxs = layer.backward(dy)
            return (*dxs, *(param.grad - xp.asarray(before[key]) for key, param in learning.items()))

        arrays = inputs | {key: param.data for key, param in learning.items()}
        try:
            return check(
                forward,
                backward,
                arrays,
                name=name or layer.kind,
                case=case or layer.describe(),
                linear=linear,
                directions=directions,
                rng=rng,
            )
        finally:
            layer.drop_cache()


def check_net(
    net: Net,
    x: Array | Sequence[Array],
    labels: Array | Sequence[Array] | None = None,
    *,
    name: str = "net",
    case: str = "",
    directions: int | None = DIRECTIONS,
    rng: np.random.Generator | None = None,
) -> Report:
    """Check the gradients of a net's inputs and of all parameters that learn, from end to end.

    x: a float64 batch, or one for each input. With labels (N, H, W) for each output the net ends in the mean pixelwise
    cross-entropy, summed over the outputs; without them, in a random dy. The parameters are checked as float64; they,
    their gradients and the generators are as before afterwards. By default three random directions for each array:
    every element costs two passes. Raises ShapeError unless there is a batch for each input, labels for each output.
    """
    xs = tuple(x) if isinstance(x, Sequence) else (x,)
    targets = (None,) if labels is None else tuple(labels) if isinstance(labels, Sequence) else (labels,)
    if (len(xs), len(targets)) != (len(net.inputs), len(net.outputs)):
        raise ShapeError(
            f"gradcheck of {name}: {len(xs)} batches and {len(targets)} label maps for the inputs "
            f"{', '.join(net.inputs)} and the outputs {', '.join(net.outputs)}"
        )
    entrances = list(net.inputs)
    learning = {key: param for key, param in net.params.items() if param.learns}

    with _borrowed(net.params, net.generators()) as rewind:

        def forward(*arrays: Array) -> tuple[Array, list[LossCache]]:
            rewind()
            for param, array in zip(learning.values(), arrays[len(xs) :], strict=True):
                param.data = array
            ys = net.forward(*arrays[: len(xs)])
            if labels is None:
                return ys, []
            pairs = zip(ys if isinstance(ys, tuple) else (ys,), targets, strict=True)
            losses, caches = zip(*(ops.softmax_cross_entropy(y, t, reduction="mean") for y, t in pairs), strict=True)
            return sum(losses), list(caches)

        def backward(dy: Array, caches: list[LossCache]) -> tuple[Array | None, ...]:
            net.zero_grads()
            dys = [ops.softmax_cross_entropy_backward(dy, cache)[0] for cache in caches] or [dy]
            net.backward(*dys, keep=entrances)
            dxs = [net.diffs.pop(name) for name in entrances]
            return (*dxs, *(param.grad for param in learning.values()))

        arrays = dict(zip(entrances, xs, strict=True)) | {key: param.data for key, param in learning.items()}
        # A net has kinks by the thousand: small steps, which float64 just affords.
        report = check(
            forward, backward, arrays, name=name, case=case, step=1e-6, tolerance=2e-6, directions=directions, rng=rng
        )
        for layer in net.layers.values():
            layer.drop_cache()
        return report


def filled(params: Mapping[str, Param], rng: np.random.Generator) -> None:
    """Random numbers in every parameter that learns, of a size that keeps activations about as large as they came."""
    for param in params.values():
        if param.learns:
            fan_in = max(1, int(np.prod(param.data.shape[1:])))
            param.data = rng.normal(size=param.data.shape) * (2 / fan_in) ** 0.5


@contextmanager
def _borrowed(params: Mapping[str, Param], rngs: list[np.random.Generator]) -> Iterator:
    """Lends parameters as float64 and generators; yields a function that sets the generators back to their start."""
    held = {key: (param.data, param.grad) for key, param in params.items()}
    states = [rng.bit_generator.state for rng in rngs]

    def rewind() -> None:
        for rng, state in zip(rngs, states, strict=True):
            rng.bit_generator.state = state

    try:
        for param in params.values():
            xp = xp_of(param.data)
            param.data = xp.asarray(to_numpy(param.data).astype(np.float64))
        yield rewind
    finally:
        rewind()
        for key, (data, grad) in held.items():
            params[key].data, params[key].grad = data, grad
