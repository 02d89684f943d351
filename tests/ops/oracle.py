"""What PyTorch computes for the ragged cases."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn.gradcheck.cases import Case

torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is the oracle of these tests")
F = torch.nn.functional


def run(case: Case, arrays: dict[str, np.ndarray | None], dy: np.ndarray) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """The output of a case and the gradients of its arrays, by PyTorch's autograd."""
    tensors = {key: None if a is None else torch.tensor(a, requires_grad=True) for key, a in arrays.items()}
    y = globals()[f"_{case.op}"](*tensors.values(), **case.options)
    y.backward(torch.tensor(dy, dtype=y.dtype))
    return y.detach().numpy(), [None if t is None else t.grad.numpy() for t in tensors.values()]


def _conv2d(x, w, b, **options):
    return F.conv2d(x, w, b, **options)


def _conv_transpose2d(x, w, b, **options):
    return F.conv_transpose2d(x, w, b, **options)


def _max_pool2d(x, overhang=0, **options):
    rows, columns = overhang if isinstance(overhang, tuple) else (overhang, overhang)
    x = F.pad(x, (0, columns, 0, rows), value=-torch.inf)
    if options.get("padding") == options.get("dilation") == 3:  # PyTorch pads by at most half a kernel, undilated
        x = F.pad(x, (3, 3, 3, 3), value=-torch.inf)
        options = {**options, "padding": 0}
    return F.max_pool2d(x, **options)


def _avg_pool2d(x, dilation=1, overhang=0, **options):
    if dilation == 1 and overhang == 0:
        return F.avg_pool2d(x, **options)
    # PyTorch has no such average: the sum over the windows is a convolution, and so is the count of what is inside.
    pads, outs, kernel = (
        (a, a) if isinstance(a, int) else a for a in (options.get("padding", 0), overhang, options["kernel_size"])
    )
    if options.get("ceil_mode"):
        outs = tuple(s - 1 for s in options["stride"])
    zeros, inside = (F.pad(a, (pads[1], pads[1], pads[0], pads[0])) for a in (x, x))
    inside = F.pad(torch.ones_like(inside), (0, outs[1], 0, outs[0]))
    zeros = F.pad(zeros, (0, outs[1], 0, outs[0]))
    ones = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)
    both = (F.conv2d(a, ones, stride=options["stride"], dilation=dilation, groups=x.shape[1]) for a in (zeros, inside))
    return next(both) / next(both)


def _relu(x):
    return F.relu(x)


def _dropout(x, p, rng):
    if p == 0:
        return x * 1
    return x * torch.tensor(rng().random(tuple(x.shape), dtype=np.float32) >= p) / (1 - p)


def _scale(x, factor):
    return x * factor


def _add(*xs, coefficients=None):
    return sum(x * c for x, c in zip(xs, coefficients or [1] * len(xs), strict=True))


def _concat(*xs):
    return torch.cat(xs, 1)


def _crop(x, offset, size):
    return x[:, :, offset[0] : offset[0] + size[0], offset[1] : offset[1] + size[1]]


def _local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    return F.local_response_norm(x, size, alpha, beta, k)


def _softmax_cross_entropy(scores, labels, reduction, ignore_index, class_weights=None, mask=None):
    labels = torch.tensor(labels.astype(np.int64))
    if mask is not None:
        labels = torch.where(torch.tensor(mask), labels, ignore_index)
    if (labels == ignore_index).all():
        reduction = "sum"  # PyTorch's mean over no pixel is NaN; minifcn's is 0
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=scores.dtype)
    return F.cross_entropy(scores, labels, weight, ignore_index=ignore_index, reduction=reduction)
