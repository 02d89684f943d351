"""Pages: what is written holds all it needs, names stay text, and the same arguments give the same bytes."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

from minifcn.errors import MinifcnError
from minifcn.inspection import page
from minifcn.inspection.page import tag

EVIL = "</script><script>alert(1)</script><!-- \"'& ü"


def test_text_is_escaped_and_what_is_made_of_tags_is_not():
    assert tag("p", EVIL, tag("b", 1.5), [None, False, "x"]) == (
        "<p>&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- &quot;&#x27;&amp; ü<b>1.5</b>x</p>"
    )
    assert tag("i", title='"><', aria_label="a", class_="c", hidden=True, id=None) == (
        '<i title="&quot;&gt;&lt;" aria-label="a" class="c" hidden></i>'
    )
    assert tag("br") == "<br>"


@pytest.mark.parametrize("attribute", ["style", "onclick"])
def test_what_the_policy_forbids_is_refused_at_once(attribute):
    with pytest.raises(ValueError, match="forbids"):
        tag("p", **{attribute: "x"})


def test_a_page_is_one_file_that_asks_for_nothing(tmp_path):
    path = tmp_path / "page.html"
    size = page.write(path, EVIL, tag("p", EVIL), {"name": EVIL, "nan": np.float32("nan")}, ["let own;"], ["p {}"])
    text = path.read_text(encoding="utf-8")
    assert size == path.stat().st_size
    assert text.startswith("<!doctype html>")
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text
    assert "alert(1)</script>" not in text
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text)
    assert json.loads(data) == {"name": EVIL, "nan": None}
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    assert policy.startswith("default-src &#x27;none&#x27;; img-src data:; script-src &#x27;sha256-")
    assert "unsafe" not in policy


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    content = []
    for name in ("a.html", "b.html"):
        page.write(tmp_path / name, "t", tag("p"), {"x": np.arange(9.0), "y": [1, {"z": np.int64(2)}]})
        content.append((tmp_path / name).read_bytes())
    assert content[0] == content[1]


def test_arrays_are_packed_little_endian():
    packed = page.pack(np.array([[1, 2], [3, 4]], ">u2").T)
    assert (packed["type"], packed["shape"]) == ("uint16", [2, 2])
    assert zlib.decompress(base64.b64decode(packed["deflate"])) == b"\1\0\3\0\2\0\4\0"
    assert page.pack(np.array([True]))["type"] == "uint8"
    with pytest.raises(TypeError, match="int64: a page holds arrays of float32, "):
        page.pack(np.arange(3, dtype=np.int64))


def test_names_that_are_no_unicode_can_be_written(tmp_path):
    page.write(tmp_path / "page.html", "t", tag("p", b"\xff.png".decode("utf-8", "surrogateescape")))
    assert "?.png" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_pictures_are_data(rng):
    image = rng.integers(0, 255, (5, 7, 3), np.uint8)
    assert page.picture(image).startswith("data:image/jpeg;base64,")
    assert page.picture(image[:, :, 0], quality=None).startswith("data:image/png;base64,")


def test_a_script_cannot_end_its_element(tmp_path, monkeypatch):
    (tmp_path / "bad.js").write_text("const a = '</script>';")
    monkeypatch.setattr("minifcn.inspection.page.writing.resources.files", lambda room: tmp_path)
    with pytest.raises(ValueError, match="would end its element"):
        page.source("minifcn", "bad.js")


def test_a_page_that_cannot_be_written_is_one_error(tmp_path):
    with pytest.raises(MinifcnError, match="cannot be written"):
        page.write(tmp_path / "no" / "page.html", "t", "")
