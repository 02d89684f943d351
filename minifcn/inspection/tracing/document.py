"""The page of a trace: its elements, which the scripts beside this file bring to life."""

from __future__ import annotations

from os import PathLike

from minifcn.errors import counted
from minifcn.inspection import page
from minifcn.inspection.page import HTML, tag
from minifcn.inspection.tracing.packing import Packed, Subject, pack
from minifcn.inspection.tracing.passes import STRONGEST, Trace
from minifcn.inspection.tracing.scene import LEAST, Plate, Scene, arrange
from minifcn.net import Net

ROOM = "minifcn.inspection.tracing"
SCRIPTS = ("state.js", "graph.js", "picture.js", "layer.js")
SPARE = 4096  # bytes for the footer and the like
#: Kinds of layers that have a colour of their own, and its name in the style sheet.
COLOURS = {
    "Conv2d": "conv",
    "ConvTranspose2d": "up",
    "MaxPool2d": "pool",
    "AvgPool2d": "pool",
    "Add": "join",
    "Concat": "join",
    "Crop": "crop",
}
LEGEND = (
    ("conv", "convolution"),
    ("pool", "pooling"),
    ("up", "transposed convolution"),
    ("join", "sum, concatenation"),
    ("crop", "crop"),
    ("other", "ReLU and others"),
)


def write(
    path: str | PathLike[str], net: Net, trace: Trace, subject: Subject, channels: int, max_bytes: int
) -> tuple[int, Packed]:
    """Write the page, with as much detail as `max_bytes` hold; its size in bytes, and what was packed.

    channels: of each layer, as `trace` was told. ConfigError if nothing fits, MinifcnError if it cannot be written.
    """
    height, width = subject.image.shape[:2]
    shapes = net.shapes(*net.input_shapes((1, 3, height, width)))
    title = f"{subject.net} looks at {subject.picture}"
    scripts, styles = [page.source(ROOM, name) for name in SCRIPTS], [page.source(ROOM, "trace.css")]
    body = [
        _header(title, width, height),
        tag("main", _graph(arrange(net, shapes)), tag("div", _picture(subject), _layer(), class_="split")),
    ]
    shared = [page.source(page.ROOM, name) for name in ("page.css", "page.js")]
    frame = sum(len(text.encode()) for text in (*shared, *scripts, *styles, *body)) + SPARE
    packed = pack(net, trace, subject, channels, max_bytes, frame)
    body.append(_footer(packed, subject))
    return page.write(path, title, body, packed.data, scripts=scripts, styles=styles), packed


def _header(title: str, width: int, height: int) -> HTML:
    return tag(
        "header",
        tag("h1", title),
        tag(
            "p",
            f"{width}x{height} pixels, as the net sees them. Choose a layer in the drawing: its feature maps appear, "
            "and beside them the gradients of one score, the target. Point at a cell of a map: the picture shows what "
            "the cell sees. At a transposed convolution and behind it, that is the most that it can see: how much it "
            "sees depends on where it lies between the cells below.",
            class_="faint",
        ),
        tag("noscript", tag("p", "Maps, gradients and fields need JavaScript; this page has all of it inside.")),
    )


def _graph(scene: Scene) -> HTML:
    controls = tag(
        "div",
        tag("label", "painted with ", tag("select", id="paint")),
        tag(
            "span",
            tag("button", "\N{MINUS SIGN}", type="button", id="smaller", aria_label="draw smaller"),
            tag("button", "+", type="button", id="larger", aria_label="draw larger"),
            tag("button", "fit", type="button", id="fit"),
            class_="zoom",
        ),
        class_="controls",
    )
    cells = 100 if 100 * scene.unit < 160 else 10
    legend = tag(
        "p",
        (tag("span", tag("i", class_=f"swatch {colour}"), text, class_="key") for colour, text in LEGEND),
        tag("span", tag("i", class_="line"), "only size and place matter", class_="key"),
        class_="legend",
    )
    told = tag(
        "p",
        f"Rows and columns of all maps are drawn in one scale, {cells} cells as long as ",
        tag(
            "svg",
            tag("path", d=f"M1,1 V9 M1,5 H{cells * scene.unit:.1f} M{cells * scene.unit:.1f},1 V9"),
            width=f"{cells * scene.unit + 2:.0f}",
            height=10,
            class_="ruler",
            aria_hidden="true",
        ),
        f" (none smaller than {LEAST:g} pixels); a box is as thick as the square root of its channels. ",
        tag("kbd", "←"),
        " ",
        tag("kbd", "→"),
        " go along the data, ",
        tag("kbd", "↑"),
        " ",
        tag("kbd", "↓"),
        " to branches.",
        class_="faint",
    )
    return tag(
        "section",
        tag("div", tag("h2", "The net, to scale"), controls, class_="head"),
        tag("div", _svg(scene), id="scroll", tabindex="-1"),
        legend,
        told,
        id="graph",
    )


def _svg(scene: Scene) -> HTML:
    lines = [
        tag("path", d=path, class_="edge like" if like else "edge", marker_end="url(#arrow)")
        for path, like in scene.edges
    ]
    order = sorted(range(len(scene.plates)), key=lambda k: (scene.plates[k].column, scene.plates[k].lane))
    return tag(
        "svg",
        tag(
            "defs",
            tag(
                "marker",
                tag("path", d="M0,0 L6,3 L0,6 z"),
                id="arrow",
                viewBox="0 0 6 6",
                refX="5",
                refY="3",
                markerWidth="6",
                markerHeight="6",
                orient="auto",
            ),
        ),
        tag("g", lines),
        (_plate(k, scene.plates[k]) for k in order),
        id="net",
        viewBox=f"0 0 {scene.width:.0f} {scene.height:.0f}",
        width=f"{scene.width:.0f}",
        height=f"{scene.height:.0f}",
        role="group",
        aria_label="the net's layers, from the picture on the left to the scores on the right",
    )


def _plate(k: int, p: Plate) -> HTML:
    """A box: its front, its top, and on its right side, which leans into the page, the map."""
    x, y, t, h, r, u = p.x, p.y, p.thick, p.tall, p.right, p.up
    shape = "x".join(str(n) for n in p.shape[1:])
    box = f"M{x:.1f},{y:.1f} l{r:.1f},{-u:.1f} h{t:.1f} v{h:.1f} l{-r:.1f},{u:.1f} h{-t:.1f} z"
    spare = max(0.0, 22 - h - u) / 2
    foot = f"translate({p.foot[0]:.1f},{p.foot[1]:.1f})" + ("" if p.flat else " rotate(90)")
    return tag(
        "g",
        tag("title", f"{p.name}: {p.kind}, {shape}"),
        tag(
            "rect",
            x=f"{x - 3:.1f}",
            y=f"{y - u - 3 - spare:.1f}",
            width=f"{max(14.0, t + min(r, 34) + 6):.1f}",
            height=f"{h + u + 6 + 2 * spare:.1f}",
            class_="hit",
        ),
        tag("path", d=box, class_="halo"),
        tag("path", d=f"M{x:.1f},{y:.1f} l{r:.1f},{-u:.1f} h{t:.1f} l{-r:.1f},{u:.1f} z", class_="top"),
        tag("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{t:.1f}", height=f"{h:.1f}", class_="front"),
        tag("path", d=f"M{x + t:.1f},{y:.1f} l{r:.1f},{-u:.1f} v{h:.1f} l{-r:.1f},{u:.1f} z", class_="side"),
        tag(
            "image",
            width=1,
            height=1,
            preserveAspectRatio="none",
            transform=f"matrix({r:.2f} {-u:.2f} 0 {h:.2f} {x + t:.2f} {y:.2f})",
        ),
        tag("path", d=box, class_="outline"),
        p.label and tag("text", p.label, transform=foot, dy="0.35em"),
        class_=f"layer {COLOURS.get(p.kind, 'other')}",
        id=f"layer-{k}",
        role="button",
        tabindex="-1",
        aria_pressed="false",
        aria_label=f"{p.name}, {p.kind}, {shape}",
    )


def _picture(subject: Subject) -> HTML:
    overlay = tag("label", tag("input", type="checkbox", id="predicted"), " what it says each pixel is")
    return tag(
        "section",
        tag("h2", "The picture"),
        tag("div", tag("svg", id="view", role="img", aria_label="the picture"), class_="frame"),
        tag("p", id="cell", role="status", class_="told"),
        subject.labels_pixels and tag("p", overlay, tag("span", id="classes"), class_="legend"),
        tag("h3", "Targets"),
        tag("p", "A backward pass started at each of these scores; choose whose gradients to see.", class_="faint"),
        tag("div", id="targets", role="group", aria_label="targets"),
        tag("p", "Another needs another run" + subject.labels_pixels * " (click the picture to name its pixel)" + ":"),
        tag("pre", id="command", tabindex="0"),
        id="picture",
    )


def _choice(label: str, name: str, **options: str) -> HTML:
    """A labelled list to choose from: value -> what it is called. The first is chosen to begin with."""
    return tag("label", f"{label} ", tag("select", *(tag("option", t, value=v) for v, t in options.items()), id=name))


def _layer() -> HTML:
    controls = tag(
        "div",
        _choice("scale", "scale", each="each map by itself", all="all maps together"),
        _choice("colours", "curve", mixed="by square root where gradients", linear="linear", root="by square root"),
        class_="controls",
    )
    return tag(
        "section",
        tag(
            "div",
            tag("h2", id="name"),
            tag(
                "span",
                tag("button", "←", type="button", id="before", aria_label="the layer before"),
                tag("button", "→", type="button", id="after", aria_label="the layer after"),
            ),
            class_="head",
        ),
        tag("dl", id="facts"),
        controls,
        tag("div", id="bars"),
        tag("div", id="tiles", role="group", aria_label="channels"),
        id="layer",
    )


def _footer(packed: Packed, subject: Subject) -> HTML:
    place = "the pixel's score of the class" if subject.labels_pixels else "the score of the class"
    return tag(
        "footer",
        tag(
            "p",
            f"Of each layer the {counted(packed.channels, 'channel')} of the highest mean, or all if it has fewer "
            "(negative values taken as 0; a layer that keeps its input's channels, such as a ReLU or a pool, "
            f"shows the same ones), and for each target the {STRONGEST} more whose gradient has the largest mean size. "
            f"Maps of more than {packed.side} cells along a "
            "side are averaged over squares of cells, and kept in 8 bits: their values are about right. Least, mean, "
            "largest, zeros and norms are those of the whole output, in float32. "
            f"A gradient says how {place} changes with a cell's value, dropout passing everything.",
        ),
    )
