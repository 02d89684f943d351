"""A net over one input size as a table: shapes, windows, places in the picture, arithmetic, memory. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from minifcn.coords import Axis, Coords
from minifcn.layers import Shape
from minifcn.net import Net
from minifcn.plan import Plan

HEADER = ("layer", "kind", "window", "by", "output", "stride", "offset", "field", "parameters", "MACs", "bytes")
_LEFT = 4  # columns of words; those after them are of numbers


def summarise(net: Net, shape: Shape) -> str:
    """The table of `net` for an input of `shape` (N, C, H, W), and others of its size, then totals and memory."""
    plan = net.plan(*net.input_shapes(shape))
    return "\n".join([*layer_lines(net, plan), "", *total_lines(net, plan)])


def layer_lines(net: Net, plan: Plan) -> list[str]:
    """One line a layer, in order.

    window: kernel, stride, padding. by: how a convolution is computed. output: channels x height x width. stride,
    offset, field, in pixels of the input: how far apart two neighbours look, where the first of them looks (the centre
    of its window), and how many pixels it sees (behind a transposed convolution, at most). parameters: (fixed) in
    brackets. bytes: of the output.
    """
    rows = [HEADER]
    for row in plan.rows:
        place = net.coords(row.name)
        rows.append(
            (
                row.name,
                row.kind,
                row.settings,
                row.algorithm,
                "x".join(str(n) for n in row.out_shape[1:]),
                both(place, lambda axis: number(axis.scale)),
                both(place, lambda axis: number(axis.shift)),
                both(place, lambda axis: number(axis.receptive_field)),
                _parameters(row.parameters, row.fixed),
                count(row.macs) if row.macs else "",
                size(row.output_bytes),
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADER))]
    return ["  ".join(_align(text, widths[k], k) for k, text in enumerate(row)).rstrip() for row in rows]


def total_lines(net: Net, plan: Plan) -> list[str]:
    """Parameters and how they learn, arithmetic, and the memory of training and of prediction."""
    weights = 4 * (plan.parameters + plan.fixed)
    return [
        f"parameters  {plan.parameters:,} ({plan.parameters / 1e6:.2f} M), and {plan.fixed:,} fixed",
        f"learning    {_multipliers(net)}",
        f"arithmetic  {_arithmetic(plan)}",
        f"training    {size(plan.peak_bytes)}: weights {size(weights)}, gradients and velocity "
        f"{size(8 * plan.parameters)}, activations kept for the backward pass {size(plan.activation_bytes)}, "
        "the rest passing",
        f"inference   {size(plan.inference_bytes)}: weights {size(weights)}, and no more than "
        f"{size(plan.inference_bytes - weights)} of activations at a time",
    ]


def both(place: Coords, text: Callable[[Axis], str]) -> str:
    """A property of both axes, once where they agree: "32", or "32x16" (vertical x horizontal)."""
    y, x = text(place.y), text(place.x)
    return y if x == y else f"{y}x{x}"


def number(value: Fraction) -> str:
    """3, -80.5, 1/3: an exact fraction, as short as it can be said."""
    if value.denominator == 1:
        return str(value.numerator)
    exact = f"{float(value):.4f}".rstrip("0")
    return exact if Fraction(exact) == value else str(value)


def count(n: int) -> str:
    """187, 64.51 k, 81.00 M, 150.3 G: four digits and a unit."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n >= factor:
            return f"{n / factor:#.4g} {unit}"
    return str(n)


def size(n: int) -> str:
    """Bytes as 512 B, 3.1 KiB, 97.6 MiB, 1.55 GiB."""
    for power, unit, digits in ((30, "GiB", 2), (20, "MiB", 1), (10, "KiB", 1)):
        if n >= 1 << power:
            return f"{n / (1 << power):.{digits}f} {unit}"
    return f"{n} B"


def offset_sentence(net: Net, name: str) -> str:
    """Why the crop `name` starts where it starts, in the numbers of the coordinate algebra."""
    crop = next(node for node in net.nodes if node.name == name)
    blob, like = (net.nodes[k] for k in crop.inputs)

    def axis(a: Axis, b: Axis) -> str:
        offset = (b.shift - a.shift) / a.scale
        return f"({number(b.shift)} - {number(a.shift)}) / {number(a.scale)} = {number(offset)}"

    same = axis(blob.coords.y, like.coords.y)
    across = axis(blob.coords.x, like.coords.x)
    arithmetic = same if same == across else f"{same} down, {across} across"
    begins, starts = (both(place, lambda a: number(a.shift)) for place in (blob.coords, like.coords))
    return (
        f"{name}: {blob.name} begins at input position {begins}, {like.name} at {starts}, both with stride "
        f"{both(like.coords, lambda a: number(a.scale))}: offset {arithmetic}"
    )


def _arithmetic(plan: Plan) -> str:
    """Multiply-accumulates in all, and of the parts of an FCN, told apart by the reference's names."""
    parts = {"trunk": 0, "scores": 0, "upsampling": 0}
    for row in plan.rows:
        parts["upsampling" if "upscore" in row.name else "scores" if "score" in row.name else "trunk"] += row.macs
    told = ", ".join(f"{part} {macs / 1e9:.2f}" for part, macs in parts.items() if macs)
    return f"{plan.macs / 1e9:.2f} GMAC forward: {told}"


def _multipliers(net: Net) -> str:
    """How many parameters learn at which multiple of the net's learning rate and decay."""
    counts: dict[tuple[float, float], int] = {}
    for param in net.params.values():
        if param.learns:
            key = (param.lr_mult, param.decay_mult)
            counts[key] = counts.get(key, 0) + param.data.size
    return ", ".join(f"{n:,} at lr x{lr:g} decay x{decay:g}" for (lr, decay), n in counts.items())


def _parameters(learned: int, fixed: int) -> str:
    if fixed:
        return f"({fixed:,})"
    return f"{learned:,}" if learned else ""


def _align(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < _LEFT else text.rjust(width)
