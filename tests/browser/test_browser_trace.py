"""`minifcn trace` in Chromium, from the disk: clicked, pointed at, walked through by keyboard, at default settings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minifcn import inference, models, trace, weights
from minifcn.data import to_blob
from minifcn.inspection import bounded, field_of

pytestmark = pytest.mark.browser

HEIGHT, WIDTH = 375, 500
CLASSES = [f"kind {k}" for k in range(7)]


#: How many pixels of a map have another colour than its last.
INKED = """(map) => {
    const canvas = map.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    return pixels.filter((pixel) => pixel !== pixels.at(-1)).length;
}"""
MINUS = "\N{MINUS SIGN}"


class Traced:
    """A page, the net that it is of, and the whole activations of its forward pass."""

    def __init__(self, folder):
        rng = np.random.default_rng(11)
        self.net = models.build("fcn8s", len(CLASSES), preset="tiny", rng=rng)
        for name, param in self.net.params.items():
            if name.startswith("score"):
                param.data[...] = 0.3 * rng.standard_normal(param.data.shape)
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / "photo.png")
        weights.save(folder / "fcn.safetensors", self.net, {"classes": CLASSES})
        self.path = folder / "trace.html"
        files = [str(folder / "fcn.safetensors"), str(folder / "photo.png")]
        assert trace.main([*files, "--out", str(self.path)]) == 0
        self.image = np.asarray(Image.open(folder / "photo.png"))
        with self.net.inference():
            self.net.forward(to_blob(self.image)[None], keep="all")
        self.blobs = dict(self.net.blobs)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    return Traced(tmp_path_factory.mktemp("trace"))


@pytest.fixture
def shown(open_page, traced):
    """The page, ready to be used."""
    page = open_page(traced.path)
    page.locator(".tile").first.wait_for()
    return page


def until(page, expression, argument=None):
    """Wait until an expression is true. Playwright's own way evaluates text in the page, whose policy forbids that."""
    for _ in range(200):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"never came true: {expression}")


def choose(page, name):
    """Click a layer, and wait for its channels."""
    page.locator(f'.layer[aria-label^="{name},"] .hit').click(position={"x": 5, "y": 12})  # a ReLU hides the rest
    page.locator(f'#tiles[data-of^="{name} "]').wait_for()
    assert page.locator("#name").inner_text() == name


def point_at(page, net_shape, y, x, tile=0, kind=0):
    """Move the mouse onto a cell of a map of the chosen layer."""
    frame = page.locator(".tile").nth(tile).locator(".map").nth(kind)
    frame.evaluate("(map) => map.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box = frame.locator("canvas").bounding_box()
    factor = page.evaluate("trace.layers[trace.chosen.layer].maps.factor")
    rows, columns = (-(-size // factor) * factor for size in net_shape[2:])
    page.mouse.move(box["x"] + box["width"] * (x + 0.5) / columns, box["y"] + box["height"] * (y + 0.5) / rows)
    assert page.evaluate("[trace.chosen.cell.y, trace.chosen.cell.x]") == [y, x]


def outline(page, kind):
    """(top, left, bottom, right) of a rectangle over the picture, both ends included, in pixels of the picture."""
    rect = page.locator(f"#view rect.field.{kind}")
    x, y, width, height = (float(rect.get_attribute(name)) for name in ("x", "y", "width", "height"))
    return y, x, y + height - 1, x + width - 1


def test_the_page_is_under_10_megabytes(traced):
    assert 1_000_000 < traced.path.stat().st_size < 10_000_000


def test_a_click_on_a_layer_shows_what_it_is_and_its_maps(shown, traced):
    plan = traced.net.plan((1, 3, HEIGHT, WIDTH))
    assert shown.locator(".layer").count() == len(plan.rows)
    for name in ("conv1_1", "pool3", "score_pool4", "upscore8", "score"):
        choose(shown, name)
        shape = plan.row(name).out_shape
        facts = dict(
            zip(shown.locator("#facts dt").all_inner_texts(), shown.locator("#facts dd").all_inner_texts(), strict=True)
        )
        assert facts["kind"] == plan.row(name).kind
        assert facts["output"] == " x ".join(map(str, shape[1:]))
        assert shown.locator(".tile").count() == min(shape[1], 14)
        assert shown.locator(".tile").first.locator("canvas").count() == 2
        assert shown.locator(".layer.chosen").get_attribute("aria-label").startswith(f"{name},")
    assert [text.split("\n")[0] for text in shown.locator(".tile b").all_inner_texts()] == [
        CLASSES[k] for k in shown.evaluate("trace.layers[trace.chosen.layer].maps.channels")
    ]


@pytest.mark.parametrize(
    ("name", "y", "x"),
    [
        ("conv1_1", 0, 0),
        ("conv1_2", 201, 333),
        ("pool3", 10, 20),
        ("fc7", 3, 14),
        ("upscore2", 5, 6),
        ("score", 370, 3),
    ],
)
def test_a_cell_s_receptive_field_is_outlined_on_the_picture(name, y, x, shown, traced):
    choose(shown, name)
    point_at(shown, traced.blobs[name].shape, y, x)
    field = field_of(traced.net, name, y, x)
    assert outline(shown, "whole") == field
    inside = (max(field.top, 0), max(field.left, 0), min(field.bottom, HEIGHT - 1), min(field.right, WIDTH - 1))
    assert outline(shown, "inside") == inside
    assert (shown.locator("#view .whole.beyond").count() == 1) == (inside != field)
    # and it is seen there: where the picture's pixels are on the screen
    picture = shown.locator("#view > image").bounding_box()
    drawn = shown.locator("#view rect.inside").bounding_box()
    scale = picture["width"] / WIDTH
    assert drawn["x"] == pytest.approx(picture["x"] + inside[1] * scale, abs=2.5)
    assert drawn["y"] + drawn["height"] == pytest.approx(picture["y"] + (inside[2] + 1) * scale, abs=2.5)
    whole, frame = shown.locator("#view rect.whole").bounding_box(), shown.locator("#view").bounding_box()
    assert frame["x"] <= whole["x"] + 2 and whole["x"] + whole["width"] <= frame["x"] + frame["width"] + 2
    place = traced.net.coords(name)
    centre = [float(axis.scale * n + axis.shift) for axis, n in ((place.y, y), (place.x, x))]
    told = shown.locator("#cell").inner_text().replace(MINUS, "-")
    sees = "sees at most" if name in bounded(traced.net) else "sees"
    found = re.search(rf"{name} \({y}, {x}\) looks at row (\S+), column (\S+); {sees} rows (\S+)…(\S+), columns", told)
    assert [float(found[1]), float(found[2])] == centre
    assert [int(found[3]), int(found[4])] == [field.top, field.bottom]


def test_pointing_says_the_value_and_the_gradient(shown, traced):
    choose(shown, "conv3_1")
    blob = traced.blobs["conv3_1"][0]
    for tile, y, x in ((0, 50, 60), (3, 93, 124), (7, 1, 2)):
        point_at(shown, traced.blobs["conv3_1"].shape, y, x, tile)
        channel = shown.evaluate("trace.chosen.cell.channel")
        said = shown.locator("#cell").inner_text().replace(MINUS, "-")
        value = float(re.search(rf"channel {channel}: value about ([-\d.e]+)", said)[1])
        assert value == pytest.approx(blob[channel, y, x], abs=0.06 * float(np.abs(blob[channel]).max()))
        assert "gradient about" in said
    shown.wait_for_timeout(200)  # the scrolling of `point_at` hides what stands beside the pointer
    point_at(shown, traced.blobs["conv3_1"].shape, y, x + 1, tile)
    assert f"({y}, {x + 1}) channel {channel}: value about" in shown.locator(".readout").inner_text()


def test_another_target_shows_its_own_gradients(shown, traced):
    """The score's gradient is 1 at the target, and nothing elsewhere."""
    choose(shown, "score")
    for k in range(shown.evaluate("trace.targets.length")):
        target = shown.evaluate(f"(({{ y, x, label, name }}) => ({{ y, x, label, name }}))(trace.targets[{k}])")
        (shown.locator("#targets button") if k % 2 else shown.locator("#view .target")).nth(k).click()
        assert shown.locator("#targets button[aria-pressed=true]").inner_text().startswith(f"{k + 1}")
        shown.locator(f'#tiles[data-of="score {k}"]').wait_for()
        assert f"gradient of {target['name']}" in shown.locator("#bars").inner_text()
        point_at(shown, (1, 7, HEIGHT, WIDTH), target["y"], target["x"])
        tile = shown.locator(f'.tile[data-channel="{target["label"]}"] .map').nth(1)
        inked = tile.evaluate(INKED)
        assert inked == 1
    assert k >= 1


def test_the_drawing_is_painted_with_gradients(shown):
    last = shown.locator('.layer[aria-label^="conv2_1,"] image')
    until(shown, "[...document.querySelectorAll('.layer image')].every((image) => image.hasAttribute('href'))")
    before = last.get_attribute("href")
    shown.locator("#paint").select_option(index=2)
    until(
        shown,
        "(was) => document.querySelector('.layer[aria-label^=\"conv2_1,\"] image').getAttribute('href') !== was",
        before,
    )
    assert shown.locator("#targets button").nth(1).get_attribute("aria-pressed") == "true"


def test_one_scale_for_all_maps_or_one_for_each(shown):
    choose(shown, "conv2_2")
    ink = "() => [...document.querySelectorAll('.tile canvas')].map((canvas) => canvas.toDataURL())"
    each = shown.evaluate(ink)
    shown.locator("#scale").select_option("all")
    until(shown, "!document.getElementById('bars').textContent.includes('its largest')")
    assert shown.evaluate(ink) != each
    shown.locator("#scale").select_option("each")
    until(shown, "document.getElementById('bars').textContent.includes('its largest')")
    assert shown.evaluate(ink) == each


def test_the_keyboard_walks_along_the_net_and_over_the_cells(shown, traced):
    choose(shown, "pool4")
    name = shown.locator("#name")
    for key, then in (
        ("ArrowLeft", "relu4_3"),
        ("ArrowRight", "pool4"),
        ("ArrowRight", "conv5_1"),
        ("ArrowLeft", "pool4"),
        ("ArrowDown", "score_pool4"),
        ("ArrowRight", "fuse_pool4"),
        ("End", "score"),
        ("Home", "data"),
    ):
        shown.keyboard.press(key)
        assert name.inner_text() == then
        assert shown.evaluate("document.activeElement.getAttribute('aria-label')").startswith(f"{then},")
    choose(shown, "pool2")
    shown.locator(".map").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Shift+ArrowLeft", "ArrowUp"):
        shown.keyboard.press(key)
    assert shown.evaluate("[trace.chosen.cell.y, trace.chosen.cell.x]") == [94 // 2, 125 // 2 + 1 - 10]
    assert outline(shown, "whole") == field_of(traced.net, "pool2", 47, 53)
    shown.keyboard.press("Enter")
    assert shown.locator(".tile.large").count() == 1
    shown.keyboard.press("Escape")
    assert shown.locator("#view rect.field").count() == 0


def test_the_picture_names_the_command_for_another_pixel(shown, traced):
    labels = inference.predict(traced.net, traced.image)
    shown.locator("#view").evaluate("(view) => view.scrollIntoView({ block: 'center', behavior: 'instant' })")
    picture = shown.locator("#view > image").bounding_box()
    y, x = 300, 77
    scale = picture["width"] / WIDTH
    shown.mouse.click(picture["x"] + (x + 0.5) * scale, picture["y"] + (y + 0.5) * scale)
    until(shown, "document.querySelector('#view .asked')")
    said = shown.locator("#command").text_content()
    found = re.search(r"--class 'kind (\d)' --pixel (\d+),(\d+) --out", said)
    there = int(found[2]), int(found[3])
    assert there == pytest.approx((y, x), abs=1)  # a click comes in whole pixels of the screen
    assert int(found[1]) == labels[there]
    assert said.startswith(f"minifcn trace {traced.path.parent}/fcn.safetensors")


def test_names_that_begin_like_a_flag(open_page, tmp_path, monkeypatch):
    """The command under the picture can be given again, whatever classes and files are called."""
    net = models.build("fcn32s", 2, preset="tiny", rng=np.random.default_rng(0))
    net.params["score_fr.bias"].data[1] = 1
    monkeypatch.chdir(tmp_path)
    weights.save("-fcn.safetensors", net, {})
    Path("-names.txt").write_text("rest\n-x\n")
    Image.new("RGB", (60, 45)).save("-photo.png")
    files = ["./-fcn.safetensors", "--labels=-names.txt", "--out=-trace.html"]
    assert trace.main([*files, "--", "-photo.png"]) == 0
    command = shlex.split(open_page(tmp_path / "-trace.html").locator("#command").text_content())
    assert "--class=-x" in command
    (tmp_path / "-trace.html").unlink()
    assert trace.main(command[2:]) == 0
    assert (tmp_path / "-trace.html").exists()


def test_predictions_are_laid_over_the_picture(shown):
    shown.locator("#predicted").check()
    shown.locator("#view image.label").wait_for(state="attached")
    assert shown.locator("#classes .key").count() == shown.evaluate("page.data.tasks[0].classes.length")
    shown.locator("#predicted").uncheck()
    assert shown.locator("#view image.label").count() == 0


def a_trace(folder, size, classes=2, net="fcn32s", flags=()):
    """The page of a net whose scores are by chance, and of a picture (width, height)."""
    rng = np.random.default_rng(0)
    made = models.build(net, classes, preset="tiny", rng=rng)
    for name, param in made.params.items():
        if name.startswith("score"):
            param.data[...] = 0.3 * rng.standard_normal(param.data.shape)
    weights.save(folder / "net.safetensors", made, {})
    width, height = size
    Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(folder / "photo.png")
    out = folder / "trace.html"
    assert trace.main([str(folder / "net.safetensors"), str(folder / "photo.png"), "--out", str(out), *flags]) == 0
    return out


@pytest.mark.parametrize(("size", "most"), [((3, 400), 3000), ((400, 3), 2400)])
def test_maps_of_very_thin_pictures_are_drawn_so_that_they_can_be_pointed_at(size, most, open_page, tmp_path):
    width, height = size
    page = open_page(a_trace(tmp_path, size))
    choose(page, "conv1_1")
    assert page.evaluate("document.documentElement.scrollHeight") < most
    box = page.locator(".map").first.bounding_box()
    assert min(box["width"], box["height"]) > 10
    point_at(page, (1, 8, height, width), height // 2, width // 2)
    assert "times as" in page.locator("#bars").inner_text()
    page.locator(".tile button").first.click()
    box = page.locator(".tile.large .map").first.bounding_box()
    assert box["height"] < 900 and min(box["width"], box["height"]) > 10


def test_names_of_layers_are_whole_and_apart(shown):
    """As the browser draws them, in bold as the chosen one's is."""
    for text in shown.locator("#net .layer text").all():
        text.evaluate("(text) => text.setAttribute('font-weight', 700)")
    boxes = shown.evaluate(
        "[...document.querySelectorAll('#net .layer text')].map((t) => t.getBoundingClientRect().toJSON())"
    )
    drawing = shown.locator("#net").bounding_box()
    assert len(boxes) > 20
    for k, a in enumerate(boxes):
        assert a["left"] >= drawing["x"] and a["right"] <= drawing["x"] + drawing["width"]
        assert a["bottom"] <= drawing["y"] + drawing["height"]
        for b in boxes[k + 1 :]:
            apart = (
                a["right"] <= b["left"] or b["right"] <= a["left"] or a["bottom"] <= b["top"] or b["bottom"] <= a["top"]
            )
            assert apart, (a, b)


def test_a_layer_that_no_gradient_reaches_says_so(open_page, tmp_path):
    page = open_page(a_trace(tmp_path, (60, 45), {"sem": 3, "geo": 2}))
    for name, reached in (("score_fr_sem", True), ("score_fr_geo", False)):
        choose(page, name)
        assert ("none reaches it" in page.locator("#facts").inner_text()) is not reached
        assert ("no gradient of the target reaches" in page.locator("#bars").inner_text()) is not reached
        assert page.locator(".tile").first.locator(".map").count() == 1 + reached


@pytest.mark.parametrize("predicted", [False, True])
def test_targets_and_command_are_in_sight_under_a_square_picture(predicted, open_page, tmp_path):
    targets = [flag for k in range(3) for flag in ("--class", str(k), "--pixel", f"{20 * k},9")]
    page = open_page(a_trace(tmp_path, (64, 64), 5, flags=targets))
    page.locator(".tile").first.wait_for()
    if predicted:
        page.locator("#predicted").check()
        page.locator("#classes .key").first.wait_for()
    inside, room = page.evaluate(
        "((panel) => [panel.scrollHeight, panel.clientHeight])(document.getElementById('picture'))"
    )
    assert inside <= room
    assert page.locator("#view > image").bounding_box()["width"] > 150


def test_in_a_narrow_window_the_picture_stays_in_sight(open_page, traced):
    page = open_page(traced.path, width=700)
    choose(page, "pool3")
    point_at(page, traced.blobs["pool3"].shape, 20, 30, tile=9)
    drawn = page.locator("#view rect.inside").bounding_box()
    assert drawn["y"] >= 0 and drawn["y"] + drawn["height"] <= 900


@pytest.mark.parametrize(("width", "scheme"), [(1400, "dark"), (700, "light"), (360, "dark")])
def test_nothing_is_wider_than_the_window(width, scheme, open_page, traced):
    page = open_page(traced.path, width=width, scheme=scheme)
    page.locator(".tile").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
