"""The solved assignments against minifcn itself: two implementations, written apart, of the same contracts."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest

from minifcn import ops
from minifcn.course.assignment import FOLDER
from minifcn.gradcheck import cases, check


def solved(assignment: str, file: str) -> ModuleType:
    """A solved file as a module, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"solved_{file}", FOLDER / assignment / f"{file}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def square(options: dict) -> dict | None:
    """Options as the assignments have them, one number for both axes; None if the case needs more."""
    made = {}
    for key, value in options.items():
        if isinstance(value, tuple):
            if value[0] != value[1]:
                return None
            value = value[0]
        made[key] = value
    return made


def agrees(case: cases.Case, forward, backward, options: dict, xp_op: str) -> None:
    """y and all gradients for a random dy equal those of minifcn, and its own gradient check passes."""
    rng = np.random.default_rng(7)
    arrays = case.arrays(rng)
    y, cache = forward(*arrays.values(), **options)
    wanted, known = case.function(np)(*arrays.values())
    np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-12)
    dy = rng.normal(size=y.shape)
    for mine, theirs in zip(backward(dy, cache), getattr(ops, f"{xp_op}_backward")(dy, known), strict=True):
        if theirs is not None:
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11)


CONV = [c for c in cases.of("conv2d") if square(c.options) is not None and not {"dilation", "groups"} & set(c.options)]


@pytest.mark.parametrize("case", CONV, ids=str)
def test_conv2d(case):
    conv = solved("01_conv2d", "conv")
    agrees(case, conv.conv2d, conv.conv2d_backward, square(case.options), "conv2d")


def test_conv2d_by_differences():
    conv = solved("01_conv2d", "conv")
    rng = np.random.default_rng(1)
    arrays = {"x": rng.normal(size=(2, 3, 6, 5)), "w": rng.normal(size=(4, 3, 3, 2)), "b": rng.normal(size=4)}
    found = check(lambda *a: conv.conv2d(*a, stride=2, padding=1), conv.conv2d_backward, arrays, linear=True)
    assert found.passed, found


def test_the_colleagues_of_assignment_1_did_what_the_solution_says():
    """The README's four arrays come from the mistakes that they are to be told by."""
    conv = solved("01_conv2d", "conv")
    w, dy = np.array([[1.0, 2], [3, 4]])[None, None], np.array([[1.0, 0], [0, 10]])[None, None]
    _, cache = conv.conv2d(np.zeros((1, 1, 3, 3)), w)
    right = conv.conv2d_backward(dy, cache)[0][0, 0]
    turned = conv.conv2d_backward(dy, conv.conv2d(np.zeros((1, 1, 3, 3)), w[..., ::-1, ::-1])[1])[0][0, 0]
    overwritten, moved = right.copy(), np.zeros((3, 3))
    overwritten[1, 1] = 10 * w[0, 0, 0, 0]
    moved[1:, 1:] = right[:-1, :-1]
    made = {"kernel not rotated": turned, "overwritten": overwritten, "right": right, "moved": moved}
    block = (FOLDER / "01_conv2d" / "README.md").read_text().partition("Ada   ")[2].partition("```")[0]
    rows = np.array([list(map(float, line.split())) for line in block.splitlines()[1:4]])
    for k, name in enumerate(("Ada", "Bo", "Cem", "Dora")):
        np.testing.assert_array_equal(rows[:, 3 * k : 3 * k + 3], made[conv.COLLEAGUES[name]], err_msg=name)
