"""A Sphinx extension: docstrings are plain text with backticks, as they are read in an editor, no reStructuredText.

An indented block stands as it is, a line with a star or a number begins an entry of a list, `name` in backticks is
code, and a link where it is the name of something in minifcn. Nothing else means anything.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

ENTRY = re.compile(r"(\*|-|\d\.) ")


def setup(app: Sphinx) -> dict[str, Any]:
    """Hooks into autodoc, and into the default role, which single backticks have."""
    app.add_role("name", Name())
    app.config.default_role = "name"  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", lambda app, what, name, obj, options, lines: translate(lines))
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _find)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def translate(lines: list[str]) -> None:
    """A docstring's lines, in place, as the reStructuredText that shows them."""
    made: list[str] = []
    literal = entry = False
    for k, line in enumerate(lines):
        before = lines[k - 1] if k else ""
        text, indented = line.strip(), line[:1] == " "
        if not text:
            made.append("")
            continue
        if not indented:
            literal = False
            if ENTRY.match(line):
                if made and made[-1] and not entry:
                    made.append("")
                entry = True
            elif line.startswith(">>>"):
                if made and made[-1] and not before.startswith((">>>", "...")) and not _in_example(lines, k):
                    made.append("")
            elif not before:
                entry = False
        elif not literal and not entry and (not before or before.endswith(":")):
            if before:
                made.append("")
            made += ["::", ""]
            literal = True
        if literal or _in_example(lines, k):
            made.append(line)
        elif indented and not entry:
            made.append(_escaped(text))  # a line that hangs: part of the paragraph
        else:
            made.append(_escaped(line))
    lines[:] = made


def _in_example(lines: list[str], k: int) -> bool:
    """Whether line k belongs to a paragraph that an interpreter's prompt began."""
    while k and lines[k - 1].strip():
        if lines[k].startswith(">>>"):
            return True
        k -= 1
    return lines[k].startswith(">>>")


def _escaped(line: str) -> str:
    """The line, with what would be markup made plain; backticks' insides and a list's marks stay."""
    mark = ENTRY.match(line.lstrip())
    start = len(line) - len(line.lstrip()) + (mark.end() if mark else 0)
    parts = re.split(r"(``[^`]*``|`[^`]*`)", line[start:])
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(r"([\\*|_`])", r"\\\1", parts[k])
    return line[:start] + "".join(_spaced(parts))


def _spaced(parts: list[str]) -> list[str]:
    """Backticks within a word, as in `train`s, need a mark that a word ends there."""
    for k in range(1, len(parts), 2):
        if parts[k + 1][:1].isalnum():
            parts[k + 1] = "\\ " + parts[k + 1]
        if parts[k - 1][-1:].isalnum():
            parts[k - 1] += "\\ "
    return parts


class Name(SphinxRole):
    """`name`: code, and a reference if it looks like a name of Python's."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The node; what it refers to is looked up when all pages have been read."""
        code = nodes.literal(self.rawtext, self.text, classes=["xref"])
        target = self.text.removesuffix("()").rstrip()
        if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", target):
            return [code], []
        reference = addnodes.pending_xref(
            self.rawtext, code, refdomain="py", reftype="obj", reftarget=target, refdoc=self.env.docname, refwarn=False
        )
        reference["py:module"] = self.env.ref_context.get("py:module")
        reference["py:class"] = self.env.ref_context.get("py:class")
        return [reference], []


def _find(app: Sphinx, env: Any, node: addnodes.pending_xref, inner: nodes.TextElement) -> Any:
    """`ops.conv.conv2d` as what is in minifcn, and `conv2d` wherever it is, if there is only one or one nearby."""
    if node.get("refdomain") != "py":
        return None
    target, objects = node["reftarget"], env.get_domain("py").objects
    found = [name for name in _by_last_part(objects).get(target.rpartition(".")[2], ()) if _ends(name, target)]
    module = node.get("py:module") or "minifcn"
    near = [name for name in found if name == f"minifcn.{target}" or name.startswith(f"{module}.")]
    found = near if len(near) == 1 else found
    if len(found) != 1 or ("." not in target and objects[found[0]].objtype in ("method", "attribute", "property")):
        return None
    entry = objects[found[0]]
    uri = app.builder.get_relative_uri(node["refdoc"], entry.docname)
    return nodes.reference("", "", inner.deepcopy(), internal=True, refuri=f"{uri}#{entry.node_id}", reftitle=found[0])


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


_names: dict[str, list[str]] = {}


def _by_last_part(objects: dict[str, Any]) -> dict[str, list[str]]:
    """Full names by what stands after their last dot; made once all of them are known."""
    if not _names:
        for name in objects:
            _names.setdefault(name.rpartition(".")[2], []).append(name)
    return _names


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of tuples stand in the signature; "Alias for field number 0" tells nothing."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None
