"""`python -m minifcn.export WEIGHTS NET.onnx`: a trained net for other runtimes, checked and compared as it is made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import limits, models, weights
from minifcn.command import (
    Parser,
    add_net_flags,
    memory_budget,
    natural,
    net_given,
    parse_size,
    positive,
    reports_errors,
)
from minifcn.errors import ConfigError, MinifcnError
from minifcn.files import atomic_path, sha256
from minifcn.inference import activations, check_input
from minifcn.layers import Shape
from minifcn.net import Net
from minifcn.onnxfile import NEWEST, OLDEST, OPSET, Form, compare, session, table, verify, write
from minifcn.onnxfile.comparison import HAS_RUNTIME, TOLERANCE
from minifcn.outputs import check_file

ABOUT = """\
Write a net as ONNX, for products that run without minifcn. One file takes pictures of any number and size. Inputs,
outputs and weights keep the net's names (data, score, conv1_1.weight); classes, palette, mean and the net itself are in
the file's properties, each as JSON, and every command of minifcn reads the file as weights.

  data    float32 (N, 3, H, W): B G R, 0..255, less the mean. With --preprocess uint8 (N, H, W, 3): R G B, as picture
          libraries give it. HHA alike; depth is log millimetres (N, 1, H, W), or uint16 millimetres (N, H, W, 1).
  score   float32 (N, classes, H, W); of several tasks score_TASK; of a classifier its last layer, (N, classes, h, w)
  labels  with --labels uint8 (N, H, W), int64 from 257 classes on: the class of the best score; or labels_TASK

ONNX's checker has the last word, and onnxruntime, where it is installed, answers beside minifcn for a random picture: a
file that fails is not left behind.
"""
EXAMPLES = """\
examples
  minifcn train --out runs/shapes                                             makes the weights of the next lines
  minifcn export runs/shapes/weights.safetensors net.onnx --preprocess --labels
  minifcn export runs/shapes/weights.safetensors fixed.onnx --fixed-size 500x375    for runtimes of fixed shapes
  minifcn export bvlc_googlenet.npz googlenet.onnx                            another framework's weights
  minifcn convert net.onnx weights.safetensors                                and back
  minifcn export --table                                                      every net, at many sizes, beside minifcn

exit status: 0 done; 1 --table found a difference; 2 bad input, or a file that failed: nothing is written
"""
SIZE = 97, 130  # of the picture that is compared on, if any size is right: no multiple of a stride


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write the file, or print the table; 1 if a row of it is beyond the tolerance."""
    arguments = _parser().parse_args(argv)
    if arguments.table:
        return table.main(arguments.table, arguments.seed)
    if arguments.weights is None or arguments.out is None:
        raise ConfigError("export: expected WEIGHTS and NET.onnx")
    out = check_file("NET.onnx", arguments.out, (".onnx",), arguments.overwrite, [arguments.weights])
    net, about = weights.open_net(arguments.weights, net_given(arguments))
    check_input(arguments.weights, about)
    for line in (*about.pop("told"), *(f"assumed {line}" for line in about.pop("assumed"))):
        print(f"{arguments.weights}: {line}", file=sys.stderr)
    about |= {"source": Path(arguments.weights).name, "sha256": sha256(arguments.weights)}
    with atomic_path(out) as beside:
        told = _write(beside, out, net, about, _form(arguments), arguments.seed)
    print(*told, sep="\n")
    return 0


def _write(path: Path, out: Path, net: Net, about: Mapping[str, Any], form: Form, seed: int) -> list[str]:
    """Write the file and put it to the test; what is to be told of it, as `out`. MinifcnError if it fails."""
    if form.size is not None:
        models.check_size(net, *form.size, "--fixed-size: ")
    if form.size is not None and HAS_RUNTIME:  # which takes about as much again
        need = partial(_compared, net)
        limits.check(need, ((1, 3, *form.size),), memory_budget(None, np), f"{out}: comparing it with onnxruntime")
    write(path, net, about, form)
    try:
        verify(path)
        lines = [f"{out}: {net.spec['name']}, {net.spec['preset']}, {models.classes_text(net.spec['num_classes'])}"]
        lines += [f"checked by onnx.checker, opset {form.opset}"]
        if not HAS_RUNTIME:
            return [*lines, "not compared with minifcn's answer: pip install onnxruntime"]
        side = models.family(net.spec["name"]).side
        size = form.size or (SIZE if net.spec["name"] in models.FCNS else (side, side + 1))
        found = compare(session(path), net, about["mean"], form, size, np.random.default_rng(seed))
    except MinifcnError as error:
        raise MinifcnError(f"{str(error).replace(str(path), str(out))}; nothing is written") from error
    if not found.passes:
        what = f"differs by {found.error:.1e} of the largest score" if found.labels else "gives labels of other scores"
        raise MinifcnError(
            f"{out}: onnxruntime's answer {what}, more than {TOLERANCE:g} allows; nothing is written. Please report it"
        )
    height, width = found.size
    return [*lines, f"onnxruntime's answer is minifcn's to {found.error:.1e} of the largest score ({width}x{height})"]


def _compared(net: Net, shapes: tuple[Shape, ...]) -> int:
    """Bytes that minifcn's answer for a picture takes, and as many for onnxruntime's."""
    return 2 * activations(net, *shapes[0][2:])


def _form(arguments: argparse.Namespace) -> Form:
    size = None
    if arguments.fixed_size is not None:
        width, height = parse_size(arguments.fixed_size, "--fixed-size")
        size = height, width
    return Form(arguments.preprocess, arguments.labels, arguments.opset, size)


def _parser() -> Parser:
    parser = Parser(prog="minifcn export", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", nargs="?", help="trained weights of any net, of any known format")
    parser.add_argument("out", metavar="NET.onnx", nargs="?", help="the file to write")
    parser.add_argument("--preprocess", action="store_true", help="take pictures as libraries load them: uint8, R G B")
    parser.add_argument("--labels", action="store_true", help="also give the class of each place")
    parser.add_argument(
        "--opset",
        type=positive,
        default=OPSET,
        metavar="N",
        help=f"version of ONNX's operators, {OLDEST} to {NEWEST} (default: {OPSET})",
    )
    parser.add_argument(
        "--fixed-size", metavar="WxH", help="one picture of WIDTHxHEIGHT, or of 500 for a square: no shape is left open"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace NET.onnx if it is there already")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of the random picture (default: 0)")
    parser.add_argument(
        "--table",
        nargs="?",
        const="tiny",
        choices=("tiny", "full"),
        help="compare every net at sizes from 33 to 500, narrow, or with 'full' as published",
    )
    add_net_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
