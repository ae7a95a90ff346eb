"""Each warning: a study that must be warned of, and one that must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mineralsweep.config.entries import Choices, Entry, Range
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.core.record import State, TrialRecord
from mineralsweep.data import duplicates
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.groups import Suggestion
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import sample
from mineralsweep.evaluation import Paired, compare, score, wilson
from mineralsweep.report import findings, warnings
from mineralsweep.report.warnings import Warning

RATE = Range(low=1e-4, high=1e-2, log=True)


def record(number: int, accuracy: float, n: int = 80, **more: Any) -> TrialRecord:
    plain: dict[str, Any] = {
        "number": number, "state": "COMPLETE", "params": {"architecture": "model2"},
        "value": accuracy, "accuracy": accuracy, "loss": 0.5, "n": n, "best_epoch": 3,
        "run_id": "r", "model_id": "m", "reason": "", "seconds": 1.0,
    }  # fmt: skip
    return TrialRecord(**{**plain, **more})


def texts(found: list[Warning]) -> str:
    return "\n".join(f"{warning.headline} {warning.more}" for warning in found)


DECLARED = {
    "dropout": Hyperparameter("dropout", "float", "", low=0.0, high=0.95),
    "augmentation": Hyperparameter("augmentation", "float", "", low=0.0, high=1.0),
}


@pytest.mark.parametrize(
    ("name", "value", "entry", "end"),
    [
        ("learning_rate", 0.0099, RATE, "upper"),
        ("learning_rate", 1.1e-4, RATE, "lower"),
        ("learning_rate", 1e-3, RATE, None),
        # Near the end of the numbers, but not of their logarithms.
        ("learning_rate", 5e-4, RATE, None),
        ("dropout", 0.6, Range(low=0.2, high=0.6), "upper"),
        ("dropout", 0.4, Range(low=0.2, high=0.6), None),
        ("dropout", 0.0, Range(low=0.0, high=0.6), None),  # no range goes lower
        ("augmentation", 0.97, Range(low=0.0, high=1.0), None),
        ("augmentation", 0.02, Range(low=0.0, high=1.0), None),
        ("augmentation", 0.79, Range(low=0.2, high=0.8), "upper"),
        ("augmentation", 1.0, Range(low=0.0, high=1.0, step=0.25), None),
        ("augmentation", 0.5, Range(low=0.0, high=0.5, step=0.25), "upper"),
        ("batch_size", 16, Choices(choices=(16, 32, 64)), "lower"),
        ("batch_size", 32, Choices(choices=(16, 32, 64)), None),
        ("batch_size", 32, Choices(choices=(32,)), None),  # a constant was not searched
        ("optimizer", "adam", Choices(choices=("adam", "sgd")), None),
    ],
)
def test_a_best_value_at_the_end_of_its_range(
    name: str, value: float | str, entry: Entry, end: str | None
) -> None:
    found = list(warnings.at_a_boundary({name: value}, {name: entry}, DECLARED))
    assert len(found) == (end is not None)
    assert end is None or f"{end} end" in texts(found)


def test_without_a_declaration_the_end_of_the_sweep_s_range_is_warned_of() -> None:
    entries: dict[str, Entry] = {"dropout": Range(low=0.0, high=0.6)}
    assert list(warnings.at_a_boundary({"dropout": 0.0}, entries, {}))
    assert not list(warnings.at_a_boundary({"dropout": 0.0}, entries, DECLARED))


def against(gained: int, lost: int, n: int = 80) -> Paired:
    """Compare a best trial that alone is right on `gained` images, and alone wrong on `lost`."""
    before = [False] * gained + [True] * (n - gained)
    after = [True] * gained + [False] * lost + [True] * (n - gained - lost)
    return compare(before, after)


def test_a_lead_that_is_not_significant() -> None:
    trials = [record(4, 60 / 80), record(1, 59 / 80), record(0, 58 / 80), record(2, 54 / 80)]
    near, clear = against(3, 2), against(6, 0)
    [found] = warnings.indistinguishable(trials, [near, near, clear, near])
    assert "The first 3 " in found.headline  # up to the first one that is significantly worse
    assert "(McNemar p >= 0.05, n = 80)" in found.headline
    assert f"Trial 4 against trial 1: {near}" in found.more
    assert not list(warnings.indistinguishable(trials, [clear, near]))
    assert not list(warnings.indistinguishable(trials[:1], []))
    # The better value by the objective does not show that a trial is right more often.
    assert list(warnings.indistinguishable(trials, [against(0, 9)]))


def test_folds_that_differ_more_than_the_trials() -> None:
    def folded(number: int, *values: float, **more: Any) -> TrialRecord:
        mean = sum(values) / len(values)
        folds = {"folds": len(values), "fold_accuracies": (0.9,) * len(values)}
        return record(number, 0.9, value=mean, fold_values=values, **{**folds, **more})

    wide, second = folded(0, 0.7, 0.8, 0.9), folded(1, 0.7, 0.78, 0.89)
    [found] = warnings.spread_larger_than_lead([wide, second])
    assert "0.010" in found.headline  # the lead
    assert "0.100" in found.headline  # the spread of the objective's values, not of the accuracy
    assert not list(warnings.spread_larger_than_lead([folded(0, 0.799, 0.8, 0.801), second]))
    assert not list(warnings.spread_larger_than_lead([record(0, 0.8), record(1, 0.79)]))


def test_a_class_with_too_few_images() -> None:
    enough = {"train": {"a": 20, "b": 30}, "validation": {"a": 10, "b": 10}}
    assert not list(warnings.small_classes(enough))
    found = list(warnings.small_classes({**enough, "test": {"a": 9, "b": 11}}))
    assert "Test split: fewer than 10 images of a 9." in texts(found)
    assert "b 11" not in texts(found)


def test_near_duplicates_across_the_split() -> None:
    assert not list(warnings.ungrouped(None))
    told = Suggestion(48, 12, ("a1_1.jpg", "a1_2.jpg"), "data.groups=name")
    [asked] = warnings.ungrouped(told)
    assert asked.kind == "groups"
    assert "--set data.groups=name" in asked.more
    assert not list(warnings.leaks([]))
    found = list(warnings.leaks([("a/1.jpg", "a/2.jpg")] * 5))
    assert "5 pairs of near-duplicates" in texts(found)
    assert "and 2 more" in texts(found)


def test_a_loss_that_does_not_fit_its_accuracy() -> None:
    # The study's own: VGG16's loss of 32.6 at an accuracy of 0.8446 on 160 images.
    found = list(warnings.suspicious_loss(wilson(135, 160), 32.5925, 3, "test split"))
    assert "the loss is 32.6 at an accuracy of 0.844" in texts(found)
    assert "its 25 wrong images cost about 209 each" in texts(found)
    assert not list(warnings.suspicious_loss(wilson(135, 160), 0.45, 3, "test split"))
    # As bad as guessing: the loss is no riddle.
    assert not list(warnings.suspicious_loss(wilson(5, 16), 1.5, 3, "test split"))


def test_a_class_that_is_never_found() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]], np.float32)
    found = list(warnings.never_found(score(probabilities, [0, 1], ["a", "b"]), "test split"))
    assert "not one of 1 images of b" in texts(found)
    assert not list(warnings.never_found(score(probabilities, [0, 0], ["a", "b"]), "test split"))


def test_a_test_split_that_was_opened_again() -> None:
    assert not list(warnings.opened_again(1))
    assert "opened 2 times, over all studies" in texts(warnings.opened_again(2))


def test_a_champion_that_does_not_beat_the_baseline() -> None:
    baseline = [False] * 10 + [True] * 30
    better = compare(baseline, [True] * 40)
    assert not list(warnings.no_better_than_baseline(better, "trees"))
    assert not list(warnings.no_better_than_baseline(None, "trees"))
    worse = compare([True] * 40, baseline)
    assert "baseline, trees" in texts(warnings.no_better_than_baseline(worse, "trees"))
    hardly = compare([False, *[True] * 39], [True] * 40)
    assert str(hardly) in texts(warnings.no_better_than_baseline(hardly, "trees"))


def test_a_best_trial_that_was_still_learning() -> None:
    assert not list(warnings.still_improving(record(0, 0.5, best_epoch=9), 10))
    assert "in its last epoch, 10" in texts(
        warnings.still_improving(record(0, 0.5, best_epoch=10), 10)
    )


def test_many_failed_trials() -> None:
    state: State = "FAILED"
    lost = replace(
        record(9, 0.0), state=state, reason="out of memory", value=None, accuracy=None, loss=None
    )
    good = [record(i, 0.5) for i in range(9)]
    assert "1 of 4 trials failed, the last with: out of memory" in texts(
        warnings.many_failed([*good[:3], lost])
    )
    assert not list(warnings.many_failed([*good, lost]))


def test_images_that_are_gone_are_named() -> None:
    assert not list(warnings.missing_images([]))
    [found] = warnings.missing_images([f"{i}.jpg" for i in range(5)])
    assert "5 validated images" in found.headline
    assert "0.jpg, 1.jpg, 2.jpg, and 2 more" in found.headline


def test_a_headline_is_whole_whatever_a_class_is_called() -> None:
    counts = {"train": {"cf. quartz": 3}}
    assert "of cf. quartz 3." in findings.headlines(list(warnings.small_classes(counts)))[0]


def test_with_folds_copies_in_two_folds_are_a_leak_and_a_fold_is_what_is_learned_from(
    tmp_path: Path,
) -> None:
    sample.write(tmp_path / "photos", per_class=12)
    for path in sorted((tmp_path / "photos" / "bornite").iterdir())[:6]:
        with Image.open(path) as photo:
            half = photo.convert("RGB").resize((photo.width // 2, photo.height // 2))
        half.save(path.with_name(f"x{path.stem}.png"))
    dataset = open_dataset(
        DataSettings(str(tmp_path / "photos"), "60/20/20", 0, near_duplicates="ignore")
    )
    evidence: Any = SimpleNamespace(dataset=dataset, sweep=SimpleNamespace(folds=3, repeats=1))
    pool = set(dataset.pool())
    groups = duplicates.groups(dataset.catalog)
    apart = {
        (first, row)
        for row, first in enumerate(groups)
        if row != first
        and (
            ((row in pool) != (first in pool))
            or any((row in held) != (first in held) for _, held in dataset.folds(3))
        )
    }
    assert len(findings._divided(evidence)) == len(apart) > 0
    used = findings._used(evidence)
    assert sum(used["train"].values()) == len(dataset.folds(3)[0][0])
    assert sum(used["validation"].values()) == len(pool)
