"""Wrong backward passes of convolution and transposed convolution."""

from __future__ import annotations

from collections.abc import Callable

from minifcn import ops
from minifcn.backend import Array, xp_of
from minifcn.gradcheck.mutants.mutant import Mutant, of
from minifcn.ops.conv import ConvCache
from minifcn.ops.geometry import conv_transpose2d_size
from minifcn.window import taps

Gradients = tuple[Array | None, ...]

# With all gradients asked for, and so never None but for db.
right: Callable[..., tuple[Array, ...]] = ops.conv2d_backward
right_transposed: Callable[..., tuple[Array, ...]] = ops.conv_transpose2d_backward


def _stamp(dy: Array, cache: ConvCache, overlap: str = "+=", dilated: bool = True, shuffled: bool = False) -> Array:
    """dx of a convolution, tap by tap, with room for mistakes."""
    x, w = cache.x, cache.w
    kernel, stride, padding, dilation, groups = cache.geometry
    xp = xp_of(dy)
    dx = xp.zeros(x.shape, x.dtype)
    per_group, outputs = x.shape[1] // groups, w.shape[0] // groups
    step = dilation if dilated else (1, 1)
    vertical = taps(x.shape[2], kernel[0], stride[0], padding[0], step[0], 0, dy.shape[2])
    horizontal = taps(x.shape[3], kernel[1], stride[1], padding[1], step[1], 0, dy.shape[3])
    for group in range(groups):
        source = (group + 1) % groups if shuffled else group
        upstream = dy[:, source * outputs : (source + 1) * outputs]  # (N, O/groups, OH, OW)
        target = dx[:, group * per_group : (group + 1) * per_group]
        for i, v in enumerate(vertical):
            for j, h in enumerate(horizontal):
                tap = w[group * outputs : (group + 1) * outputs, :, i, j]  # (O/groups, C/groups)
                part = xp.einsum("nohw,oc->nchw", upstream[:, :, v.out, h.out], tap)
                if overlap == "+=":
                    target[:, :, v.into, h.into] += part
                else:
                    target[:, :, v.into, h.into] = part
    return dx


def kernel_not_rotated(dy: Array, cache: ConvCache) -> Gradients:
    """dx correlates dy with the kernel as it is; backwards it must be turned by 180 degrees."""
    dx, _, _ = right(dy, cache._replace(w=cache.w[:, :, ::-1, ::-1]))
    return (dx, *right(dy, cache)[1:])


def overlapping_stamps_overwritten(dy: Array, cache: ConvCache) -> Gradients:
    """col2im with `=` for `+=`: where windows overlap the last one wins."""
    return (_stamp(dy, cache, overlap="="), *right(dy, cache)[1:])


def dilation_forgotten_in_dx(dy: Array, cache: ConvCache) -> Gradients:
    """dx stamps neighbouring pixels where the kernel has holes."""
    return (_stamp(dy, cache, dilated=False), *right(dy, cache)[1:])


def groups_mixed(dy: Array, cache: ConvCache) -> Gradients:
    """Each group's input gets the gradient of the next group's output."""
    return (_stamp(dy, cache, shuffled=True), *right(dy, cache)[1:])


def dx_shifted(dy: Array, cache: ConvCache) -> Gradients:
    """dx lies one column too far to the right: the padding was cut off at one side only."""
    dx, dw, db = right(dy, cache)
    return xp_of(dy).roll(dx, 1, axis=3), dw, db


def rows_and_columns_swapped_in_dw(dy: Array, cache: ConvCache) -> Gradients:
    """The kernel's axes change places in dw; a reshape hides it."""
    dx, dw, db = right(dy, cache)
    return dx, dw.swapaxes(2, 3).reshape(dw.shape), db


def dw_not_summed_over_the_batch(dy: Array, cache: ConvCache) -> Gradients:
    """`dw =` for `dw +=` in the loop over images: the last one wins."""
    dx, _, db = right(dy, cache)
    _, dw, _ = right(dy[-1:], cache._replace(x=cache.x[-1:]))
    return dx, dw, db


def padding_forgotten_in_dw(dy: Array, cache: ConvCache) -> Gradients:
    """dw looks at x without its padding at the top and the left, so every tap sees its neighbour's pixels."""
    (top, left), xp = cache.geometry.padding, xp_of(dy)
    dx, _, db = right(dy, cache)
    padded = xp.pad(cache.x, ((0, 0), (0, 0), (0, 2 * top), (0, 2 * left)))
    _, dw, _ = right(dy, cache._replace(x=padded, geometry=cache.geometry._replace(padding=(0, 0))))
    return dx, dw, db


def db_averaged(dy: Array, cache: ConvCache) -> Gradients:
    """db is the mean of dy; the bias is added at every position, so it is the sum."""
    dx, dw, db = right(dy, cache)
    return dx, dw, None if db is None else dy.mean(axis=(0, 2, 3))


def db_of_one_image(dy: Array, cache: ConvCache) -> Gradients:
    """db sums over the positions and forgets the batch."""
    dx, dw, db = right(dy, cache)
    return dx, dw, None if db is None else dy[0].sum(axis=(1, 2))


def right_only_for_even_dy(dy: Array, cache: ConvCache) -> Gradients:
    """dx and dw from the mean of dy in each channel: right if dy is all ones, which is why no check may use ones."""
    even = xp_of(dy).broadcast_to(dy.mean(axis=(2, 3), keepdims=True), dy.shape).copy()
    dx, dw, _ = right(even, cache)
    return dx, dw, right(dy, cache)[2]


def stamp_mirrored(dy: Array, cache: ConvCache) -> Gradients:
    """dx convolves dy with the rotated kernel; the adjoint of a transposed convolution is the plain correlation."""
    dx, _, _ = right_transposed(dy, cache._replace(w=cache.w[:, :, ::-1, ::-1]))
    return (dx, *right_transposed(dy, cache)[1:])


def stride_phases_swapped(dy: Array, cache: ConvCache) -> Gradients:
    """Even and odd output rows change places: each input pixel looks at its neighbour's phase."""
    rows = dy.copy()
    height = dy.shape[2] // 2 * 2
    rows[:, :, 0:height:2], rows[:, :, 1:height:2] = dy[:, :, 1:height:2], dy[:, :, 0:height:2]
    return (right_transposed(rows, cache)[0], *right_transposed(dy, cache)[1:])


def channels_swapped_in_dw(dy: Array, cache: ConvCache) -> Gradients:
    """dw laid out (out, in) where the weight is (in, out); a reshape hides it."""
    dx, dw, db = right_transposed(dy, cache)
    return dx, dw.swapaxes(0, 1).reshape(dw.shape), db


def output_padding_not_biased(dy: Array, cache: ConvCache) -> Gradients:
    """db leaves out the rows and columns that output_padding adds: no stamp reaches them, but the bias does."""
    height, width = conv_transpose2d_size(cache.x.shape[2:], cache.geometry)
    dx, dw, db = right_transposed(dy, cache)
    return dx, dw, None if db is None else dy[:, :, :height, :width].sum(axis=(0, 2, 3))


MUTANTS: tuple[Mutant, ...] = of(
    "conv2d",
    kernel_not_rotated,
    overlapping_stamps_overwritten,
    dilation_forgotten_in_dx,
    groups_mixed,
    dx_shifted,
    rows_and_columns_swapped_in_dw,
    dw_not_summed_over_the_batch,
    padding_forgotten_in_dw,
    db_averaged,
    db_of_one_image,
    right_only_for_even_dy,
) + of("conv_transpose2d", stamp_mirrored, stride_phases_swapped, channels_swapped_in_dw, output_padding_not_biased)
