"""A net's graph as an SVG picture: the trunk goes down on the left, skips go across, upsampling climbs on the right.

Height means stride: a row further down looks at the picture in larger steps, and what is upsampled climbs back to the
rows of its own stride. Boxes are as wide as their maps are large. ReLU and dropout are noted in the box of the layer
that they follow. Everything is placed on a grid of rows and columns by rules, so the same net gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from minifcn.inspection.summary import number
from minifcn.layers import ConvTranspose2d, Shape
from minifcn.net import Net
from minifcn.plan import PlanRow

ROW, COLUMN, BOX = 52, 236, 38  # pixels from row to row, from column to column, and the height of a box
NARROW, WIDE = 150, 204  # the width of the smallest and of the largest map
LEFT, TOP = 96, 46  # room for the strides, and for the title

# Light fills on which black text is legible, told apart by lightness too; each kind also says its name in its window.
FILLS = {
    "Input": "#ffffff",
    "Conv2d": "#cfe4f3",
    "MaxPool2d": "#f7d9a8",
    "AvgPool2d": "#f7d9a8",
    "ConvTranspose2d": "#a8dcc8",
    "Add": "#f3c4cf",
    "Concat": "#f3c4cf",
}
OTHER = "#e8e8e8"
_FOLDED = ("ReLU", "Dropout")


class Box(NamedTuple):
    """A layer to draw, with those folded into it; `inputs` and `like` are indices of boxes."""

    row: PlanRow
    also: tuple[str, ...]
    inputs: tuple[int, ...]
    like: int | None
    stride: str


class Cell(NamedTuple):
    """A place on the grid."""

    row: int
    column: int


def draw(net: Net, shape: Shape, title: str) -> str:
    """The text of an SVG file: the graph of `net` for an input of `shape` (N, C, H, W)."""
    boxes = _boxes(net, shape)
    cells = layout(boxes)
    height = TOP + ROW * (max(cell.row for cell in cells) + 1) + 34
    width = max(LEFT + COLUMN * (max(cell.column for cell in cells) + 1), 30 + 8 * len(title))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="DejaVu Sans, Verdana, sans-serif">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#444"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(14, 26, title, 13, weight="bold"),
        *_bands(boxes, cells, width),
    ]
    largest = max(box.row.out_shape[-1] * box.row.out_shape[-2] for box in boxes) ** 0.5
    widths = [
        NARROW + (WIDE - NARROW) * (box.row.out_shape[-1] * box.row.out_shape[-2]) ** 0.5 / largest for box in boxes
    ]
    for k, box in enumerate(boxes):
        parts += [_edge(cells[i], cells[k], widths[i], widths[k], dashed=False) for i in box.inputs]
        if box.like is not None:
            parts.append(_edge(cells[box.like], cells[k], widths[box.like], widths[k], dashed=True))
    for box, cell, w in zip(boxes, cells, widths, strict=True):
        parts += _box(box, cell, w)
    parts.append(_text(14, height - 14, "channels x height x width, window; dashed: only size and place matter", 10))
    return "\n".join([*parts, "</svg>", ""])


def layout(boxes: Sequence[Box]) -> list[Cell]:
    """A cell for each box, no two in one.

    The longest path through the net is its spine. Down to the first upsampling it fills column 0, one row a box; from
    there on it climbs the last column: to the row of the skip that joins it, else to the lowest row of its own stride,
    the last box to the highest. A chain of other boxes starts beside the box that feeds it: across if it leads to the
    climbing part, else downward.
    """
    inputs = [box.inputs for box in boxes]
    spine = longest_path(inputs)
    turn = next((n for n, k in enumerate(spine) if boxes[k].row.kind == ConvTranspose2d.__name__), len(spine))
    down, up = spine[:turn], spine[turn:]
    cells = {k: Cell(row, 0) for row, k in enumerate(down)}
    taken = set(cells.values())
    chains = chains_beside(inputs, set(spine))
    across = [chain for chain in chains if _reader(boxes, chain[-1]) in up]
    for chain in (chain for chain in chains if chain not in across):
        above = [cells[i].row for i in boxes[chain[0]].inputs[:1] if i in cells]
        start = above[0] + 1 if above else 0  # a further input begins beside the first
        column = 1
        while any(Cell(start + n, column) in taken for n in range(len(chain))):
            column += 1
        cells.update({k: Cell(start + n, column) for n, k in enumerate(chain)})
        taken = set(cells.values())
    first = 1 + max(cell.column for cell in cells.values())
    last = max((first + len(chain) for chain in across), default=first)
    for chain in across:
        row = max((cells[i].row for i in boxes[chain[0]].inputs[:1]), default=0)
        while Cell(row, first) in taken:
            row += 1
        cells.update({k: Cell(row, first + n) for n, k in enumerate(chain)})
        taken = set(cells.values())
    lowest = len(down)
    for k in up:
        skips = [cells[i].row for i in boxes[k].inputs if i not in spine]
        same = [cells[i].row for i in down if boxes[i].stride == boxes[k].stride]
        wanted = skips or (same[:1] if k == up[-1] else same[-1:])
        lowest = min([lowest - 1, *wanted])
        cells[k] = Cell(lowest, last)
    shift = -min(cell.row for cell in cells.values())
    return [Cell(cells[k].row + shift, cells[k].column) for k in range(len(boxes))]


def _boxes(net: Net, shape: Shape) -> list[Box]:
    """The net's layers, those of _FOLDED taken into the box before them if nothing else reads it."""
    plan = net.plan(*net.input_shapes(shape))
    readers = [name for row in plan.rows for name in row.inputs]
    boxes: list[Box] = []
    index: dict[str, int] = {}
    for row in plan.rows:
        if row.kind in _FOLDED and readers.count(row.inputs[0]) == 1:
            k = index[row.name] = index[row.inputs[0]]
            boxes[k] = boxes[k]._replace(also=(*boxes[k].also, row.kind.lower()))
            continue
        feeds = [index[name] for name in row.inputs]
        like = feeds.pop() if row.kind == "Crop" and len(feeds) == 2 else None
        index[row.name] = len(boxes)
        boxes.append(Box(row, (), tuple(feeds), like, number(net.coords(row.name).y.scale)))
    return boxes


def longest_path(inputs: Sequence[tuple[int, ...]]) -> list[int]:
    """The nodes of the longest path to the last, from its start; the first input wins a tie. inputs: of each node."""
    length = [0] * len(inputs)
    for k, feeds in enumerate(inputs):
        length[k] = 1 + max((length[i] for i in feeds), default=0)
    path = [len(inputs) - 1]
    while inputs[path[0]]:
        path.insert(0, max(inputs[path[0]], key=lambda i: length[i]))
    return path


def chains_beside(inputs: Sequence[tuple[int, ...]], spine: set[int]) -> list[list[int]]:
    """The nodes off the spine, in chains of which each node feeds the next. inputs: of each node."""
    chains: list[list[int]] = []
    for k, feeds in enumerate(inputs):
        if k in spine:
            continue
        home = next((chain for chain in chains if feeds == (chain[-1],)), None)
        if home is None:
            chains.append([k])
        else:
            home.append(k)
    return chains


def _reader(boxes: Sequence[Box], k: int) -> int | None:
    return next((n for n, box in enumerate(boxes) if k in box.inputs), None)


def _bands(boxes: Sequence[Box], cells: Sequence[Cell], width: int) -> list[str]:
    """A faint band behind the trunk's rows of each second stride, and the stride written beside the first of each."""
    trunk = sorted((cell.row, box.stride) for box, cell in zip(boxes, cells, strict=True) if cell.column == 0)
    parts = []
    strides = list(dict.fromkeys(stride for _, stride in trunk))
    for n, stride in enumerate(strides):
        rows = [row for row, s in trunk if s == stride]
        top, height = TOP + ROW * min(rows), ROW * (max(rows) - min(rows) + 1)
        if n % 2 == 0:
            parts.append(f'<rect x="0" y="{top}" width="{width}" height="{height}" fill="#f6f6f6"/>')
        parts.append(_text(14, top + ROW // 2 + 4, f"stride {stride}", 11, fill="#666"))
    return parts


def _box(box: Box, cell: Cell, width: float) -> list[str]:
    x, y = _centre(cell)
    fill = FILLS.get(box.row.kind, OTHER)
    name = " + ".join([box.row.name, *box.also])
    shape = "x".join(str(n) for n in box.row.out_shape[1:])
    window = box.row.settings or ("" if box.row.kind == "Input" else box.row.kind.lower())
    below = f"{shape}   {window}".rstrip()
    return [
        f'<rect x="{x - width / 2:.1f}" y="{y - BOX / 2:.1f}" width="{width:.1f}" height="{BOX}" rx="4" fill="{fill}" '
        'stroke="#555" stroke-width="0.8"/>',
        _text(x, y - 4, name, 11, anchor="middle", weight="bold"),
        _text(x, y + 11, below, 9, anchor="middle", fill="#333"),
    ]


def _edge(a: Cell, b: Cell, width_a: float, width_b: float, dashed: bool) -> str:
    """A line from box to box: straight along a row or column, else one that leaves sideways and bends.

    What climbs far, or only lends its size, arrives from below: the sides are for what is computed with.
    """
    (xa, ya), (xb, yb) = _centre(a), _centre(b)
    if a.column == b.column and abs(a.row - b.row) == 1:
        way = 1 if yb > ya else -1
        path = f"M{xa:.1f},{ya + way * BOX / 2:.1f} L{xb:.1f},{yb - way * BOX / 2:.1f}"
    elif a.column == b.column and b.row < a.row:
        path = f"M{xa:.1f},{ya - BOX / 2:.1f} L{xb:.1f},{yb + BOX / 2:.1f}"
    elif a.column == b.column:  # past other boxes: around them on the right
        x, out = xa + width_a / 2, 26
        path = f"M{x:.1f},{ya:.1f} C{x + out:.1f},{ya:.1f} {x + out:.1f},{yb:.1f} {xb + width_b / 2:.1f},{yb:.1f}"
    else:
        way = 1 if xb > xa else -1
        start, end = xa + way * width_a / 2, xb - way * width_b / 2
        if a.row - b.row > (0 if dashed else 1):
            corner = f"L{xb - way * 10:.1f},{ya:.1f} Q{xb:.1f},{ya:.1f} {xb:.1f},{ya - 10:.1f}"
            path = f"M{start:.1f},{ya:.1f} {corner} L{xb:.1f},{yb + BOX / 2:.1f}"
        else:
            bend = start + (end - start) / 2
            path = f"M{start:.1f},{ya:.1f} C{bend:.1f},{ya:.1f} {bend:.1f},{yb:.1f} {end:.1f},{yb:.1f}"
    dash = ' stroke-dasharray="4 3" stroke-opacity="0.6"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="#444" stroke-width="1.2"{dash} marker-end="url(#arrow)"/>'


def _centre(cell: Cell) -> tuple[float, float]:
    return LEFT + COLUMN * (cell.column + 0.5), TOP + ROW * (cell.row + 0.5)


def _text(
    x: float, y: float, text: str, size: int, anchor: str = "start", weight: str = "normal", fill: str = "#111"
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} xml:space="preserve">{escape(text)}</text>'
