"""The documentation site: its parts here; that it builds without a warning, `pytest -m docs`; its answers, run anew."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from docs import checks, generated, transcripts
from docs.build import ROOT, guide, told
from minifcn.__main__ import COMMANDS

README = (ROOT / "README.md").read_text(encoding="utf-8")
QUESTIONS = sorted(transcripts.HOWTO.glob("[0-9]*.md"))

PAGE = "<html><body><article>{}" + "<p>" + "What a page says. " * 10 + "</p></article></body></html>"


def site(folder: Path, **pages: str) -> Path:
    """A site of pages that say enough, each with something in it."""
    for name, inside in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(inside))
    return folder


def test_every_module_is_in_the_api_once():
    text = "\n".join(generated.api(README).values())
    for name in generated.modules():
        assert text.count(f".. automodule:: {name}\n") == 1, name


def test_the_api_is_in_the_order_of_the_readme():
    order = [name for names, _ in generated.house(README) for name in names]
    assert order[:2] == ["minifcn.window", "minifcn.ops"]
    assert [name for name in generated.api(README)["api/index.md"].split() if name in order] == order


def test_every_command_has_a_page_with_its_help_and_its_subcommands():
    pages = generated.commands()
    for name in COMMANDS:
        assert f"\nusage: minifcn {name} " in pages[f"commands/{name}.md"]
    assert "## data check\n" in pages["commands/data.md"]
    assert (
        "## course build\n" in pages["commands/course.md"]
        and "## experiments ladder\n" in pages["commands/experiments.md"]
    )


def test_the_guide_has_the_readme_s_sections_but_not_its_first_page():
    made = guide(README)
    assert "\n## The commands\n" in made and "\n## Licence\n" not in made and "](tutorials/README.md)" not in made


def test_links_of_the_readme_to_what_is_not_in_the_site_are_told_as_paths(tmp_path):
    (tmp_path / "here.md").touch()
    text = "[a](here.md#part), [b](tests/lost.md), [c](#d), [e](https://f.net/), ![g](lost.png)"
    wanted = "[a](here.md#part), b (`tests/lost.md`), [c](#d), [e](https://f.net/), ![g](lost.png)"
    assert told(text, tmp_path) == wanted


def test_a_page_that_is_not_there_is_one_message(capsys):
    with pytest.raises(SystemExit, match="2"):
        transcripts.main(["docs/howto/nope.md"])
    assert "docs/howto/nope.md: no such page" in capsys.readouterr().err


def test_every_extra_is_explained():
    table = generated.extras((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    assert "| `onnx` | `export` |" in table
    with pytest.raises(KeyError, match="unheard"):
        generated.extras("[options.extras_require]\nunheard = of\n")


def test_there_are_fifteen_questions_and_each_ends_in_a_command_with_its_output():
    assert [int(path.stem[:2]) for path in QUESTIONS] == list(range(1, 16))
    for path in QUESTIONS:
        text = path.read_text(encoding="utf-8")
        kind, last = list(transcripts.blocks(text))[-1]
        assert text.endswith("```\n") and kind == "console", path
        assert last.startswith("$ minifcn ") and len(last.splitlines()) > 1, path


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=pytest.mark.slow if p.stem in transcripts.SLOW else (), id=p.stem) for p in QUESTIONS],
)
def test_the_answer_s_commands_print_what_it_shows(path):
    text = path.read_text(encoding="utf-8")
    if "--memory-limit" in text:  # which counts what the process holds, and this one holds what other tests have left
        done = subprocess.run(
            [sys.executable, "-m", "docs.transcripts", path], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return
    assert transcripts.differences(text, transcripts.replay(text)) == []


@pytest.mark.parametrize(
    ("told", "got", "same"),
    [
        ("$ a\none 1.0\n", "$ a\none 1.0\n", True),
        ("$ a\none 1.0\n", "$ a\none 1.1\n", False),
        ("$ a\none 0.6931\n", "$ a\none 0.6933\n", True),
        ("$ a\none 5.8e-07, 2\n", "$ a\none 3.2e-07, 2\n", True),
        ("$ a\none 5.8e-07, 2\n", "$ a\none 3.2e-04, 2\n", False),
        ("$ a\none 5.8e-07, 2\n", "$ a\none 5.8e-07, 3\n", False),
        ("$ a\none 1.5\n", "$ a\none ...\n", False),
        ("$ a\none ...\n...\nend\n", "$ a\none 1\nmore\nend\n", True),
        ("$ a\none ...\n", "$ a\ntwo 1\n", False),
    ],
)
def test_what_a_page_leaves_out_may_be_anything(told, got, same):
    assert transcripts.matches(told, got) is same


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ('<a href="other.html#here">x</a><img src="data:image/png;base64,AA">', []),
        ('<a href="https://example.org/">x</a><div id="here"></div><a href="#here">x</a>', []),
        ('<a href="lost.html">x</a>', ["index.html: links to lost.html, which is not there"]),
        ('<a href="other.html#there">x</a>', ["index.html: links to other.html#there, where there is no such place"]),
        ('<img src="lost.png">', ["index.html: loads lost.png, which is not there"]),
        ('<script src="https://cdn.net/a.js"></script>', ["index.html: loads https://cdn.net/a.js from a network"]),
        ('<link rel="stylesheet" href="//cdn.net/a.css">', ["index.html: loads //cdn.net/a.css from a network"]),
    ],
)
def test_a_look_at_the_site_finds(inside, told, tmp_path):
    assert checks.faults(site(tmp_path, index=inside, other='<h1 id="here">x</h1>')) == told


def test_a_look_at_the_site_finds_empty_pages_and_styles_from_elsewhere(tmp_path):
    assert checks.faults(tmp_path) == [f"{tmp_path}: there is no page"]
    site(tmp_path, index="")
    (tmp_path / "empty.html").write_text("<article>Nothing.</article>")
    (tmp_path / "site.css").write_text('@import "https://fonts.net/a.css"; a { background: url(a.png) }')
    assert checks.faults(tmp_path) == [
        "empty.html: an empty page, 8 characters",
        "site.css: a style from a network (https:...)",
    ]


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs pip install '.[docs]'")
@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        (["Sum over i,", "of x_[i]:", "", "    y = x * 2", "", "It's 2*x."], ["::", "", "    y = x * 2"]),
        (["Kinds:", "* `a` is", "  one", "* b"], ["Kinds:", "", "* `a` is", "  one", "* b"]),
        (["See `Net`s.", "", ">>> 1", "1"], ["See `Net`\\ s.", "", ">>> 1", "1"]),
    ],
)
def test_docstrings_are_plain_text(docstring, shown):
    from docs.docstrings import translate

    translate(docstring)
    assert "\n".join(shown) in "\n".join(docstring)


@pytest.mark.docs
def test_the_site_builds_without_a_warning(tmp_path):
    """Broken links, empty pages and anything from a network are found by the same command."""
    pytest.importorskip("furo", reason="needs pip install '.[docs]'")
    pytest.importorskip("myst_nb", reason="needs pip install '.[docs]'")

    command = [sys.executable, "-m", "docs.build", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "tutorials/02_convolution.html").read_text(encoding="utf-8").count("<math") > 5
