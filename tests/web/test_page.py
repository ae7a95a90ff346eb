"""The page in a real browser: a file is dropped and answered, wide and narrow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mineralsweep.registry.versions import NAME
from mineralsweep.tracking import open_store
from mineralsweep.web import app
from mineralsweep.web.live import LiveModel
from tests.web.serving import IMAGE, registry_of, running

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("store_made"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.skipif(not BROWSER, reason="needs Chromium, which is not on this machine"),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run",
)  # fmt: skip


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(IMAGE)
    registry = registry_of(open_store(), tmp_path / "models")
    live = LiveModel(registry.store, f"models:/{NAME}@champion", registry.load)
    with running(app.make(live, {f"{i:064x}": picture for i in range(30)})) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1100, 360])
def test_an_image_is_dropped_answered_and_explained(address: str, browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_text("version 1").wait_for()
    page.get_by_text("The server keeps nothing.").wait_for()
    bytes_of = page.evaluate_handle(
        """(numbers) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(numbers)], 'stone.jpg', {type: 'image/jpeg'}));
          return data;
        }""",
        list(IMAGE),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": bytes_of})
    page.wait_for_selector("article h2")
    assert "stone.jpg" in page.inner_text("#status")
    assert page.locator("article meter").count() == 3
    page.get_by_role("button", name="Why?").click()
    page.wait_for_selector(".near img")
    assert page.locator("canvas[role=img]").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert {urlsplit(one).netloc for one in asked if one.startswith("http")} == {
        urlsplit(address).netloc
    }


def test_the_keyboard_reaches_all_and_what_is_no_image_is_said(
    address: str, browser: Any, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    wrong = tmp_path / "notes.txt"
    wrong.write_text("hello")
    page.set_input_files("#file", [str(wrong)])
    page.wait_for_selector("#status.wrong")
    assert "notes.txt" in page.inner_text("#status")
    assert page.get_attribute("#status", "role") == "status"
