"""What training scripts keep in one pickle with the weights: settings, paths, dates, figures. Nothing is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minifcn.weights.readers.pickles import Builders, ordered


class Opaque:
    """What an object stands for that is no array: nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def build(self, state: Any) -> None:
        """Its attributes are not looked at."""


def _calls(module: str, *names: str, by: Callable[..., Any] = Opaque) -> Builders:
    return {(module, name): by for name in names}


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
_ARRAYS = ("scalar", "_reconstruct")
#: What training scripts keep beside weights: settings, paths, dates, figures.
BESIDE: Builders = {
    **_calls("argparse", "Namespace"),
    **_calls("collections", "OrderedDict", by=ordered),
    **_calls("collections", "defaultdict", "Counter", by=lambda *_: {}),
    **_calls("collections", "deque", by=lambda *_: []),
    **_calls("datetime", "date", "datetime", "time", "timedelta", "timezone"),
    **_calls("pathlib", *_PATHS),
    **_calls("pathlib._local", *_PATHS),
    **_calls("torch", "device", "Size"),
    **_calls("numpy", "dtype"),
    **_calls("_codecs", "encode"),
    **{call: Opaque for kind in ("builtins", "__builtin__") for call in _calls(kind, "set", "frozenset", "complex")},
    **{call: Opaque for core in ("core", "_core") for call in _calls(f"numpy.{core}.multiarray", *_ARRAYS)},
    **{call: Opaque for core in ("core", "_core") for call in _calls(f"numpy.{core}.numeric", "_frombuffer")},
}
