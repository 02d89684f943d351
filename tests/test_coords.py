"""The algebra of positions, by hand and by brute force."""

from fractions import Fraction as F

import numpy as np
import pytest

from minifcn import coords, ops
from minifcn.coords import IDENTITY, Axis, Coords, crop_offset, cropped, merge, transposed_window, window
from minifcn.errors import ShapeError


def square(k, s, p, d=1):
    return window((k, k), (s, s), (p, p), (d, d))


def up(k, s, p=0):
    return transposed_window((k, k), (s, s), (p, p))


def chain(*layers):
    """The map of a stack of layers, the first nearest the input."""
    place = IDENTITY
    for layer in layers:
        place = layer.after(place)
    return place


def vgg16(padding):
    """conv1_1 to fc7 of FCN-VGG16, and the place of pool3 and pool4."""
    place, pools = IDENTITY, {}
    for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
        for k in range(count):
            place = square(3, 1, padding if (stage, k) == (1, 0) else 1).after(place)
        pools[stage] = place = square(2, 2, 0).after(place)
    return square(7, 1, 0).after(place), pools


def test_a_convolution_looks_at_the_middle_of_its_kernel():
    # o sees 2o - 1 ... 2o + 1: centre 2o, three pixels.
    assert square(3, 2, 1).y == Axis(F(2), F(0), F(-1), F(1))
    assert square(3, 2, 1).y.receptive_field == 3
    # An even kernel's middle lies between two pixels; a dilated kernel reaches d(k-1) further.
    assert square(2, 2, 0).y == Axis(F(2), F(1, 2), F(0), F(1))
    assert square(3, 1, 0, d=4).y == Axis(F(1), F(4), F(0), F(8))


def test_the_axes_are_independent():
    place = window((3, 5), (1, 2), (1, 0))
    assert (place.y.scale, place.y.shift, place.y.receptive_field) == (1, 0, 3)
    assert (place.x.scale, place.x.shift, place.x.receptive_field) == (2, 2, 5)


def test_maps_compose_from_the_input_up():
    # 3x3 then 2x2 stride 2 then 3x3: strides multiply, fields grow by (k - 1) times the stride so far.
    place = chain(square(3, 1, 0), square(2, 2, 0), square(3, 1, 0)).y
    assert (place.scale, place.shift, place.receptive_field) == (2, F(7, 2), 8)


def test_composition_is_associative():
    a, b, c = square(3, 2, 1), up(4, 2, 1), square(5, 3, 2)
    assert c.after(b).after(a) == c.after(b.after(a))
    assert a.after(IDENTITY) == a == IDENTITY.after(a)


def test_inverse_undoes_scale_and_shift():
    axis = square(7, 4, 2).y
    back = axis.after(axis.inverse())
    assert (back.scale, back.shift) == (1, 0)
    assert axis.inverse().scale == F(1, 4)
    assert axis.inverse().shift == F(-1, 4)  # shift 3 - 2 = 1


def test_upsampling_is_the_inverse_of_the_window_it_undoes():
    for k, s, p in ((4, 2, 0), (3, 1, 1), (16, 8, 3), (63, 32, 0)):
        down, again = square(k, s, p).y, up(k, s, p).y
        assert again.scale == 1 / down.scale
        assert again.shift == down.inverse().shift


def test_vgg16_sees_404_pixels_at_stride_32():
    fc7, pools = vgg16(100)
    assert fc7.y.receptive_field == 404
    assert fc7.y.scale == 32
    assert [pools[k].y.scale for k in range(1, 6)] == [2, 4, 8, 16, 32]


@pytest.mark.parametrize(("padding", "expected"), [(100, (19, 5, 27, 9, 31)), (81, (0, 5, 8, 9, 12))])
def test_the_published_crops_follow(padding, expected):
    """fcn32s; fcn16s' score_pool4 and final crop; fcn8s' score_pool3 and final crop."""
    fc7, pools = vgg16(padding)
    fcn32 = crop_offset(up(64, 32).after(fc7), IDENTITY, "score")
    upscore2 = up(4, 2).after(fc7)
    pool4 = crop_offset(pools[4], upscore2, "score_pool4c")
    fcn16 = crop_offset(up(32, 16).after(upscore2), IDENTITY, "score")
    upscore_pool4 = up(4, 2).after(upscore2)
    pool3 = crop_offset(pools[3], upscore_pool4, "score_pool3c")
    fcn8 = crop_offset(up(16, 8).after(upscore_pool4), IDENTITY, "score")
    assert (fcn32, pool4, fcn16, pool3, fcn8) == tuple((n, n) for n in expected)


def alexnet(kernel):
    trunk = [square(11, 4, 100), square(3, 2, 0), square(5, 1, 2), square(3, 2, 0)]
    trunk += [square(3, 1, 1)] * 3 + [square(3, 2, 0), square(6, 1, 0)]
    return up(kernel, 32).after(chain(*trunk))


def test_alexnet_needs_an_odd_kernel():
    assert crop_offset(alexnet(63), IDENTITY, "score") == (18, 18)
    with pytest.raises(ShapeError) as caught:
        crop_offset(alexnet(64), IDENTITY, "score")
    for fragment in ("score", "37/2", "no whole number", "63 for 64"):
        assert fragment in str(caught.value)


def test_a_negative_offset_is_refused_with_the_cure():
    fc7, _ = vgg16(80)
    with pytest.raises(ShapeError, match=r"score: .*-1.*more padding"):
        crop_offset(up(64, 32).after(fc7), IDENTITY, "score")


def test_blobs_of_different_stride_cannot_be_cropped_or_joined():
    with pytest.raises(ShapeError, match=r"crop1: .*stride 2.*stride 1.*upsample"):
        crop_offset(square(2, 2, 0), IDENTITY, "crop1")
    with pytest.raises(ShapeError, match=r"different strides \(2, 1 input pixels\)"):
        merge([square(2, 2, 0), IDENTITY])


def test_a_crop_moves_and_a_join_sees_what_any_branch_sees():
    moved = cropped((3, 5)).after(square(3, 1, 1))
    assert (moved.y.shift, moved.x.shift) == (3, 5)
    joined = merge([square(3, 1, 1), square(7, 1, 3)])
    assert joined.y == Axis(F(1), F(0), F(-3), F(3))


def test_everything_is_exact():
    """Ten thirds are not a float."""
    place = chain(*[up(3, 3)] * 10, *[square(3, 3, 0)] * 10).y
    assert place.scale == 1
    assert isinstance(place.shift, F)
    assert place.shift.denominator == 1


def test_the_receptive_field_is_what_a_change_of_one_pixel_reaches(rng):
    """Brute force: change each input pixel in turn and see which outputs move."""
    x = rng.normal(size=(1, 1, 1, 40))

    def forward(v):
        y = ops.conv2d(v, np.ones((1, 1, 1, 5)), stride=(1, 2), padding=(0, 1))[0]
        y = ops.avg_pool2d(y, (1, 3), stride=(1, 2))[0]
        y = ops.conv_transpose2d(y, np.ones((1, 1, 1, 4)), stride=(1, 2), padding=(0, 1))[0]
        return ops.conv2d(y, np.ones((1, 1, 1, 3)))[0][0, 0, 0]

    place = chain(
        window((1, 5), (1, 2), (0, 1)),
        window((1, 3), (1, 2), (0, 0)),
        transposed_window((1, 4), (1, 2), (0, 1)),
        window((1, 3), (1, 1), (0, 0)),
    ).x
    base = forward(x)
    reached = np.zeros((base.size, 40), bool)
    for k in range(40):
        moved = x.copy()
        moved[..., k] += 1
        reached[:, k] = forward(moved) != base
    for o in range(2, base.size - 2):  # away from the border, where windows are clipped
        pixels = np.flatnonzero(reached[o])
        assert place.scale * o + place.low <= pixels[0]
        assert pixels[-1] <= place.scale * o + place.high
    first, last = (np.array([np.flatnonzero(r)[e] for r in reached[2:-2]]) for e in (0, -1))
    scales = [place.scale * o for o in range(2, base.size - 2)]
    assert min(f - s for f, s in zip(first, scales, strict=True)) < place.low + 2  # and the bound is no idle one
    assert max(f - s for f, s in zip(last, scales, strict=True)) > place.high - 2


def test_a_constant_gradient_image_keeps_its_values_where_the_map_says():
    """A ramp filtered symmetrically has, at output o, the value of the ramp at scale * o + shift."""
    ramp = np.arange(60.0).reshape(1, 1, 1, 60)
    y, _ = ops.avg_pool2d(ramp, (1, 4), stride=(1, 3))
    place = coords.window((1, 4), (1, 3), (0, 0)).x
    np.testing.assert_allclose(y[0, 0, 0], [float(place.scale * o + place.shift) for o in range(y.shape[3])])
    assert Coords(x=place).y == Axis()


# --- upsampling kernels -----------------------------------------------------------------------------------------------


def place(scale: int, shift: F | int, shift_x: F | int | None = None) -> Coords:
    y, x = (Axis(F(scale), F(at), F(at), F(at)) for at in (shift, shift if shift_x is None else shift_x))
    return Coords(y, x)


@pytest.mark.parametrize("factor", [1, 2, 3, 16, 32])
@pytest.mark.parametrize("half", [-3, 0, 1, 6])
def test_the_upsampling_kernel_lets_a_crop_align_and_the_other_does_not(factor, half):
    coarse, fine = place(4 * factor, 7 + 2 * half), place(4, 7)
    got, kernel = coords.upsampling(coarse, fine, "up")
    assert got == factor and kernel in (2 * factor - 1, 2 * factor)

    def offset(k: int) -> F:
        up = transposed_window((k, k), (factor, factor), (0, 0)).after(coarse)
        return (fine.y.shift - up.y.shift) / fine.y.scale

    assert offset(kernel).denominator == 1
    assert offset(4 * factor - 1 - kernel).denominator == 2


def test_what_no_kernel_aligns_is_refused():
    for coarse, fine in ((place(32, 1), place(12, 1)), (place(32, 1), place(4, 0)), (place(8, 0), place(32, 0))):
        with pytest.raises(ShapeError, match="up: no bilinear kernel aligns a blob of stride"):
            coords.upsampling(coarse, fine, "up")
    with pytest.raises(ShapeError, match="up: one kernel cannot upsample both axes"):
        coords.upsampling(place(32, 0, F(1, 2)), place(1, 0), "up")
