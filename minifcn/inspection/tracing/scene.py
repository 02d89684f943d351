"""A net's graph drawn to scale: each blob a box as high and as deep as its map, all maps in one scale.

The data goes from left to right. A box's height and its depth into the page are the rows and columns of its map, its
thickness the square root of its channels. The longest path is the first lane; what branches off lies in lanes below,
the shortest branches in the nearest. Names run down from their boxes, where neither lines nor other boxes go. Placed by
rules, so the same net gives the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minifcn.inspection.drawing import chains_beside, longest_path
from minifcn.layers import Crop, Shape
from minifcn.net import Net

TALL, WIDE = 170.0, 300.0  # pixels of the largest map; the other maps in its scale
LEAN, RISE = 0.36, 0.17  # depth goes so much to the right and up
LEAST = 3.0  # pixels: no map is drawn smaller
THICK = 1.2  # pixels for the square root of the channels
TEXT = 14.0  # pixels: the size of a name's letters at most; graph.js has it, too
LETTER = 0.62 * TEXT  # pixels of a name for each letter, about: in most fonts and in bold rather less
UNDER, BELOW = 6.0, 12.0  # pixels from a box to its name, and from a lane's longest name to the next lane
LONGEST = 18  # letters of a name
COVERED = ("ReLU", "Dropout")  # drawn close behind the layer that they follow


@dataclass
class Plate:
    """A layer in the drawing: its front face from (x, y), and how far its depth goes to the right and up."""

    name: str
    kind: str
    shape: Shape
    inputs: tuple[int, ...]
    like: int | None
    column: int = 0
    lane: int = 0
    x: float = 0.0
    y: float = 0.0
    thick: float = 0.0
    tall: float = 0.0
    right: float = 0.0
    up: float = 0.0
    flat: bool = False  # whether there is room for the name to run to the right

    @property
    def label(self) -> str:
        """The name, if it is written: without what a GoogLeNet's layers have in common, and not too long."""
        name = "" if self.kind in COVERED else self.name.replace("inception_", "")
        return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[1 - LONGEST // 2 :]}"

    @property
    def foot(self) -> tuple[float, float]:
        """Where the middle of the name's first letter begins; it runs down from there, or to the right."""
        x, y = self.x + self.thick / 2, self.y + self.tall + UNDER
        return (self.x, y + TEXT / 2) if self.flat else (x, y)

    @property
    def written(self) -> tuple[float, float, float, float]:
        """What the name takes up: left, top, right, bottom."""
        (x, y), long = self.foot, LETTER * len(self.label)
        return (x, y - TEXT / 2, x + long, y + TEXT / 2) if self.flat else (x - TEXT / 2, y, x + TEXT / 2, y + long)

    @property
    def far(self) -> float:
        """How far to the right the box and its name go."""
        return max(self.end, self.written[2]) if self.label else self.end

    @property
    def low(self) -> float:
        """How far down the box and its name go."""
        return self.written[3] if self.label else self.y + self.tall

    @property
    def middle(self) -> float:
        """The height at which lines come and go."""
        return self.y + (self.tall - self.up) / 2

    @property
    def end(self) -> float:
        """Where the box ends on the right."""
        return self.x + self.thick + self.right


@dataclass
class Scene:
    """width, height: of the drawing. unit: pixels a cell. edges: (path, whether only the size matters)."""

    plates: list[Plate]
    edges: list[tuple[str, bool]]
    width: float
    height: float
    unit: float


def arrange(net: Net, shapes: dict[str, Shape]) -> Scene:
    """Places for all layers of a net whose blobs have these shapes (N, C, H, W)."""
    plates = [_plate(net, k, shapes) for k in range(len(net.nodes))]
    unit = min(TALL / max(p.shape[2] for p in plates), WIDE / max(p.shape[3] for p in plates))
    for plate in plates:
        _, channels, rows, columns = plate.shape
        plate.thick = max(2.0, THICK * channels**0.5)
        plate.tall = max(LEAST, rows * unit)
        plate.right, plate.up = (max(LEAST, columns * unit) * share for share in (LEAN, RISE))
    _columns(plates)
    _lanes(plates)
    arcs = [(i, k) for i, k, _ in _pairs(plates) if _arches(plates, i, k)]
    _flat(plates)
    _heights(plates, arcs)
    edges = [(_edge(plates, i, k, arcs), like) for i, k, like in _pairs(plates)]
    return Scene(plates, edges, max(p.far for p in plates) + 16, max(p.low for p in plates) + BELOW, unit)


def _plate(net: Net, k: int, shapes: dict[str, Shape]) -> Plate:
    node, feeds, like = net.nodes[k], list(net.nodes[k].inputs), None
    if isinstance(node.layer, Crop) and len(feeds) == 2:
        like = feeds.pop()
    return Plate(node.name, node.layer.kind, shapes[node.name], tuple(feeds), like)


def _pairs(plates: Sequence[Plate]) -> list[tuple[int, int, bool]]:
    """The edges as (from, to, whether only the size matters)."""
    pairs = [(i, k, False) for k, plate in enumerate(plates) for i in plate.inputs]
    return pairs + [(plate.like, k, True) for k, plate in enumerate(plates) if plate.like is not None]


def _columns(plates: Sequence[Plate]) -> None:
    """Each layer is one column to the right of the last that feeds it; columns are as wide as their boxes need."""
    for plate in plates:
        fed = [*plate.inputs, *([] if plate.like is None else [plate.like])]
        plate.column = 1 + max((plates[i].column for i in fed), default=-1)
    readers = [[k for k, plate in enumerate(plates) if i in plate.inputs] for i in range(len(plates))]
    x = 16.0
    for column in range(1 + max(p.column for p in plates)):
        wide = 0.0
        for k, plate in enumerate(plates):
            if plate.column == column:
                plate.x = x
                covered = len(readers[k]) == 1 and plates[readers[k][0]].kind in COVERED
                wide = max(wide, max(14.0, 0.4 * plate.right) if covered else max(24.0, plate.right + 16))
                wide = max(wide, plate.thick + (max(9.0, 0.4 * plate.right) if covered else plate.right + 18))
        x += wide


def _lanes(plates: Sequence[Plate]) -> None:
    """The longest path stays in lane 0; a chain beside it takes the first lane that is free from feed to end."""
    spine = longest_path([plate.inputs for plate in plates])
    latest = [tuple(sorted(p.inputs, key=lambda i: -plates[i].column)[:1]) for p in plates]  # a sum goes on from that
    chains = []
    for chain in chains_beside(latest, set(spine)):
        first = min((plates[i].column for i in latest[chain[0]]), default=-1)
        last = max((p.column for p in plates if chain[-1] in p.inputs), default=plates[chain[-1]].column + 1)
        chains.append((last - first, first, last, chain))
    taken: dict[int, list[tuple[int, int]]] = {}
    for _, first, last, chain in sorted(chains, key=lambda each: each[:2]):
        lane = 1
        while any(first < end and begin < last for begin, end in taken.get(lane, [])):
            lane += 1
        taken.setdefault(lane, []).append((first, last))
        for k in chain:
            plates[k].lane = lane


def _flat(plates: Sequence[Plate]) -> None:
    """A name beside the trunk runs to the right where no box and no line of its lane is in its way: it saves height."""
    for p in plates:
        if not p.lane or not p.label:
            continue
        left, right = p.x, p.x + LETTER * len(p.label) + TEXT
        ways = [(plates[i], plates[k]) for i, k, _ in _pairs(plates)]
        through = [_turn(a, b) for a, b in ways if min(a.lane, b.lane) <= p.lane < max(a.lane, b.lane)]
        boxes = [each.x for each in plates if each.lane == p.lane]
        p.flat = not any(left < x < right for x in [*through, *boxes])


def _turn(a: Plate, b: Plate) -> float:
    """Where the upright line from one lane to another stands."""
    return a.end + 8 if b.lane > a.lane else b.x - 9


def _heights(plates: Sequence[Plate], arcs: Sequence[tuple[int, int]]) -> None:
    """Each lane lies as high as what is above it lets it, from where its lines come to where they go."""
    above: list[tuple[float, float, float]] = []  # (from x, to x, how far down it goes)
    for lane in range(1 + max(p.lane for p in plates)):
        inside = [p for p in plates if p.lane == lane]
        ends = [
            p for i, k, _ in _pairs(plates) if lane in (plates[i].lane, plates[k].lane) for p in (plates[i], plates[k])
        ]
        ends = [p for p in ends if p.lane <= lane] + inside
        left, right = min(p.x for p in ends) - TEXT, max(p.far for p in ends) + TEXT
        tallest = max(p.tall + p.up for p in inside)
        top = max((low + BELOW for start, end, low in above if start < right and left < end), default=14.0)
        top += 9 * sum(plates[i].lane == lane for i, _ in arcs)
        for p in inside:
            p.y = top + (tallest - p.tall - p.up) / 2 + p.up
        above += [(p.x - TEXT, p.far + TEXT, p.low) for p in inside]
        above.append((left, right, top + tallest / 2))


def _arches(plates: Sequence[Plate], i: int, k: int) -> bool:
    """Whether an edge within a lane has other boxes of that lane in its way."""
    a, b = plates[i], plates[k]
    return a.lane == b.lane and any(p.lane == a.lane and a.column < p.column < b.column for p in plates)


def _edge(plates: Sequence[Plate], i: int, k: int, arcs: Sequence[tuple[int, int]]) -> str:
    """The path of an edge: straight, over the boxes between, or with a corner before the column of its end."""
    a, b = plates[i], plates[k]
    start, ya, end, yb = a.x + a.thick + a.right / 2, a.middle, b.x, b.middle
    if (i, k) in arcs:
        same = [pair for pair in arcs if plates[pair[0]].lane == a.lane]
        roof = min(p.y - p.up for p in plates if p.lane == a.lane) - 8 - 9 * same.index((i, k))
        xb, foot = b.x + b.thick + b.right / 2, b.y - b.up / 2
        return f"M{start:.1f},{a.y - a.up / 2:.1f} V{roof + 6:.1f} q0,-6 6,-6 H{xb - 6:.1f} q6,0 6,6 V{foot:.1f}"
    if a.lane == b.lane:
        return f"M{start:.1f},{ya:.1f} H{end:.1f}"
    way = 6 if yb > ya else -6
    turn = _turn(a, b)
    return (
        f"M{start:.1f},{ya:.1f} H{turn - 6:.1f} q6,0 6,{way} V{yb - way:.1f} q0,{way} 6,{way} H{max(end, turn + 6):.1f}"
    )
