"""Everything that a run needs to go on bit for bit: weights, velocities, and the state of all that draws or counts.

One safetensors file: arrays "weights/NAME" and "velocity/NAME", the rest JSON in its metadata. Nothing is pickled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from minifcn.backend import to_numpy
from minifcn.errors import CheckpointError, MinifcnError
from minifcn.net import Net
from minifcn.optim import MomentumSGD
from minifcn.weights import tensors

FORMAT = tensors.CHECKPOINT
VERSION = 1


class Checkpoint(NamedTuple):
    """The content of the file at `path`. `state` is what the run put beside the arrays: JSON, as `_STATE` lists."""

    path: str
    weights: dict[str, np.ndarray]
    velocity: dict[str, np.ndarray]
    generators: list[dict[str, Any]]
    state: dict[str, Any]


def save(path: str | PathLike[str], net: Net, sgd: MomentumSGD, state: Mapping[str, Any]) -> None:
    """Writes the net's weights, its dropout generators, the velocities, and `state`; whole, or not at all."""
    # The arrays themselves, not copies: with FCN-8s those would be another 1 GiB.
    arrays = {f"weights/{name}": to_numpy(param.data) for name, param in net.params.items()}
    arrays |= {f"velocity/{name}": to_numpy(array) for name, array in sgd.velocity.items()}
    if bad := [name for name, array in arrays.items() if not tensors.is_finite(array)]:
        raise CheckpointError(f"{path}: not written, {bad[0]} holds NaN or Inf; an earlier checkpoint is untouched")
    generators = [generator.bit_generator.state for generator in net.generators()]
    try:
        tensors.write(
            path, arrays, {"format": FORMAT, "version": VERSION, "generators": generators, "state": dict(state)}
        )
    except MinifcnError as error:
        raise CheckpointError(str(error)) from error


def load(path: str | PathLike[str]) -> Checkpoint:
    """Reads a file that `save` wrote; CheckpointError for any other."""
    try:
        arrays, metadata = tensors.read(path)
    except MinifcnError as error:
        raise CheckpointError(str(error)) from error
    if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
        got = f"{metadata.get('format')!r} {metadata.get('version')!r}"
        raise CheckpointError(f"{path}: expected a {FORMAT} of version {VERSION}, got {got}")
    generators, state = metadata.get("generators"), metadata.get("state")
    if not (isinstance(generators, list) and all(isinstance(each, dict) for each in generators)):
        raise CheckpointError(f"{path}: damaged: expected a list of generators' states, got {generators!r:.80}")
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: damaged: expected the state of a run, got {state!r:.80}")
    for key, (fits, expected) in _STATE.items():
        if not fits(state.get(key)):
            raise CheckpointError(f"{path}: damaged: its {key} is {state.get(key)!r:.80}, expected {expected}")
    if bad := [name for name, array in arrays.items() if not tensors.is_finite(array)]:
        raise CheckpointError(
            f"{path}: damaged: {bad[0]} holds NaN or Inf, which is never saved; put back a copy of the file, or repeat "
            "the run from its config.toml"
        )
    return Checkpoint(str(path), _below("weights/", arrays), _below("velocity/", arrays), generators, state)


def restore(checkpoint: Checkpoint, net: Net, sgd: MomentumSGD) -> None:
    """Puts a checkpoint into a net and an optimizer that were built as those it was saved from."""
    generators = net.generators()
    if len(generators) != len(checkpoint.generators):
        raise CheckpointError(
            f"{checkpoint.path}: expected the state of the {len(generators)} generators that the net draws from, "
            f"it has {len(checkpoint.generators)}"
        )
    try:
        net.load_state_dict(checkpoint.weights)
    except MinifcnError as error:
        raise CheckpointError(
            f"{checkpoint.path}: belongs to another net: {str(error).removeprefix('load_state_dict: ')}"
        ) from error
    try:
        sgd.load_state_dict(checkpoint.velocity)
    except MinifcnError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from error
    for generator, state in zip(generators, checkpoint.generators, strict=True):
        try:
            generator.bit_generator.state = state
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise CheckpointError(f"{checkpoint.path}: its generator state does not fit: {error}") from error


#: What `load` promises of a run's state: a test of the value, and its description.
_STATE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "step": (lambda value: type(value) is int and value >= 0, "a whole number of at least 0"),
    "stage": (lambda value: value is None or isinstance(value, str), "nothing, or the name of a stage's net"),
    "seconds": (lambda value: type(value) in (int, float) and 0 <= value < math.inf, "a number of at least 0"),
    "evaluated": (lambda value: isinstance(value, bool), "true or false"),
    "config": (lambda value: isinstance(value, dict), "the settings"),
    "init": (lambda value: value is None or isinstance(value, dict), "nothing, or a file and its hash"),
}


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
