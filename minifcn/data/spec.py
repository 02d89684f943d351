"""From the few words that name a data set on the command line to the set itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minifcn.data.camvid import open_camvid
from minifcn.data.dataset import Dataset
from minifcn.data.folder import open_folder
from minifcn.data.pairs import PairDataset
from minifcn.data.shapes import open_shapes
from minifcn.data.voc import open_voc
from minifcn.errors import DataError, did_you_mean

#: The sets of files, and how each is opened.
FILES: dict[str, Callable[[Path, str], PairDataset]] = {"voc": open_voc, "camvid": open_camvid, "folder": open_folder}
HELP = "shapes, shapes:SIZE, shapes:size=128,train=1000,seed=3, voc:DIR, camvid:DIR or folder:DIR"


def open_dataset(spec: str, split: str) -> Dataset:
    """The data set that `spec` names (see `HELP`), of it the part `split`: train, val, or what the set has besides."""
    kind, _, rest = spec.partition(":")
    if kind == "shapes":
        return open_shapes(rest, split)
    if kind not in FILES:
        hint = f"; did you mean 'folder:{spec}'?" if Path(spec).is_dir() else did_you_mean(kind, ["shapes", *FILES])
        raise DataError(f"data set {spec!r}: unknown kind {kind!r}{hint} (a data set is {HELP})")
    if not rest:
        raise DataError(f"data set {spec!r}: the folder is missing; write {kind}:DIR")
    return FILES[kind](Path(rest).expanduser(), split)
