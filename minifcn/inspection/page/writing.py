"""The Python half of a page: elements with all text escaped, arrays and pictures as text, one file written whole."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from importlib import resources
from os import PathLike
from typing import Any

import numpy as np
from PIL import Image

from minifcn.files import atomic_path

ROOM = "minifcn.inspection.page"
#: Elements that have no end tag.
VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})
#: What the browser has typed arrays for.
TYPES = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"})


class HTML(str):
    """Text that is HTML already. Only `tag` should make it: whatever else stands in a page is escaped."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> HTML:
    """An element. Strings and numbers become text; lists are flattened; None and False are left out.

    Attributes: a trailing underscore goes, others become hyphens (`class_="wide"`, `aria_label=...`); True is an
    attribute without a value; None and False are left out.

    >>> tag("p", "1 < 2 ", tag("b", "so"), class_="x")
    '<p class="x">1 &lt; 2 <b>so</b></p>'
    """
    written = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if key == "style" or key.startswith("on"):
            raise ValueError(f"{name} {key}=: the page's policy forbids it; set it in a script")
        if value is True:
            written.append(key)
        elif value is not None and value is not False:
            written.append(f'{key}="{html.escape(str(value))}"')
    opening = f"<{' '.join(written)}>"
    return HTML(opening if name in VOID else f"{opening}{_text(children)}</{name}>")


def write(
    path: str | PathLike[str],
    title: str,
    body: Any,
    data: Mapping[str, Any] | None = None,
    scripts: Iterable[str] = (),
    styles: Iterable[str] = (),
) -> int:
    """Write a page to `path`, whole or not at all; its size in bytes. See the room's docstring.

    body: what `tag` made, or a list of it; anything else in it is text. data: what JSON can hold, and NumPy arrays, see
    `pack`; numbers that JSON has not (NaN, infinity) become null. scripts, styles: their text, see `source`.
    Raises MinifcnError if the file cannot be written.
    """
    scripts = [source(ROOM, "page.js"), *scripts]
    styles = [source(ROOM, "page.css"), *styles]
    known = json.dumps(plain(data or {}), allow_nan=False, separators=(",", ":"))
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"script-src {_hashes(scripts)}",
            f"style-src {_hashes(styles)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        *(tag("style", HTML(text)) for text in styles),
    ]
    end = [
        tag("script", HTML(known.replace("<", "\\u003c")), id="data", type="application/json"),
        *(tag("script", HTML(text)) for text in scripts),
    ]
    whole = f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body, end), lang='en')}\n"
    content = whole.encode("utf-8", "replace")  # file names may hold what is no character
    with atomic_path(path) as beside:
        beside.write_bytes(content)
    return len(content)


def pack(array: np.ndarray) -> dict[str, Any]:
    """A NumPy array as JSON: deflated, in base 64. `write` does it for arrays in its data.

    The types are those of the browser's typed arrays, and bool, which becomes uint8. Raises TypeError for others.
    """
    array = array.astype(np.uint8) if array.dtype == bool else array
    if array.dtype.name not in TYPES:
        raise TypeError(f"{array.dtype}: a page holds arrays of {', '.join(sorted(TYPES))}; convert it")
    deflated = zlib.compress(array.astype(array.dtype.newbyteorder("<")).tobytes(), 9)
    return {"type": array.dtype.name, "shape": list(array.shape), "deflate": _base64(deflated)}


def picture(array: np.ndarray, quality: int | None = 85) -> str:
    """A picture uint8 (H, W, 3) or (H, W) as a data URI: a JPEG of this quality, or a PNG if it is None."""
    out = io.BytesIO()
    image = Image.fromarray(array)
    if quality is None:
        image.save(out, format="PNG", optimize=True)
    else:
        image.save(out, format="JPEG", quality=quality, optimize=True)
    return f"data:image/{'png' if quality is None else 'jpeg'};base64,{_base64(out.getvalue())}"


def source(room: str, name: str) -> str:
    """The text of a script or style sheet that lies in a room of the package: `source("minifcn.report", "report.js")`.

    It must not hold "</": the browser would take it for the end of the element.
    """
    text = resources.files(room).joinpath(name).read_text(encoding="utf-8")
    if "</" in text or "<!--" in text:
        raise ValueError(f"{room} {name}: '</' or '<!--' in it would end its element")
    return text


def _text(content: Any) -> str:
    """Children of an element as HTML."""
    if content is None or content is False:
        return ""
    if isinstance(content, HTML):
        return content
    if isinstance(content, Iterable) and not isinstance(content, str):
        return "".join(map(_text, content))
    return html.escape(str(content))


def plain(value: Any) -> Any:
    """`value` as JSON takes it: arrays packed, numbers that JSON has not None."""
    if isinstance(value, np.ndarray):
        return pack(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _hashes(texts: Iterable[str]) -> str:
    """What a policy allows: these texts and no others."""
    return " ".join(f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'" for text in texts)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
