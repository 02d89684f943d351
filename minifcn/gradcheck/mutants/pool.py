"""Wrong backward passes of pooling and of local response normalisation."""

from __future__ import annotations

from minifcn import ops
from minifcn.backend import Array, xp_of
from minifcn.gradcheck.mutants.mutant import Mutant, of
from minifcn.ops.norm import NormCache
from minifcn.ops.pool import AvgPoolCache, MaxPoolCache
from minifcn.window import conv_size, offsets, taps


def _axes(shape: tuple[int, ...], cache: MaxPoolCache | AvgPoolCache, size: tuple[int, ...]) -> tuple[list, list]:
    kernel, stride, padding, _, dilation, _ = cache.geometry
    vertical = taps(shape[2], kernel[0], stride[0], padding[0], dilation[0], 0, size[2])
    return vertical, taps(shape[3], kernel[1], stride[1], padding[1], dilation[1], 0, size[3])


def overlap_overwritten(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """`=` for `+=`: a pixel that wins in two windows keeps one of their gradients."""
    dx = xp_of(dy).zeros(cache.shape, dy.dtype)
    vertical, horizontal = _axes(cache.shape, cache, dy.shape)
    for t, i, j in offsets(cache.geometry.kernel):
        v, h = vertical[i], horizontal[j]
        won = cache.winner[:, :, v.out, h.out] == t
        here = dx[:, :, v.into, h.into]
        here[...] = here * ~won + dy[:, :, v.out, h.out] * won
    return (dx,)


def shared_by_the_window(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """dy spread evenly over the window, as an average would do."""
    return ops.avg_pool2d_backward(dy, AvgPoolCache(cache.shape, cache.dtype, cache.geometry))


def border_windows_dropped(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """The last windows of ceil mode, which stick out of the picture, pass no gradient back."""
    kernel, stride, padding, _, dilation, _ = cache.geometry
    inside = dy.copy()
    for axis in (0, 1):
        whole = conv_size(cache.shape[2 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis])
        inside[(slice(None),) * (2 + axis) + (slice(max(whole, 0), None),)] = 0
    return ops.max_pool2d_backward(inside, cache)


def padding_not_taken_off(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """The gradient of the padded picture, cut at its top left corner and not at the picture's."""
    (dx,) = ops.max_pool2d_backward(dy, cache)
    return (xp_of(dy).roll(dx, cache.geometry.padding, axis=(2, 3)),)


def stride_taken_for_kernel(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """Windows stand a kernel apart, not a stride."""
    geometry = cache.geometry._replace(stride=cache.geometry.kernel)
    shifted = cache._replace(geometry=geometry)
    dx = xp_of(dy).zeros(cache.shape, dy.dtype)
    vertical, horizontal = _axes(cache.shape, shifted, dy.shape)
    for t, i, j in offsets(geometry.kernel):
        v, h = vertical[i], horizontal[j]
        dx[:, :, v.into, h.into] += dy[:, :, v.out, h.out] * (cache.winner[:, :, v.out, h.out] == t)
    return (dx,)


def dilation_forgotten(dy: Array, cache: MaxPoolCache) -> tuple[Array]:
    """The winner put back as if a window's pixels were neighbours."""
    dx = xp_of(dy).zeros(cache.shape, dy.dtype)
    near = cache._replace(geometry=cache.geometry._replace(dilation=(1, 1)))
    vertical, horizontal = _axes(cache.shape, near, dy.shape)
    for t, i, j in offsets(cache.geometry.kernel):
        v, h = vertical[i], horizontal[j]
        dx[:, :, v.into, h.into] += dy[:, :, v.out, h.out] * (cache.winner[:, :, v.out, h.out] == t)
    return (dx,)


def clipped_windows_divided_by_the_whole_area(dy: Array, cache: AvgPoolCache) -> tuple[Array]:
    """Every window counts kernel x kernel pixels, those of ceil mode that stick out included."""
    kernel = cache.geometry.kernel
    return (_spread(dy / (kernel[0] * kernel[1]), cache),)


def area_forgotten(dy: Array, cache: AvgPoolCache) -> tuple[Array]:
    """The gradient of a sum, not of a mean."""
    return (_spread(dy, cache),)


def _spread(share: Array, cache: AvgPoolCache) -> Array:
    dx = xp_of(share).zeros(cache.shape, share.dtype)
    vertical, horizontal = _axes(cache.shape, cache, share.shape)
    for v in vertical:
        for h in horizontal:
            dx[:, :, v.into, h.into] += share[:, :, v.out, h.out]
    return dx


def alpha_not_divided_by_n(dy: Array, cache: NormCache) -> tuple[Array]:
    """The cross term with alpha as it is; Caffe divides it by the window's size."""
    return ops.local_response_norm_backward(dy, cache._replace(alpha=cache.alpha * cache.size))


def cross_term_dropped(dy: Array, cache: NormCache) -> tuple[Array]:
    """The scale term taken for a constant."""
    return (dy * cache.scale**-cache.beta,)


def own_channel_only(dy: Array, cache: NormCache) -> tuple[Array]:
    """Each channel's own square in the scale term, but not its neighbours'."""
    x, scale, size, alpha, beta = cache
    direct = dy * scale**-beta
    return (direct - 2 * alpha * beta / size * x * x * direct / scale,)


def exponent_off_by_one(dy: Array, cache: NormCache) -> tuple[Array]:
    """scale**-beta in the cross term, where the derivative has scale**(-beta - 1)."""
    direct = dy * cache.scale**-cache.beta
    (once_too_much,) = ops.local_response_norm_backward(dy * cache.scale, cache)
    return (direct + once_too_much - direct * cache.scale,)


MUTANTS: tuple[Mutant, ...] = (
    of(
        "max_pool2d",
        overlap_overwritten,
        shared_by_the_window,
        border_windows_dropped,
        padding_not_taken_off,
        stride_taken_for_kernel,
        dilation_forgotten,
    )
    + of("avg_pool2d", clipped_windows_divided_by_the_whole_area, area_forgotten)
    + of("local_response_norm", alpha_not_divided_by_n, cross_term_dropped, own_channel_only, exponent_off_by_one)
)
