"""`python -m minifcn.explain NET --size WxH`: what a net is, layer by layer, and what it will cost. Runs nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from minifcn import models
from minifcn.command import (
    CLASSES,
    Parser,
    add_conv_flag,
    add_memory_flag,
    classes,
    padding,
    parse_size,
    reports_errors,
)
from minifcn.errors import MemoryLimitError
from minifcn.files import atomic_path
from minifcn.inspection.answers import answers
from minifcn.inspection.drawing import draw
from minifcn.inspection.summary import size, summarise
from minifcn.net import Net
from minifcn.outputs import check_file

ABOUT = """\
Print every layer of a net for pictures of one size: its output, its window, where it looks in the picture,
its parameters, its arithmetic and its memory; then the totals, and answers to what everyone asks (what is 19
or 31? why pad by 100? does it fit my memory? is the upsampling learned? what are 0.01 and 0.0001?).

Columns
  window      kernel, stride s, padding p, dilation d, groups g; of a crop its derived offset
  by          how a convolution is computed: im2col, or winograd with fewer products (--conv)
  output      channels x height x width
  stride      how many pixels of the picture lie between what two neighbours look at
  offset      where in the picture the first output looks (centre of its window; negative: in the padding)
  field       the receptive field: how many pixels, across, one output can see; at or behind a transposed
              convolution an upper bound
  parameters  numbers that learn; (in brackets) numbers that are fixed
  MACs        multiply-accumulates of one forward pass
  bytes       of the output, in float32
"""
EXAMPLES = """\
examples
  minifcn explain fcn8s --size 500x375
  minifcn explain fcn32s --size 500x375 --input-padding same     compare the totals
  minifcn explain fcn32s --size 500x375 --output-stride 8         pools that do not subsample: what it costs
  minifcn explain fcn8s --preset tiny --size 96x96 --svg fcn8s.svg
  minifcn explain fcn32s-late --classes 40 --size 560x425        two trunks, for colours and HHA
  minifcn explain fcn8s --classes sem=33,geo=3 --size 256        two tasks on one trunk

exit status: 0 done; 2 bad input
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print what the net is and costs; draw it if asked to."""
    arguments = _parser().parse_args(argv)
    width, height = parse_size(arguments.size)
    if arguments.svg is not None:
        check_file("--svg", arguments.svg, (".svg",), arguments.overwrite)
    net = models.build(
        arguments.net,
        arguments.classes,
        arguments.preset,
        arguments.input_padding,
        upsampling=arguments.upsampling,
        output_stride=arguments.output_stride,
    )
    net.convolve_by(arguments.conv)
    shape = (1, 3, height, width)
    at = f", input padding {net.spec['input_padding']}" if "input_padding" in net.spec else ""
    at += f", {net.spec['upsampling']} upsampling" if "upsampling" in net.spec else ""
    at += f", output stride {net.spec['output_stride']}" if "output_stride" in net.spec else ""
    kind = " (a reconstruction: the paper's was never released)" if arguments.net in models.RECONSTRUCTIONS else ""
    classes = models.classes_text(net.spec["num_classes"])
    about = f"{arguments.net}{kind}, {net.spec['preset']}, {classes}{at}"
    title = f"{about}: a picture {width} wide, {height} high"
    if arguments.svg is not None:  # first, so that a bad name is told before pages of table
        with atomic_path(arguments.svg) as beside:
            beside.write_text(draw(net, shape, title), encoding="utf-8")
    print(title, summarise(net, shape), sep="\n\n")
    if arguments.memory_limit is not None:
        print("\n" + "\n".join(fit_lines(net, shape, arguments.memory_limit)))
    if told := answers(net, shape):
        print("\n" + told)
    if arguments.svg is not None:
        print(f"\ndrawn in {arguments.svg}")
    return 0


def fit_lines(net: Net, shape: tuple[int, ...], limit: int) -> list[str]:
    """Whether a training step and a prediction fit so many bytes, and what would if not."""
    lines = []
    for what, training in (("a training step", True), ("a prediction", False)):
        try:
            net.plan(*net.input_shapes(shape), limit=limit, training=training)
            lines.append(f"{what} fits into {size(limit)}")
        except MemoryLimitError as error:
            lines.append(str(error))
    return lines


def _parser() -> Parser:
    parser = Parser(prog="minifcn explain", description=ABOUT, epilog=EXAMPLES)
    parser.add_argument("net", metavar="NET", help=", ".join(models.NAMES))
    parser.add_argument(
        "--size",
        default="500x500",
        metavar="WxH",
        help="WIDTHxHEIGHT in pixels, or one number for a square (default: 500x500)",
    )
    presets = "; ".join(f"{name}'s {', '.join(family.presets)}" for name, family in models.FAMILIES.items())
    parser.add_argument("--preset", metavar="NAME", help=f"layer widths: {presets} (default: as published)")
    parser.add_argument(
        "--input-padding",
        type=padding,
        metavar="N",
        help="pixels around the picture, or 'same' (default: the preset's)",
    )
    parser.add_argument(
        "--upsampling", choices=models.UPSAMPLINGS, default="fixed", help="of an FCN's scores (default: fixed)"
    )
    parser.add_argument(
        "--output-stride",
        type=int,
        choices=models.OUTPUT_STRIDES,
        help="16 or 8: the last pools of an FCN do not subsample",
    )
    add_memory_flag(parser)
    add_conv_flag(parser)
    parser.add_argument("--classes", type=classes, default=21, metavar="N", help=CLASSES + " (default: 21)")
    parser.add_argument("--svg", metavar="FILE", help="also draw the net's graph as an SVG picture")
    parser.add_argument("--overwrite", action="store_true", help="replace a drawing that is there already")
    return parser


if __name__ == "__main__":
    sys.exit(main())
