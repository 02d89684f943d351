"""What every reader gives, and the bound that all of them keep: a file never becomes much larger than it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minifcn.errors import WeightsError

#: The mean of the pictures, RGB, if the file says it.
Mean = tuple[float, float, float] | None
LONGEST = 1000  # letters of a message
MOST = 20  # times its own size that a file may unpack to; weights hardly shrink


@dataclass(frozen=True)
class RawWeights:
    """A file's arrays under the file's own names, in the file's own order of axes.

    container: "caffemodel", "npz", "torch", "npy", "safetensors", "h5", "mat" or "onnx". mean: RGB, if the file says
    it.
    """

    path: str
    container: str
    arrays: dict[str, np.ndarray]
    mean: Mean = None


class Reader(NamedTuple):
    """How to read one format: its name in messages, and content -> (arrays, mean or None)."""

    container: str
    title: str
    parse: Callable[[Path], tuple[dict[str, np.ndarray], Mean]]

    def __call__(self, path: Path) -> RawWeights:
        """The file's weights. Whatever is wrong with it, the error is one WeightsError."""
        with self.telling(path):
            arrays, mean = self.parse(path)
        if not arrays:
            raise WeightsError(f"{path}: {self.title} without any array of numbers")
        return RawWeights(str(path), self.container, arrays, mean)

    @contextmanager
    def telling(self, path: Path) -> Iterator[None]:
        """Whatever goes wrong within becomes one WeightsError that names the file."""
        try:
            yield
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
        except WeightsError as error:  # it may have a name in it, of any length
            raise WeightsError(f"{path}: {str(error)[:LONGEST]}") from error
        except Exception as error:  # on broken bytes, parsers of libraries, too, raise whatever comes
            raise WeightsError(f"{path}: not a whole {self.title}: {str(error)[:200] or 'cut short'}") from error


def bounded(path: Path, sizes: int) -> None:
    """WeightsError if `sizes` bytes are too many to come out of the file at `path`."""
    size = path.stat().st_size
    if sizes > MOST * max(size, 1 << 12):
        raise WeightsError(f"would unpack to more than {MOST} times its size ({sizes} bytes), which no weights do")
