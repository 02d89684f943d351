"""What a trace keeps of a net's passes: targets, maps, gradients, the drawing's places, and the page's data."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from colournet import CLASSES, COLOURS, colournet

from minifcn import models
from minifcn.data import Task
from minifcn.errors import ConfigError
from minifcn.inspection import field_of, tracing
from minifcn.inspection.tracing import maps, packing, passes, scene, targets
from minifcn.inspection.tracing.targets import Target
from minifcn.layers import Conv2d, Dropout
from minifcn.net import Net

LABELS = np.array([[0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [2, 2, 0, 0, 0]])
NAMES = ["background", "cat", "dog"]


@pytest.fixture
def net(rng):
    """FCN-8s with values everywhere, in float32."""
    made = models.build("fcn8s", 3, preset="tiny", rng=rng)
    for name, param in made.params.items():
        if name.startswith("score"):
            param.data[...] = 0.1 * rng.standard_normal(param.data.shape)
    return made


@pytest.fixture
def x(rng):
    return rng.standard_normal((1, 3, 41, 53)).astype(np.float32) * 50


# --- targets ----------------------------------------------------------------------------------------------------------


def test_the_deepest_place_is_farthest_from_the_border(rng):
    region = rng.random((9, 13)) < 0.8
    outside = np.argwhere(~np.pad(region, 1)) - 1
    away = {(y, x): np.abs(outside - (y, x)).sum(axis=1).min() for y, x in np.argwhere(region)}
    y, x = targets.deepest(region)
    assert away[y, x] == max(away.values())
    assert (y, x) == next(place for place, steps in away.items() if steps == max(away.values()))


def test_targets_are_deep_in_the_largest_regions_and_background_is_last():
    found = targets.salient([LABELS], [NAMES], 2)
    assert found == [Target(0, 1, 1, 3), Target(0, 2, 3, 0)]
    assert [t.label for t in targets.salient([LABELS], [NAMES], 3)] == [1, 2, 0]


def test_targets_that_are_asked_for():
    assert targets.asked(["dog", "1"], [(0, 4), (2, 2)], [LABELS], [NAMES], [""]) == [(0, 2, 0, 4), (0, 1, 2, 2)]
    assert targets.asked([], [(3, 1)], [LABELS], [NAMES], [""]) == [(0, 2, 3, 1)]
    assert targets.asked(["cat"], [], [LABELS], [NAMES], [""]) == [(0, 1, 1, 3)]
    both = ([LABELS, LABELS], [NAMES, ["cat", "ground", "sky"]], ["sem", "geo"])
    assert targets.asked(["geo:cat", "sky", "sem:2"], [(0, 0)] * 3, *both) == [(1, 0, 0, 0), (1, 2, 0, 0), (0, 2, 0, 0)]


@pytest.mark.parametrize(
    ("names", "pixels", "told"),
    [
        (["bird"], [], "no such class"),
        (["3"], [], r"a number in\s+0\.\.2"),
        (["dgo"], [], "did you mean 'dog'"),
        (["cat"], [(4, 0)], r"Y in 0\.\.3 and X in 0\.\.4"),
        (["cat", "dog"], [(0, 0)], "2 times, --pixel 1 times"),
    ],
)
def test_targets_that_cannot_be(names, pixels, told):
    with pytest.raises(ConfigError, match=told):
        targets.asked(names, pixels, [LABELS], [NAMES], [""])


def test_a_class_that_is_nowhere_needs_a_pixel():
    with pytest.raises(ConfigError, match=r"no pixel .* cat.*say --pixel.*background, dog"):
        targets.asked(["cat"], [], [np.where(LABELS == 1, 0, LABELS)], [NAMES], [""])


# --- maps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lift", [0, 5])  # with negative values, and without
def test_codes_stand_for_the_values(lift, rng):
    values = (rng.standard_normal((3, 7, 9)) + lift).astype(np.float32)
    values[1] = 0
    made = maps.made((4, 5, 6), values, 1)
    assert made.signed == (lift == 0)
    np.testing.assert_allclose(made.values(), values, atol=0.009 * np.abs(values).max())
    assert (made.values()[1] == 0).all()
    np.testing.assert_array_equal(np.sign(made.values()[values == 0]), 0)
    np.testing.assert_allclose(made.largest, np.abs(values).max(axis=(1, 2)))


def test_what_is_not_finite_counts_as_0():
    made = maps.made((0,), np.array([[[np.nan, 2, -np.inf]]], np.float32), 1)
    np.testing.assert_array_equal(made.values(), [[[0, 2, 0]]])


def test_large_maps_become_means_over_squares(xp, rng):
    blob = rng.standard_normal((1, 5, 10, 7)).astype(np.float32)
    taken = maps.taken(xp.asarray(blob), [3, 0], 5)
    assert (taken.factor, taken.codes.shape, taken.channels) == (2, (2, 5, 4), (3, 0))
    wanted = maps.reduced(blob[0, [3, 0]], 2)
    assert wanted[0, 1, 2] == pytest.approx(blob[0, 3, 2:4, 4:6].mean(), rel=1e-5)
    assert wanted[1, 4, 3] == pytest.approx(blob[0, 0, 8:10, 6].mean(), rel=1e-5)  # at the border, of what is left
    np.testing.assert_allclose(taken.values(), wanted, atol=0.009 * np.abs(wanted).max())
    smaller = taken.smaller(2)
    assert (smaller.factor, smaller.codes.shape) == (8, (2, 2, 1))


def test_fewer_channels_keep_those_that_targets_added():
    made = maps.made((9, 4, 7, 1, 2), np.arange(5, dtype=np.float32)[:, None, None] + 1, 1)
    few = made.fewer(1, of=3)
    assert few.channels == (9, 1, 2)
    np.testing.assert_allclose(few.values()[:, 0, 0], [1, 4, 5])


# --- passes -----------------------------------------------------------------------------------------------------------


def test_a_trace_holds_what_the_passes_made(net, x):
    """Against the same passes with everything kept; ``choose`` is told of the predictions."""
    target = Target(0, 2, 20, 30)
    found = tracing.trace(net, [x], lambda trace: [target], channels=4, side=1000)
    net.training = False
    scores = net.forward(x, keep="all")
    net.zero_grads()
    dy = np.zeros_like(scores)
    dy[0, 2, 20, 30] = 1
    net.backward(dy, keep="all")
    np.testing.assert_array_equal(found.labels[0], scores[0].argmax(axis=0))
    assert found.backward[0].score == pytest.approx(scores[0, 2, 20, 30])
    lasts = {root: name for name, root in passes.roots_of(net).items()}  # whose gradient chooses for the group
    for name, blob in net.blobs.items():
        kept, facts = found.maps[name], found.facts[name]
        channels = list(kept.channels)
        np.testing.assert_allclose(kept.values(), blob[0, channels], atol=0.009 * np.abs(blob).max(), err_msg=name)
        assert facts == pytest.approx((blob.min(), blob.mean(dtype=float), blob.max(), (blob == 0).mean()), rel=1e-5)
        if name in net.diffs:
            back, diff = found.backward[0].maps[name], net.diffs[name]
            assert set(back.channels) <= set(channels)
            np.testing.assert_allclose(
                back.values(), diff[0, list(back.channels)], atol=0.009 * np.abs(diff).max(), err_msg=name
            )
            assert found.backward[0].norms[name] == pytest.approx(np.linalg.norm(diff), rel=1e-4)
            if name in lasts.values():
                assert np.abs(diff[0]).mean(axis=(1, 2)).argmax() in back.channels, name
    for name, param in net.params.items():
        if param.learns:
            assert found.backward[0].norms[name] == pytest.approx(np.linalg.norm(param.grad), rel=1e-3), name


def test_what_no_path_leads_to_from_a_target_has_no_gradient(x, rng):
    """The other task's score layers, and no layer whose gradient only happens to be 0."""
    net = models.build("fcn16s", {"sem": 4, "geo": 3}, preset="tiny", rng=rng)  # scores begin as 0, and so do gradients
    found = tracing.trace(net, [x], lambda trace: [Target(0, 1, 9, 9), Target(1, 1, 9, 9)], channels=2, side=8)
    wanted = [{p.name for p in net.nodes if not p.name.endswith((other, f"{other}c"))} for other in ("_geo", "_sem")]
    for back, reached in zip(found.backward, wanted, strict=True):
        assert set(back.maps) == set(back.thumbs) == reached
        assert {name.rpartition(".")[0] for name in back.norms if "." in name} <= reached
        assert reached <= set(back.norms)


def test_channels_are_the_most_active_and_stay_the_same_through_relu_and_pool(net, x):
    found = tracing.trace(net, [x], lambda trace: [], channels=3, side=8)
    net.forward(x, keep=["relu2_2"])
    wanted = np.argsort(-net.blobs["relu2_2"][0].mean(axis=(1, 2)), kind="stable")[:3].tolist()
    for name in ("conv2_2", "relu2_2", "pool2"):
        assert list(found.maps[name].channels) == wanted, name
    assert list(found.maps["conv3_1"].channels) != wanted


def test_a_trace_leaves_the_net_as_it_was(net, x):
    before = net.state_dict()
    tracing.trace(net, [x], lambda trace: [Target(0, 0, 0, 0)], channels=2, side=8)
    assert net.training
    assert all(param.grad is None for param in net.params.values())
    assert not net.diffs
    assert all((before[name] == param.data).all() for name, param in net.params.items())


def test_gradients_of_weights_go_before_the_next_layer_s(net, x, monkeypatch):
    """Together they would be as large as the weights."""
    most, norm = [], passes._norm

    def counting(array):
        most.append(sum(param.grad is not None for param in net.params.values()))
        return norm(array)

    monkeypatch.setattr(passes, "_norm", counting)
    tracing.trace(net, [x], lambda trace: [Target(0, 0, 0, 0)], channels=1, side=8)
    assert max(most) == 2  # a weight and its bias


def test_nothing_drops_out(x, rng):
    net = Net()
    dropped = net.add("drop", Dropout(0.9, rng), net.input("data", 3))
    net.add("score", Conv2d(3, 2, 1), dropped)
    net.params["score.weight"].data[...] = 1
    found = tracing.trace(net, [x], lambda trace: [Target(0, 1, 9, 8)], channels=3, side=64)
    assert found.backward[0].score == pytest.approx(x[0, :, 9, 8].sum(), rel=1e-5)
    assert found.backward[0].norms["data"] == pytest.approx(3**0.5)


def test_a_trace_where_the_weights_are(xp, x):
    """On each array library: of the small net all that is kept lies on the host."""
    net = colournet()
    given = np.abs(x[:, :, :6, :9])
    wanted = tracing.trace(net, [given], lambda trace: [Target(0, 1, 2, 3)], channels=2, side=16)
    found = tracing.trace(net.to(xp), [xp.asarray(given)], lambda trace: [Target(0, 1, 2, 3)], channels=2, side=16)
    np.testing.assert_array_equal(found.labels[0], wanted.labels[0])
    for name, kept in wanted.maps.items():
        np.testing.assert_array_equal(found.maps[name].codes, kept.codes)
        np.testing.assert_array_equal(found.backward[0].maps[name].codes, wanted.backward[0].maps[name].codes)
    assert found.backward[0].maps["score"].values()[..., 2, 3].tolist() == [
        float(channel == 1) for channel in found.backward[0].maps["score"].channels
    ]


# --- the drawing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "preset"),
    [(name, 4, "tiny") for name in models.NAMES]
    + [(name, {"sem": 4, "geo": 3}, "tiny") for name in models.FCNS]
    + [("googlenet", 4, "googlenet")],  # boxes as thick as published
)
def test_boxes_are_to_scale_follow_the_data_and_keep_apart(name, classes, preset):
    net = models.build(name, classes, preset=preset)
    side = models.family(name).side if name in models.CLASSIFIERS else 161
    drawn = scene.arrange(net, net.shapes(*net.input_shapes((1, 3, side, side))))
    for plate in drawn.plates:
        _, channels, rows, columns = plate.shape
        assert plate.tall == pytest.approx(max(scene.LEAST, rows * drawn.unit))
        assert plate.right == pytest.approx(max(scene.LEAST, columns * drawn.unit) * scene.LEAN)
        assert plate.thick == pytest.approx(max(2, scene.THICK * channels**0.5))
        assert 0 <= plate.x < plate.end <= drawn.width
        assert plate.y - plate.up >= 0 and plate.y + plate.tall <= drawn.height
        for i in plate.inputs:
            assert drawn.plates[i].x < plate.x
    for k, a in enumerate(drawn.plates):
        for b in drawn.plates[k + 1 :]:
            apart = b.x > a.x + a.thick or a.x > b.x + b.thick  # fronts; what leans back may be hidden
            apart = apart or a.y - a.up >= b.y + b.tall or b.y - b.up >= a.y + a.tall
            assert apart, (a.name, b.name)


def _upright(path):
    """The upright lines of an edge's path as (x, top, bottom)."""
    x = y = 0.0
    for letter, numbers in re.findall(r"([MHVq])([-\d., ]+)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if letter == "V":
            yield x, min(y, values[0]), max(y, values[0])
            y = values[0]
        elif letter == "H":
            x = values[0]
        else:
            x, y = values if letter == "M" else (x + values[2], y + values[3])


@pytest.mark.parametrize(
    ("name", "classes", "preset"),
    [
        ("fcn8s", 4, "tiny"),
        ("fcn8s", {"sem": 4, "geo": 3}, "tiny"),
        ("fcn16s-late", 4, "tiny"),
        ("fcn-googlenet-8s", {"sem": 4, "geo": 3}, "tiny"),
        ("googlenet", 4, "googlenet"),
    ],
)
def test_names_are_whole_and_nothing_lies_over_them(name, classes, preset):
    net = models.build(name, classes, preset=preset)
    side = models.family(name).side if name in models.CLASSIFIERS else 161
    drawn = scene.arrange(net, net.shapes(*net.input_shapes((1, 3, side, side))))
    names = {p.name: p.written for p in drawn.plates if p.label}
    lines = [line for path, _ in drawn.edges for line in _upright(path)]
    assert len(names) > 5
    assert any(p.flat for p in drawn.plates) is (name != "googlenet")  # its branches have no room
    for whose, (left, top, right, bottom) in names.items():
        assert left >= 0 and right <= drawn.width and bottom <= drawn.height, whose
        others = [(n, *box) for n, box in names.items() if n != whose]
        others += [(p.name, p.x, p.y - p.up, p.end, p.y + p.tall) for p in drawn.plates if p.name != whose]
        others += [("a line", x, y, x, end) for x, y, end in lines]
        over = [n for n, l, t, r, b in others if l < right and left < r and t < bottom and top < b]
        assert not over, (whose, over)


def test_skips_lie_below_the_trunk_the_shorter_one_nearer():
    net = models.build("fcn8s", 3, preset="tiny")
    lanes = {p.name: p.lane for p in scene.arrange(net, net.shapes((1, 3, 96, 96))).plates}
    assert (lanes["pool4"], lanes["score_pool4"], lanes["score_pool3"], lanes["fuse_pool3"]) == (0, 1, 2, 0)


# --- the page's data --------------------------------------------------------------------------------------------------


def _subject(image):
    return tracing.Subject("colournet", "a.png", image, [Task("", CLASSES, COLOURS)], "minifcn trace", "--out a")


@pytest.mark.parametrize("name", ["fcn8s", "fcn-alexnet", "fcn-googlenet", "fcn32s-late"])
def test_places_in_whole_numbers_see_what_the_coordinates_say(name):
    net = models.build(name, 3, preset="tiny")
    for node in net.nodes:
        place = packing._place(net.coords(node.name))
        for y, x in ((0, 0), (3, 7), (40, 11)):
            along = [
                ((scale * n + low) // below, -((-scale * n - high) // below))
                for n, (scale, _, low, high, below) in ((y, place["y"]), (x, place["x"]))
            ]
            (top, bottom), (left, right) = along
            assert (top, left, bottom, right) == field_of(net, node.name, y, x)
            (scale, shift, *_, below), axis = place["y"], net.coords(node.name).y
            assert Fraction(scale * y + shift, below) == axis.scale * y + axis.shift


def test_a_page_loses_cells_then_channels_until_it_fits(tmp_path, monkeypatch, net, x):
    monkeypatch.setattr(packing, "SIDES", (32, 16, 8))
    monkeypatch.setattr(packing, "LEAST_SIDE", 4)
    image = np.zeros((41, 53, 3), np.uint8)
    found = tracing.trace(net, [x], lambda trace: [Target(0, 1, 9, 9)], channels=6, side=32)
    room, kept = 2_000_000, []
    with pytest.raises(ConfigError, match=r"--max-bytes \d+: the page needs 0\.\d MB even with one channel"):
        while True:
            size, packed = tracing.write(tmp_path / "a.html", net, found, _subject(image), 6, room)
            assert size == (tmp_path / "a.html").stat().st_size <= room
            kept.append((packed.side, packed.channels))
            room = round(0.85 * size)
    assert kept[0] == (32, 6)
    assert kept == sorted(kept, reverse=True)
    assert kept[-1][1] < 6
    assert (tmp_path / "a.html").stat().st_size == size  # the page that was there stays


def test_the_page_holds_the_maps(tmp_path, x):
    net, image = colournet(), np.zeros((41, 53, 3), np.uint8)
    found = tracing.trace(net, [x], lambda trace: [Target(0, 1, 9, 9)], channels=6, side=64)
    tracing.write(tmp_path / "a.html", net, found, _subject(image), 6, 10**6)
    text = (tmp_path / "a.html").read_text()
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    assert [layer["name"] for layer in data["layers"]] == ["data", "score"]
    score = data["layers"][1]
    assert score["maps"]["labels"] == [CLASSES[c] for c in score["maps"]["channels"]]
    assert score["facts"] == pytest.approx([float(f"{v:.5g}") for v in found.facts["score"]])
    seen = data["layers"][0]["maps"]
    assert seen["labels"] == [("blue", "green", "red")[c] for c in seen["channels"]]
    (target,) = data["targets"]
    assert (target["name"], target["y"], target["x"]) == ("green", 9, 9)
    assert target["norms"]["score.weight"] == pytest.approx(np.linalg.norm(x[0, :, 9, 9]), rel=1e-3)
    assert sum(each["share"] for each in data["tasks"][0]["classes"]) == pytest.approx(1)


def test_roots_end_where_channels_are_made(net):
    roots = passes.roots_of(net)
    assert roots["pool3"] == "conv3_3"
    assert roots["fuse_pool4"] == roots["upscore2c"] == "upscore2"
    assert roots["conv3_1"] == "conv3_1"
