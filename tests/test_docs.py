"""The guide: its links lead somewhere, its example of a network works, its words stand once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from mineralsweep import config, models
from mineralsweep.errors import ArchitectureError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Return the links to a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        target, _, heading = link.partition("#")
        there = (page.parent / target) if target else page
        assert there.exists(), link
        assert not heading or heading in anchors(there), link


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"({page.name})" in listed


def test_each_term_of_the_glossary_stands_once() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs/glossary.md").read_text(), re.M)
    assert len(terms) >= 40
    assert [term for term, times in Counter(terms).items() if times > 1] == []


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/own-network.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_example_of_an_own_network_is_searched_and_built(tmp_path: Path) -> None:
    network, _ = blocks("python")
    Path("my_nets.py").write_text(network)
    [sweep_file] = blocks("yaml")
    sweep = config.build(yaml.safe_load(sweep_file), "own.yaml")
    assert set(sweep.space.searched()) == {"architecture", "learning_rate", "stages", "dropout"}
    own = models.get("my_nets.py:build")
    assert own.build((96, 96, 3), 3, **own.defaults()).output_shape == (None, 3)
    with pytest.raises(ArchitectureError, match="width"):
        own.build((96, 96, 3), 3, width=1000)
