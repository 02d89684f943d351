"""The stride and padding arithmetic against PyTorch, published shapes, and slow definitions."""

import itertools

import numpy as np
import pytest

from minifcn import window
from minifcn.backend import to_numpy
from minifcn.errors import ShapeError

#: n, k, s, p, d, start, stop of windows with every kind of border.
GEOMETRIES = [
    (n, k, s, p, d)
    for n, k, s, p, d in itertools.product((1, 2, 5, 8), (1, 2, 3), (1, 2, 3), (0, 1, 4), (1, 2))
    if window.conv_size(n, k, s, p, d) >= 1
]


def test_conv_sizes_are_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is the oracle of this test")
    for n, k, s, p, d in GEOMETRIES:
        y = torch.nn.functional.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p, dilation=d)
        assert window.conv_size(n, k, s, p, d) == y.shape[2], (n, k, s, p, d)


def test_pool_sizes_are_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is the oracle of this test")
    tried = 0
    for n, k, s, ceil in itertools.product(range(1, 12), range(1, 6), range(1, 5), (False, True)):
        for p in range(k // 2 + 1):
            if n + 2 * p < k:
                continue
            y = torch.nn.functional.max_pool1d(torch.zeros(1, 1, n), k, s, p, ceil_mode=ceil)
            assert window.pool_size(n, k, s, p, ceil) == y.shape[2], (n, k, s, p, ceil)
            tried += 1
    assert tried > 700


def test_transposed_sizes_are_pytorchs_and_come_back():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it is the oracle of this test")
    for n, k, s, p in itertools.product(range(1, 8), range(1, 6), range(1, 5), range(3)):
        for extra in range(s):
            size = window.conv_transpose_size(n, k, s, p, extra)
            if size < 1:
                continue
            y = torch.nn.functional.conv_transpose1d(
                torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p, output_padding=extra
            )
            assert size == y.shape[2], (n, k, s, p, extra)
            assert window.conv_size(size, k, s, p) == n  # the convolution of that stride leads back


def test_vgg_pools_round_up_to_the_published_sizes():
    """pool1 to pool5 of FCN-VGG16 with padding 100, for pictures of 500, 375 and 1 pixels."""
    for n, expected in ((500, [349, 175, 88, 44, 22]), (375, [287, 144, 72, 36, 18]), (1, [100, 50, 25, 13, 7])):
        n, sizes = window.conv_size(n, 3, 1, 100), []
        for _ in range(5):
            n = window.pool_size(n, 2, 2, 0, ceil_mode=True)
            sizes.append(n)
        assert sizes == expected


def test_a_window_that_would_start_in_the_padding_is_dropped():
    # Caffe, pooling_layer.cpp: ceil((3 + 2 - 2) / 2) + 1 = 3, but the third would start at 4 >= 3 + 1.
    assert window.pool_size(3, 2, 2, 1, ceil_mode=True) == 2
    assert window.pool_size(4, 2, 2, 1, ceil_mode=True) == 3
    # Without padding, too, where the stride leaves gaps: ceil((4 - 2) / 3) + 1 = 2, and 3 < 4 stays.
    assert window.pool_size(4, 2, 3, 0, ceil_mode=True) == 2
    assert window.pool_size(3, 2, 3, 0, ceil_mode=True) == 1


def test_taps_see_what_the_definition_says():
    for n, k, s, p, d in GEOMETRIES:
        out = window.conv_size(n, k, s, p, d)
        for start, stop in {(0, out), (out // 2, out), (0, (out + 1) // 2)}:
            for i, tap in enumerate(window.taps(n, k, s, p, d, start, stop)):
                seen = {o - start: s * o + d * i - p for o in range(start, stop) if 0 <= s * o + d * i - p < n}
                assert list(range(stop - start))[tap.out] == list(seen), (n, k, s, p, d, start, stop, i)
                assert list(range(n))[tap.into] == list(seen.values()), (n, k, s, p, d, start, stop, i)


def columns(xp, x, kernel, stride, padding, dilation, rows, width):
    shape = (x.shape[0], *kernel, x.shape[1], rows.stop - rows.start, width)
    return window.im2col(x, kernel, stride, padding, dilation, rows, width, xp.empty(shape, x.dtype))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [((3, 2), (1, 1), (0, 0), (1, 1)), ((2, 3), (2, 3), (1, 2), (1, 1)), ((3, 3), (2, 1), (4, 3), (2, 3))],
)
def test_im2col_is_its_definition_and_col2im_its_adjoint(xp, rng, kernel, stride, padding, dilation):
    x = rng.normal(size=(3, 2, 7, 6))  # (C, N, H, W)
    height, width = (window.conv_size(*axis) for axis in zip((7, 6), kernel, stride, padding, dilation, strict=True))
    rows = slice(1, height)  # a band that is not the whole picture
    cols = to_numpy(columns(xp, xp.asarray(x), kernel, stride, padding, dilation, rows, width))
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    for i, j, r, q in itertools.product(*map(range, (*kernel, height - 1, width))):
        u, v = stride[0] * (r + 1) + dilation[0] * i, stride[1] * q + dilation[1] * j
        np.testing.assert_array_equal(cols[:, i, j, :, r, q], padded[:, :, u, v])

    weights = rng.normal(size=cols.shape)
    back = xp.zeros(x.shape)
    window.col2im(xp.asarray(weights), back, stride, padding, dilation, rows)
    assert (cols * weights).sum() == pytest.approx((x * to_numpy(back)).sum(), rel=1e-12)


def test_col2im_adds_to_what_is_there(xp):
    x = xp.ones((1, 1, 3, 3))
    window.col2im(xp.ones((1, 2, 2, 1, 2, 2)), x, (1, 1), (0, 0), (1, 1), slice(0, 2))
    assert to_numpy(x)[0, 0].tolist() == [[2, 3, 2], [3, 5, 3], [2, 3, 2]]


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 40, 50), (3, 7, 5), (5, 200, 300), (2, 1, 9)])
@pytest.mark.parametrize("bytes_per_column", [4, 500, 20_000])
def test_bands_cover_every_row_of_every_image_once(xp, size, bytes_per_column):
    images, rows, width = size
    seen = np.zeros((images, rows), int)
    for band in window.bands(xp, images, rows, width, bytes_per_column):
        seen[band.images, band.rows] += 1
    assert (seen == 1).all()


def test_a_band_keeps_to_its_budget():
    found = window.bands(np, 2, 400, 500, 1000)
    assert len(found) > 2
    for band in found:
        rows = (band.images.stop - band.images.start) * (band.rows.stop - band.rows.start)
        assert (rows - 1) * 500 * 1000 <= window.CPU_BAND_BYTES  # bands are of equal size, to the row
    assert len(found) % 2 == 0, "no core waits for another's last band"


def test_small_maps_are_cut_by_images_into_equal_parts():
    found = window.bands(np, 7, 24, 24, 1152)
    assert [band.images for band in found] == [slice(0, 3), slice(3, 7)]
    assert all(band.rows == slice(0, 24) for band in found)


def test_weights_that_are_large_get_large_bands():
    """Each band reads the whole weight once: a band of fc6 has at least 256 columns, though each costs 100 KB."""
    found = window.bands(np, 1, 40, 40, 25088 * 4)
    assert all((band.rows.stop - band.rows.start) * 40 >= 200 for band in found)


def test_an_integer_counts_for_both_axes():
    assert window.pair(3, "stride") == (3, 3)
    assert window.pair((2, 5), "stride") == (2, 5)
    assert window.pair([2, 5], "stride") == (2, 5)


@pytest.mark.parametrize("value", [0, (1, 0), (1, 2, 3), (1,), (1.0, 2), 1.5, "33", None])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(ShapeError, match=r"conv1: stride.*at least 1"):
        window.pair(value, "conv1: stride")


def test_offsets_scan_rows_first():
    assert list(window.offsets((2, 3))) == [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 0), (4, 1, 1), (5, 1, 2)]
