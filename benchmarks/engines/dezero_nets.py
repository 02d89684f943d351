"""FCN-8s of minifcn's narrow presets in DeZero, padding "same", with minifcn's names."""

from __future__ import annotations

from collections.abc import Iterator

import dezero.functions as F
import numpy as np
from dezero import Parameter, Variable

from benchmarks.cases import CLASSES, Shape

#: Channels of the five stages, and of fc6 and fc7. No dropout.
WIDTHS = {"tiny": ((8, 16, 32, 64, 64), 128)}
COUNTS = (2, 2, 3, 3, 3)


class FCN8s:
    """VGG16 with scores of pool3, pool4 and fc7, upsampled and summed."""

    def __init__(self, preset: str) -> None:
        widths, fc = WIDTHS[preset]
        shapes, channels = {}, 3
        for stage, (count, width) in enumerate(zip(COUNTS, widths, strict=True), start=1):
            for k in range(1, count + 1):
                shapes[f"conv{stage}_{k}"] = (width, channels, 3, 3)
                channels = width
        shapes |= {"fc6": (fc, channels, 7, 7), "fc7": (fc, fc, 1, 1), "score_fr": (CLASSES, fc, 1, 1)}
        shapes |= {"score_pool4": (CLASSES, widths[3], 1, 1), "score_pool3": (CLASSES, widths[2], 1, 1)}
        self.weights = {}
        for name, shape in shapes.items():
            self.weights[f"{name}.weight"] = Parameter(np.zeros(shape, np.float32))
            self.weights[f"{name}.bias"] = Parameter(np.zeros(shape[0], np.float32))
        self.upsample2, self.upsample8 = (Variable(bilinear(kernel)) for kernel in (4, 16))

    def shapes(self) -> dict[str, Shape]:
        """Name -> shape of every parameter."""
        return {name: param.shape for name, param in self.weights.items()}

    def load(self, values: dict[str, np.ndarray]) -> None:
        """Take these values."""
        for name, param in self.weights.items():
            param.data = values[name]

    def params(self) -> Iterator[Parameter]:
        """What learns: DeZero's optimizers ask for it."""
        yield from self.weights.values()

    def cleargrads(self) -> None:
        """Forget all gradients."""
        for param in (*self.params(), self.upsample2, self.upsample8):
            param.cleargrad()

    def __call__(self, pictures: np.ndarray) -> Variable:
        h, pools = Variable(pictures) * np.float32(1 / 64), {}
        for stage, count in enumerate(COUNTS, start=1):
            for k in range(1, count + 1):
                h = F.relu(self.conv(f"conv{stage}_{k}", h, 1))
            h = pools[stage] = F.pooling(h, 2, 2)
        h = F.relu(self.conv("fc7", F.relu(self.conv("fc6", h, 3))))
        for name, pool in (("score_pool4", pools[4]), ("score_pool3", pools[3])):
            coarse = F.deconv2d(self.conv("score_fr", h) if name == "score_pool4" else h, self.upsample2, stride=2)
            h = crop(coarse, 1, pool.shape) + self.conv(name, pool)
        return crop(F.deconv2d(h, self.upsample8, stride=8), 4, pictures.shape)

    def conv(self, name: str, x: Variable, padding: int = 0) -> Variable:
        return F.conv2d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], pad=padding)


def crop(x: Variable, offset: int, shape: Shape) -> Variable:
    """The height and width of `shape`, from `offset` on."""
    return x[:, :, offset : offset + shape[2], offset : offset + shape[3]]


def bilinear(kernel: int) -> np.ndarray:
    """Dense filters of even size that upsample each class alone."""
    factor = kernel // 2
    tent = (1 - np.abs(np.arange(kernel) - (factor - 0.5)) / factor).astype(np.float32)
    return np.eye(CLASSES, dtype=np.float32)[:, :, None, None] * np.outer(tent, tent)
