"""`python -m minifcn.classify WEIGHTS PICTURE...`: name what pictures show, and where in them it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minifcn import backend, models, parallel, weights
from minifcn.command import Parser, add_device_flags, positive, reports_errors
from minifcn.data import read_image, to_blob
from minifcn.errors import ConfigError, MinifcnError, WeightsError
from minifcn.files import atomic_path
from minifcn.inference import check_input
from minifcn.inspection.heat import heat, spread
from minifcn.models import convolutionalize
from minifcn.net import Net

ABOUT = """\
Print the classes that a trained classifier finds in pictures, the most probable first, with their probabilities.

A picture's shorter side is brought to 256 pixels, and the square in its middle is looked at (227x227 for AlexNet,
else 224x224). --heatmap looks everywhere instead: the classifier as a dense net, laid over the whole picture.
"""
EXAMPLES = """\
examples
  minifcn classify bvlc_googlenet.npz cat.jpg dog.jpg --labels synset_words.txt
  minifcn classify bvlc_googlenet.npz cat.jpg --labels synset_words.txt --heatmap cat.heat.png

WEIGHTS is a .safetensors file, as minifcn writes it, or one of another framework, as `minifcn convert` reads it.
exit status: 0 all pictures classified; 1 some could not be; 2 nothing was done
"""
SHORTER = 256  # pixels of the shorter side, as in Caffe's and most evaluations on ImageNet


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Classify each picture; 1 if one of them could not be, 2 if none could."""
    arguments = _parser().parse_args(argv)
    if arguments.heatmap == "":
        raise ConfigError("--heatmap: expected the name of a file, got ''")
    if arguments.heatmap and len(arguments.pictures) > 1:
        raise ConfigError(f"--heatmap {arguments.heatmap}: is one file; expected one picture, got several")
    if arguments.heatmap:
        _check_free(arguments)
    net, about = open_classifier(arguments.weights, arguments.net, arguments.device, arguments.threads)
    net.convolve_by(arguments.conv)
    for line in about["told"]:
        print(f"{arguments.weights}: {line}", file=sys.stderr)
    for line in about["assumed"]:
        print(f"{arguments.weights}: assumed {line}", file=sys.stderr)
    classes = net.spec["num_classes"]
    labels = read_labels(arguments.labels, classes) if arguments.labels else about.get("classes")
    labels = labels or [f"class {k}" for k in range(classes)]
    failed = 0
    for path in arguments.pictures:
        try:
            image = shortened(read_image(path))
            shares = classify(net, image, about["mean"])
            best = np.argsort(-shares, kind="stable")[: arguments.top]
            print(path, *(f"  {shares[k]:.3f}  {labels[k]}" for k in best), sep="\n", flush=True)
            if arguments.heatmap:
                with atomic_path(arguments.heatmap) as beside:
                    hot = heat(image, heatmap(net, image, int(best[0]), about["mean"]))
                    Image.fromarray(hot).save(beside, format="PNG")
                print(f"  where it sees {labels[best[0]]}: {arguments.heatmap}")
        except MinifcnError as error:
            failed += 1
            print(f"error: {error}" if str(path) in str(error) else f"error: {path}: {error}", file=sys.stderr)
    return 0 if not failed else 1 if failed < len(arguments.pictures) else 2


def open_classifier(path: str, name: str | None, device: str = "cpu", threads: int = 0) -> tuple[Net, dict[str, Any]]:
    """(net, metadata) of a classifier's weights on a device; `name` is the net's, for files that do not say it.

    Raises WeightsError for a net that is no classifier, or that wants another input than minifcn's.
    """
    if threads:
        parallel.set_threads(threads)
    if name is not None and name not in models.CLASSIFIERS:
        raise ConfigError(f"--net {name}: expected a classifier, one of {', '.join(models.CLASSIFIERS)}")
    xp = backend.for_device(device)
    net, about = weights.open_net(path, {"name": name} if name else None)
    if net.spec["name"] not in models.CLASSIFIERS:
        raise WeightsError(f"{path}: holds {net.spec['name']}; expected one of {', '.join(models.CLASSIFIERS)}")
    check_input(path, about)
    return net.to(xp), about


def classify(net: Net, image: np.ndarray, mean: Sequence[float]) -> np.ndarray:
    """The probability of each class, float64 (C,), of the square in the middle of a picture uint8 RGB (H, W, 3)."""
    side = models.family(net.spec["name"]).side
    top, left = (max(0, (size - side) // 2) for size in image.shape[:2])
    return _shares(net, image[top : top + side, left : left + side], mean)[:, 0, 0]


def heatmap(net: Net, image: np.ndarray, label: int, mean: Sequence[float]) -> np.ndarray:
    """The probability of class `label` at each pixel (H, W) of a picture, by the classifier as a dense net."""
    dense = convolutionalize(net)
    values = _shares(dense, image, mean)[label]  # (h, w)
    return spread(values, dense.coords(dense.outputs[0]), image.shape[:2])


def shortened(image: np.ndarray) -> np.ndarray:
    """The picture with its shorter side at 256 pixels."""
    height, width = image.shape[:2]
    factor = SHORTER / min(height, width)
    size = max(SHORTER, round(width * factor)), max(SHORTER, round(height * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def read_labels(path: str, count: int) -> list[str]:
    """The names of `count` classes, one a line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--labels {path}: cannot be read as text ({error})") from error
    if len(lines) != count:
        raise ConfigError(f"--labels {path}: expected a line for each of the net's {count} classes, got {len(lines)}")
    return lines


def _check_free(arguments: argparse.Namespace) -> None:
    """ConfigError if the heatmap would replace a file that is read, or any other unless --overwrite is said."""
    path = Path(arguments.heatmap)
    if not path.exists():
        return
    for read in (*arguments.pictures, arguments.weights, arguments.labels):
        if read and Path(read).exists() and path.samefile(read):
            raise ConfigError(f"--heatmap {path}: would replace {read}, which is read; choose another name")
    if not arguments.overwrite:
        raise ConfigError(f"--heatmap {path}: would be replaced; say --overwrite, or choose another name")


def _shares(net: Net, image: np.ndarray, mean: Sequence[float]) -> np.ndarray:
    """Softmax of the net's scores for a picture: float64 (C, h, w)."""
    xp = backend.xp_of(*(param.data for param in net.params.values()))
    with net.inference():
        scores = net.forward(backend.to(to_blob(image, mean)[None], xp))
    scores = backend.to_numpy(scores)[0].astype(np.float64)  # (C, h, w)
    shares = np.exp(scores - scores.max(axis=0))
    return shares / shares.sum(axis=0)


def _parser() -> Parser:
    parser = Parser(prog="minifcn classify", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("weights", metavar="WEIGHTS", help="trained weights of a classifier")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files")
    nets = ", ".join(models.CLASSIFIERS)
    parser.add_argument("--net", metavar="NAME", help=f"{nets}: for files that do not tell")
    parser.add_argument("--top", type=positive, default=5, metavar="N", help="classes to print (default: 5)")
    parser.add_argument("--labels", metavar="FILE", help="names of the classes, one a line, such as synset_words.txt")
    parser.add_argument("--heatmap", metavar="FILE", help="where in the picture the most probable class is, as a PNG")
    parser.add_argument("--overwrite", action="store_true", help="replace a heatmap that is there already")
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
