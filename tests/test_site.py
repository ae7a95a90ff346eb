"""The site of the guide: built without a warning, read and searched without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import mineralsweep
from tests.conftest import ROOT
from tests.web.test_page import BROWSER, FLAGS

pytestmark = pytest.mark.slow
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Tags, and their attribute that a browser fetches by itself."""
NOTEBOOKS = ROOT / "docs" / "notebooks"
ELSEWHERE = re.compile(r"^(https?:)?//")
PUBLIC = sorted(name for name in mineralsweep.__all__ if name != "__version__")


def home_of(name: str) -> str:
    """Return the dotted name under which a public name is defined."""
    found = getattr(mineralsweep, name)
    return f"{found.__module__}.{name}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return target


class Fetched(HTMLParser):
    """Collects what a browser fetches of a page by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("next", "prev", "canonical"):
            return
        self.found += filter(None, [given.get(LOADED.get(tag, ""))])


def fetched(text: str) -> list[str]:
    parser = Fetched()
    parser.feed(text)
    return parser.found


def test_every_page_is_there_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    expected = {path.with_suffix(".html").as_posix() for path in written}
    expected = {name.replace("decisions/README", "decisions/index") for name in expected}
    expected |= {f"notebooks/{path.stem}.html" for path in NOTEBOOKS.glob("*.ipynb")}
    assert pages >= expected | {"index.html", "contributing.html", "changelog.html"}
    for page in site.rglob("*.html"):
        for address in fetched(page.read_text(encoding="utf-8")):
            assert not ELSEWHERE.match(address), f"{page.name}: {address}"
            if not address.startswith(("data:", "/")):
                there = page.parent / address.partition("?")[0].partition("#")[0]
                assert there.exists(), f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text), style


def test_notebooks_are_pages_with_what_their_code_gave(site: Path) -> None:
    page = (site / "notebooks/01-first-sweep.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 2
    assert "<table" in page  # the leaderboard
    assert re.search(r"<code>macro f1 [^<]*n = \d+", page)
    assert "\x1b[" not in (site / "notebooks/02-your-photographs.html").read_text("utf-8")
    assert 'href="02-your-photographs.html"' in page
    guide = (site / "python.html").read_text(encoding="utf-8")
    assert 'href="notebooks/01-first-sweep.html"' in guide


def test_what_is_loaded_from_elsewhere_would_be_found() -> None:
    text = (
        '<script src="//a/x.js"></script><link rel="stylesheet" href="https://b/y.css">'
        '<a href="https://c/">c</a><img src="z.png"><link rel="next" href="n.html">'
    )
    assert fetched(text) == ["//a/x.js", "https://b/y.css", "z.png"]


def test_every_public_name_is_in_the_reference_with_its_docstring(site: Path) -> None:
    page = (site / "reference.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    for name in PUBLIC:
        assert f'id="{home_of(name)}"' in page, name
        first = str(getattr(mineralsweep, name).__doc__).splitlines()[0]
        assert re.sub(r"[`'\"]", "", first)[:40] in re.sub(r"[`'\"]|&#39;|&quot;", "", text), name
    listed = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs/reference.md").read_text("utf-8"), re.M)
    assert sorted(listed) == sorted(home_of(name) for name in PUBLIC)


def test_lists_and_links_of_the_pages_above_docs_are_made_for_the_site(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert '<a href="data.html">Your photographs</a>' in page
    assert '<img alt="Drawn biotite, bornite and chrysocolla" src="images/sample.jpg"' in page
    assert '<a href="changelog.html">Changelog</a>' in page
    decision = (site / "decisions/0029-one-driver.html").read_text(encoding="utf-8")
    assert "<li>What users want of more machines is more workers." in decision
    assert 'href="index.html#results-on-real-photographs"' in (site / "transfer.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.skipif(not BROWSER, reason="needs Chromium, which is not on this machine")
@pytest.mark.parametrize("width", [1400, 390])
def test_it_opens_from_the_disk_and_is_searched_there(site: Path, width: int) -> None:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    asked: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        page: Any = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index", "reference", "glossary", "performance", "contributing",
                     "notebooks/04-reading-the-report"):  # fmt: skip
            page.goto(f"{site.as_uri()}/{name}.html")
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wider) <= 0, name
        field = page.locator("input.md-search__input")
        page.keyboard.press("/")
        field.fill("near-duplicates")  # at once: half a word is no query to the theme
        field.press("End")  # it looks when a key goes up
        page.locator(".md-search-result__item").first.wait_for()
        assert "near-duplicates" in page.locator(".md-search-result__list").inner_text().lower()
        browser.close()
    assert said == []
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
