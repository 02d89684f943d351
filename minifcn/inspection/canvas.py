"""Pixel by pixel: text, legends and tiles on a white sheet, so that a label map is never resampled into new colours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (34, 34, 34)
FAINT = (120, 120, 120)
PAPER = (255, 255, 255)

Entry = tuple[str, tuple[int, int, int]]  # a legend's text and its colour


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it: the same letters on every machine."""
    import matplotlib  # slow to import, and most commands draw nothing

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def shorten(text: str, width: float, size: int) -> str:
    """`text`, with its middle replaced by "…" where it is wider than `width` pixels: the ends tell file names apart."""
    if font(size).getlength(text) <= width:
        return text
    for keep in range(len(text) - 1, 1, -1):
        short = text[: keep - keep // 2] + "…" + text[len(text) - keep // 2 :]
        if font(size).getlength(short) <= width:
            return short
    return "…"


def colourise(label: np.ndarray, palette: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """A label map (H, W) in its palette's colours, (H, W, 3) uint8; ignored pixels white. The labels are only read."""
    colours = palette[label.astype(np.intp) % len(palette)]
    colours[label == ignore_index] = PAPER
    return colours


def fit(picture: np.ndarray, box: int, smooth: bool) -> Image.Image:
    """(H, W, 3) scaled to touch a box x box square from inside; `smooth` for photographs, never for labels."""
    height, width = picture.shape[:2]
    scale = box / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)


def legend(entries: Sequence[Entry], width: int, size: int) -> Image.Image:
    """Coloured squares with their names, in as many equal columns as fit into `width` (more, if one name needs it)."""
    gap = size // 2
    column = max((gap + size + gap + int(font(size).getlength(text)) + 2 * gap for text, _ in entries), default=1)
    columns = max(1, width // column)
    line = round(size * 1.6)
    rows = -(-len(entries) // columns)
    sheet = Image.new("RGB", (max(width, column), rows * line + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (text, colour) in enumerate(entries):
        x, y = k % columns * column + gap, k // columns * line + gap
        draw.rectangle((x, y, x + size, y + size), fill=colour, outline=FAINT)
        draw.text((x + size + gap, y + size // 2), text, fill=INK, font=font(size), anchor="lm")
    return sheet
