"""A sweep's best trial: tested once, registered, and put before the gate, kills included."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path

from mineralsweep.app.sweep import _earlier
from mineralsweep.config import Gate
from mineralsweep.core.record import TrialRecord
from mineralsweep.data import duplicates
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import DataError, InputError
from mineralsweep.registry import NAME, Crowned, Versions, candidate, crown, crowning, decide
from mineralsweep.registry.evidence import digest_of_split
from mineralsweep.registry.files import load_classifier, verify
from mineralsweep.registry.gate import fair_images
from mineralsweep.registry.versions import HISTORY
from mineralsweep.tracking import Store, StudyRun, open_store
from mineralsweep.tracking.store import EXCLUDED
from tests import oracle, pictures

pytestmark = pytest.mark.usefixtures("store_made")


def trial_of(store: Store, dataset: Dataset, wrong: int, folder: Path) -> TrialRecord:
    """Log a model that is wrong on some images of the test split, and right elsewhere.

    They are as many of each class; a model that is wrong on fewer is right on the others.
    """
    images = dataset.catalog.images
    said = {image.digest: image.label for image in images}
    of_class = [
        [row for row in dataset.split.test if images[row].label == name] for name in dataset.classes
    ]
    in_turn = [row for rows in zip_longest(*of_class) for row in rows if row is not None]
    for row in in_turn[:wrong]:
        others = [name for name in dataset.classes if name != images[row].label]
        said[images[row].digest] = others[0]
    model = oracle.log(store, folder, dataset.classes, said)
    run_id = store.client.get_logged_model(model).source_run_id
    return TrialRecord(
        0, "COMPLETE", {"architecture": "model2"}, 0.9, 0.9, 0.3, 10, 3, run_id, model, "", 1.0
    )


class Sweeping:
    """Sweeps that end with models of a chosen quality, on one data set."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self.store = open_store()
        self.dataset = dataset
        self._folder = folder
        self._count = 0

    def begin(self, wrong: int, dataset: Dataset | None = None) -> tuple[StudyRun, TrialRecord]:
        self._count += 1
        data = dataset or self.dataset
        run = StudyRun(self.store, f"s{self._count}", "sweep", lambda _: data)
        return run, trial_of(self.store, data, wrong, self._folder / str(self._count))

    def end(self, wrong: int, dataset: Dataset | None = None, rules: Gate | None = None) -> Crowned:
        run, record = self.begin(wrong, dataset)
        return crown(self.store, run, record, dataset or self.dataset, "s", rules)


@pytest.fixture
def sweeping(tmp_path: Path, make_folder: Callable[..., Path]) -> Sweeping:
    """Return sweeps over 60 pictures, 24 of them for the test."""
    return Sweeping(
        tmp_path / "models", open_dataset(DataSettings(str(make_folder(20)), "40/20/40", 0))
    )


@pytest.mark.parametrize("rules", [{"min_recall": 0.5}, {"model": "other"}])
def test_what_was_crowned_stands_while_the_rules_do(
    sweeping: Sweeping, rules: dict[str, Any]
) -> None:
    crowned = sweeping.end(wrong=3)
    text, best = crowned.to_json(), crowned.record
    kept = _earlier(text, best, Gate())
    assert kept is not None
    assert kept.to_json() == text
    assert _earlier(text, best, Gate(**rules)) is None
    assert _earlier(text, replace(best, number=best.number + 1), Gate()) is None
    assert _earlier("", best, Gate()) is None


def test_a_champion_whose_trial_was_excluded_is_no_rival(sweeping: Sweeping) -> None:
    sweeping.end(wrong=3)
    versions = Versions(sweeping.store)
    run_id = str(versions.get("1").run_id)
    sweeping.store.log(run_id, tags={EXCLUDED: "a finger on the lens"})
    decision = sweeping.end(wrong=5).decision
    assert (decision.verdict, decision.basis, decision.against) == ("promoted", "no champion", "1")
    assert "a finger on the lens" in decision.why
    assert versions.holder("champion") == "2"
    assert sweeping.end(wrong=5, rules=Gate(min_accuracy=0.95)).decision.verdict == "refused"


def test_the_first_is_champion_and_all_of_it_is_on_its_version(sweeping: Sweeping) -> None:
    crowned = sweeping.end(wrong=3)
    assert crowned.decision.verdict == "promoted"
    assert crowned.decision.basis == "no champion"
    assert crowned.scores.accuracy.value == pytest.approx(21 / 24)
    assert crowned.openings == 1
    versions = Versions(sweeping.store)
    held = versions.get(crowned.version)
    assert held.aliases == ["champion"]
    assert held.tags["mineralsweep.gate.verdict"] == "promoted"
    assert held.tags["mineralsweep.gate.why"].startswith("There was no champion")
    numbers = crowned.decision.challenger
    assert numbers is not None
    assert numbers.latency_ms > 0
    assert numbers.size_bytes > 100
    described = held.description or ""
    assert "opened once" in described
    assert "**What the gate said**" in described
    assert "**promoted**. There was no champion" in described
    evidence = versions.evidence(crowned.version)
    assert evidence is not None
    assert evidence.scores().accuracy == crowned.scores.accuracy
    kept = versions.decision(crowned.version)
    assert kept is not None
    assert kept.to_json() == crowned.decision.to_json()
    assert Crowned.from_json(crowned.to_json()).to_json() == crowned.to_json()
    names = sweeping.store.client.list_artifacts(held.run_id, "gate/version-1/decision-1")
    assert [one.path.rpartition("/")[2] for one in names] == ["promotion.json", "promotion.md"]


def test_better_takes_over_worse_and_lucky_do_not(sweeping: Sweeping) -> None:
    assert sweeping.end(wrong=12).decision.takes
    lucky = sweeping.end(wrong=9)  # three images better
    assert lucky.decision.verdict == "refused"
    assert "may be luck" in lucky.decision.why
    versions = Versions(sweeping.store)
    assert (versions.holder("champion"), versions.holder("challenger")) == ("1", "2")
    better = sweeping.end(wrong=1)
    assert better.decision.verdict == "promoted"
    assert better.decision.paired is not None
    assert (better.decision.paired.gained, better.decision.paired.lost) == (11, 0)
    assert (versions.holder("champion"), versions.holder("previous")) == ("3", "1")
    assert versions.get("1").tags["mineralsweep.gate.replaced_by"].startswith("version 3")
    worse = sweeping.end(wrong=12)
    assert worse.decision.verdict == "refused"
    assert versions.holder("champion") == "3"
    assert versions.holder("challenger") == worse.version
    assert worse.openings == 4
    assert [one["verdict"] for one in versions.history()].count("refused") == 2


def test_the_champion_is_not_asked_again_about_the_same_test_split(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeping.end(wrong=12)

    def asked(*_: object) -> None:
        raise AssertionError("the champion was asked again")

    monkeypatch.setattr(crowning, "fetched", asked)
    assert sweeping.end(wrong=1).decision.takes


def test_more_images_the_champion_is_asked_about_those_it_did_not_learn_from(
    sweeping: Sweeping, make_folder: Callable[..., Path]
) -> None:
    """Another seed: part of the new test split was the champion's to learn from."""
    first = sweeping.dataset
    other = open_dataset(DataSettings(first.source, "40/20/40", 1))
    run, record = sweeping.begin(wrong=24)  # wrong on its own test split, right elsewhere
    blind = Gate(find_every_class=False)
    assert crown(sweeping.store, run, record, first, "s", blind).decision.takes
    after = sweeping.end(wrong=0, dataset=other)
    images = first.catalog.images
    learned = {images[row].digest for row in (*first.split.train, *first.split.validation)}
    fair = [row for row in other.split.test if images[row].digest not in learned]
    assert 0 < len(fair) < len(other.split.test)
    paired = after.decision.paired
    assert paired is not None
    assert paired.n == len(fair)
    assert paired.gained == len(fair)
    assert "test images are left out" in after.decision.why


def test_a_champion_of_other_photographs_of_the_same_classes_is_asked_about_these(
    sweeping: Sweeping, tmp_path: Path
) -> None:
    folder = pictures.write_classes(tmp_path / "more", sweeping.dataset.classes, 30, first=100)
    more = open_dataset(DataSettings(str(folder), "40/20/40", 0))
    images = more.catalog.images
    said = {image.digest: image.label for image in sweeping.dataset.catalog.images}
    said |= {image.digest: sweeping.dataset.classes[0] for image in images}
    model = oracle.log(sweeping.store, tmp_path / "of-old", more.classes, said)
    run, record = sweeping.begin(wrong=0)
    old_run = sweeping.store.client.get_logged_model(model).source_run_id
    record = TrialRecord(**{**record.to_dict(), "model_id": model, "run_id": old_run})
    assert crown(sweeping.store, run, record, sweeping.dataset, "s").decision.takes
    after = sweeping.end(wrong=0, dataset=more)
    assert after.decision.paired is not None
    assert after.decision.paired.n == len(more.split.test)
    assert after.decision.takes


def test_a_kill_before_the_answers_were_kept_counts_as_an_opening(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, record = sweeping.begin(wrong=0)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(candidate, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            crown(sweeping.store, run, record, sweeping.dataset, "s")
    assert sweeping.store.openings(digest_of_split(sweeping.dataset)) == 1
    assert crown(sweeping.store, run, record, sweeping.dataset, "s").openings == 2


@pytest.mark.parametrize("step", ["keep_record", "give", "note"])
def test_a_kill_while_the_gate_decides_is_taken_up(
    sweeping: Sweeping, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeping.end(wrong=12)
    run, record = sweeping.begin(wrong=0)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Versions, step, killed)
        with pytest.raises(KeyboardInterrupt):
            crown(sweeping.store, run, record, sweeping.dataset, "s")
    crowned = crown(sweeping.store, run, record, sweeping.dataset, "s")
    assert crowned.openings == 2  # one a sweep: what was answered is not asked for again
    assert crowned.version == "2"  # and nothing is registered twice
    assert crowned.decision.verdict == "promoted"
    assert crowned.decision.paired is not None
    versions = Versions(sweeping.store)
    assert (versions.holder("champion"), versions.holder("previous")) == ("2", "1")
    assert [one["version"] for one in versions.history()] == ["2", "1"]


def test_two_that_come_to_the_gate_at_once_are_judged_one_after_the_other(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were tested while nobody was champion. Unlocked, both would take the alias."""
    versions = Versions(sweeping.store)
    waiting = []
    for _ in range(2):
        run, record = sweeping.begin(wrong=2)
        crown(sweeping.store, run, record, sweeping.dataset, "s", Gate(model="elsewhere"))
        evidence = versions.kept_evidence(record.run_id, digest_of_split(sweeping.dataset))
        assert evidence is not None
        assert record.model_id is not None
        tags = {"mineralsweep.test_digest": evidence.digest}
        version = versions.register(record.run_id, record.model_id, "", tags)
        waiting.append((version, evidence))
    give = Versions.give

    def slowly(self: Versions, alias: str, version: str) -> None:
        time.sleep(0.5)
        give(self, alias, version)

    monkeypatch.setattr(Versions, "give", slowly)
    with ThreadPoolExecutor(2) as pool:
        decisions = list(pool.map(lambda one: decide(versions, *one, Gate()), waiting))
    first, second = sorted(decisions, key=lambda one: one.verdict)
    assert (first.verdict, second.verdict) == ("promoted", "refused")
    assert second.against == first.version
    assert versions.holder("champion") == first.version


def test_a_minimum_refuses_the_first_and_nobody_is_champion(sweeping: Sweeping) -> None:
    crowned = sweeping.end(wrong=12, rules=Gate(min_accuracy=0.9))
    assert crowned.decision.verdict == "refused"
    assert crowned.decision.against == ""
    assert Versions(sweeping.store).holder("champion") == ""
    assert Versions(sweeping.store).holder("challenger") == crowned.version


def test_compiled_code_beside_a_registered_model_is_found(sweeping: Sweeping) -> None:
    """Python would run it in place of the source, without comparing the two."""
    crowned = sweeping.end(wrong=0)
    uri = f"models:/{NAME}/{crowned.version}"
    assert "its files are those that were registered" in verify(uri)
    assert crowned.record.model_id is not None
    where = sweeping.store.client.get_logged_model(crowned.record.model_id).artifact_location
    compiled = local_file_uri_to_path(where) / Path("__pycache__") / "classifier.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"anything")
    with pytest.raises(InputError, match="not those that were registered"):
        verify(uri)
    with pytest.raises(InputError, match="not those that were registered"):
        load_classifier(uri)


def test_near_duplicates_that_the_split_ignored_are_known_to_the_gate(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, images = sweeping.dataset.split.test, sweeping.dataset.catalog.images
    groups = list(range(len(images)))
    groups[rows[0]] = groups[sweeping.dataset.split.train[0]]
    groups[rows[2]] = groups[rows[1]]
    monkeypatch.setattr(duplicates, "groups", lambda _: tuple(groups))
    crowned = sweeping.end(wrong=0)
    evidence = Versions(sweeping.store).evidence(crowned.version)
    assert evidence is not None
    assert fair_images(evidence, evidence) == [images[row].digest for row in rows[1:]]
    assert len(set(evidence.groups)) == len(rows) - 1
    paired = sweeping.end(wrong=0).decision.paired
    assert paired is not None
    assert paired.n == len(rows) - 2


def test_a_store_that_does_not_answer_is_no_missing_evidence(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowned = sweeping.end(wrong=0)
    versions = Versions(sweeping.store)
    run_id, digest = crowned.record.run_id, digest_of_split(sweeping.dataset)
    assert versions.kept_evidence(run_id, "0" * 64) is None  # no such file
    assert versions.kept_evidence("0" * 32, digest) is None  # no such run
    for error in (MlflowException("no answer"), ConnectionError("no answer")):

        def fails(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        for where in ("list", "download"):
            with monkeypatch.context() as patch:
                if where == "list":
                    patch.setattr(versions.store.client, "list_artifacts", fails)
                else:
                    patch.setattr(mlflow.artifacts, "load_text", fails)
                with pytest.raises(type(error), match="no answer"):
                    versions.kept_evidence(run_id, digest)


def test_a_description_stays_within_5000_characters_and_keeps_what_stands_above(
    sweeping: Sweeping,
) -> None:
    crowned = sweeping.end(wrong=0)
    version, decision = crowned.version, crowned.decision
    versions = Versions(sweeping.store)
    for at in range(6):
        time = f"2030-01-0{at + 1}T00:00:00"
        versions.note(replace(decision, why=f"because {at} " + 950 * "y", time=time))
    described = versions.get(version).description or ""
    assert len(described) <= 5000
    assert "## Licence" in described
    assert "because 5" in described
    assert "because 0" not in described
    assert "Earlier ones: in the tags" in described
    assert len(versions.history()) == 7


def test_a_long_reason_is_cut_and_a_tag_that_is_no_json_is_left_out(sweeping: Sweeping) -> None:
    version = sweeping.end(wrong=0).version
    versions = Versions(sweeping.store)
    decision = versions.decision(version)
    assert decision is not None
    reason = '"\\\n\x01' * 3000
    versions.note(replace(decision, note=reason, why='"' * 5000, time="2030-01-01T00:00:00"))
    newest = versions.history()[0]
    assert newest["time"] == "2030-01-01T00:00:00"
    assert len(newest["note"]) == 500
    versions.tag(version, {f"{HISTORY}77": '{"time": "cut', f"{HISTORY}78": "[1]"})
    assert len(versions.history()) == 2
    versions.note(decision)  # and one more can still be written
    assert len(versions.history()) == 3


def test_another_model_has_a_champion_of_its_own(sweeping: Sweeping) -> None:
    sweeping.end(wrong=0)
    other = sweeping.end(wrong=12, rules=Gate(model="slow and sure"))
    assert other.decision.takes
    assert Versions(sweeping.store, "slow and sure").holder("champion") == "1"


def test_a_file_changed_since_it_was_listed_is_no_test_image(sweeping: Sweeping) -> None:
    image = sweeping.dataset.catalog.images[sweeping.dataset.split.test[0]]
    image.path.write_bytes(image.path.read_bytes() + b" ")
    with pytest.raises(DataError, match="changed since it was listed"):
        sweeping.end(wrong=0)


def test_a_model_of_other_classes_is_told(sweeping: Sweeping, tmp_path: Path) -> None:
    run, record = sweeping.begin(wrong=0)
    said = {image.digest: "elm" for image in sweeping.dataset.catalog.images}
    model = oracle.log(sweeping.store, tmp_path / "elm", ("elm", "oak"), said)
    record = TrialRecord(**{**record.to_dict(), "model_id": model})
    with pytest.raises(DataError, match="the model knows elm, oak"):
        crown(sweeping.store, run, record, sweeping.dataset, "s")
