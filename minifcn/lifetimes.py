"""Which arrays a pass over a net holds, from when to when: what `minifcn.plan` adds up before anything is allocated.

Moments are numbered: layer k runs forward at moment k, the loss follows, then the layers run backward, last one first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import prod
from typing import NamedTuple

from minifcn.layers import Shape

#: Before a layer that works on so many bytes, memory that nobody uses is given back: it may be of no use to the layer,
#: and a moment is nothing beside its work.
LARGE = 1 << 24

#: What the C library keeps of what smaller arrays gave back, in gaps between those that live: so much of what a pass
#: holds beyond 40 MiB, up to 32 MiB. Found by measuring, see tests/test_plan.py.
_GAPS, _GAPS_FROM, _GAPS_MOST = 0.55, 40 << 20, 32 << 20


class LayerMemory(NamedTuple):
    """What is to be known of a layer.

    inputs: numbers of the layers that feed it, none for an entrance. output_bytes, cache_bytes: of a training step.
    gradient_bytes: of its parameters. forward, backward: bytes that pass while an operation runs. retains: as
    `Layer.retains`. wanted: whether the gradient at its output is computed. passes_on: as `Layer.passes_on`. same_as:
    the layer whose output it returns as it is, when training and under `net.inference()`; None: its own.
    """

    inputs: tuple[int, ...]
    out_shape: Shape
    output_bytes: int
    cache_bytes: int
    gradient_bytes: int
    forward: int
    backward: int
    retains: frozenset[str]
    wanted: bool
    passes_on: bool
    same_as: int | None = None
    same_in_inference: int | None = None


class Life(NamedTuple):
    """So many bytes are held from one moment to another, both included."""

    first: int
    last: int
    size: int


Rows = Sequence[LayerMemory]


def peak(lives: Collection[Life], buffers: int, released: Collection[int]) -> int:
    """The most bytes that a process takes at a moment, with the buffers of its threads.

    released: the moments before which memory that is not used is given back to the system.
    """
    changes: dict[int, int] = {}
    for first, last, size in lives:
        changes[first] = changes.get(first, 0) + size
        changes[last + 1] = changes.get(last + 1, 0) - size
    held, most = buffers, 0
    for moment in sorted(changes):
        held += changes[moment]
        gaps = 0 if moment in released else min(_GAPS_MOST, max(0, int(_GAPS * (held - _GAPS_FROM))))
        most = max(most, held + gaps)
    return most


def releases(rows: Rows) -> set[int]:
    """The moments before which `minifcn.net` gives memory back."""
    found = set()
    for k, row in enumerate(rows):
        seen = rows[row.inputs[0]].output_bytes if row.inputs else row.output_bytes
        if max(seen, row.gradient_bytes) >= LARGE:
            found.add(k)
        if max(row.output_bytes, row.gradient_bytes) >= LARGE:
            found.add(back(rows, k))
    return found


def of_inference(rows: Rows, outputs: Collection[int]) -> list[Life]:
    """Of a forward pass that keeps nothing."""
    lives = [Life(k, k, row.forward) for k, row in enumerate(rows)]
    for k, members in _storages([row.same_in_inference for row in rows]).items():
        last = _last_read(rows, members, outputs, end=len(rows))
        lives.append(Life(k, last if rows[k].inputs else len(rows), rows[k].output_bytes))  # the input is the caller's
    return lives


def of_training(rows: Rows, outputs: Collection[int], passing: int = 0) -> list[Life]:
    """Of a forward pass, the loss, for which so many bytes pass, and the backward pass with all gradients."""
    loss, end = len(rows), 2 * len(rows) + 2
    lives = [*_loss(rows, outputs, loss), Life(loss, loss, passing)]
    for k, members in _storages([row.same_as for row in rows]).items():
        last = _last_read(rows, members, outputs, end=loss)
        users = [user for user in range(len(rows)) if _keeps(rows[user], user, members)]
        if users:
            last = max(last, back(rows, min(users)))
        lives.append(Life(k, last if rows[k].inputs else end, rows[k].output_bytes))
    for k, row in enumerate(rows):
        here = back(rows, k)
        lives += [Life(k, k, row.forward), Life(k, here, row.cache_bytes)]
        if row.wanted and rows[k].inputs:
            lives += [Life(here, here, row.backward), Life(here, end, row.gradient_bytes)]
    return lives + list(_differences(rows, outputs))


def back(rows: Rows, k: int) -> int:
    """The moment at which layer k runs backward."""
    return 2 * len(rows) + 1 - k


def waiting(rows: Rows, outputs: Collection[int]) -> int:
    """Bytes of activations and caches that wait for the backward pass when the forward pass has ended."""
    loss = len(rows)
    found = sum(row.cache_bytes for row in rows)
    for k, members in _storages([row.same_as for row in rows]).items():
        users = [user for user in range(len(rows)) if _keeps(rows[user], user, members)]
        if users or not rows[k].inputs or _last_read(rows, members, outputs, end=loss) == loss:
            found += rows[k].output_bytes
    return found


def _storages(same: Sequence[int | None]) -> dict[int, list[int]]:
    """Row that made an array -> the rows whose output it is."""
    made: dict[int, list[int]] = {}
    root: list[int] = []
    for k, other in enumerate(same):
        root.append(k if other is None else root[other])
        made.setdefault(root[k], []).append(k)
    return made


def _last_read(rows: Rows, members: Collection[int], outputs: Collection[int], end: int) -> int:
    """The last moment of the forward pass at which an array is wanted; of an output of the net that is its end."""
    readers = [k for k, row in enumerate(rows) if any(i in members for i in row.inputs)]
    return end if any(k in outputs for k in members) else max([*members, *readers])


def _keeps(row: LayerMemory, k: int, members: Collection[int]) -> bool:
    """Whether a layer's cache refers to an array."""
    return ("output" in row.retains and k in members) or (
        "inputs" in row.retains and any(i in members for i in row.inputs)
    )


def _loss(rows: Rows, outputs: Collection[int], moment: int) -> Iterator[Life]:
    """Of softmax cross-entropy: probabilities, and three numbers a pixel; `_differences` has its gradient."""
    for k in outputs:
        n, _, *size = rows[k].out_shape
        yield Life(moment, moment + 1, rows[k].output_bytes + 9 * n * prod(size))


def _differences(rows: Rows, outputs: Collection[int]) -> Iterator[Life]:
    """Of the gradients of blobs: from the backward pass of the last reader to that of the layer that made it."""
    lasts = {k: back(rows, k) for k in range(len(rows))}
    for k, row in enumerate(rows):  # upwards: whoever's gradient is a view of a later one's is known to it in time
        if not row.wanted:
            continue
        readers = [r for r, reader in enumerate(rows) if k in reader.inputs and reader.wanted]
        if k in outputs:
            yield Life(len(rows) + 1, 2 * len(rows) + 1, row.output_bytes)  # the caller's
        elif len(readers) == 1 and rows[readers[0]].passes_on:
            lasts[readers[0]] = max(lasts[readers[0]], lasts[k])
        elif readers:
            yield Life(back(rows, max(readers)), lasts[k], row.output_bytes)
        for reader in sorted(readers)[:-1]:  # what this one adds, and the sum
            yield Life(back(rows, reader), back(rows, reader), 2 * row.output_bytes)
