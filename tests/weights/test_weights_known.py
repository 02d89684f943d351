"""Downloads of published files, from a server on loopback: whole and with the right hash, or not at all."""

from __future__ import annotations

import gc
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from minifcn import convert
from minifcn.errors import WeightsError
from minifcn.weights import known
from minifcn.weights.known import FILES, Known

CONTENT = bytes(range(256)) * 400

# pooch leaves it to the garbage collector to close the connection of a download that broke off.
pytestmark = pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")


class Handler(BaseHTTPRequestHandler):
    """/whole gives all, /cut and /reset half of what they promise, /redirect the way to /whole, all else 404."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        if self.path not in ("/whole", "/cut", "/endless"):
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[: len(CONTENT) // 2])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    pytest.importorskip("pooch", reason="needs the extra `download`")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()
        gc.collect()


@pytest.fixture
def published(server):
    """The description of a file at a path of the server."""

    def describe(path, **changes):
        url = f"http://127.0.0.1:{server.server_port}{path}"
        return Known("mine", "mine.bin", "a file", url, hash=changes.pop("hash", hash_of()), **changes)

    return describe


def hash_of(kind="sha256", digits=None):
    return f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()[:digits]}"


@pytest.mark.parametrize("kind", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("path", ["/whole", "/redirect"])
def test_a_file_is_fetched_once(path, kind, published, server, tmp_path):
    folder = tmp_path / "cache"
    mine = published(path, hash=hash_of(kind), size=len(CONTENT))
    for _ in range(2):
        assert known.fetch(mine, folder).read_bytes() == CONTENT
    assert server.asked.count(path) == 1
    assert [p.name for p in folder.iterdir()] == ["mine.bin"]


def test_the_first_digits_of_a_hash_are_enough(published, tmp_path):
    assert known.fetch(published("/whole", hash=hash_of(digits=8)), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "changes", "message"),
    [
        ("/whole", {"hash": "sha256:" + "0" * 64}, f"has the sha256 {hash_of()[7:]}, expected 0000"),
        ("/whole", {"size": 5}, f"gave {len(CONTENT)} bytes, expected 5"),
        ("/endless", {}, "has the sha256"),
        ("/cut", {}, "could not be downloaded|has the sha256"),
        ("/nothing", {}, "could not be downloaded .the server answered 404 Not Found.; try again"),
    ],
)
def test_what_is_not_the_file_is_not_kept(path, changes, message, published, tmp_path):
    mine = published(path, **changes)
    with pytest.raises(WeightsError, match=f"mine: .*{message}") as error:
        known.fetch(mine, tmp_path)
    assert "\n" not in str(error.value)
    assert not [*tmp_path.iterdir()]


def test_a_download_that_broke_off_starts_anew(published, tmp_path):
    with pytest.raises(WeightsError):
        known.fetch(published("/cut"), tmp_path)
    assert known.fetch(published("/whole"), tmp_path).read_bytes() == CONTENT


def test_a_server_that_is_not_there(server, tmp_path):
    mine = Known("mine", "mine.bin", "a file", "http://127.0.0.1:1/whole", hash=hash_of())
    with pytest.raises(WeightsError, match=r"1/whole could not be downloaded \(no connection, or it broke off\); try"):
        known.fetch(mine, tmp_path)


def test_a_name_is_downloaded_for_a_command(published, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIFCN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(FILES, "mine", published("/whole"))
    assert known.local("mine").read_bytes() == CONTENT
    assert convert.main(["--inspect", "mine"]) == 2
    assert "mine.bin: of no known format" in capsys.readouterr().err
    assert server.asked == ["/whole"]


def test_a_path_comes_first(server, published, tmp_path, monkeypatch):
    monkeypatch.setitem(FILES, "mine", published("/whole"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("here")
    assert known.local("mine").read_text() == "here" and not server.asked


def test_without_the_extra_or_an_address(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="cannot be downloaded by name; get it from its publisher"):
        known.fetch(Known("mine", "mine.bin", "a file"), tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(WeightsError, match=r"needs pooch: pip install .minifcn\[download\]"):
        known.fetch(Known("mine", "mine.bin", "a file", "http://127.0.0.1:1/"), tmp_path)


def test_the_list_is_well_made():
    digits = {"sha256": 64, "sha1": 40, "md5": 32}
    for name, one in FILES.items():
        assert name == one.name and (one.url or one.hash), name
        if one.hash:
            kind, _, digest = one.hash.partition(":")
            assert int(digest, 16) and len(digest) in (digits[kind], 8 if kind == "sha256" else None)
    assert len({one.file for one in FILES.values()}) == len(FILES)
