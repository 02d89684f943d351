"""`python -m docs.build`: the whole site, from this repository alone, without a network.

Sphinx wants all sources in one folder; ours are spread over the house. So they are copied into a folder of their own
first: the pages of `docs/`, the notebooks as they are committed (none is run), the guides, and what `docs.generated`
makes of the code. A warning is an error. What comes out is looked through by `docs.checks`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from docs import checks, generated

ROOT = Path(__file__).resolve().parents[1]
#: The README's sections that the guide is made of; the others are the pages beside it.
NOT_IN_THE_GUIDE = ("Two commands", "What is in the house", "Notebooks", "The documentation site", "Licence")


def main(argv: Sequence[str] | None = None) -> int:
    """Builds the site; 1 if Sphinx or the look at its pages finds fault."""
    parser = argparse.ArgumentParser(prog="python -m docs.build", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="default: build/site")
    parser.add_argument(
        "--keys", action="store_true", help="with the marking keys of the assignments: not for students"
    )
    arguments = parser.parse_args(argv)
    out = arguments.out
    if out.exists() and any(out.iterdir()) and not (out / ".buildinfo").exists():
        print(f"error: --out {out}: has files in it that are no site's", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        sources, made = Path(folder) / "sources", Path(folder) / "site"
        gather(sources, arguments.keys)
        if sphinx(sources, made, Path(folder) / "doctrees"):
            return 1
        shutil.rmtree(out, ignore_errors=True)  # pages that are no more
        shutil.copytree(made, out)
    faults = checks.faults(out)
    print("\n".join(faults) or f"{len(list(checks.pages(out)))} pages: open {out / 'index.html'}")
    return 1 if faults else 0


def gather(sources: Path, keys: bool = False) -> None:
    """Everything that Sphinx is to read, in one folder. keys: also what the assignments' answers are."""
    docs = ROOT / "docs"
    shutil.copytree(docs, sources, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in (
        "*.ipynb",
        "INSTRUCTORS.md",
        "pictures/*.png",
        "assignments/*/README.md",
        *["assignments/*/key.md"] * keys,
    ):
        for path in sorted((ROOT / "tutorials").glob(name)):
            _copy(path, sources / path.relative_to(ROOT))
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.png")):
        _copy(path, sources / path.relative_to(ROOT))
    tables = re.sub("^##+ ", "## ", _read("benchmarks/results/tables.md"), flags=re.MULTILINE)
    _write(sources / "benchmarks/results/tables.md", f"# Benchmarks: all tables\n\n{tables}")
    names = sorted(path.stem for path in (ROOT / "tutorials").glob("*.ipynb"))
    _write(sources / "tutorials/index.md", _read("tutorials/README.md") + generated.toctree(names))
    made = sorted((sources / "tutorials").glob("assignments/*/*.md"))
    names = [path.relative_to(sources / "tutorials").with_suffix("").as_posix() for path in made]
    instructors = _read("tutorials/INSTRUCTORS.md")
    if not keys:
        instructors = re.sub(r"\[[^]]*\]\((\S+/key\.md)\)", r"`\1`", instructors)
    _write(sources / "tutorials/INSTRUCTORS.md", instructors + generated.toctree(names))
    for name in ("index.md", "install.md", "howto/index.md"):
        _write(sources / name, filled(_read(f"docs/{name}")))
    for name, text in {**generated.commands(), **generated.api(_read("README.md"))}.items():
        _write(sources / name, text)
    _write(sources / "changelog.md", _read("CHANGELOG.md"))
    _write(sources / "guide.md", told(guide(_read("README.md")), sources))


def filled(page: str) -> str:
    """A page of ours with what is listed at its marks: the extras of setup.cfg, the questions, the other guides."""
    own = {"index", "install", "glossary"}
    guides = [path.stem for path in sorted((ROOT / "docs").glob("*.md")) if path.stem not in own]
    return (
        page.replace("<!-- extras -->", generated.extras(_read("setup.cfg")))
        .replace("<!-- questions -->", generated.questions(ROOT / "docs" / "howto"))
        .replace("<!-- guides -->", "\n".join(guides))
    )


def sphinx(sources: Path, out: Path, doctrees: Path) -> int:
    """Runs Sphinx, warnings being errors; its exit status. Says what to install where it is missing."""
    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        print("error: the site needs Sphinx and its theme: pip install '.[docs]'", file=sys.stderr)
        return 1
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    configuration = ROOT / "docs"
    return build_main(
        ["-W", "--keep-going", "-q", "-E", "-b", "html", "-c", str(configuration), str(sources), str(out)]
    )


def guide(readme: str) -> str:
    """The README without its first page, as one page; what it links to is where the site has it."""
    sections = re.split(r"^## ", readme, flags=re.MULTILINE)[1:]
    titles = [section.partition("\n")[0] for section in sections]
    kept = [s for s, title in zip(sections, titles, strict=True) if title not in NOT_IN_THE_GUIDE]
    text = "# Guide\n\nWhat each command is for, what data and weights it takes, how fast it is.\n\n"
    text += "".join(f"## {section}" for section in kept)
    return text.replace("](tutorials/README.md)", "](tutorials/index.md)").replace("](docs/", "](")


def told(text: str, sources: Path) -> str:
    """The text with links to files that only the repository has told by their path."""

    def link(match: re.Match[str]) -> str:
        name, _, _ = match[2].partition("#")
        there = not name or "://" in name or (sources / name).exists()
        return match[0] if there else f"{match[1]} (`{name}`)"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)", link, text)


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


if __name__ == "__main__":
    sys.exit(main())
