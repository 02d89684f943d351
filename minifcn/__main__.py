"""`minifcn NAME ...` is `python -m minifcn.NAME ...`: this file only finds the command, and imports no other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from minifcn import __version__
from minifcn.command import reports_errors
from minifcn.errors import ConfigError, did_you_mean

#: Command -> (its module, what it does).
COMMANDS = {
    "train": ("minifcn.train", "train a net; without arguments, a small one on generated shapes"),
    "evaluate": ("minifcn.evaluate", "score trained weights on a data set"),
    "predict": ("minifcn.predict", "label your own pictures"),
    "classify": ("minifcn.classify", "name what your pictures show, and where in them it is"),
    "trace": ("minifcn.trace", "a page of a net at work on a picture: feature maps, gradients, receptive fields"),
    "convert": ("minifcn.convert", "make a weight file of one from Caffe, PyTorch, Keras, ..., or inspect it"),
    "export": ("minifcn.export", "write a net as ONNX, for other runtimes"),
    "report": ("minifcn.report.__main__", "all that a run has come to, on one page for a browser"),
    "explain": ("minifcn.explain", "shapes, receptive fields, cost and memory of a net, layer by layer"),
    "gradcheck": ("minifcn.gradcheck.__main__", "compare every backward pass with finite differences"),
    "experiments": ("minifcn.experiments.__main__", "the paper's experiments, each printed beside its figures"),
    "course": ("minifcn.course.__main__", "assignments: build what is handed out, grade what comes back"),
    "data": ("minifcn.data.__main__", "check a data set before training on it"),
}


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names with the rest."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"minifcn {__version__}")
        return 0
    if name not in COMMANDS:
        raise ConfigError(f"minifcn: unknown command {name!r}{did_you_mean(name, COMMANDS)}")
    return importlib.import_module(COMMANDS[name][0]).main(rest)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(["usage: minifcn COMMAND ...", "", *lines, "", "minifcn COMMAND --help explains each."])


if __name__ == "__main__":
    sys.exit(main())
