"""The chosen pictures as a page holds them: each once, its truth for each task, what each net said; bounded in size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL.Image import Resampling

from minifcn.data import Dataset
from minifcn.data.pictures import resized
from minifcn.errors import ConfigError
from minifcn.inspection import page
from minifcn.inspection.summary import size as size_text
from minifcn.report.scoring import Scored

SIDE = 640  # pixels: longer pictures are made smaller for the page
LEAST_SIDE = 64
#: Bytes that pictures and curves may take: with the rest of the page, less than 10 MB.
MOST = 9_500_000


def album(
    dataset: Dataset, choices: Sequence[Mapping[str, Sequence[Scored]]], most: int = MOST
) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """({photos, side, reduced}, the pictures of each view) for `page.write`; choices: of each view, as `chosen` does.

    If they take more than `most` bytes, all are made smaller until they do not; ConfigError if they cannot be made
    small enough. Labels are never smoothed.
    """
    side = SIDE
    while True:
        photos, pictures = _album(dataset, choices, side)
        size = sum(map(_size, photos)) + sum(_size(each) for view in pictures for each in view)
        if size <= most:
            break
        if side == LEAST_SIDE:
            raise ConfigError(
                f"the {len(photos)} pictures take {size_text(size)}, even {side} pixels wide or high, and the page has "
                f"{size_text(max(0, most))} for them; show fewer, with --pictures"
            )
        side = max(LEAST_SIDE, min(int(side * 0.9 * (most / size) ** 0.5), side - 1))
    reduced = sum(photo["reduced"] for photo in photos)
    return {"photos": photos, "side": side, "reduced": reduced}, pictures


def _album(
    dataset: Dataset, choices: Sequence[Mapping[str, Sequence[Scored]]], side: int
) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    photos: dict[int, dict[str, Any]] = {}  # by their place in the data set
    pictures: list[list[dict[str, Any]]] = []
    for groups in choices:
        shown = []
        for group, scored in groups.items():
            for one in scored:
                if one.index not in photos:
                    photos[one.index] = _photo(dataset, one.index, side)
                shown.append(
                    {
                        "photo": one.index,
                        "group": group,
                        "mean_iu": one.mean_iu,
                        "accuracy": one.pixel_accuracy,
                        "label": page.pack(_small(one.label, side, Resampling.NEAREST)),
                        "matrix": page.pack(one.matrix.astype(np.float64)),
                    }
                )
        pictures.append(shown)
    place = {index: k for k, index in enumerate(sorted(photos))}
    for each in (each for shown in pictures for each in shown):
        each["photo"] = place[each["photo"]]
    return [photos[index] for index in sorted(photos)], pictures


def _photo(dataset: Dataset, index: int, side: int) -> dict[str, Any]:
    sample = dataset[index]
    height, width = sample.image.shape[:2]
    return {
        "name": sample.name,
        "width": width,
        "height": height,
        "reduced": max(height, width) > side,
        "source": page.picture(_small(sample.image, side, Resampling.LANCZOS)),
        "truths": [page.pack(_small(label, side, Resampling.NEAREST)) for label in sample.labels],
    }


def _small(array: np.ndarray, side: int, how: Resampling) -> np.ndarray:
    height, width = array.shape[:2]
    if max(height, width) <= side:
        return array
    scale = side / max(height, width)
    return resized(array, max(1, round(height * scale)), max(1, round(width * scale)), how)


def _size(entry: Mapping[str, Any]) -> int:
    """About the bytes that an entry takes on the page."""
    packed = [entry[key] for key in ("label", "matrix") if key in entry] + entry.get("truths", [])
    return len(entry.get("source", "")) + sum(len(each["deflate"]) + 60 for each in packed) + 120
