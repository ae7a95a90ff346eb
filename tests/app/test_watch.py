"""What a log of answers tells: drawn logs, with the rate of false alarms measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.app import watch
from mineralsweep.app.watch import DIFFERS, LABELS, LIKE, NO_REFERENCE, TOO_FEW, Watched, compare
from mineralsweep.errors import ConfigError
from mineralsweep.registry import Evidence
from mineralsweep.tracking import open_store
from mineralsweep.web.answer_log import SCHEMA, opened
from tests import evidence

VERSION = "models:/m/3"
START = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
Row = tuple[object, ...]


@dataclass(frozen=True)
class Drawing:
    """A distribution of answers.

    Attributes:
        ash: the share labelled so.
        novelty: its median; a twentieth lies above 1 where it is 0.61.
        sure: the larger, the surer the model.
    """

    ash: float = 0.5
    novelty: float = 0.61
    sure: float = 6.0

    def draw(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return labels (0: ash), confidences in [0.5, 1], and novelties."""
        random = np.random.default_rng(seed)
        labels = (random.random(count) >= self.ash).astype(int)
        confidence = 0.5 + random.beta(self.sure, 1, count) / 2
        return labels, confidence, self.novelty * np.exp(0.3 * random.normal(size=count))


LIKE_BEFORE = Drawing()


def reference(count: int = 160, seed: int = 4) -> Evidence:
    """Return answers to test images, numbered from 10,000; 1,000 was learned from."""
    labels, confidence, novelty = LIKE_BEFORE.draw(count, seed)
    probabilities = np.tile(1 - confidence[:, None], 2)
    probabilities[np.arange(count), labels] = confidence
    return evidence.made(
        [True] * count, first=10_000, probabilities=probabilities.astype(np.float32),
        novelty=tuple(novelty.tolist()),
    )  # fmt: skip


def log(path: Path, rows: Sequence[Row]) -> Path:
    with closing(opened(path)) as database, database:
        database.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return path


def drawn(drawing: Drawing, count: int, seed: int = 3, version: str = VERSION, first: int = 0,
          start: datetime = START) -> list[Row]:  # fmt: skip
    """Return rows of a log, one an hour, of images numbered from `first`."""
    labels, confidence, novelty = drawing.draw(count, seed)
    return [
        (
            (start + timedelta(hours=at)).isoformat(timespec="milliseconds"),
            evidence.name(first + at), evidence.CLASSES[labels[at]], float(confidence[at]),
            "unlike_training" if novelty[at] > 1 else "like_training", float(novelty[at]),
            version, "/classify", "",
        )
        for at in range(count)
    ]  # fmt: skip


@pytest.fixture
def watched(tmp_path: Path) -> Callable[..., Watched]:
    def of(rows: Sequence[Row], known: Evidence | None = None, since: str | None = None) -> Watched:
        path = log(tmp_path / "a.db", rows)
        [one] = compare(path, lambda uri: known or reference(), since)
        path.unlink()
        return one

    return of


def test_false_alarms_are_no_more_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 logs like the test images, each against test images of its own."""
    monkeypatch.setattr("mineralsweep.evaluation.shift.PERMUTATIONS", 999)
    alarms = 0
    for seed in range(200):
        new = drawn(LIKE_BEFORE, 120, 1000 + seed)
        alarms += bool(differing(new, reference(seed=5000 + seed)))
    assert alarms / 200 <= 0.06


def differing(rows: Sequence[Row], known: Evidence) -> list[str]:
    """Return what differs, without a file in between."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(SCHEMA)
        database.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        answers = watch.rows_since(database, "")
    return watch.of_version(VERSION, answers, known).differing


@pytest.mark.parametrize(
    ("drawing", "differs"),
    [
        (LIKE_BEFORE, set()),
        (Drawing(ash=0.85), {"labels"}),
        (Drawing(novelty=0.9), {"unlike training", "novelty"}),
        (Drawing(sure=2), {"confidence"}),
    ],
)
def test_what_differs_is_named(
    watched: Callable[..., Watched], drawing: Drawing, differs: set[str]
) -> None:
    one = watched(drawn(drawing, 200))
    assert set(one.differing) == differs
    assert one.verdict == (DIFFERS if differs else LIKE)


def test_no_verdict_of_few_images(watched: Callable[..., Watched]) -> None:
    far = Drawing(novelty=3)
    assert watched(drawn(far, 49)).verdict == TOO_FEW
    assert watched(drawn(far, 49)).shifts == ()
    assert watched(drawn(far, 50)).verdict == DIFFERS
    assert watched(drawn(far, 50), reference(29)).verdict == TOO_FEW
    assert watched(drawn(far, 50), reference(30)).verdict == DIFFERS


def test_an_image_counts_once_and_not_at_all_where_the_model_knows_it(
    watched: Callable[..., Watched],
) -> None:
    rows = drawn(LIKE_BEFORE, 60)
    known = drawn(LIKE_BEFORE, 1, first=1000) + drawn(LIKE_BEFORE, 10, first=10_000)
    unusable = (rows[0][0], evidence.name("x"), None, None, "unusable", None, VERSION, "/", "")
    one = watched([*rows, *rows[:25], *known, unusable])
    assert (one.answers, one.repeats, one.known, one.unusable) == (97, 25, 11, 1)
    assert one.new.n == 60
    assert one.new == watched(rows).new


def test_of_the_test_images_one_a_group_counts_and_none_learned_from(
    watched: Callable[..., Watched],
) -> None:
    known = reference(100)
    groups = (0,) * 10 + known.groups[10:]
    learned = {**known.learned, known.images[50]: "ash"}
    one = watched(drawn(LIKE_BEFORE, 60), replace(known, groups=groups, learned=learned))
    assert one.tested is not None
    assert one.tested.n == 100 - 9 - 1


def test_a_model_that_says_no_novelty_is_compared_by_the_rest(
    watched: Callable[..., Watched],
) -> None:
    silent = [(*row[:4], None, None, *row[6:]) for row in drawn(Drawing(ash=0.9), 100)]
    one = watched(silent)
    assert [shift.name for shift in one.shifts] == ["labels", "confidence"]
    assert one.differing == [LABELS]
    assert (one.new.unlike, one.new.novelty, one.novel) == (None, None, ())
    with_it = watched(drawn(Drawing(ash=0.9), 100), replace(reference(), novelty=()))
    assert with_it.differing == [LABELS]


def test_the_share_unlike_and_the_most_novel_are_told(watched: Callable[..., Watched]) -> None:
    rows = drawn(Drawing(novelty=0.9), 100)
    one = watched(rows)
    novelties = sorted((float(str(row[5])) for row in rows), reverse=True)
    assert one.new.unlike is not None
    assert one.new.unlike.value == sum(x > 1 for x in novelties) / 100
    assert [image.novelty for image in one.novel] == novelties[:10]
    by_digest = {row[1]: row for row in rows}
    assert all(by_digest[image.sha256][5] == image.novelty for image in one.novel)


def test_time_is_cut_into_days_and_weeks(watched: Callable[..., Watched]) -> None:
    one = watched(drawn(LIKE_BEFORE, 60))
    assert one.unit == "day"
    assert [(period.start, period.summary.n) for period in one.periods] == [
        ("2026-06-01", 24), ("2026-06-02", 24), ("2026-06-03", 12),
    ]  # fmt: skip
    one = watched(drawn(LIKE_BEFORE, 24 * 16))
    assert one.unit == "week"
    assert [(period.start, period.summary.n) for period in one.periods] == [
        ("2026-06-01", 168), ("2026-06-08", 168), ("2026-06-15", 48),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("since", "n"),
    [("2026-06-02", 36), ("2026-06-03T00:00+02:00", 14), ("2026-06-02T23:00", 13)],
)
def test_answers_from_a_time_on(watched: Callable[..., Watched], since: str, n: int) -> None:
    assert watched(drawn(LIKE_BEFORE, 60), since=since).new.n == n


def test_answers_of_the_last_days(watched: Callable[..., Watched]) -> None:
    rows = drawn(LIKE_BEFORE, 48, start=datetime.now(UTC) - timedelta(hours=47.5))
    assert watched(rows, since="1d").new.n == 24
    assert watched(rows, since="12h").new.n == 12


def test_versions_stand_in_the_order_in_which_they_answered(tmp_path: Path) -> None:
    later = START + timedelta(days=9)
    rows = [
        *drawn(LIKE_BEFORE, 60, version="models:/m/9"),
        *drawn(Drawing(novelty=3), 60, version="models:/m/8", first=100, start=later),
    ]
    known = {"models:/m/8": reference()}
    first, second = compare(log(tmp_path / "a.db", rows), known.get)
    assert (first.version, first.verdict) == ("models:/m/9", NO_REFERENCE)
    assert (second.version, second.verdict) == ("models:/m/8", DIFFERS)


@pytest.mark.usefixtures("store_made")
def test_a_version_that_is_not_in_the_store_has_no_reference() -> None:
    found = watch.references_in(open_store())
    assert found("models:/m/3") is None
    assert found("runs:/1234/model") is None


def test_bad_input_is_refused(tmp_path: Path) -> None:
    path = log(tmp_path / "a.db", drawn(LIKE_BEFORE, 3))
    with pytest.raises(ConfigError, match=r"--since.*'soon'"):
        compare(path, lambda uri: None, "soon")
    with pytest.raises(ConfigError, match="no answers since 2027-01-01"):
        compare(path, lambda uri: None, "2027-01-01")
    text = tmp_path / "text"
    text.write_text("hello " * 100)
    empty = tmp_path / "empty.db"
    empty.touch()
    for bad in (tmp_path / "none.db", tmp_path, text, empty):
        with pytest.raises(ConfigError, match=bad.name):
            compare(bad, lambda uri: None)
    assert not (tmp_path / "none.db").exists()
