"""`python -m minifcn.classify WEIGHTS PICTURE...`: name what pictures show, and where in them it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image

from minifcn import models
from minifcn.backend import xp_of
from minifcn.classification import classify, heatmap, open_classifier, read_labels, shortened
from minifcn.command import Parser, add_device_flags, add_memory_flag, memory_budget, positive, reports_errors
from minifcn.data import read_image
from minifcn.errors import ConfigError, MinifcnError
from minifcn.files import atomic_path
from minifcn.inspection.heat import heat
from minifcn.outputs import check_file

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


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Classify each picture; 1 if one of them could not be, 2 if none could."""
    arguments = _parser().parse_args(argv)
    if arguments.heatmap and len(arguments.pictures) > 1:
        raise ConfigError(f"--heatmap {arguments.heatmap}: is one file; expected one picture, got several")
    if arguments.heatmap is not None:
        reads = (*arguments.pictures, arguments.weights, arguments.labels)
        check_file("--heatmap", arguments.heatmap, (".png",), arguments.overwrite, reads)
    net, about = open_classifier(arguments.weights, arguments.net, arguments.device, arguments.threads)
    net.convolve_by(arguments.conv)
    for line in about["told"]:
        print(f"{arguments.weights}: {line}", file=sys.stderr)
    for line in about["assumed"]:
        print(f"{arguments.weights}: assumed {line}", file=sys.stderr)
    classes = net.spec["num_classes"]
    labels = read_labels(arguments.labels, classes) if arguments.labels else about.get("classes")
    labels = labels or [f"class {k}" for k in range(classes)]
    available = memory_budget(arguments.memory_limit, xp_of(*(param.data for param in net.params.values())))
    failed = 0
    for path in arguments.pictures:
        try:
            image = shortened(read_image(path))
            shares = classify(net, image, about["mean"], available)
            best = np.argsort(-shares, kind="stable")[: arguments.top]
            print(path, *(f"  {shares[k]:.3f}  {labels[k]}" for k in best), sep="\n", flush=True)
            if arguments.heatmap:
                with atomic_path(arguments.heatmap) as beside:
                    hot = heat(image, heatmap(net, image, int(best[0]), about["mean"], available))
                    Image.fromarray(hot).save(beside, format="PNG")
                print(f"  where it sees {labels[best[0]]}: {arguments.heatmap}")
        except MinifcnError as error:
            failed += 1
            print(f"error: {error}" if str(path) in str(error) else f"error: {path}: {error}", file=sys.stderr)
    return 0 if not failed else 1 if failed < len(arguments.pictures) else 2


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
    add_memory_flag(parser)
    add_device_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
