"""`python -m minifcn.convert SRC DST`: another framework's weights as minifcn's, or a look at what a file holds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import models, weights
from minifcn.command import CLASSES, Parser, classes, natural, padding, reports_errors
from minifcn.data import VOC_PALETTE
from minifcn.data.preprocess import mean_from
from minifcn.errors import ConfigError, WeightsError
from minifcn.files import sha256
from minifcn.net import Net
from minifcn.outputs import check_file
from minifcn.weights import known, opening, table
from minifcn.weights.inspection import describe
from minifcn.weights.names import ENDS
from minifcn.weights.recognition import recognise
from minifcn.weights.surgery import transplanted
from minifcn.weights.trainings import ORIGINS

ABOUT = """\
Make a minifcn weight file of one from Caffe (.caffemodel), PyTorch (.pth, .pt), Chainer or NumPy (.npz), TensorFlow's
VGG16 (.npy), Keras (.h5), MatConvNet (.mat), torchvision (.safetensors) or ONNX (.onnx; what `minifcn export` wrote
comes back as it was, any other by its weights' names). Nothing that a file holds is executed.

What the weights were trained on is folded into the first layer, exactly, so that the result takes minifcn's pictures:
BGR 0..255 less a mean, which is written beside the weights and used by every command. What the file has not keeps
its initial value, and the report says so. SRC may also be the name of a published file (--known lists them), which is
then downloaded, and checked by its hash.
"""
EXAMPLES = """\
examples
  minifcn convert --inspect vgg16-397923af.pth                             what is in it?
  minifcn convert fcn8s-heavy-pascal.caffemodel fcn8s.safetensors          a whole net: for predict and evaluate
  minifcn convert vgg16-397923af.pth start.safetensors --to fcn32s         a classifier as a trunk: for train --init
  minifcn convert fcn8s.safetensors mine.safetensors --classes 25 --expand-score   four more, of score 0
  minifcn convert vgg16-torchvision vgg16.safetensors                      downloaded first

exit status: 0 done; 2 bad input, or no whole net: nothing is written
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Convert SRC to DST, or print what SRC is, or what can be had."""
    arguments = _parser().parse_args(argv)
    if arguments.known:
        print(known.table())
        return 0
    if arguments.table:
        print(*table.lines(arguments.seed), sep="\n")
        return 0
    if arguments.src is None or arguments.inspect == (arguments.dst is not None):
        raise ConfigError("convert: expected SRC and DST, or --inspect and SRC")
    if not arguments.inspect:  # before anything is downloaded
        check_file("DST", arguments.dst, (".safetensors",), arguments.overwrite, [arguments.src])
    path = known.local(arguments.src)
    if arguments.inspect:
        print(describe(path, arguments.source))
        return 0
    return _convert(arguments, path)


def _convert(arguments: argparse.Namespace, path: Path) -> int:
    source = opening.open_source(path, arguments.source)
    if arguments.mean:
        source.pictures = source.pictures.less(arguments.mean)
    spec, assumed = recognise(source, _given(arguments), "--to")
    net = models.build(**spec, rng=np.random.default_rng(arguments.seed))
    report = transplanted(net, source, expand=arguments.expand_score)
    report.assumed += assumed
    _check_whole(net, report)
    about = {"mean": report.mean, "source": path.name, "sha256": sha256(path)}
    if spec["num_classes"] == source.spec.get("num_classes"):  # they are the same classes
        about |= source.names
    elif arguments.expand_score:  # they are the first of them
        about |= _more_names(source.names, spec["num_classes"])
    weights.save(arguments.dst, net, about)
    print(report)
    mean = ", ".join(f"{value:g}" for value in report.mean)
    classes = models.classes_text(spec["num_classes"])
    print(f"{arguments.dst}: {spec['name']}, {spec['preset']}, {classes}; mean {mean} (BGR)")
    if spec["name"] in models.FCNS and (scores := _chance_scores(net, report)):
        print(f"warning: left untrained: {', '.join([*report.untrained, *scores])}; train it before use")
    return 0


def _chance_scores(net: Net, report: weights.Report) -> list[str]:
    """An FCN's score layers if none of them is from the source, so that the net says nothing of any picture yet."""
    scores = [name for name in net.params if name.startswith("score") and name.endswith(".weight")]
    return [name.removesuffix(".weight") for name in scores] if set(scores) <= set(report.left) else []


def _more_names(names: Mapping[str, Any], counts: int | Mapping[str, int]) -> dict[str, Any]:
    """`Source.names` for more classes, in each task if there are several: those that are there first, then new ones."""
    more: dict[str, Callable[[Any, int], list[Any]]] = {"classes": _more_classes, "palette": _more_colours}
    if not isinstance(counts, Mapping):
        return {key: more[key](told, counts) for key, told in names.items() if not isinstance(told, Mapping)}
    by_task = {key: told for key, told in names.items() if isinstance(told, Mapping)}
    return {
        key: {task: more[key](told[task], count) for task, count in counts.items() if task in told}
        for key, told in by_task.items()
    }


def _more_classes(classes: Sequence[str], count: int) -> list[str]:
    """Names of `count` classes; a new one is called by its number, as a class without a name is everywhere."""
    found = [*classes][:count]
    for k in range(len(found), count):
        found.append(f"class {k}" if f"class {k}" not in found else f"class {k} of {count}")  # no name twice in a file
    return found


def _more_colours(colours: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """Colours of `count` classes, of 256 at most: a new one has VOC's of its number, or the next that is not taken."""
    found = [[*colour] for colour in colours][:count]
    voc = VOC_PALETTE.tolist()
    for k in range(len(found), min(count, len(voc))):
        found.append(next((colour for colour in voc[k:] + voc[:k] if colour not in found), voc[k]))
    return found


def _check_whole(net: Net, report: weights.Report) -> None:
    """WeightsError for a net that is in part of chance; only an FCN may start without fc6 and fc7, or its scores."""
    missing = report.untrained
    if net.spec["name"] in models.FCNS:
        missing = [name for name in missing if not name.startswith(ENDS)]
    else:
        missing = [name for name in report.left if name.endswith(".weight")]
    if missing:
        why = report.warnings[0] if report.untrained else f"not there: {', '.join(missing)}"
        raise WeightsError(f"{report.source}: has not all of {net.spec['name']}, nothing is written: {why}")


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {"name": arguments.to, "preset": arguments.preset, "num_classes": arguments.classes}
    given["input_padding"] = arguments.input_padding
    return {key: value for key, value in given.items() if value is not None}


def _mean(text: str) -> list[float]:
    try:
        return mean_from(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected three numbers, such as 104,117,123, got {text!r}") from None


def _parser() -> Parser:
    parser = Parser(prog="minifcn convert", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("src", metavar="SRC", nargs="?", help="a weight file, or the name of a published one")
    parser.add_argument("dst", metavar="DST", nargs="?", help="the .safetensors file to write")
    parser.add_argument("--inspect", action="store_true", help="print names, shapes, means and deviations; no DST")
    parser.add_argument("--known", action="store_true", help="list the published files that go by a name")
    parser.add_argument("--table", action="store_true", help="try every kind of file on a small net, and list them")
    parser.add_argument("--to", metavar="NET", choices=models.NAMES, help="the net to make (default: what SRC is of)")
    parser.add_argument("--preset", metavar="NAME", help="its widths (default: those of SRC)")
    parser.add_argument("--classes", type=classes, metavar="N", help=f"{CLASSES} (default: SRC's, or 21)")
    parser.add_argument(
        "--expand-score",
        action="store_true",
        help="keep SRC's classes, names and colours, as the first of N; new ones score 0",
    )
    parser.add_argument("--input-padding", type=padding, metavar="N", help="100, 'same', ... (default: the preset's)")
    parser.add_argument("--source", choices=ORIGINS, help="whose training a VGG16 by torchvision's names is")
    parser.add_argument("--mean", type=_mean, metavar="B,G,R", help="of the pictures SRC was trained with, if it errs")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of values that SRC has not (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace DST if it is there already")
    return parser


if __name__ == "__main__":
    sys.exit(main())
