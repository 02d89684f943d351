"""What all commands share: how an error becomes a message and an exit status, and flags that help when mistyped."""

from __future__ import annotations

import argparse
import functools
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from minifcn.backend import Namespace, memory
from minifcn.errors import ConfigError, MinifcnError, did_you_mean, printable
from minifcn.limits import mebibytes
from minifcn.ops.algorithm import ALGORITHMS

Main = Callable[[Sequence[str] | None], int]


def reports_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Decorates a command's `main(argv=None) -> int`: a MinifcnError becomes one message on stderr and status 2.

    Ctrl-C gives 130, as shells expect; a reader that left (`minifcn explain | head`) ends the command quietly; output
    that cannot be written, because a disk is full, is an error like any other.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # from minifcn/__init__.py, while all was loaded
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _open_streams()
        try:
            with _any_letters():
                status = main(argv)
                sys.stdout.flush()  # here, where a full disk can still be reported
            return status
        except MinifcnError as error:
            print(f"error: {plain(str(error))}", file=sys.stderr)
            return 2
        except MemoryError as error:
            print(
                f"error: out of memory{f' ({error})' * bool(str(error))}; smaller batches or crops need less, "
                "`minifcn explain` shows what a net takes",
                file=sys.stderr,
            )
            return 2
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130
        except BrokenPipeError:
            drop_output()
            return 1
        except OSError as error:
            if error.filename is not None or error.errno is None:  # of a file or of a library: a bug of ours
                raise
            print(f"error: the output cannot be written ({error.strerror or error})", file=sys.stderr)
            drop_output()
            return 2

    return guarded


def _open_streams() -> None:
    """Streams that whoever started the command has closed (`>&-`, or a service) lead nowhere from now on.

    Their numbers are taken, too: the next file that is opened would get one, and what libraries print would go there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


@contextmanager
def _any_letters() -> Iterator[None]:
    """Names of files may hold bytes that are no letters; inside, standard output escapes them, as errors' does."""
    output = sys.stdout
    if not (isinstance(output, io.TextIOWrapper) and output.errors == "strict"):  # a notebook's, say
        yield
        return
    output.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # it may be full, or closed
            output.reconfigure(errors="strict")


def plain(message: str, longest: int = 2000) -> str:
    """A message as a terminal may be given it: names out of files may hold anything, colours and bells too."""
    lines = [printable(line) for line in message.split("\n")]
    return "\n".join(line if len(line) <= longest else f"{line[:longest]} ..." for line in lines)


def drop_output() -> None:
    """What is still to be printed goes nowhere, or Python complains when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ConfigErrors, with a suggestion for a mistyped flag. No abbreviations:
    a flag that is added later must not change what an old command line means."""

    def __init__(self, *args, **kwargs) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        """As in argparse, but nothing may be left over; a subcommand's parser sees to that before its parent does."""
        parsed, rest = super().parse_known_args(args, namespace)
        if rest:
            flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
            hint = did_you_mean(rest[0].partition("=")[0], flags) if rest[0].startswith("-") else ""
            self.error(f"unknown argument {rest[0]!r}{hint}")
        return parsed, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As in argparse, which lists all choices, however many, and suggests none."""
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint}")

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message} (--help explains every flag)")


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    """--device, --threads and --conv, for commands that run a net."""
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument(
        "--threads", type=natural, default=0, metavar="N", help="threads on the CPU; 0: one a core (default: 0)"
    )
    add_conv_flag(parser)


def add_memory_flag(parser: argparse.ArgumentParser) -> None:
    """--memory-limit, for commands that plan before they compute."""
    parser.add_argument(
        "--memory-limit",
        type=memory_size,
        metavar="SIZE",
        help="what the process may take, as in 4G or 800M; what needs more is refused, with what would fit (default: "
        "the memory that is free)",
    )


def memory_size(text: str) -> int:
    """Bytes of "4G", "1.5g", "800M" or "500k", for argparse; 1024 of one unit are the next."""
    units = {"k": 10, "m": 20, "g": 30, "t": 40}
    number = text[:-1] if text[-1:].lower() in units else text
    try:
        count = float(number) * (1 << units.get(text[-1:].lower(), 0))
    except ValueError:
        count = -1
    if not 1 <= count < 1 << 60 or not number.isascii():
        raise argparse.ArgumentTypeError(f"expected a size such as 4G or 800M, got {text!r}")
    return int(count)


def memory_budget(limit: int | None, xp: Namespace) -> int:
    """Bytes that new arrays may take: of the process's limit what it has not taken yet, or what is free.

    Raises ConfigError if the process has taken more than the limit already, so that no pass, however small, would fit.
    """
    told = memory(xp)
    if limit is None:
        return told["available"]
    if limit <= told["used"]:
        raise ConfigError(
            f"--memory-limit {mebibytes(limit)}: the process itself holds {mebibytes(told['used'])} already, with "
            "nothing computed yet; allow more than that"
        )
    return limit - told["used"]


def add_conv_flag(parser: argparse.ArgumentParser) -> None:
    """--conv, for commands that run a net or tell of it."""
    parser.add_argument(
        "--conv",
        choices=ALGORITHMS,
        default="auto",
        help="3x3 convolutions by im2col, or by winograd wherever it is possible (default: where it is faster; "
        "`minifcn explain` says where)",
    )


def add_net_flags(parser: argparse.ArgumentParser) -> None:
    """--net, --preset, --classes and --input-padding, for commands that read weights."""
    group = parser.add_argument_group(
        "for weights that do not say what net they are of, and whose names and shapes do not tell"
    )
    group.add_argument(
        "--net", dest="name", metavar="NAME", help="fcn32s, fcn8s, fcn-alexnet, ...: see `minifcn explain --help`"
    )
    group.add_argument("--preset", metavar="NAME", help="the layers' widths: tiny, ...")
    group.add_argument("--classes", dest="num_classes", type=classes, metavar="N", help=CLASSES)
    group.add_argument("--input-padding", type=padding, metavar="N", help="100, 'same', ... (default: the preset's)")


def net_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_net_flags`'s flags said, as arguments of `models.build`."""
    names = ("name", "preset", "num_classes", "input_padding")
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


LARGEST = 1 << 20  # pixels along a side; shapes are exact integers, so this only guards against slips


def parse_size(text: str, flag: str = "--size") -> tuple[int, int]:
    """ "500x375" -> (500, 375), width before height as picture files are described; "500" is a square."""
    parts = text.lower().split("x")
    if len(parts) == 1:
        parts *= 2
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and 1 <= int(p) <= LARGEST for p in parts):
        raise ConfigError(f"{flag} {text}: expected WIDTHxHEIGHT in pixels, such as 500x375, each in 1..{LARGEST}")
    return int(parts[0]), int(parts[1])


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """An integer of at least 0, for argparse."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


MOST_CLASSES = 100_000  # a typing error beyond; FCNs whose scores become labels have 255 at most
#: What --classes takes.
CLASSES = "number of classes; of several tasks each: sem=33,geo=3"


def classes(text: str) -> int | dict[str, int]:
    """The number of classes of one task, or of several by name, for argparse."""
    if "=" not in text:
        return _class_count(text)
    counts: dict[str, int] = {}
    for task, _, count in (part.partition("=") for part in text.split(",")):
        if task in counts:
            raise argparse.ArgumentTypeError(f"task {task!r} stands there twice, in {text!r}")
        counts[task] = _class_count(count)
    return counts


def _class_count(text: str) -> int:
    count = positive(text)
    if count > MOST_CLASSES:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_CLASSES} classes, got {text}")
    return count


def padding(text: str) -> int | str:
    """A net's input padding, for argparse."""
    if text != "same" and not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected 'same' or a number of pixels, such as 100, got {text!r}")
    return text if text == "same" else int(text)
