"""The HTML report of a study in a real store: what it holds, and what it must never do."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.app.report import write_report
from mineralsweep.core.record import BASELINE, champion
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.evaluation import score
from mineralsweep.registry import Crowned
from mineralsweep.report import Evidence, render
from mineralsweep.report.page import SECTIONS
from tests import pictures
from tests.fakes import FakeExecutor
from tests.report.test_report import FIRST
from tests.search.test_study import Scene, settings

NOT_NETWORK = [section for section in SECTIONS if section.name != "attention"]
"""The fake executor leaves no network that could be looked into."""


def augmented_is_better(spec: TrialSpec) -> float:
    """Return an accuracy that leaves mistakes to show."""
    return 4 / 6 if spec.architecture == "model2_1" else 3 / 6


def evidence(dataset: Dataset) -> Evidence:
    """Run a study with a fake executor and a real store, and crown its best without a model."""
    sweep = settings(trials=5)
    scene = Scene(dataset, sweep, FakeExecutor(augmented_is_better))
    records = scene.run.located(scene.study.run())
    best = champion(records, sweep.objective)
    assert best is not None
    labels = [dataset.labels()[row] for row in dataset.split.test]
    probabilities = np.eye(3, dtype=np.float32)[labels]
    scores = score(probabilities, labels, dataset.classes)
    crowned = Crowned(best, scores, "1", 1, FIRST)
    return Evidence(
        "a <study>", sweep, dataset, tuple(records), crowned, scene.store, scene.run.run_id
    )


@pytest.fixture(scope="module")
def found(_empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Return a study of photographs whose class and file names hold HTML."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copy(_empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MINERALSWEEP_CACHE", str(folder / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        classes = ("a<script>alert(1)<", "b&b", "c")
        photos = pictures.write_classes(folder / "photos", classes, 10)
        for path in sorted((photos / "b&b").iterdir()):
            path.rename(path.with_name(f"<img src=x onerror=alert(1)>{path.name}"))
        yield evidence(open_dataset(str(photos), "60/20/20", 0))


class Reader(HTMLParser):
    """Collects what the tests ask of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_the_page_stands_alone_and_can_be_read_by_everybody(found: Evidence) -> None:
    page = render(found, NOT_NETWORK)
    reader = read(page)
    assert "could not be made" not in page
    assert len(page.encode()) < 3_000_000
    assert not reader.all("script", "iframe", "object", "embed")
    for attributes in [attributes for _, attributes in reader.tags]:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"@import|url\((?!#|[\"']?data:)", page)
    shown = reader.all("img")
    assert shown
    assert all(picture["alt"].strip() for picture in shown)
    assert all(chart["aria-label"].strip() for chart in reader.all("svg"))
    assert all("scope" in cell for cell in reader.all("th"))
    assert reader.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in reader.all("a")} <= set(ids)


def test_names_can_not_become_html(found: Evidence) -> None:
    page = render(found, NOT_NETWORK)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "a &lt;study&gt;" in page
    assert "a<script>alert(1)<" in "".join(read(page).text)


def test_the_page_holds_the_numbers_with_their_intervals_and_n(found: Evidence) -> None:
    page = "".join(read(render(found, NOT_NETWORK)).text)
    assert "Does the loop hold?" in page
    assert f"accuracy {found.best.interval()}" in page
    assert str(found.crowned.scores.accuracy) in page
    for recall in found.crowned.scores.recall.values():
        assert str(recall) in page
    for section in NOT_NETWORK:
        assert section.title in page
    for words in ("PED-ANOVA", "fANOVA", "95 % bootstrap interval", "best so far", "kept: epoch 3"):
        assert words in page


def test_the_same_study_gives_the_same_page(found: Evidence) -> None:
    again = replace(found)  # without what `found` has read already
    assert render(again, NOT_NETWORK) == render(found, NOT_NETWORK)


def test_a_section_that_fails_says_so_and_spoils_no_other(
    found: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    page = render(found)  # the fake's network can't be loaded
    assert page.count("This section could not be made") == 1
    assert "report: section attention" in caplog.text
    for section in NOT_NETWORK:
        assert f'id="{section.name}"' in page


def test_a_report_that_fails_altogether_fails_no_sweep(
    found: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    broken = replace(found, run_id="0" * 32)
    assert any("images can't tell" in warning for warning in write_report(broken))
    assert "no report" in caplog.text
    assert "mineralsweep report a <study>" in caplog.text


def test_the_report_is_an_artifact_and_its_warnings_are_told(found: Evidence) -> None:
    told: Any = write_report(found)
    assert any("images can't tell the first" in warning for warning in told)
    files = [file.path for file in found.store.client.list_artifacts(found.run_id)]
    assert "report.html" in files


def test_the_champion_stands_out_also_below_a_better_baseline(found: Evidence) -> None:
    better = replace(found.best, number=BASELINE, value=1.0, accuracy=1.0)
    only = [section for section in SECTIONS if section.name == "leaderboard"]
    page = render(replace(found, baseline=better), only)
    rows = re.findall(r'<tr( class="best")?><(?:th scope="row"|td)>(\d+)</t.><t.[^>]*>(\w+)', page)
    assert rows[0] == ("", "1", "baseline")
    assert [trial for bold, _, trial in rows if bold] == [str(found.best.number)]


def test_one_epoch_is_told_in_words_and_is_no_curve(
    found: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = [section for section in SECTIONS if section.name == "curves"]
    assert "<svg" in render(found, only)
    point = {"train_loss": [0.125], "val_loss": [0.5], "train_accuracy": [1.0]}
    monkeypatch.setattr(Evidence, "curves", lambda *_: {**point, "val_accuracy": [0.75]})
    page = render(replace(found), only)
    assert "<svg" not in page
    words = " ".join(page.split())
    assert "One epoch alone; loss 0.125 in training, 0.500 in validation; accuracy 1.000" in words
