"""The look at a folder: labels in doubt, outliers, and the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageOps

from mineralsweep.cli.main import main
from mineralsweep.data.sources import sample
from mineralsweep.report.examination import doubts, examine, outliers
from mineralsweep.report.photographs import page
from tests.pictures import catalog_of, encode, noisy

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mineralsweep.report.examination.TREES", 20)


class Reader(HTMLParser):
    """Collects what a page would fetch, and its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        if tag == "img":
            self.pictures.append(found)
        for name in ("src", "href"):
            value = found.get(name) or ""
            if value and not value.startswith(("#", "data:")):
                self.fetched.append(value)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_a_wrong_label_is_doubted_first() -> None:
    rng = np.random.default_rng(0)
    labels = [0] * 30 + [1] * 30
    values = rng.normal(0, 1, (60, 40)) + 3 * np.array(labels)[:, None]
    labels[7] = 1
    found = doubts(values, labels, range(60), ("ash", "beech"))
    assert [doubt.row for doubt in found.found] == [7]
    assert found.found[0].looks_like == "ash"
    assert found.found[0].share > 0.8
    assert found.accuracy == pytest.approx(59 / 60)


def test_a_near_duplicate_does_not_vouch_for_its_copy() -> None:
    rng = np.random.default_rng(0)
    labels = [0] * 30 + [1] * 30
    values = rng.normal(0, 1, (60, 40)) + 3 * np.array(labels)[:, None]
    values[:5] = values[55]  # five copies of a beech among the ashes
    groups = [0] * 5 + list(range(5, 60))
    found = doubts(values, labels, groups, ("ash", "beech"))
    assert {doubt.row for doubt in found.found} == set(range(5))


@pytest.mark.parametrize(
    ("labels", "reason"), [([0] * 20, "fewer than two classes"), ([0] * 17 + [1] * 3, "fewer than")]
)
def test_too_little_to_judge_by_is_said(labels: list[int], reason: str) -> None:
    found = doubts(np.zeros((20, 4)), labels, range(20), ("a", "b"))
    assert (found.found, found.accuracy) == ((), None)
    assert reason in found.missing


def test_an_outlier_is_found_and_copies_do_not_hide_it() -> None:
    values = np.random.default_rng(0).normal(0, 1, (80, 30))
    values[11] += 8
    values[12] = values[11]
    groups = list(range(80))
    groups[12] = 11
    found = outliers(values, groups)
    assert {outlier.row for outlier in found} == {11, 12}
    assert outliers(values[:20], groups[:20]) == ()
    assert outliers(np.zeros((40, 30)), range(40)) == ()


def test_the_page_stands_alone_and_escapes_names(make_folder: Make) -> None:
    root = make_folder(6, ("<b>ash", "beech"))
    picture = sample.draw("bornite", 2).convert("RGB")
    (root / "<b>ash" / '"><script>alert(1)<b>.jpg').write_bytes(encode(picture, "JPEG"))
    (root / "beech" / "&amp;.jpg").write_bytes(encode(ImageOps.mirror(picture), "JPEG"))
    (root / "beech" / "<i>none.jpg").write_text("<html>")
    findings = examine(catalog_of(root))
    assert [group.classes for group in findings.groups] == [("<b>ash", "beech")]
    text = page(findings, "<u>name").html
    seen = read(text)
    assert seen.fetched == []
    assert seen.tags.isdisjoint({"script", "i", "u", "iframe"})
    assert len(seen.pictures) >= 2
    assert all(found["alt"] and found["src"] for found in seen.pictures)
    assert "&amp;amp;.jpg" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "could not be made" not in text
    assert text.count('class="careful"') == 2  # on top and in the group's box
    assert "In &lt;b&gt;ash and beech" in text
    # Names of formats in matplotlib's SVG; nothing is fetched by them.
    assert set(re.findall(r"https?://[^/\"]+", text)) <= {"http://www.w3.org"}


def test_data_check_writes_the_page_and_says_where(
    make_folder: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_folder(6)
    picture = sample.draw("bornite", 2).convert("RGB")
    (root / "ash" / "one.jpg").write_bytes(encode(picture, "JPEG"))
    (root / "ash" / "two.jpg").write_bytes(encode(picture.resize((100, 100)), "JPEG"))
    assert main(["data", "check", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "near-duplicates: 1" in printed
    assert "'ash/one.jpg'" in printed
    assert "Wrote data-check.html" in printed
    assert "<title>Photographs: photos</title>" in Path("data-check.html").read_text()
    assert main(["data", "check", str(root), "--page", "other.html"]) == 0
    assert Path("other.html").read_text() == Path("data-check.html").read_text()


@pytest.mark.parametrize("counts", [{"ash": 1}, {"ash": 1, "beech": 0}])
def test_a_folder_with_next_to_nothing_gets_a_page(counts: dict[str, int], tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for label, count in {"empty": 0, **counts}.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            (root / label / f"{number}.png").write_bytes(encode(noisy((90, 9, 9), number)))
    text = page(examine(catalog_of(root)), "photos").html
    assert "None was found." in text
    assert "Not looked at" in text
    assert "could not be made" not in text


def test_a_picture_gone_while_we_looked_is_left_blank(make_folder: Make) -> None:
    root = make_folder(4)
    picture = sample.draw("bornite", 2).convert("RGB")
    for name, copy in (("one", picture), ("two", ImageOps.mirror(picture))):
        (root / "ash" / f"{name}.jpg").write_bytes(encode(copy, "JPEG"))
    findings = examine(catalog_of(root))
    (root / "ash" / "one.jpg").unlink()
    assert "ash/one.jpg" in page(findings, "photos").html
