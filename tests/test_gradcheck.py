"""The gradient check on right code, on wrong code, and on itself."""

import doctest
import sys

import numpy as np
import pytest

from minifcn import gradcheck, models, ops
from minifcn.errors import ShapeError
from minifcn.gradcheck import __main__ as command
from minifcn.gradcheck import cases, subjects
from minifcn.gradcheck.modules import filled
from minifcn.gradcheck.mutants import MUTANTS, Mutant, bookkeeping, conv
from minifcn.layers import Add, Conv2d, Dropout, ReLU

gradcheck_check = sys.modules["minifcn.gradcheck.check"]  # the module; the package gives the function that name

# --- right code passes, wrong code does not ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases.CASES, ids=str)
def test_every_operation_passes_every_case(case, xp):
    report = case.check(xp)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", subjects.LAYERS)
def test_every_layer_passes(name, xp):
    for report in subjects.SUBJECTS[name](xp, 1):
        assert report.passed, str(report)


WHOLE = [
    "every-layer",
    "fcn8s",
    "fcn8s-nonlinear",
    "fcn16s-dense",
    "fcn-alexnet",
    "fcn8s-rgbd",
    "two-tasks",
]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_nets_pass_from_end_to_end(name):
    for report in subjects.SUBJECTS[name](np, 1):
        assert report.passed, str(report)
        assert not any(row.note for row in report.rows), "a gradient that is zero everywhere shows nothing"


def test_every_fcn_can_be_checked_by_its_name(capsys):
    assert set(models.FCNS) <= {*subjects.SUBJECTS, *subjects.ON_REQUEST}
    assert command.main(["fcn32s-hha", "--no-mutants"]) == 0
    assert "33 of 33 gradients pass" in capsys.readouterr().out


def test_a_net_passes_on_every_backend(xp):
    for report in subjects.SUBJECTS["every-layer"](xp, 2):
        assert report.passed, str(report)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.op}: {m.name}")
def test_every_mutant_is_caught(mutant):
    assert mutant.caught_by() is not None, mutant.description


def test_there_are_mutants_of_every_operation_and_each_says_what_is_wrong():
    assert {mutant.op for mutant in MUTANTS} >= {case.op for case in cases.CASES}
    assert len({(mutant.op, mutant.name) for mutant in MUTANTS}) == len(MUTANTS) >= 20
    assert all(len(mutant.description) > 20 for mutant in MUTANTS)


def test_mutants_are_caught_for_what_is_wrong_with_them(rng):
    """The same machinery without the mistake passes."""
    for case in cases.CONV:

        def backward(dy, cache):
            return (conv._stamp(dy, cache), *ops.conv2d_backward(dy, cache)[1:])

        assert case.check(backward=backward).passed, str(case)
    net = bookkeeping._skip_net(Add(), ReLU())
    filled(net.params, rng)
    assert gradcheck.check_net(net, rng.normal(size=(2, 3, 4, 5))).passed


# --- the cases --------------------------------------------------------------------------------------------------------


def test_the_axes_of_the_cases_differ():
    """N, C, H, W all different in most cases: swapped axes show."""
    shapes = [next(iter(case.shapes.values())) for case in cases.CASES]
    assert np.mean([len(set(shape)) == 4 for shape in shapes]) > 0.6
    assert any(shape[0] == 1 for shape in shapes)


def test_spaced_inputs_keep_their_distance(rng):
    x = cases.spaced(rng, (2, 3, 4, 5))
    gaps = np.diff(np.sort(x.ravel()))
    assert gaps.min() > 2.1e-2  # more than two steps of 1e-2
    assert np.abs(x).min() > 1.1e-2


# --- check ------------------------------------------------------------------------------------------------------------


def double(x):
    return x * 2, None


def test_a_right_gradient_passes_and_a_wrong_one_shows_its_relative_error(rng):
    x = {"x": rng.normal(size=(3, 4))}
    assert gradcheck.check(double, lambda dy, _: (dy * 2,), x, linear=True).passed
    report = gradcheck.check(double, lambda dy, _: (dy * 2.002,), x, linear=True, name="double", case="off by 0.1 %")
    (row,) = report.rows
    assert not report.passed
    assert report.failures == (row,)
    assert (row.op, row.case, row.array) == ("double", "off by 0.1 %", "x")
    assert row.error == pytest.approx(1e-3, rel=0.01)


def test_one_wrong_element_of_many_is_found_along_random_directions(rng):
    def backward(dy, _):
        dx = dy * 2
        dx[17, 40] += 0.1
        return (dx,)

    report = gradcheck.check(double, backward, {"x": rng.normal(size=(50, 60))}, linear=True)
    assert not report.passed


def test_dy_is_not_ones(rng):
    """A backward that moves dy about is right for ones only."""
    assert not gradcheck.check(double, lambda dy, _: (dy[::-1] * 2,), {"x": rng.normal(size=(3, 4))}).passed


def test_only_the_array_with_the_wrong_gradient_fails(rng):
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    report = gradcheck.check(lambda a, b: (a * b, (a, b)), lambda dy, c: (dy * c[1], dy), {"a": a, "b": b}, linear=True)
    assert [row.passed for row in report.rows] == [True, False]


def test_a_kink_near_the_input_does_not_fail_a_right_gradient():
    x = np.array([[3e-6, -1.0, 2.0]])  # within the first step of 1e-5, not within the next
    assert gradcheck.check(ops.relu, ops.relu_backward, {"x": x}).passed


def test_steps_are_small_beside_the_values_and_not_beside_one(rng):
    """Pixels count in hundreds: a step of 1e-6 would drown the difference in rounding."""
    x = 1e6 * rng.normal(size=(3, 4))
    report = gradcheck.check(lambda x: (x**3, x), lambda dy, x: (3 * dy * x**2,), {"x": x}, step=1e-6, tolerance=1e-8)
    assert report.passed, str(report)


def test_none_claims_a_zero_gradient(rng):
    x = {"a": rng.normal(size=3), "b": rng.normal(size=3)}
    report = gradcheck.check(lambda a, b: (a * 3, None), lambda dy, _: (dy * 3, None), x)
    assert report.passed
    report = gradcheck.check(lambda a, b: (a * 3 + b, None), lambda dy, _: (dy * 3, None), x)
    assert [row.passed for row in report.rows] == [True, False]
    assert "none came back" in report.failures[0].note


@pytest.mark.parametrize("wrong", [lambda dy: dy[:, :-1], lambda dy: dy.astype(np.float32), lambda dy: dy[None]])
def test_a_gradient_of_the_wrong_shape_or_dtype_fails(wrong, rng):
    report = gradcheck.check(double, lambda dy, _: (wrong(dy * 2),), {"x": rng.normal(size=(3, 4))})
    assert report.rows[0].error == np.inf
    assert "(3, 4) float64" in report.rows[0].note


def test_nan_fails(rng):
    assert not gradcheck.check(double, lambda dy, _: (dy * np.nan,), {"x": rng.normal(size=(3, 4))}).passed


MISUSE = {
    "float32": (double, lambda dy, _: (dy,), {"x": np.ones(3, np.float32)}, "x is float32.*astype"),
    "too many": (double, lambda dy, _: (dy, dy), {"x": np.ones(3)}, "tuple of 1 gradients.*of x; got 2"),
    "no tuple": (double, lambda dy, _: dy, {"x": np.ones(3)}, "tuple of 1 gradients.*got ndarray"),
    "no cache": (lambda x: x * 2, lambda dy, _: (dy,), {"x": np.ones(3)}, r"must return \(y, cache\), got ndarray"),
    "dtype": (lambda x: (x.astype(np.float32), None), lambda dy, _: (dy,), {"x": np.ones(3)}, "float32 came out"),
}


@pytest.mark.parametrize("what", MISUSE)
def test_misuse_is_told(what):
    function, backward, arrays, told = MISUSE[what]
    with pytest.raises(ShapeError, match=told):
        gradcheck.check(function, backward, arrays)


def test_arrays_may_come_without_names(rng):
    report = gradcheck.check(lambda a, b: (a - b, None), lambda dy, _: (dy, -dy), [rng.normal(size=3)] * 2, linear=True)
    assert report.passed
    assert [row.array for row in report.rows] == ["x0", "x1"]


@pytest.mark.parametrize("module", [gradcheck, gradcheck_check], ids=lambda m: m.__name__)
def test_the_examples_run(module):
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_input_is_left_alone(rng):
    x = rng.normal(size=(3, 4))
    before = x.copy()
    gradcheck.check(double, lambda dy, _: (dy * 2,), {"x": x})
    np.testing.assert_array_equal(x, before)


def test_a_report_of_nothing_has_not_passed():
    assert not gradcheck.Report().passed


def test_a_report_prints_a_table_and_adds_up():
    good = gradcheck.Report((gradcheck.Row("relu", "small", "x", 1e-12, 1e-9),))
    bad = gradcheck.Report((gradcheck.Row("relu", "large", "x", 0.5, 1e-9, "look here"),))
    head, _, first, second = str(good + bad).splitlines()
    assert head.split() == ["op", "case", "array", "error", "tolerance", "pass"]
    assert first.split() == ["relu", "small", "x", "1.0e-12", "1e-09", "yes"]
    assert second.split() == ["relu", "large", "x", "5.0e-01", "1e-09", "NO", "look", "here"]
    assert good.passed
    assert not (good + bad).passed


# --- layers and nets --------------------------------------------------------------------------------------------------


def test_a_checked_layer_is_as_it_was(rng):
    layer = Conv2d(3, 4, 3)
    layer.params["weight"].data = data = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    before = data.copy()
    assert gradcheck.check_layer(layer, rng.normal(size=(2, 3, 5, 4)), linear=True).passed
    assert layer.params["weight"].data is data
    np.testing.assert_array_equal(data, before)
    assert layer.params["weight"].grad is None


def test_a_checked_layer_names_its_parameters_and_leaves_fixed_ones_out(rng):
    layer = Conv2d(3, 4, 3)
    filled(layer.params, rng)
    layer.params["bias"].lr_mult = 0.0
    report = gradcheck.check_layer(layer, rng.normal(size=(2, 3, 5, 4)))
    assert [row.array for row in report.rows] == ["x", "weight"]


def test_dropout_draws_the_same_mask_throughout_and_its_generator_is_put_back(rng):
    generator = np.random.default_rng(9)
    expected = np.random.default_rng(9).random()
    assert gradcheck.check_layer(Dropout(0.5, generator), rng.normal(size=(2, 3, 5, 4)), linear=True).passed
    assert generator.random() == expected


def test_a_checked_net_is_as_it_was(rng):
    net = subjects.every_layer()
    filled(net.params, rng)
    net.astype(np.float32)
    before = net.state_dict()
    assert gradcheck.check_net(net, rng.normal(size=(1, 3, 5, 7)), directions=1).passed
    assert all(param.grad is None and param.data.dtype == np.float32 for param in net.params.values())
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_the_table_and_counts_mutants(capsys):
    assert command.main(["crop", "Crop"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["op", "case", "array", "error", "tolerance", "pass"]
    assert "4 of 4 gradients pass" in out
    assert "2 of 2 mutants caught" in out


def test_the_command_can_leave_mutants_out_and_change_the_seed(capsys):
    assert command.main(["local_response_norm", "--no-mutants"]) == 0
    first = capsys.readouterr().out
    assert "mutants" not in first
    assert command.main(["local_response_norm", "--no-mutants", "--seed", "3"]) == 0
    second = capsys.readouterr().out
    assert first.splitlines()[2:7] != second.splitlines()[2:7]  # other inputs, other errors


def test_a_failure_gives_1(capsys, monkeypatch):
    monkeypatch.setattr(ops, "crop_backward", lambda dy, cache: (np.ones(cache.shape),))
    assert command.main(["crop", "--no-mutants"]) == 1
    out = capsys.readouterr().out
    assert "0 of 3 gradients pass" in out
    assert " NO" in out


def test_a_surviving_mutant_gives_1_and_is_named(capsys, monkeypatch):
    harmless = Mutant("crop", "nothing wrong", "It is right.", lambda xp, seed: (c.check(xp) for c in cases.of("crop")))
    monkeypatch.setattr(command, "MUTANTS", (harmless,))
    assert command.main(["crop"]) == 1
    assert "SURVIVED  crop: nothing wrong. It is right." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "told"),
    [(["maxpool2d"], "did you mean 'max_pool2d'"), (["--sed", "1"], "--seed"), (["--seed", "-1"], "negative")],
)
def test_bad_arguments_give_2_and_a_hint(argv, told, capsys):
    assert command.main(argv) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for word in ("max_pool2d", "ConvTranspose2d", "fcn8s", "mutants", "exit status", "gradcheck.check("):
        assert word in out


def test_working_in_place_is_told_not_measured():
    """A leaky ReLU whose backward forgets the slope would measure itself against its own overwritten dy, and pass."""
    x = np.random.default_rng(0).normal(size=(2, 3, 4))

    def leaky(x):
        return np.where(x > 0, x, 0.1 * x), x > 0

    with pytest.raises(ShapeError, match="backward changed dy in place"):
        gradcheck.check(leaky, lambda dy, m: (np.multiply(dy, m, out=dy),), {"x": x})
    assert not gradcheck.check(leaky, lambda dy, m: (dy * m,), {"x": x}).passed
    with pytest.raises(ShapeError, match="changed x in place"):
        gradcheck.check(lambda x: (np.multiply(x, 2, out=x), None), lambda dy, _: (2 * dy,), {"x": x})


def test_small_values_and_nothing_at_all():
    x = 1e-6 * np.random.default_rng(0).normal(size=(3, 4))
    assert gradcheck.check(lambda x: (x**3, x), lambda dy, x: (3 * x**2 * dy,), {"x": x}).passed
    assert not gradcheck.check(lambda x: (x**3, x), lambda dy, x: (2 * x**2 * dy,), {"x": x}).passed
    with pytest.raises(ShapeError, match="x is empty"):
        gradcheck.check(double, lambda dy, _: (dy * 2,), {"x": np.zeros((0, 3))})
    with pytest.raises(ShapeError, match="expected the arrays by name"):
        gradcheck.check(double, lambda dy, _: (dy * 2,), x)
