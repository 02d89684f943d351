"""What all commands share: how an error becomes a message and an exit status, and flags that help when mistyped."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from minifcn.errors import ConfigError, MinifcnError, did_you_mean

Main = Callable[[Sequence[str] | None], int]


def reports_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Decorates a command's `main(argv=None) -> int`: a MinifcnError becomes one message on stderr and status 2.

    Ctrl-C gives 130, as shells expect; a reader that left (`minifcn explain | head`) ends the command quietly.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            status = main(argv)
            sys.stdout.flush()
            return status
        except MinifcnError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except MemoryError as error:
            print(
                f"error: out of memory ({error}); smaller batches or crops need less, "
                "`minifcn explain` shows what a net takes",
                file=sys.stderr,
            )
            return 2
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130
        except BrokenPipeError:
            # Or Python complains when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1

    return guarded


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

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message} (--help explains every flag)")
