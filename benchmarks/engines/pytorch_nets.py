"""FCN-8s and FCN-GoogLeNet in plain PyTorch, as one would write them there, with minifcn's names and offsets.

ReLUs work in place, as torchvision's do; everything else is left to PyTorch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the five stages, of fc6 and fc7, dropout, and what the input is multiplied by.
VGG16 = {
    "vgg16": ((64, 128, 256, 512, 512), 4096, 0.5, 1.0),
    "slim": ((64, 128, 256, 512, 512), 512, 0.5, 1.0),
    "small": ((24, 48, 96, 128, 128), 256, 0.5, 1 / 64),
    "tiny": ((8, 16, 32, 64, 64), 128, 0.0, 1 / 64),
}
COUNTS = (2, 2, 3, 3, 3)

#: Channels of an inception module: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, behind the pool.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class FCN8s(nn.Module):
    """VGG16 with scores of pool3, pool4 and fc7, upsampled and summed. padding: 100 or "same"."""

    def __init__(self, classes: int, preset: str, padding: int | str) -> None:
        super().__init__()
        widths, fc, dropout, self.input_scale = VGG16[preset]
        self.same = padding == "same"
        channels = 3
        for stage, (count, width) in enumerate(zip(COUNTS, widths, strict=True), start=1):
            for k in range(1, count + 1):
                around = padding if channels == 3 and not self.same else 1
                self.add_module(f"conv{stage}_{k}", nn.Conv2d(channels, width, 3, padding=around))
                channels = width
        self.fc6 = nn.Conv2d(channels, fc, 7, padding=3 if self.same else 0)
        self.fc7 = nn.Conv2d(fc, fc, 1)
        self.dropout = nn.Dropout(dropout)
        self.score_fr = nn.Conv2d(fc, classes, 1)
        self.score_pool4 = nn.Conv2d(widths[3], classes, 1)
        self.score_pool3 = nn.Conv2d(widths[2], classes, 1)
        self.upscore2 = bilinear(classes, 4, 2)
        self.upscore_pool4 = bilinear(classes, 4, 2)
        self.upscore8 = bilinear(classes, 16, 8)

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.input_scale == 1 else x * self.input_scale
        pools = []
        for stage, count in enumerate(COUNTS, start=1):
            for k in range(1, count + 1):
                h = F.relu(getattr(self, f"conv{stage}_{k}")(h), inplace=True)
            h = F.max_pool2d(h, 2, ceil_mode=True)
            pools.append(h if stage in (3, 4) else None)
        h = self.dropout(F.relu(self.fc6(h), inplace=True))
        h = self.dropout(F.relu(self.fc7(h), inplace=True))
        h = self.fuse(self.upscore2(self.score_fr(h)), self.score_pool4(pools[3]), 5)
        h = self.fuse(self.upscore_pool4(h), self.score_pool3(pools[2]), 9)
        return crop(self.upscore8(h), 4 if self.same else 31, x.shape[2:])

    def fuse(self, coarse: Tensor, fine: Tensor, offset: int) -> Tensor:
        """Their sum where they overlap: with padding 100 the finer scores are larger, with "same" the coarser ones."""
        if self.same:
            return crop(coarse, 1, fine.shape[2:]) + fine
        return coarse + crop(fine, offset, coarse.shape[2:])


class FCNGoogLeNet(nn.Module):
    """GoogLeNet's trunk, scored at stride 32 and upsampled at once."""

    def __init__(self, classes: int, padding: int) -> None:
        super().__init__()
        self.add_module("conv1/7x7_s2", nn.Conv2d(3, 64, 7, 2, padding))
        self.add_module("conv2/3x3_reduce", nn.Conv2d(64, 64, 1))
        self.add_module("conv2/3x3", nn.Conv2d(64, 192, 3, padding=1))
        channels = 192
        for name, (one, reduce3, three, reduce5, five, behind) in MODULES.items():
            prefix = f"inception_{name}"
            self.add_module(f"{prefix}/1x1", nn.Conv2d(channels, one, 1))
            self.add_module(f"{prefix}/3x3_reduce", nn.Conv2d(channels, reduce3, 1))
            self.add_module(f"{prefix}/3x3", nn.Conv2d(reduce3, three, 3, padding=1))
            self.add_module(f"{prefix}/5x5_reduce", nn.Conv2d(channels, reduce5, 1))
            self.add_module(f"{prefix}/5x5", nn.Conv2d(reduce5, five, 5, padding=2))
            self.add_module(f"{prefix}/pool_proj", nn.Conv2d(channels, behind, 1))
            channels = one + three + five + behind
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.dropout = nn.Dropout(0.4)
        self.score_fr = nn.Conv2d(channels, classes, 1)
        self.upscore = bilinear(classes, 63, 32)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(F.max_pool2d(self.conv("conv1/7x7_s2", x), 3, 2, ceil_mode=True))
        h = self.norm(self.conv("conv2/3x3", self.conv("conv2/3x3_reduce", h)))
        h = F.max_pool2d(h, 3, 2, ceil_mode=True)
        for name in MODULES:
            h = self.inception(f"inception_{name}", h)
            if name in ("3b", "4e"):
                h = F.max_pool2d(h, 3, 2, ceil_mode=True)
        return crop(self.upscore(self.score_fr(self.dropout(h))), 33, x.shape[2:])

    def conv(self, name: str, x: Tensor) -> Tensor:
        return F.relu(self.get_submodule(name)(x), inplace=True)

    def inception(self, prefix: str, x: Tensor) -> Tensor:
        return torch.cat(
            [
                self.conv(f"{prefix}/1x1", x),
                self.conv(f"{prefix}/3x3", self.conv(f"{prefix}/3x3_reduce", x)),
                self.conv(f"{prefix}/5x5", self.conv(f"{prefix}/5x5_reduce", x)),
                self.conv(f"{prefix}/pool_proj", F.max_pool2d(x, 3, 1, 1)),
            ],
            dim=1,
        )


def build(net: str, classes: int, preset: str, padding: int | str) -> nn.Module:
    """The net that minifcn calls `net`."""
    return FCN8s(classes, preset, padding) if net == "fcn8s" else FCNGoogLeNet(classes, int(padding))


def crop(x: Tensor, offset: int, size: torch.Size) -> Tensor:
    """A view of the `size` rows and columns of x from `offset` on."""
    return x[:, :, offset : offset + size[0], offset : offset + size[1]]


def bilinear(classes: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    """Each class upsampled alone, by filters that do not learn."""
    layer = nn.ConvTranspose2d(classes, classes, kernel, stride, groups=classes, bias=False)
    factor = (kernel + 1) // 2
    centre = factor - 1 if kernel % 2 else factor - 0.5
    tent = 1 - (torch.arange(kernel) - centre).abs() / factor
    layer.weight.data[:] = torch.outer(tent, tent)
    layer.weight.requires_grad_(False)
    return layer
