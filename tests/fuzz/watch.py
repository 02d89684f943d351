"""What a case must not do, noticed: run or fetch anything, write elsewhere, take more memory than it may, or time.

Python tells an audit hook of every import, compile, open, socket, process and so on, before it happens (PEP 578).
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

#: Never allowed, whatever a file says.
RUNS = (
    "exec", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn",
    "subprocess.Popen", "pickle.find_class", "code.__new__", "function.__new__", "marshal.load", "marshal.loads",
    "ctypes.dlopen", "ctypes.call_function", "os.kill", "os.putenv", "webbrowser.open", "urllib.Request",
)  # fmt: skip
#: Allowed within the folder of the case -> where the event's arguments have a path, and the open folder it starts at.
CHANGES = {
    "os.remove": [(0, 1)], "os.rmdir": [(0, 1)], "os.mkdir": [(0, 2)], "os.chmod": [(0, 2)], "os.truncate": [(0, None)],
    "os.rename": [(0, 2), (1, 3)], "os.link": [(0, 2), (1, 3)], "os.symlink": [(1, 2)],
}  # fmt: skip
#: Libraries that may still import a part of their own while they read.
LIBRARIES = {
    "numpy",
    "PIL",
    "minifcn",
    "h5py",
    "safetensors",
    "encodings",
    "tqdm",
    "matplotlib",
    *sys.stdlib_module_names,
}
SYSTEM = tuple({os.path.realpath(p) for p in (sys.prefix, sys.base_prefix, "/usr/lib", "/usr/share", "/proc", "/dev")})


class TooLong(BaseException):
    """A case that takes longer than it may; no `except Exception` stops it."""


class Watch:
    """In a child process of its own: the hook cannot be taken off again."""

    def __init__(self, scratch: Path, address_space: int) -> None:
        self.scratch = os.path.realpath(scratch)
        self.on = False
        self.outside = False  # whether it may read elsewhere
        self.seen: list[str] = []
        sys.addaudithook(self._hook)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + address_space,) * 2)
        signal.signal(signal.SIGPROF, _too_long)

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        self.seen = []
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of a core: a busy machine is no finding
        self.on = True
        try:
            yield
        finally:
            self.on = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _hook(self, event: str, arguments: tuple) -> None:
        if self.on and (found := self._wrong(event, arguments)):
            self.seen.append(found[:300])

    def _wrong(self, event: str, arguments: tuple) -> str:
        if event in RUNS or event.startswith(("socket.", "ftplib.", "http.", "winreg.")):
            return "" if event in ("exec", "marshal.loads") and _importing() else f"{event} {arguments!r}"
        if event == "compile":  # ast.literal_eval parses, and runs nothing
            return "" if arguments[1] == "<unknown>" or _importing() else f"compile {arguments!r}"
        if event == "import":
            return "" if arguments[0].split(".")[0] in LIBRARIES else f"import {arguments[0]}"
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path, mode, flags = os.path.realpath(os.fsdecode(arguments[0])), arguments[1] or "", arguments[2] or 0
            writes = set("wax+") & set(mode) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if path.startswith(self.scratch) or (not writes and (self.outside or path.startswith(SYSTEM))):
                return ""
            return "" if path == "/dev/null" else f"open {path} {'to write' if writes else 'to read'}"
        for at, start in CHANGES.get(event, ()):
            if isinstance(arguments[at], (str, bytes, os.PathLike)):
                path = _path(arguments[at], -1 if start is None else arguments[start])
                if not path.startswith(self.scratch):
                    return f"{event} {path}"
        return ""


def _path(path: str | bytes | os.PathLike, folder: int) -> str:
    """The whole of a path, which is relative to an open folder where there is one: shutil.rmtree works so."""
    base = os.getcwd() if folder < 0 else os.readlink(f"/proc/self/fd/{folder}")
    parent, name = os.path.split(os.path.join(base, os.fsdecode(path)))
    return os.path.join(os.path.realpath(parent), name)  # of a link it is the link that goes


def _importing() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _too_long(*_: object) -> None:
    raise TooLong


def forget_peak() -> int:
    """Lets the system measure the peak of memory anew; bytes in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> int:
    """The most bytes in use since `forget_peak`."""
    return _status("VmHWM")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) << 10
    raise KeyError(key)
