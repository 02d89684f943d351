"""The common room of pages, in a real browser: text stays text, arrays arrive, nothing else is let in."""

import socket

import numpy as np
import pytest

from minifcn.inspection import page
from minifcn.inspection.page import tag

pytestmark = pytest.mark.browser

EVIL = "</script><script>window.caught = 1</script><img src=x onerror='window.caught = 1'> \"'&amp; ü 猫 \u2028"


def test_hostile_names_stay_text(open_page, tmp_path):
    script = 'document.getElementById("there").append(page.tag("b", { title: page.data.name }, page.data.name));'
    body = [tag("p", EVIL, id="here", title=EVIL), tag("p", id="there")]
    page.write(tmp_path / "evil.html", EVIL, body, {"name": EVIL, EVIL: 1}, [script])
    shown = open_page(tmp_path / "evil.html")
    assert shown.evaluate("window.caught") is None
    assert shown.evaluate("page.data.name") == EVIL
    assert shown.locator("#here").text_content() == EVIL
    assert shown.locator("#here").get_attribute("title") == EVIL
    assert shown.locator("#there b").text_content() == EVIL
    assert shown.locator("#there b").get_attribute("title") == EVIL
    assert shown.title().startswith("</script>")
    assert shown.locator("script").count() == 3  # the data, page.js and ours


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_arrays_arrive_as_they_were(dtype, open_page, tmp_path):
    array = np.array([[0, 1, 2], [100, 101, 127]], dtype)
    page.write(tmp_path / "array.html", "array", "", {"array": array})
    shown = open_page(tmp_path / "array.html")
    arrived = "page.unpack(page.data.array).then(({values, shape}) => [[...values], shape, values.constructor.name])"
    values, shape, kind = shown.evaluate(arrived)
    assert (values, shape) == (array.ravel().tolist(), [2, 3])
    assert kind.lower() == f"{dtype}array"


def test_the_policy_lets_nothing_in(browser, tmp_path):
    """Online, and not through open_page, which would rightly complain: it is the page that refuses."""
    page.write(tmp_path / "page.html", "page", tag("p", "text", id="p"))
    context = browser.new_context()
    shown = context.new_page()
    shown.goto((tmp_path / "page.html").as_uri())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        outside = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"
        tried = """async (outside) => {
            const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
            add("script", { textContent: "window.caught = 1" });
            add("script", { src: outside });
            add("link", { rel: "stylesheet", href: outside });
            const image = new Image();
            const failed = new Promise((resolve) => image.addEventListener("error", resolve));
            image.src = outside;
            await failed;
            document.getElementById("p").setAttribute("style", "color: red");
            return fetch(outside).then(() => "sent", String);
        }"""
        assert "TypeError" in shown.evaluate(tried, outside)
        with pytest.raises(TimeoutError):  # nobody called
            listener.accept()
    assert shown.evaluate("window.caught") is None
    assert shown.evaluate("getComputedStyle(document.getElementById('p')).color") != "rgb(255, 0, 0)"
    context.close()


def test_paint_hover_and_cell(open_page, tmp_path):
    script = """
        const canvas = document.getElementById("map");
        page.paint(canvas, [0, 1, 1, 0, 2, 1], 2, 3, [[250, 0, 0], [0, 250, 0], [0, 0, 0, 0]]);
        canvas.style.width = "300px";
        canvas.style.height = "200px";
        page.hover(canvas, (event) => {
          if (event.type === "focusin") return "focus";
          const at = page.cell(event, canvas, 2, 3);
          return at && `<b>${at.row},${at.column}`;
        });
    """
    page.write(tmp_path / "map.html", "map", tag("canvas", id="map", tabindex=0), {}, [script])
    shown = open_page(tmp_path / "map.html")
    pixels = "[...document.getElementById('map').getContext('2d').getImageData(1, 0, 1, 2).data]"
    assert shown.evaluate(pixels) == [0, 250, 0, 255, 0, 0, 0, 0]
    readout = shown.locator(".readout")
    assert readout.is_hidden()
    shown.locator("#map").hover(position={"x": 250, "y": 150})
    assert readout.text_content() == "<b>1,2"
    shown.mouse.move(900, 700)
    assert readout.is_hidden()
    shown.keyboard.press("Tab")
    assert readout.text_content() == "focus"
    shown.keyboard.press("Escape")
    assert readout.is_hidden()


def test_a_page_that_errs_is_found(browser, tmp_path):
    """The fixture's own net has no holes: an error in a script is heard."""
    page.write(tmp_path / "bad.html", "bad", "", {}, ["throw new Error('oh');"])
    heard = []
    context = browser.new_context()
    shown = context.new_page()
    shown.on("pageerror", lambda error: heard.append(str(error)))
    shown.goto((tmp_path / "bad.html").as_uri())
    assert heard and "oh" in heard[0]
    context.close()


def test_numbers_are_short(open_page, tmp_path):
    page.write(tmp_path / "page.html", "page", "")
    shown = open_page(tmp_path / "page.html")
    said = shown.evaluate("[null, NaN, 0, -3, 12345, 0.123456, 1e-10, -2.5e7].map((value) => page.number(value))")
    assert said == ["\u2013", "\u2013", "0", "\u22123", "12,345", "0.123", "1.00e\u221210", "\u221225,000,000"]
