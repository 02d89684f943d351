"""PyTorch, eager: the same operations, and the same nets written in plain PyTorch (pytorch_nets.py).

A fair opponent: inference mode, ReLUs in place, gradients set to None, and SGD(fused=True), whose one pass over the
weights takes a ninth of the default's time on two cores.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import draw
from benchmarks.cases import CLASSES, Case, NetCase, OpCase
from benchmarks.engines import Unable, Work, pytorch_nets

_device = "cpu"

FORWARD = {
    "conv": lambda a, s: F.conv2d(a["x"], a["w"], a["b"], padding=s["padding"]),
    "conv_transpose": lambda a, s: F.conv_transpose2d(a["x"], a["w"], stride=s["stride"], groups=s["groups"]),
    "relu": lambda a, s: F.relu(a["x"]),
    "max_pool": lambda a, s: F.max_pool2d(a["x"], s["kernel"], s["stride"], s["padding"], ceil_mode=True),
    "avg_pool": lambda a, s: F.avg_pool2d(a["x"], s["kernel"], s["stride"]),
    "local_response_norm": lambda a, s: F.local_response_norm(a["x"], 5, 1e-4, 0.75, 1.0),
    "concat": lambda a, s: torch.cat(list(a.values()), 1),
    "add": lambda a, s: a["x"] + a["x1"],
    "scale": lambda a, s: a["x"] * s["factor"],
    # contiguous: the layer after it reads it so, and minifcn's crop is a copy as well.
    "crop": lambda a, s: pytorch_nets.crop(a["x"], s["offset"], torch.Size((s["size"],) * 2)).contiguous(),
    "dropout": lambda a, s: F.dropout(a["x"], s["p"]),
    "softmax_cross_entropy": lambda a, s: F.cross_entropy(a["x"], a["labels"], ignore_index=255, reduction="sum"),
    "matmul": lambda a, s: torch.mm(a["x"], a["x1"], out=a["out"]),
    "clip": lambda a, s: torch.nn.utils.clip_grad_norm_([a["p"]], s["max_norm"]),
}


def start(threads: int, device: str, tf32: bool) -> None:
    """Threads, device, and whether a GPU may round products' factors to TF32. cuDNN may look for its best algorithm."""
    global _device
    torch.set_num_threads(threads)
    _device = "cuda" if device == "gpu" else "cpu"
    if _device == "cuda":
        if not torch.cuda.is_available():
            raise Unable("sees no GPU")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        torch.zeros(1, device=_device)


def versions() -> dict[str, str]:
    """PyTorch and what it computes with."""
    found = {"torch": torch.__version__}
    for line in torch.__config__.show().splitlines():
        if match := re.search(
            r"(oneAPI Math Kernel Library Version \S+|oneDNN\) v\S+|CPU capability usage: \S+)", line
        ):
            text = match[1].replace("oneAPI Math Kernel Library Version", "MKL").replace("oneDNN)", "oneDNN")
            found["torch with"] = ", ".join(filter(None, [found.get("torch with"), text]))
    if _device == "cuda":
        found["torch on"] = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, cuDNN {_cudnn()}"
    return found


def synchronize() -> None:
    """Wait for the device."""
    if _device == "cuda":
        torch.cuda.synchronize()


def device_peak() -> int | None:
    """The most that PyTorch's pool held."""
    return torch.cuda.max_memory_reserved() if _device == "cuda" else None


def prepare(case: Case, alike: bool) -> Work:
    """A case made ready."""
    if isinstance(case, NetCase):
        return prepare_net(case, alike)
    arrays = {name: _tensor(array) for name, array in draw.arrays(case).items()}
    if case.op == "sgd":
        return _sgd(case, arrays)
    if case.op == "matmul":
        arrays["out"] = torch.empty(case.shape, device=_device)
    if case.op == "clip":
        arrays["p"] = torch.nn.Parameter(arrays["x"])
        arrays["p"].grad = arrays["x"]
    return _op(case, arrays)


def _op(case: OpCase, arrays: dict[str, Any]) -> Work:
    """A function of torch.nn.functional, or autograd through it: only the gradients that are asked for."""
    forward = FORWARD[case.op]
    leaves = {
        "forward": [],
        "dw": [arrays[name] for name in ("w", "b") if name in arrays],
    }.get(case.part, [arrays[name] for name in arrays if name.startswith("x")])
    for leaf in leaves:
        leaf.requires_grad_()
    if case.part == "forward":

        def run() -> tuple[Tensor, ...]:
            with torch.inference_mode():
                return (forward(arrays, case.settings),)

    elif case.part == "both":

        def run() -> tuple[Tensor, ...]:
            y = forward(arrays, case.settings)
            return (y, *torch.autograd.grad(y, leaves))

    else:
        y = forward(arrays, case.settings)
        dy = _tensor(draw.normal(tuple(y.shape), "dy"))

        def run() -> tuple[Tensor, ...]:
            return torch.autograd.grad(y, leaves, dy, retain_graph=True)

    return Work(run, lambda: {f"result {k}": _array(tensor) for k, tensor in enumerate(run())})


def prepare_net(case: NetCase, alike: bool, order: torch.memory_format = torch.contiguous_format) -> Work:
    """A whole net, its arrays in the given order.

    Weights and biases have the multipliers of the released nets, as minifcn's do.
    """
    net = pytorch_nets.build(case.net, CLASSES, case.preset, case.input_padding).to(_device)
    net = net.to(memory_format=order)
    named = dict(net.named_parameters())
    if alike:
        values = draw.weights({name: tuple(param.shape) for name, param in named.items()})
        net.load_state_dict({name: torch.from_numpy(array) for name, array in values.items()}, strict=False)
    x, labels = (_tensor(array) for array in draw.batch(case))
    x = x.contiguous(memory_format=order)
    learning = {name: param for name, param in named.items() if param.requires_grad}
    sgd = torch.optim.SGD(
        [
            {"params": [p for name, p in learning.items() if name.endswith("weight")]},
            {"params": [p for name, p in learning.items() if name.endswith("bias")], "lr": 2e-10, "weight_decay": 0},
        ],
        lr=1e-10,
        momentum=0.99,
        weight_decay=5e-4,
        fused=True,
    )

    def forward() -> Tensor:
        with torch.inference_mode():
            return net(x)

    def step(look: Any = None) -> None:
        sgd.zero_grad()
        scores = net(x)
        loss = F.cross_entropy(scores, labels, ignore_index=255, reduction="sum")
        if look is not None:
            look.update(scores=scores, loss=loss)
        del scores
        loss.backward()
        sgd.step()

    def results() -> dict[str, np.ndarray]:
        if case.part == "forward":
            return {"result 0": _array(forward())}
        look: dict[str, Any] = {}
        net.eval()
        step(look)
        net.train()
        rates = {id(p): group["lr"] for group in sgd.param_groups for p in group["params"]}
        for name, param in learning.items():
            if param.numel() < 1 << 20:  # Caffe's velocity has the learning rate inside
                look[f"velocity of {name}"] = sgd.state[param]["momentum_buffer"] * rates[id(param)]
        return {name: _array(tensor) for name, tensor in look.items()}

    net.train(case.part == "step")
    return Work(forward if case.part == "forward" else step, results)


def _sgd(case: OpCase, arrays: dict[str, Tensor]) -> Work:
    param = torch.nn.Parameter(arrays["x"])
    param.grad = arrays["dx"]
    sgd = torch.optim.SGD([param], **case.settings, fused=True)

    def results() -> dict[str, np.ndarray]:
        sgd.step()
        return {
            "result 0": _array(param),
            "result 1": _array(sgd.state[param]["momentum_buffer"] * case.settings["lr"]),
        }

    return Work(sgd.step, results)


def _tensor(array: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(array)
    return (tensor.long() if array.dtype == np.uint8 else tensor).to(_device)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _cudnn() -> str:
    return str(torch.backends.cudnn.version())
