"""Products in pieces against products at once."""

import numpy as np
import pytest

from minifcn.kernels import products

#: (G, M, K, N): one column, fewer columns than a piece, whole pieces, pieces and a rest, groups, long sums.
SHAPES = ((1, 8, 72, 1), (1, 8, 72, 1000), (1, 8, 72, 2 * 1728), (1, 8, 72, 9216), (3, 8, 72, 9216), (1, 64, 2000, 300))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_pieces_as_at_once(shape, dtype, rng):
    groups, rows, taps, columns = shape
    a = rng.normal(size=(groups, rows, taps)).astype(dtype)
    b = rng.normal(size=(groups, taps, columns + 5)).astype(dtype)[:, :, 2:-3]  # rows that are not next to each other
    whole = np.full((groups, rows, columns + 3), 7, dtype)
    products.multiply(np, a, b, out=whole[:, :, 1:-2])
    np.testing.assert_allclose(whole[:, :, 1:-2], a @ b, rtol=0, atol=1e-3 if dtype == np.float32 else 1e-12)
    assert (whole[:, :, [0, -2, -1]] == 7).all()


def test_narrow_products_are_cut_and_wide_ones_are_not(rng, monkeypatch):
    calls = []
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: calls.append(b.shape) or matmul(a, b, out=out))
    for rows, taps in ((8, 72), (512, 4608)):
        a, b = np.ones((1, rows, taps), np.float32), np.ones((1, taps, 4000), np.float32)
        products.multiply(np, a, b, out=np.empty((1, rows, 4000), np.float32))
    assert calls == [(2, 72, 1728), (1, 72, 4000 - 2 * 1728), (1, 4608, 4000)]


@pytest.mark.parametrize(
    "shape",
    [
        (1, 27, 4600, 8),
        (1, 27, 3 * 4624, 8),
        (1, 27, 3 * 4624 + 100, 8),
        (1, 27, 36864, 8),
        (3, 27, 9300, 8),
        (1, 64, 5000, 300),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_in_pieces_as_at_once(shape, dtype, rng):
    groups, rows, taps, columns = shape
    a = rng.normal(size=(groups, rows, taps)).astype(dtype)
    b = rng.normal(size=(groups, columns, taps)).astype(dtype).swapaxes(1, 2)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    for out in (np.full((groups, rows, columns), 7, dtype), np.full((groups, columns, rows), 7, dtype).swapaxes(1, 2)):
        products.multiply_long(np, a, b, out=out)
        np.testing.assert_allclose(out, expected, rtol=0, atol=2e-3 if dtype == np.float32 else 1e-11)
