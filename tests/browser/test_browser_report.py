"""The page of `minifcn report` in a real browser: hovered, clicked, dragged, sorted, and by keyboard alone."""

import re

import aboutruns
import numpy as np
import published
import pytest
from aboutruns import unpacked
from PIL import Image

from minifcn.report.__main__ import main

pytestmark = pytest.mark.browser

PIXELS = "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
MINUS = "\N{MINUS SIGN}"
EVIL = "</script><img src=x onerror=window.caught=1> \"'&amp;<b>"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A report of a run on a data set whose classes and pictures have hostile names, with ignored pixels."""
    folder = tmp_path_factory.mktemp("report")
    aboutruns.hostile_folder(folder / "pictures", EVIL)
    settings = {"data": f"folder:{folder / 'pictures'}", "val_split": "train", "overlap": "allow"}
    run = aboutruns.a_run(folder / "run", rows=40, iterations=40, **settings)
    assert main([str(run), "--pictures", "1"]) == 0
    return run / "report.html"


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A report of a net of two tasks."""
    folder = tmp_path_factory.mktemp("tasks")
    spec = f"siftflow:{published.siftflow(folder)}"
    run = aboutruns.a_run(folder / "run", data=spec, val_split="test", split="trainval")
    assert main([str(run)]) == 0
    return run / "report.html"


@pytest.fixture
def open_report(open_page):
    """As open_page; its curves, matrix and pictures are drawn."""

    def opened(path, **window):
        shown = open_page(path, **window)
        for drawn in (".chart > svg", ".matrix td", ".card input"):
            shown.locator(drawn).first.wait_for()
        return shown

    return opened


def readout(shown):
    return shown.locator(".readout").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_opens_at_any_width_in_light_and_dark(width, scheme, plain, tasks, open_report, tmp_path):
    for path in (plain, tasks):
        shown = open_report(path, width=width, scheme=scheme)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(246, 247, 249)") is (scheme == "light")
        picture = shown.screenshot(path=str(tmp_path / "page.png"), full_page=True)
        assert len(picture) > 20_000


def test_hostile_names_are_text(plain, open_report):
    shown = open_report(plain)
    assert shown.evaluate("window.caught") is None
    assert shown.locator("table.classes tbody th").first.text_content() == f"one{EVIL}"
    assert EVIL.replace("/", "\N{FULLWIDTH SOLIDUS}") in shown.locator(".card .name").first.text_content()
    assert shown.locator(".matrix thead th").nth(1).text_content() == f"one{EVIL}"


def test_curves_tell_their_numbers_and_zoom(plain, open_report):
    shown = open_report(plain)
    charts = shown.locator(".chart > svg")
    assert charts.count() == 3
    whole = shown.locator("#charts > button")
    box = charts.first.bounding_box()
    shown.mouse.move(box["x"] + box["width"] - 14, box["y"] + 80)  # the last step
    assert readout(shown).startswith("step 40\nloss 0.05, running mean ")
    assert "mean IU 0.2500" in readout(shown)
    before = charts.first.locator("path").first.get_attribute("d")
    shown.mouse.move(box["x"] + 100, box["y"] + 80)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 500, box["y"] + 90)
    assert float(charts.first.locator("rect.selection").get_attribute("width")) == pytest.approx(400, abs=2)
    shown.mouse.up()
    assert charts.first.locator("path").first.get_attribute("d") != before
    wide = charts.first.evaluate(
        "(svg) => svg.querySelector('svg').x.baseVal.value"
    )  # where the numbers at the left end
    first, last = (
        (left - wide) / (box["width"] - wide - 14) * 40 for left in (100, 500)
    )  # steps 0 to 40, 14 px at the right
    there = round(
        first + (last - first) * (500 - wide) / (box["width"] - wide - 14)
    )  # under the pointer, where it is now
    assert readout(shown).startswith(f"step {there}\n")
    whole.click()
    assert whole.is_hidden()
    assert charts.first.locator("path").first.get_attribute("d") == before

    shown.locator(".chart-set").focus()
    shown.keyboard.press("Home")
    assert readout(shown).startswith("step 1\n")
    shown.keyboard.press("ArrowRight")
    assert readout(shown).startswith("step 2\n")
    shown.keyboard.press("+")
    assert whole.is_visible()
    shown.keyboard.press("0")
    assert whole.is_hidden()
    charts.first.scroll_into_view_if_needed()
    shown.keyboard.press("+")
    charts.first.dblclick()
    assert whole.is_hidden()


def test_numbers_at_the_left_of_curves_are_not_cut(open_report, tmp_path):
    run = aboutruns.a_run(tmp_path / "run", rows=6, iterations=6)
    rows = (run / "log.csv").read_text().splitlines()
    for loss, rate, said in (
        ("2500000", "1e-10", ["2e6", f"1e{MINUS}10"]),
        ("0.00002", "0.0001", [f"2e{MINUS}5", f"1e{MINUS}4"]),
    ):
        changed = [line.split(",") for line in rows[1:]]
        (run / "log.csv").write_text("\n".join([rows[0], *(",".join([c[0], loss, rate, *c[3:]]) for c in changed), ""]))
        assert main([str(run)]) == 0
        shown = open_report(run / "report.html", width=400)
        labels = shown.locator(".chart > svg > text[text-anchor=end]")
        assert set(said) <= set(labels.all_text_contents())
        left = shown.locator(".chart > svg").first.bounding_box()["x"]
        assert min(labels.nth(k).bounding_box()["x"] for k in range(labels.count())) >= left


#: The contrast of each number in the matrix with what is behind it, by WCAG 2.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const over = (...colours) => {
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        const line = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => line(value / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const card = getComputedStyle(document.querySelector("section")).backgroundColor;
    const found = [];
    for (const cell of document.querySelectorAll(".matrix td")) {
        for (let share = 0; share <= 100; share += 1) {
            cell.style.setProperty("--share", share / 100);
            const { color, backgroundColor } = getComputedStyle(cell);
            const [light, dark] = [over(color), over(card, backgroundColor)].sort((a, b) => b - a);
            found.push((light + 0.05) / (dark + 0.05));
        }
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_in_the_matrix_are_legible(scheme, plain, open_report):
    found = open_report(plain, scheme=scheme).evaluate(CONTRASTS)
    assert len(found) == 9 * 101 and min(found) >= 4.5


def test_a_hundred_percent_is_all(plain, open_report):
    shown = open_report(plain)
    said = shown.evaluate("[0, 0.0001, 0.05, 0.5, 0.994, 0.996, 0.99999, 1].map((share) => confusion.percent(share))")
    assert said == ["0 %", "under 0.1 %", "5.0 %", "50 %", "99 %", "99.6 %", "over 99.9 %", "100 %"]
    written = """() => {
        const home = document.createElement("div");
        confusion.draw(home, { classes: ["a", "b"] }, [9999, 1, 0, 5], () => {});
        return [...home.querySelectorAll("td")].map((cell) => cell.textContent);
    }"""
    assert shown.evaluate(written) == ["99", "", "", "100"]


@pytest.mark.parametrize("width", [360, 600])
def test_the_table_of_classes_is_whole_in_a_narrow_window(width, open_report, tmp_path):
    folder = aboutruns.hostile_folder(tmp_path / "pictures", "")
    (folder / "classes.txt").write_text(
        "background\na class of a long name, number 1\na class of a long name, number 2\n"
    )
    run = aboutruns.a_run(tmp_path / "run", data=f"folder:{folder}", val_split="train", overlap="allow")
    assert main([str(run)]) == 0
    shown = open_report(run / "report.html", width=width)
    whole = "(inner) => inner.scrollWidth <= inner.clientWidth"
    assert shown.locator(".wide:has(table.classes)").evaluate(whole)
    names = shown.locator("table.classes tbody th")
    assert all(names.nth(k).evaluate(whole) for k in range(3))


def test_a_very_thin_picture_is_not_covered_by_the_knob(open_report, tmp_path):
    for part, channels in (("images", (3,)), ("labels", ())):
        (tmp_path / "thin" / part).mkdir(parents=True)
        for name in "abcd":
            Image.fromarray(np.zeros((400, 8, *channels), np.uint8)).save(tmp_path / "thin" / part / f"{name}.png")
    (tmp_path / "thin" / "classes.txt").write_text("one\ntwo\n")
    run = aboutruns.a_run(tmp_path / "run", data=f"folder:{tmp_path / 'thin'}", val_split="train", overlap="allow")
    assert main([str(run)]) == 0
    shown = open_report(run / "report.html")
    knob = "getComputedStyle(document.querySelector('.card .line'), '::after').display"
    assert shown.evaluate(knob) == "none"


def test_the_table_of_classes_sorts(plain, open_report):
    shown = open_report(plain)
    head = shown.locator("table.classes thead th").nth(1)

    def values():
        cells = shown.locator("table.classes tbody td:nth-of-type(1)")
        return [float(cells.nth(k).get_attribute("data-value")) for k in range(cells.count())]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), reverse=True)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(values())
    name = shown.locator("table.classes thead th").nth(0)
    name.locator("button").click()
    assert (head.get_attribute("aria-sort"), name.get_attribute("aria-sort")) == ("none", "ascending")
    assert [text[:3] for text in shown.locator("table.classes tbody th").all_text_contents()] == ["one", "two", "猫"]


def test_a_cell_of_the_matrix_says_what_it_is_and_shows_its_pictures(plain, open_report):
    view = aboutruns.data_of(plain)["views"][0]
    matrix = unpacked(view["matrix"])
    truth, said = np.unravel_index(np.argmax(matrix - np.diag(np.diag(matrix))), matrix.shape)
    shown = open_report(plain)
    cell = shown.locator(f".matrix td[data-row='{truth}'][data-column='{said}']")
    cell.hover()
    share = 100 * matrix[truth, said] / matrix[truth].sum()
    names = view["classes"]
    assert readout(shown).startswith(f"{share:.0f} % of {names[truth]} is called {names[said]}\n")
    assert f"{int(matrix[truth, said]):,} of {int(matrix[truth].sum()):,} pixels" in readout(shown)
    assert cell.text_content() == f"{share:.0f}"
    shown.get_by_role("button", name="pixels", exact=True).click()
    assert cell.text_content() == str(int(matrix[truth, said]))

    cell.click()
    assert shown.locator("#album h3").text_content() == f"{names[truth]} called {names[said]}"
    counts = sorted((int(unpacked(each["matrix"])[truth, said]) for each in view["pictures"]), reverse=True)
    told = shown.locator(".card figcaption span:last-child").all_text_contents()
    assert told == [f"{count:,} pixels" for count in counts if count]
    mask = shown.locator(".card .mask").first
    shown.wait_for_selector(".card [data-painted]")
    clear = sum(alpha == 0 for alpha in mask.evaluate(PIXELS)[3::4])
    assert clear == counts[0]  # all others are darkened
    shown.get_by_role("button", name="Show the worst").click()
    assert shown.locator("#album h3").all_text_contents() == ["Worst", "Best"]
    assert shown.evaluate("document.activeElement.textContent") == "Worst"
    assert shown.locator(".card").count() == 2

    shown.locator(".matrix td").first.focus()
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("ArrowDown")
    assert shown.evaluate("[document.activeElement.dataset.row, document.activeElement.dataset.column]") == ["1", "1"]
    assert "of two is called two" in readout(shown)
    shown.keyboard.press("Enter")
    assert shown.locator("#album h3").text_content() == "two, rightly"


def test_the_line_between_two_layers_moves(plain, open_report):
    made = aboutruns.data_of(plain)
    worst = made["views"][0]["pictures"][0]
    label = unpacked(worst["label"])
    truth = unpacked(made["photos"][worst["photo"]]["truths"][0])
    names = made["views"][0]["classes"]
    shown = open_report(plain)
    card = shown.locator(".card").first
    card.scroll_into_view_if_needed()
    shown.wait_for_selector(".card [data-painted]")
    frame, slider = card.locator(".frame"), card.locator("input")
    over = card.locator(".layer.prediction")

    def line():
        clip = over.evaluate("(layer) => layer.style.clipPath")
        return int(re.fullmatch(r"inset\(0px 0px 0px (\d+)%\)", clip)[1])

    assert line() == 50
    box = frame.bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40, steps=4)
    shown.mouse.up()
    dragged = line()
    assert 23 <= dragged <= 27
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert line() == dragged + 2
    assert slider.get_attribute("aria-valuetext") == f"Picture {line()} %, Prediction {100 - line()} %"

    for row, column in [(5, 7), (20, 33), (39, 47), *(tuple(map(int, at)) for at in np.argwhere(truth == 255)[:1])]:
        shown.mouse.move(
            box["x"] + box["width"] * (column + 0.5) / truth.shape[1],
            box["y"] + box["height"] * (row + 0.5) / truth.shape[0],
        )
        true = "ignored" if truth[row, column] == 255 else names[truth[row, column]]
        assert readout(shown) == f"truth: {true}\nprediction: {names[label[row, column]]}"

    shown.locator("button[data-side=left][data-layer=truth]").click()
    shown.locator("button[data-side=right][data-layer=errors]").click()
    assert card.locator(".layer:visible").count() == 2
    assert card.locator(".side").all_text_contents() == ["Truth", "Errors"]
    alpha = np.array(card.locator(".layer.errors canvas").evaluate(PIXELS)).reshape(*truth.shape, 4)[:, :, 3]
    np.testing.assert_array_equal(alpha == 0, truth == label)  # what is right is not painted over
    shown.locator("button[data-side=left][data-layer=errors]").click()
    assert card.locator(".line").is_hidden()

    larger = card.get_by_role("button")
    before = frame.bounding_box()["width"]
    larger.click()
    assert frame.bounding_box()["width"] > 1.3 * before
    assert larger.get_attribute("aria-pressed") == "true"


def test_each_task_has_its_view(tasks, open_report):
    shown = open_report(tasks)
    assert shown.locator(".tabs button[data-view]").all_text_contents() == ["sem", "geo"]
    for name, classes in (("sem", 33), ("geo", 3)):
        shown.get_by_role("button", name=name, exact=True).click()
        # Not `wait_for_function`: where it has to wait it evaluates text, which the page forbids.
        shown.locator(f".matrix tbody tr:first-child:nth-last-child({classes})").wait_for()
        assert shown.locator("table.classes:visible tbody tr").count() == classes
    assert shown.get_by_role("button", name="geo", exact=True).get_attribute("aria-pressed") == "true"


def test_everything_that_can_be_clicked_can_be_reached_by_tab(plain, open_report):
    shown = open_report(plain)
    reached = set()
    for _ in range(80):
        shown.keyboard.press("Tab")
        reached.add(
            shown.evaluate("[document.activeElement.tagName, document.activeElement.type ?? ''].join(' ').trim()")
        )
    assert {"A", "DIV", "BUTTON button", "TD", "INPUT range", "SUMMARY"} <= reached
