"""Whether what was given works where you are: these pass before you have written a line."""

import numpy as np

from minifcn import gradcheck


def test_gradcheck_knows_right_from_wrong():
    x = {"x": np.random.default_rng(0).normal(size=(2, 3))}
    assert gradcheck.check(lambda x: (x * x, x), lambda dy, x: (2 * x * dy,), x).passed
    assert not gradcheck.check(lambda x: (x * x, x), lambda dy, x: (x * dy,), x).passed


def test_numpy_is_new_enough():
    assert tuple(map(int, np.__version__.split(".")[:2])) >= (1, 26), "pip install --upgrade numpy"
