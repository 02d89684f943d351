"""PyTorch with its nets' arrays in channels-last order, which its documentation recommends for convolutions on CPUs.

Not what plain PyTorch does, hence an opponent of its own, that `--engines` names: `--engines pytorch,pytorch_last`.
"""

from __future__ import annotations

import torch

from benchmarks.cases import Case, NetCase
from benchmarks.engines import Unable, Work, pytorch
from benchmarks.engines.pytorch import device_peak, start, synchronize, versions

__all__ = ["device_peak", "prepare", "start", "synchronize", "versions"]


def prepare(case: Case, alike: bool) -> Work:
    """A net made ready; single operations are left to the plain order."""
    if not isinstance(case, NetCase):
        raise Unable("is for nets")
    return pytorch.prepare_net(case, alike, torch.channels_last)
