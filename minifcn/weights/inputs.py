"""What pictures a net was trained on, and how its first layer is made to take minifcn's instead.

A net fed with (x - mean) / divisor, channel by channel, is fed with x - mean if its first weights are divided instead:

    conv(w, (x - mean) / divisor) = conv(w / divisor, x - mean)

This is exact, also where the kernel reaches into the padding: a zero there stays a zero. Moving the mean into the bias
would not be, so the mean stays, and is recorded beside the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn.data.preprocess import MEAN_BGR

BYTE = 255.0


class Input(NamedTuple):
    """A pixel 0..255 becomes (pixel - mean) / divisor, in the order `channels`. One divisor is of all channels."""

    channels: str
    mean: tuple[float, ...]
    divisor: tuple[float, ...] = (1.0,)

    @property
    def bgr_mean(self) -> list[float]:
        """The mean in minifcn's order, which is BGR."""
        return [round(value, 8) for value in (self.mean[::-1] if self.channels == "RGB" else self.mean)]

    def less(self, bgr_mean: Sequence[float]) -> Input:
        """The same with another mean, given in the order BGR."""
        return self._replace(mean=tuple(bgr_mean[::-1] if self.channels == "RGB" else bgr_mean))

    def fold(self, weight: np.ndarray) -> np.ndarray:
        """A first layer's weight (out, in, kh, kw) for BGR less the mean, float64."""
        folded = weight / np.asarray(self.divisor, np.float64)[:, None, None]
        return folded[:, ::-1] if self.channels == "RGB" else folded

    def __str__(self) -> str:
        mean = ", ".join(f"{value:g}" for value in self.mean)
        divisors = self.divisor[:1] if len({*self.divisor}) == 1 else self.divisor
        divided = "" if divisors == (1.0,) else f", divided by {', '.join(f'{d:g}' for d in divisors)}"
        return f"{self.channels} 0..255 less {mean}{divided}"


#: The FCN reference's, and CaffeNet's.
FCN = Input("BGR", MEAN_BGR)
#: Simonyan and Zisserman's VGG16, in Caffe, Keras and TensorFlow.
VGG = Input("BGR", (103.939, 116.779, 123.68))
GOOGLENET = Input("BGR", (104.0, 117.0, 123.0))
SIFT_FLOW = Input("BGR", (114.578, 115.294, 108.353))
MATCONVNET = Input("RGB", (122.67891434, 116.66876762, 104.00698793))
#: torchvision scales by 1/255 first: (x / 255 - m) / s = (x - 255 m) / (255 s).
TORCHVISION = Input(
    "RGB",
    (0.485 * BYTE, 0.456 * BYTE, 0.406 * BYTE),
    (0.229 * BYTE, 0.224 * BYTE, 0.225 * BYTE),
)
#: torchvision's VGG16_Weights.IMAGENET1K_FEATURES: Caffe's training for RGB, with s = 1/255.
FEATURES_ONLY = Input("RGB", (0.48235 * BYTE, 0.45882 * BYTE, 0.40784 * BYTE))
