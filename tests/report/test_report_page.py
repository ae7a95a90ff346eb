"""The HTML report of a study in a real store: what it holds, and what it must never do."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mineralsweep.app.drawing import draw
from mineralsweep.config.entries import Choices, Entry, Range
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import BASELINE, champion
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.evaluation import score
from mineralsweep.registry import Crowned
from mineralsweep.report import Evidence, make
from mineralsweep.report.costs import undominated
from mineralsweep.report.parallel import coordinates
from mineralsweep.report.study import SECTIONS, page
from mineralsweep.tracking.trial_run import PREDICTIONS
from tests import pictures
from tests.fakes import FakeExecutor
from tests.report.test_report import FIRST, RECORDS
from tests.search.test_study import Scene, settings

NOT_NETWORK = tuple(section for section in SECTIONS if section[0] != "attention")
"""The fake executor leaves no network that could be looked into."""


def only(name: str) -> tuple[Any, ...]:
    return tuple(section for section in SECTIONS if section[0] == name)


def render(evidence: Evidence, sections: tuple[Any, ...] = SECTIONS) -> str:
    return page(evidence, sections).html


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
        "a <study>", sweep, dataset, tuple(records), crowned, scene.store.uri, scene.run.run_id
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
        yield evidence(open_dataset(DataSettings(str(photos), "60/20/20", 0)))


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
    text = render(found, NOT_NETWORK)
    reader = read(text)
    assert "could not be made" not in text
    assert len(text.encode()) < 3_000_000
    assert not reader.all("script", "iframe", "object", "embed")
    for attributes in [attributes for _, attributes in reader.tags]:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"@import|url\((?!#|[\"']?data:)", text)
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
    text = render(found, NOT_NETWORK)
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "a &lt;study&gt;" in text
    assert "a<script>alert(1)<" in "".join(read(text).text)


def test_the_page_holds_the_numbers_with_their_intervals_and_n(found: Evidence) -> None:
    text = "".join(read(render(found, NOT_NETWORK)).text)
    assert "Does the loop hold?" in text
    assert f"accuracy {found.best.interval()}" in text
    assert str(found.crowned.scores.accuracy) in text
    for recall in found.crowned.scores.recall.values():
        assert str(recall) in text
    for _, title, _ in NOT_NETWORK:
        assert title in text
    for words in ("PED-ANOVA", "fANOVA", "95 % bootstrap interval", "best so far", "kept: epoch 3"):
        assert words in text


def test_the_same_study_gives_the_same_page(found: Evidence) -> None:
    again = replace(found)  # without what `found` has read already
    assert render(again, NOT_NETWORK) == render(found, NOT_NETWORK)


def test_it_can_be_sent_to_a_process_of_its_own(found: Evidence) -> None:
    assert found.store.client  # opened: what is open is left out
    assert found.validation.rows
    sent = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own bytes
    assert vars(sent).keys() == {field.name for field in fields(Evidence)}
    assert render(sent, only("history")) == render(found, only("history"))


def test_a_section_that_fails_says_so_and_spoils_no_other(
    found: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    text = make(found).html  # the fake's network can't be loaded
    assert text.count("This section could not be made") == 1
    assert "section attention" in caplog.text
    for name, _, _ in NOT_NETWORK:
        assert f'id="{name}"' in text


@pytest.mark.slow
def test_a_report_that_fails_altogether_fails_no_sweep(found: Evidence) -> None:
    told: list[str] = []
    assert draw(replace(found, study="a-study", run_id="0" * 32), told.append) is None
    assert "0" * 32 in told[0]  # the run that is not there
    assert "mineralsweep report a-study" in told[0]


@pytest.mark.slow
def test_the_report_is_an_artifact_and_its_warnings_are_told(found: Evidence) -> None:
    told: list[str] = []
    drawn = draw(replace(found, study="a-study"), told.append)
    assert told == []
    assert drawn is not None
    assert any("statistically indistinguishable" in warning for warning in drawn.warnings)
    files = [file.path for file in found.store.client.list_artifacts(found.run_id)]
    assert "report.html" in files


@contextmanager
def rewritten(found: Evidence, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Iterator[None]:
    """Have the champion's predictions changed in the store while the context lasts."""
    run_id = found.best.run_id
    path = Path(found.store.client.download_artifacts(run_id, PREDICTIONS))
    data = json.loads(path.read_text())
    before = pd.DataFrame(data["data"], columns=data["columns"])
    found.store.log_table(run_id, change(before.copy()), PREDICTIONS)
    yield
    found.store.log_table(run_id, before, PREDICTIONS)


def test_a_renamed_photograph_is_found_by_its_digest(found: Evidence) -> None:
    images = found.dataset.catalog.images
    expected = found.validation

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        table["file"] = [f"another/{i}.jpg" for i in range(len(table))]
        table["digest"] = [images[row].digest for row in expected.rows]
        return table

    with rewritten(found, renamed):
        shown = replace(found).validation
    assert (shown.rows, shown.labels, shown.missing) == (expected.rows, expected.labels, ())


@pytest.mark.parametrize("older", [False, True])
def test_an_image_that_can_not_be_found_is_left_out_with_a_line(
    found: Evidence, older: bool
) -> None:
    def gone(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[0, ["file", "digest"]] = "gone.jpg", "0" * 64
        return table.drop(columns="digest") if older else table  # earlier runs have names alone

    all_of_them = len(found.validation.rows)
    with rewritten(found, gone):
        again = replace(found)
        assert len(again.validation.rows) == all_of_them - 1
        report = page(again, NOT_NETWORK)
    assert "could not be made" not in report.html
    assert any("gone.jpg" in warning for warning in report.warnings)


def test_the_champion_stands_out_also_below_a_better_baseline(found: Evidence) -> None:
    better = replace(found.best, number=BASELINE, value=1.0, accuracy=1.0)
    text = render(replace(found, baseline=better), only("leaderboard"))
    rows = re.findall(r'<tr( class="best")?><(?:th scope="row"|td)>(\d+)</t.><t.[^>]*>(\w+)', text)
    assert rows[0] == ("", "1", "baseline")
    assert [trial for bold, _, trial in rows if bold] == [str(found.best.number)]


def test_a_baseline_that_is_the_champion_has_its_report(found: Evidence) -> None:
    better = replace(found.best, number=BASELINE, params={"architecture": "colour_texture"})
    crowned = replace(found.crowned, record=better)
    names = ("leaderboard", "history", "importance", "slices", "coordinates")
    sections = tuple(section for section in SECTIONS if section[0] in names)
    report = page(replace(found, baseline=better, crowned=crowned), sections)
    assert "could not be made" not in report.html.split('id="leaderboard"')[1]
    assert "The baseline (colour_texture) was best" in report.html


@pytest.mark.parametrize("objective", ["macro_f1", "loss"])
def test_every_section_tells_the_sweep_s_own_objective(found: Evidence, objective: str) -> None:
    text = render(by(found, objective), NOT_NETWORK)
    assert "could not be made" not in text
    assert f"validation {objective.replace('_', ' ')}" in text
    assert "validation accuracy" not in text


def by(found: Evidence, objective: str) -> Evidence:
    """Return the study as if its trials had been compared by another objective."""
    sweep = found.sweep.model_copy(update={"objective": objective})
    records = tuple(
        replace(one, value=one.loss, low=None, high=None, fold_values=()) for one in found.records
    )
    best = champion(records, objective)
    assert best is not None
    crowned = replace(found.crowned, record=best)
    return replace(found, sweep=sweep, records=records, crowned=crowned)


def test_trials_are_compared_by_the_sweep_s_objective(found: Evidence) -> None:
    report = page(by(found, "macro_f1"), only("history"))
    assert any("(paired permutation p >= 0.05, n = " in warning for warning in report.warnings)


def test_one_epoch_is_told_in_words_and_is_no_curve(
    found: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<svg" in render(found, only("curves"))
    point = {"loss": ([0.125], [0.5]), "accuracy": ([1.0], [0.75]), "macro_f1": ([], [0.7])}
    monkeypatch.setattr(Evidence, "curves", lambda *_: point)
    text = render(replace(found), only("curves"))
    assert "<svg" not in text
    words = " ".join(text.split())
    assert "loss 0.125 in training, 0.500 in validation; accuracy 1.000" in words
    assert "macro_f1 0.700 in validation" in words


def test_parallel_coordinates_leave_a_gap_for_what_an_architecture_lacks() -> None:
    entries: dict[str, Entry] = {
        "architecture": Choices(choices=("model2", "model2_1")),
        "learning_rate": Range(low=1e-5, high=1e-1, log=True),
        "dropout": Range(low=0.0, high=0.5),
    }
    settings_of: list[Params] = [
        {"architecture": "model2", "learning_rate": 1e-4},
        {"architecture": "model2_1", "learning_rate": 1e-3, "dropout": 0.1},
        {"architecture": "model2_1", "learning_rate": 1e-2, "dropout": 0.3},
    ]
    records = [
        replace(RECORDS[0], number=i, params=params, value=value)
        for i, (params, value) in enumerate(zip(settings_of, (0.6, 0.7, 0.8), strict=True))
    ]
    [axes] = coordinates(entries, records, "accuracy", best=2).axes
    lines = [
        np.asarray(line.get_ydata(), float) for line in axes.lines if len(line.get_xdata()) > 2
    ]
    expected = [[0, 0, np.nan, 0], [1, 0.5, 0, 0.5], [1, 1, 1, 1]]
    np.testing.assert_allclose(lines, expected, atol=1e-12)


def test_the_front_is_of_trials_that_none_beats_in_both_time_and_value(found: Evidence) -> None:
    one = found.best
    made = [
        replace(one, number=number, seconds=seconds, value=value)
        for number, (seconds, value) in enumerate(
            [(10.0, 0.8), (5.0, 0.7), (20.0, 0.8), (7.0, 0.6), (30.0, 0.9), (2.0, None)]
        )
    ]
    assert [record.number for record in undominated(made, "accuracy")] == [1, 0, 4]
    assert [record.number for record in undominated(made, "loss")] == [1, 3]
