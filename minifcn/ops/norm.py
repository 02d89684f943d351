"""Local response normalisation across channels, as Caffe defines it."""

from __future__ import annotations

from typing import NamedTuple

from minifcn import parallel
from minifcn.backend import Array, Namespace, xp_of
from minifcn.errors import ShapeError
from minifcn.kernels import cuda
from minifcn.ops.pointwise import check_gradient


class NormCache(NamedTuple):
    """The input, its scale term k + (alpha/n) * sum of squares, and the constants."""

    x: Array
    scale: Array
    size: int
    alpha: float
    beta: float


def local_response_norm(
    x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> tuple[Array, NormCache]:
    """x / (k + (alpha / size) * sum of x**2 over `size` channels around each) ** beta.

    x: (N, C, H, W); the window is centred on the channel and clipped at the first and last. alpha is divided by the
    window's size: Caffe's lrn_layer.cpp. Raises ShapeError for an even or non-positive size, and for integers.
    """
    if x.ndim != 4 or x.dtype.kind != "f" or size < 1 or size % 2 == 0:
        raise ShapeError(
            "local_response_norm: expected floating x of (N, C, H, W) and an odd size, got "
            f"{tuple(x.shape)} {x.dtype} and {size}"
        )
    xp = xp_of(x)
    if cuda.serves(xp, x.dtype):
        y, scale = cuda.local_response_norm(x, size, alpha, beta, k)
        return y, NormCache(x, scale, size, float(alpha), float(beta))
    y, scale = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)

    def work(rows: tuple[int, slice]) -> None:
        n, r = rows
        part = x[n : n + 1, :, r]
        term = _window_sum(xp, part * part, size)
        term *= alpha / size
        term += k
        scale[n : n + 1, :, r] = term
        y[n : n + 1, :, r] = part * term**-beta

    parallel.run(xp, work, _parts(xp, x))
    return y, NormCache(x, scale, size, float(alpha), float(beta))


def local_response_norm_backward(dy: Array, cache: NormCache) -> tuple[Array]:
    """Gradient (dx,) of `local_response_norm`.

    dx = dy * scale^-beta - (2 alpha beta / size) * x * sum over the window of dy * x * scale^(-beta-1): each channel
    stands in its own quotient and in the scale term of its neighbours.
    """
    x, scale, size, alpha, beta = cache
    xp = xp_of(dy, x)
    check_gradient("local_response_norm_backward", dy, x.shape, x.dtype)
    if cuda.serves(xp, x.dtype):
        return (cuda.local_response_norm_backward(dy, x, scale, size, alpha, beta),)
    dx = xp.empty(x.shape, x.dtype)

    def work(rows: tuple[int, slice]) -> None:
        n, r = rows
        part, upstream, term = x[n : n + 1, :, r], dy[n : n + 1, :, r], scale[n : n + 1, :, r]
        direct = upstream * term**-beta
        through = _window_sum(xp, direct * part / term, size)
        dx[n : n + 1, :, r] = direct - (2 * alpha * beta / size) * part * through

    parallel.run(xp, work, _parts(xp, x))
    return (dx,)


def _window_sum(xp: Namespace, v: Array, size: int) -> Array:
    """The sum of v over `size` channels around each, clipped at both ends."""
    total = v.copy()
    for shift in range(1, size // 2 + 1):
        total[:, shift:] += v[:, :-shift]
        total[:, :-shift] += v[:, shift:]
    return total


def _parts(xp: Namespace, x: Array) -> list[tuple[int, slice]]:
    """(image, rows) pairs small enough for a core's cache; on other backends an image at a time."""
    rows = [slice(0, x.shape[2])]
    if xp.__name__ == "numpy":
        rows = parallel.split(x.shape[2], x.shape[1] * x.shape[3] * x.itemsize, 8 * parallel.SMALL)
    return [(n, r) for n in range(x.shape[0]) for r in rows]
