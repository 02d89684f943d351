"""The solved assignments against minifcn itself: two implementations, written apart, of the same contracts."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from minifcn import coords, init, metrics, models, ops, optim
from minifcn.course.assignment import FOLDER, Assignment
from minifcn.errors import ShapeError
from minifcn.gradcheck import cases, check
from minifcn.layers import Crop


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


def assert_agrees(case: cases.Case, forward, backward, options: dict, xp_op: str) -> None:
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
    assert_agrees(case, conv.conv2d, conv.conv2d_backward, square(case.options), "conv2d")


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
    told = figures("01_conv2d", "Ada ", 3)
    for k, name in enumerate(("Ada", "Bo", "Cem", "Dora")):
        np.testing.assert_array_equal(told[:, 3 * k : 3 * k + 3], made[conv.COLLEAGUES[name]], err_msg=name)


POOL = [c for c in cases.of("max_pool2d") if square(c.options) and not {"dilation", "overhang"} & set(c.options)]


@pytest.mark.parametrize("case", [*POOL, *cases.of("relu")], ids=str)
def test_max_pool2d_and_relu(case):
    pool = solved("02_pool_relu", "pool")
    assert_agrees(case, getattr(pool, case.op), getattr(pool, f"{case.op}_backward"), square(case.options), case.op)


def test_the_colleagues_of_assignment_2_did_what_the_solution_says():
    pool = solved("02_pool_relu", "pool")
    x, dy = np.array([[1.0, 5, 2], [4, 3, 0], [7, 6, 8]])[None, None], np.array([[1.0, 2], [3, 4]])[None, None]
    _, cache = pool.max_pool2d(x, 2, 1)
    right = pool.max_pool2d_backward(dy, cache)[0][0, 0]
    overwritten, shared = right.copy(), np.zeros((3, 3))
    overwritten[0, 1] = dy[0, 0, 0, 1]  # the pixel that wins twice
    for p in range(2):
        for q in range(2):
            shared[p : p + 2, q : q + 2] += dy[0, 0, p, q] / 4
    made = {"shared by the window": shared, "right": right, "overwritten": overwritten}
    told = figures("02_pool_relu", "Ada ", 3)
    for k, name in enumerate(("Ada", "Bo", "Cem")):
        np.testing.assert_array_equal(told[:, 3 * k : 3 * k + 3], made[pool.COLLEAGUES[name]], err_msg=name)

    x, dy = np.array([-1.0, 2, 3, -4]), np.array([5.0, -6, 7, -8])
    right = pool.relu_backward(dy, pool.relu(x)[1])[0]
    made = {"gradient of |x|": np.sign(x) * dy, "mask from dy": dy * (dy > 0), "right": right}
    (told,) = figures("02_pool_relu", "Dora ", 1)
    for k, name in enumerate(("Dora", "Eli", "Fay")):
        np.testing.assert_array_equal(told[4 * k : 4 * k + 4], made[pool.COLLEAGUES[name]], err_msg=name)


UP = [
    c for c in cases.of("conv_transpose2d") if square(c.options) and not {"output_padding", "groups"} & set(c.options)
]
EQUAL_SUMS = [c for c in cases.of("add") if "coefficients" not in c.options]


@pytest.mark.parametrize("case", [*UP, *EQUAL_SUMS, *cases.of("crop")], ids=str)
def test_conv_transpose2d_crop_and_add(case):
    upsample = solved("03_upsampling", "upsample")
    options = case.options if case.op == "crop" else square(case.options)
    assert_agrees(case, getattr(upsample, case.op), getattr(upsample, f"{case.op}_backward"), options, case.op)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 16, 63, 64])
def test_bilinear_filter(size):
    np.testing.assert_array_equal(solved("03_upsampling", "upsample").bilinear_filter(size), init.bilinear_filter(size))


def test_the_colleagues_of_assignment_3_did_what_the_solution_says():
    upsample = solved("03_upsampling", "upsample")
    x, w = np.array([[1.0, 0], [0, 10]])[None, None], np.array([[1.0, 2], [3, 4]])[None, None]
    right = upsample.conv_transpose2d(x, w)[0][0, 0]
    overwritten = right.copy()
    overwritten[1, 1] = 10 * w[0, 0, 0, 0]
    turned = upsample.conv_transpose2d(x, w[..., ::-1, ::-1])[0][0, 0]
    made = {"kernel turned": turned, "right": right, "overwritten": overwritten}
    told = figures("03_upsampling", "Ada ", 3)
    for k, name in enumerate(("Ada", "Bo", "Cem")):
        np.testing.assert_array_equal(told[:, 3 * k : 3 * k + 3], made[upsample.COLLEAGUES[name]], err_msg=name)
    dy = np.array([[1.0, 2], [3, 4]])[None, None]
    put = {
        words: upsample.crop_backward(dy, upsample.crop(np.zeros((1, 1, 4, 4)), at, (2, 2))[1])[0][0, 0]
        for words, at in {"offset forgotten": (0, 0), "cropped at the centre": (1, 1)}.items()
    }
    told = figures("03_upsampling", "Dora ", 4)
    for k, name in enumerate(("Dora", "Eli")):
        np.testing.assert_array_equal(told[:, 4 * k : 4 * k + 4], put[upsample.COLLEAGUES[name]], err_msg=name)


LOSS = [c for c in cases.of("softmax_cross_entropy") if not {"class_weights", "mask"} & set(c.options)]


@pytest.mark.parametrize("case", LOSS, ids=str)
def test_softmax_cross_entropy(case):
    loss = solved("04_loss", "loss")
    options = dict(case.options)
    labels = options.pop("labels")
    scores = case.arrays(np.random.default_rng(3))["scores"]
    value, cache = loss.softmax_cross_entropy(scores, labels, **options)
    wanted, known = ops.softmax_cross_entropy(scores, labels, **options)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    (mine,), (theirs,) = (
        loss.softmax_cross_entropy_backward(-0.7, cache),
        ops.softmax_cross_entropy_backward(-0.7, known),
    )
    np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_measures(seed):
    loss = solved("04_loss", "loss")
    rng = np.random.default_rng(seed)
    truth, prediction = rng.integers(0, 3 + seed % 2, (9, 7)), rng.integers(0, 5, (9, 7))
    truth[rng.random(truth.shape) < 0.3] = 255
    known = metrics.ConfusionMatrix(6)
    known.update(truth, prediction)
    matrix = loss.confusion(truth, prediction, 6)
    np.testing.assert_array_equal(matrix, known.matrix)
    scores = known.scores()
    wanted = [scores.pixel_accuracy, scores.mean_accuracy, scores.mean_iu, scores.frequency_weighted_iu]
    np.testing.assert_allclose([*loss.measures(matrix).values()], wanted)


def test_the_colleagues_of_assignment_4_did_what_the_solution_says():
    loss = solved("04_loss", "loss")
    scores = np.log([[0.75, 0.25], [0.75, 0.25]]).T[None, :, :, None]  # (1, 2 classes, 2 pixels, 1)
    labels = np.array([[[0], [255]]])

    def slope(labels: np.ndarray) -> np.ndarray:
        _, cache = loss.softmax_cross_entropy(scores, labels, reduction="mean")
        return loss.softmax_cross_entropy_backward(1.0, cache)[0][0, :, :, 0].T.ravel()

    right, counted = slope(labels), slope(np.zeros_like(labels))
    made = {"right": right, "divided by all pixels": right / 2, "ignored pixels counted": counted}
    made["label not subtracted"] = right + np.array([1, 0, 0, 0])
    told = {
        line.split()[0]: [*map(float, line.split()[1:])] for line in block("04_loss", "second pixel\n").splitlines()[:4]
    }
    for name, values in told.items():
        np.testing.assert_allclose(values, made[loss.COLLEAGUES[name]], atol=1e-12, err_msg=name)
    pairs = [([0, 0, 0, 1], [0, 0, 0, 0]), ([0, 1, 1, 1], [0, 1, 1, 1])]
    each = [loss.measures(loss.confusion(*map(np.array, pair), 2))["mean_iu"] for pair in pairs]
    assert loss.COLLEAGUES["Eli"] == "averaged over pictures"
    assert f"Eli          {np.mean(each)}\n" in block("04_loss", "second pixel\n")


def block(assignment: str, after: str) -> str:
    """What follows `after` in an assignment's README, to the end of the code block."""
    return (FOLDER / assignment / "README.md").read_text(encoding="utf-8").partition(after)[2].partition("```")[0]


def figures(assignment: str, after: str, rows: int) -> np.ndarray:
    """The numbers in the lines that follow the one that begins with `after`."""
    return np.array(
        [[*map(float, line.split())] for line in block(assignment, f"\n{after}").splitlines()[1 : rows + 1]]
    )


@pytest.fixture
def own_files(monkeypatch, tmp_path):
    """A student's folder of assignment 6 with all of it solved, in front of everything else."""
    assignment = Assignment("06_fcn8s")
    for name, content in assignment.handout().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, source in assignment.solved.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    return tmp_path


LIKE_MINIFCN = """
import sys
import numpy as np

import fcn
from minifcn.trunk import TINY

stride, height, width = map(int, sys.argv[1:4])
net = fcn.assemble(stride, 7, TINY, np.random.default_rng(0))
with np.load("given.npz") as given:
    for name, param in net.params.items():
        value = given[name]
        if "upscore" in name:  # one filter for each class: minifcn keeps the diagonal alone
            dense = np.zeros_like(param.data)
            dense[range(7), range(7)] = value[:, 0]
            value = dense
        assert value.shape == param.data.shape, name
        param.data = value.astype(np.float64)
    velocity = {}
    losses = [
        fcn.train_step(net, velocity, given["images"], given["labels"], 0.02, 0.9, 0.01) for _ in range(2)
    ]
    scores = net.forward(given["images"])
made = {name: param.data for name, param in net.params.items() if param.lr_mult}
np.savez("made.npz", losses=losses, scores=scores, **made)
"""


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_assignment_6_trains_the_net_that_minifcn_trains(stride, own_files):
    """The same weights, pictures and updates: losses, scores and all weights, from two engines written apart."""
    rng = np.random.default_rng(5)
    net = models.build(f"fcn{stride}s", num_classes=7, preset="tiny", rng=rng).astype(np.float64)
    for name, param in net.params.items():
        if name.startswith("score_"):
            param.data = rng.normal(size=param.data.shape)
    images, labels = rng.normal(size=(2, 3, 40, 48)), rng.integers(0, 7, (2, 40, 48)).astype(np.uint8)
    labels[:, 5:9, 7:30] = 255
    np.savez(own_files / "given.npz", images=images, labels=labels, **net.state_dict())
    (own_files / "run.py").write_text(LIKE_MINIFCN)
    command = [sys.executable, "-B", "run.py", str(stride), "40", "48"]
    subprocess.run(command, cwd=own_files, check=True, env={**os.environ, "PYTHONPATH": ""})

    sgd, losses = optim.MomentumSGD(net.params, lr=0.02, momentum=0.9, weight_decay=0.01), []
    for _ in range(2):
        scores = net.forward(64 * images)  # minifcn's tiny net divides its input itself
        value, cache = ops.softmax_cross_entropy(scores, labels, reduction="mean")
        net.zero_grads()
        net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
        sgd.step()
        losses.append(float(value))
    with np.load(own_files / "made.npz") as made:
        np.testing.assert_allclose(made["losses"], losses, rtol=1e-9)
        np.testing.assert_allclose(made["scores"], net.forward(64 * images), rtol=1e-6, atol=1e-8)
        learned = [name for name, param in net.params.items() if param.learns]
        assert sorted({*made.files} - {"losses", "scores"}) == sorted(learned)
        for name in learned:
            np.testing.assert_allclose(made[name], net.params[name].data, rtol=1e-7, atol=1e-9, err_msg=name)


def answers(assignment: str) -> dict:
    """The last value that each name in capitals is given in a solved file: read, not run."""
    found = {}
    (file,) = {name for name in Assignment(assignment).files if (FOLDER / assignment / name).exists()}
    for node in ast.parse((FOLDER / assignment / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = eval(compile(ast.Expression(node.value), file, "eval"), {})
    return found


def test_the_predictions_of_assignment_1_are_what_its_solution_computes():
    said, conv = answers("01_conv2d"), solved("01_conv2d", "conv")
    assert said["FIRST_ROWS"] == conv.output_size(612, 5, 2, 33)
    y, cache = conv.conv2d(np.zeros((1, 1, 9, 9)), np.ones((1, 1, 5, 5)), stride=2, padding=2)
    seen = conv.conv2d_backward(np.ones_like(y), cache)[0][0, 0]
    assert said["SEEN_BY"] == (seen[0, 0], seen[4, 4], seen[4, 5])
    columns = 48 * 5 * 5 * conv.output_size(100, 5, 1, 2) * conv.output_size(80, 5, 1, 2)
    assert said["COST"] == (96 * columns, columns)


def test_the_predictions_of_assignment_2_are_what_its_solution_computes():
    said, pool = answers("02_pool_relu"), solved("02_pool_relu", "pool")
    for name, ceil_mode in (("POOLS", True), ("POOLS_FLOOR", False)):
        rows = [500]
        for _ in range(5):
            rows.append(pool.pool_size(rows[-1], 3, 2, 0, ceil_mode))
        assert said[name] == tuple(rows[1:])
    for stride, most in zip((2, 3), said["MOST_WINS"], strict=True):
        wins = []
        for i, j in np.ndindex(stride, stride):  # a pixel that is larger than all others wins wherever it is seen
            x = np.zeros((1, 1, 20, 20))
            x[0, 0, 8 + i, 8 + j] = 1
            wins.append(pool.max_pool2d(x, 5, stride)[0].sum())
        assert max(wins) == most


def test_the_predictions_of_assignment_3_are_what_its_solution_computes():
    said, upsample = answers("03_upsampling"), solved("03_upsampling", "upsample")

    def up(x, kernel, stride):
        return upsample.conv_transpose2d(x, np.ones((1, 1, kernel, kernel)), stride=stride)[0]

    x = np.ones((1, 1, 16, 16))
    assert said["ROWS"] == (len(up(x, 48, 24)[0, 0]), len(up(up(up(x, 6, 3), 4, 2), 8, 4)[0, 0]))
    six, five = (up(x, kernel, 2)[0, 0, 8:-8, 8:-8] for kernel in (6, 5))
    assert six.min() == six.max()
    assert said["STAMPS"] == (six.max(), five.min(), five.max())
    ones = upsample.conv_transpose2d(x, upsample.bilinear_filter(8)[None, None].astype(float), stride=4)[0][0, 0]
    assert said["OF_ONES"] == (ones[0, 0], ones[30, 30])


def test_the_predictions_of_assignment_4_are_what_its_solution_computes():
    said, loss = answers("04_loss"), solved("04_loss", "loss")
    value, cache = loss.softmax_cross_entropy(np.zeros((1, 60, 1, 1)), np.zeros((1, 1, 1), int))
    gradient = loss.softmax_cross_entropy_backward(1.0, cache)[0].ravel()
    assert said["FIRST_LOSS"] == round(float(value), 3)
    assert said["FIRST_GRADIENT"] == tuple(np.round(gradient[:2], 4))
    np.testing.assert_allclose(said["RATE_OF_THE_MEAN"], 2e-10 * 640 * 480 * 0.75, rtol=1e-12)
    truth = np.array([0] * 8 + [1, 2])
    found = loss.measures(loss.confusion(truth, np.zeros(10, int), 3))
    names = ("pixel_accuracy", "mean_accuracy", "mean_iu")
    assert said["ALL_BACKGROUND"] == tuple(round(found[name], 4) for name in names)


def test_the_predictions_of_assignment_5_are_what_its_solution_computes():
    said, dag = answers("05_dag"), solved("05_dag", "dag")
    reads = {
        "conv1_1": ["data"],
        "pool2": ["conv1_1"],
        "conv3_1": ["pool2"],
        "upscore": ["conv3_1"],
        "score_pool2": ["pool2"],
        "upcrop": ["upscore", "score_pool2"],
        "sum": ["upcrop", "score_pool2"],
        "up": ["sum"],
        "score": ["up", "data"],
    }
    counted = [sum(name in read for read in reads.values()) for name in ("pool2", "score_pool2", "upscore", "data")]
    assert said["READERS"] == tuple(counted)

    param, velocity, moves = SimpleNamespace(data=np.zeros(1), grad=np.ones(1), lr_mult=1.0, decay_mult=1.0), {}, []
    outside = outside_v = 0.0
    for step in range(201):
        before, rate = param.data.copy(), 0.5 if step < 200 else 0.05
        dag.momentum_step({"w": param}, velocity, rate, momentum=0.8)
        moves.append(round(float(before[0] - param.data[0]), 9))
        outside_v = 0.8 * outside_v + 1
        outside = round(rate * outside_v, 9)
    assert said["MOVES"] == (moves[0], moves[1], moves[199])
    assert said["AFTER_THE_FALL"] == (moves[200], outside)


def test_the_predictions_of_assignment_6_are_what_the_engine_derives():
    """Of nets that minifcn has no preset of, so that no command of it prints them."""
    said = answers("06_fcn8s")

    def window(kernel, stride=1, padding=0):
        return coords.window((kernel,) * 2, (stride,) * 2, (padding,) * 2)

    def up(kernel, stride):
        return coords.transposed_window((kernel,) * 2, (stride,) * 2, (0, 0))

    def trunk(padding, pool, fc6):
        at, taps = window(3, 1, padding), {}
        for stage in range(1, 6):
            at = taps[f"pool{stage}"] = window(*pool).after(at)
        return taps, window(*fc6).after(at)

    def crop(blob, like):
        return coords.crop_offset(blob, like, "crop")[0]

    (taps, fc7), found = trunk(90, (2, 2), (5,)), []
    at = up(4, 2).after(fc7)
    found.append(crop(taps["pool4"], at))
    at = up(4, 2).after(at)
    found.append(crop(taps["pool3"], at))
    found.append(crop(up(16, 8).after(at), coords.IDENTITY))
    assert said["SMALL_FC6"] == tuple(found)

    (taps, fc7), found = trunk(1, (3, 2, 1), (7, 1, 3)), []
    found.append(crop(up(3, 2).after(fc7), taps["pool4"]))
    found.append(crop(up(3, 2).after(taps["pool4"]), taps["pool3"]))
    found.append(crop(up(15, 8).after(taps["pool3"]), coords.IDENTITY))
    assert said["WIDE_POOLS"] == tuple(found)

    least = said["LEAST_PADDING"]
    assert crop(up(64, 32).after(trunk(least, (2, 2), (5,))[1]), coords.IDENTITY) == 0
    with pytest.raises(ShapeError):
        crop(up(64, 32).after(trunk(least - 1, (2, 2), (5,))[1]), coords.IDENTITY)


def test_the_crops_that_assignment_6_asks_for_are_those_of_minifcn():
    net = models.build("fcn8s", preset="tiny")
    offsets = [layer.offset[0] for layer in net.layers.values() if isinstance(layer, Crop)]
    with (FOLDER / "06_fcn8s" / "key.md").open(encoding="utf-8") as key:
        told = re.search(
            r"\(15/2 \+ 17/2\) / 16 = (\d); .*: (\d); upscore8 .*: (\d) \(2\)", " ".join(key.read().split())
        )
    assert told and [*map(int, told.groups())] == offsets


COLLEAGUES_6 = """
import json
import sys

import numpy as np

sys.path.insert(0, ".")
import fcn
from minifcn.data.shapes import Shapes

widths = (2, 3, 3, 4, 4, 5)
net, velocity, losses = fcn.assemble(8, 7, widths, np.random.default_rng(0)).astype(np.float64), {}, []
samples = [Shapes("train", 64, 64, 64)[k] for k in range(4)]
images = np.stack([(s.image[:, :, ::-1].transpose(2, 0, 1) - 110.0) / 64 for s in samples])
for step in range(10):
    losses.append(fcn.train_step(net, velocity, images, np.stack([s.label for s in samples]), 0.05))
left = fcn.transplant(net, fcn.assemble(16, 7, widths, np.random.default_rng(1)))
print(*(f"{value:.3f}" for value in losses[::3]), ", ".join(left), sep="  ")
"""


@pytest.mark.parametrize("name", ["Ada", "Bo", "Cem"])
def test_the_colleagues_of_assignment_6_forgot_what_the_solution_says(name, own_files):
    source = (own_files / "fcn.py").read_text(encoding="utf-8")
    forgot = {
        "the bilinear weights": {"upsample.bilinear_filter(2 * factor)": "0"},
        "pool3": {
            "        fine = _score(": "        if skip == 'pool3':\n            name = ''\n            continue\n"
            "        fine = _score(",
            "Crop(stride // 2), h, data": "Crop(12 if stride == 8 else stride // 2), h, data",
        },
        "nothing": {},
    }
    said = ast.literal_eval(re.findall(r"^COLLEAGUES = (.*)$", source, re.MULTILINE)[1])[name]
    for old, new in forgot[said].items():
        assert source.count(old) == 1
        source = source.replace(old, new)
    (own_files / "fcn.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-B", "-c", COLLEAGUES_6], cwd=own_files, check=True, capture_output=True, text=True
    )
    (told,) = re.findall(rf"^{name} +(.*)$", (FOLDER / "06_fcn8s" / "README.md").read_text(), re.MULTILINE)
    assert done.stdout.split() == told.split()
