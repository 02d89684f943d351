"""What `Net.strict` looks at after each layer; ShapeError or MinifcnError names the first layer at fault."""

from __future__ import annotations

from minifcn.backend import Array, xp_of
from minifcn.errors import MinifcnError, ShapeError
from minifcn.layers import Layer, Shape


def check_forward(name: str, layer: Layer, xs: tuple[Array, ...], y: Array, expected: Shape) -> None:
    """Raise unless the output has the promised shape, the inputs' dtype and backend, and only finite values."""
    where = f"{name} ({layer.kind})"
    if tuple(y.shape) != tuple(expected):
        raise ShapeError(f"{where}: out_shape promised {tuple(expected)}, forward made {tuple(y.shape)}")
    xp_of(*xs, y, *(param.data for param in layer.params.values()))
    if y.dtype != xs[0].dtype:
        raise ShapeError(f"{where}: turned {xs[0].dtype} into {y.dtype}")
    _check_finite(where, "output", y)


def check_backward(name: str, layer: Layer, dy: Array, dxs: tuple[Array | None, ...]) -> None:
    """Raise unless all gradients have the dtype of dy, or the shape and dtype of their parameter, and are finite."""
    where = f"{name} ({layer.kind})"
    for k, dx in enumerate(dxs):
        if dx is not None:
            if dx.dtype != dy.dtype:
                raise ShapeError(f"{where}: turned {dy.dtype} into {dx.dtype} on the way back")
            _check_finite(where, f"gradient of input {k}", dx)
    for key, param in layer.params.items():
        if param.grad is not None:
            if tuple(param.grad.shape) != tuple(param.data.shape) or param.grad.dtype != param.data.dtype:
                raise ShapeError(f"{where}: the gradient of {key} has another shape or dtype than {key}")
            _check_finite(where, f"gradient of {key}", param.grad)


def _check_finite(where: str, what: str, array: Array) -> None:
    xp = xp_of(array)
    good = xp.isfinite(array)
    if not bool(good.all()):
        bad = int(good.size) - int(good.sum())
        raise MinifcnError(
            f"{where}: the first NaN or Inf appears in its {what} ({bad} of {int(good.size)} values); usual "
            "causes are a learning rate too high for this loss (a summed loss wants about 1e-10), or weights made for "
            "another preprocessing"
        )
