"""A Sphinx extension: formulas become MathML while the site is built.

Every browser of today lays MathML out by itself and screen readers read it, so no script and no font is loaded; the
usual ways (MathJax, KaTeX) fetch both from a network.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import SphinxError


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes MathML what "math" nodes become in HTML."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    app.config.html_math_renderer = "mathml"  # type: ignore[attr-defined]
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def mathml(latex: str, display: str) -> str:
    """One formula; SphinxError if commands of LaTeX's are left over, for they would stand in the page."""
    made = convert(latex, display=display)
    left = re.findall(r"\\[A-Za-z]+", re.sub(r"<[^>]+>", " ", made))
    if left:
        raise SphinxError(f"formula {latex!r}: {', '.join(left)} cannot be shown")
    return made


def inline(self: Any, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def display(self: Any, node: nodes.math_block) -> None:
    """A formula on a line of its own."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode
