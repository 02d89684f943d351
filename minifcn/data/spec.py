"""From the few words that name a data set on the command line to the set itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from minifcn.data.camvid import open_camvid
from minifcn.data.context import open_context
from minifcn.data.dataset import Dataset
from minifcn.data.folder import open_folder
from minifcn.data.modalities import COLOUR, beside_colour
from minifcn.data.nyud import open_nyud
from minifcn.data.pairs import PairDataset
from minifcn.data.sbd import open_sbd
from minifcn.data.shapes import open_shapes
from minifcn.data.siftflow import open_siftflow
from minifcn.data.voc import open_voc
from minifcn.errors import DataError, did_you_mean

#: The sets of files, and how each is opened.
FILES: dict[str, Callable[[Path, str], PairDataset]] = {
    "voc": open_voc,
    "sbd": open_sbd,
    "context": open_context,
    "context33": partial(open_context, count=33),
    "nyud": open_nyud,
    "siftflow": open_siftflow,
    "camvid": open_camvid,
    "folder": open_folder,
}
HELP = (
    "shapes, shapes:SIZE, shapes:size=128,train=1000,seed=3, voc:DIR, sbd:DIR, context:DIR, nyud:DIR, siftflow:DIR, "
    "camvid:DIR or folder:DIR"
)


def open_dataset(spec: str, split: str, modalities: Sequence[str] = COLOUR) -> Dataset:
    """The data set that `spec` names (see `HELP`), of it the part `split`: train, val, or what the set has besides.

    modalities: what the net will see of each picture, see `data.modalities`. Raises DataError if the set has it not.
    """
    kind, _, rest = spec.partition(":")
    beside = beside_colour(modalities)
    if beside and kind != "nyud":
        raise DataError(
            f"data set {spec!r}: has no {' and no '.join(beside)}, which the net wants to see; nyud:DIR has"
        )
    if kind == "shapes":
        return open_shapes(rest, split)
    if kind not in FILES:
        hint = f"; did you mean 'folder:{spec}'?" if os.path.isdir(spec) else did_you_mean(kind, ["shapes", *FILES])
        raise DataError(f"data set {spec!r}: unknown kind {kind!r}{hint} (a data set is {HELP})")
    if not rest:
        raise DataError(f"data set {spec!r}: the folder is missing; write {kind}:DIR")
    folder = Path(rest).expanduser()
    return open_nyud(folder, split, modalities) if kind == "nyud" else FILES[kind](folder, split)
