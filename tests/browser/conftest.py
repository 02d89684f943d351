"""A real browser for the pages that minifcn writes: Chromium, driven by Playwright, cut off from every network.

    @pytest.mark.browser
    def test_a_page(open_page, tmp_path):
        shown = open_page(tmp_path / "report.html")                     # Playwright's Page
        shown = open_page(path, width=400, height=800, scheme="dark")   # another window

A page that logs an error or a warning, throws, or asks for anything but itself fails the test that opened it.
"""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    """Chromium; skipped, saying so, where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install 'minifcn[browser]'")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("needs a browser: chromium, chromium-browser or google-chrome on the PATH")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """open_page(path, width=1400, height=900, scheme="light"): the file in a window of its own, without a network."""
    contexts, complaints = [], []

    def opened(path, width=1400, height=900, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        contexts.append(context)
        shown = context.new_page()
        itself = path.resolve().as_uri()
        shown.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on(
            "request",
            lambda asked: (
                asked.url.partition("#")[0] != itself
                and not asked.url.startswith("data:")
                and complaints.append(f"asked for {asked.url}")
            ),
        )
        shown.goto(itself)
        return shown

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
