"""What is wrong with a site that was built: links to nowhere, pages that say nothing, anything from a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LEAST = 120  # characters that a page says at least
MADE_BY_SPHINX = ("genindex.html", "search.html", "py-modindex.html")


class Page(HTMLParser):
    """What a page links to, what it loads, its anchors and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.text = 0
        self._article = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes ids, and what href and src lead to."""
        got = {name: value or "" for name, value in attrs}
        self.anchors |= {got[name] for name in ("id", "name") if name in got}
        self._article |= tag == "article"
        if tag == "a" and "href" in got:
            self.links.append(got["href"])
        elif tag == "link" and got.get("rel") not in ("canonical",) and "href" in got:
            self.loads.append(got["href"])
        if "src" in got:
            self.loads.append(got["src"])
        self.loads += re.findall(r"url\(([^)]+)\)", got.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        """Text counts within the article."""
        self._article &= tag != "article"

    def handle_data(self, data: str) -> None:
        """Counts what the page says."""
        self.text += len(data.strip()) if self._article else 0


def pages(site: Path) -> Iterator[Path]:
    """Every page of the site."""
    return iter(sorted(path for path in site.rglob("*.html") if "_static" not in path.parts))


def faults(site: Path) -> list[str]:
    """Sentences, one for each thing that is wrong."""
    read = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in pages(site)}
    found = [f"{site}: there is no page"] if not read else []
    for path, page in read.items():
        name = path.relative_to(site.resolve()).as_posix()
        if page.text < LEAST and name not in MADE_BY_SPHINX:
            found.append(f"{name}: an empty page, {page.text} characters")
        for target in page.loads:
            found += [f"{name}: {fault}" for fault in _loaded(path, target)]
        for target in page.links:
            found += [f"{name}: {fault}" for fault in _linked(path, target, read)]
    for path in sorted(site.rglob("*.css")):
        for target in re.findall(r"(?:url\(|@import\s+)['\"]?(https?:|//)", path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(site)}: a style from a network ({target}...)")
    return found


def _loaded(page: Path, target: str) -> Iterator[str]:
    """Pictures, styles and scripts have to be in the site, or in the page itself."""
    parts = urlsplit(target.strip("'\""))
    if parts.scheme == "data":
        return
    if parts.scheme or parts.netloc:
        yield f"loads {target} from a network"
    elif not (page.parent / unquote(parts.path)).exists():
        yield f"loads {target}, which is not there"


def _linked(page: Path, target: str, read: dict[Path, Page]) -> Iterator[str]:
    """A link leads to a page and an anchor that are there; where it leads to in the world is the world's affair."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not path.exists():
        yield f"links to {target}, which is not there"
    elif parts.fragment and path in read and unquote(parts.fragment) not in read[path].anchors:
        yield f"links to {target}, where there is no such place"
