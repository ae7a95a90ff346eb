"""The leaderboard and the description."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import Proportion, score
from mineralsweep.registry import Crowned, Decision
from mineralsweep.report import Evidence, compact, description, judged_on, leaderboard
from tests.search.test_study import settings

MODEL2 = {"architecture": "model2", "learning_rate": 0.00123456}
MODEL2_1 = {"architecture": "model2_1", "dropout": 0.3}
RECORDS = [
    TrialRecord(0, "COMPLETE", MODEL2, 0.7, 0.7, 0.9, 10, 3, "r0", "m0", "", 12.3),
    TrialRecord(1, "COMPLETE", MODEL2_1, 0.9, 0.9, 0.4, 10, 2, "r1", "m1", "", 10.0),
    TrialRecord(2, "FAILED", MODEL2, None, None, None, 10, None, "r2", None, "no memory", 1.0),
]


def test_the_leaderboard_is_best_first_with_intervals_and_n() -> None:
    table = leaderboard(RECORDS, settings())
    assert table["trial"].tolist() == [1, 0, 2]
    best = table.iloc[0]
    assert best["low"] < best["val_accuracy"] < best["high"]
    assert best["n"] == 10
    assert table["learning_rate"].tolist()[1] == 0.00123456
    assert pd.isna(table["val_accuracy"].tolist()[2])
    assert table["reason"].tolist()[2] == "no memory"


def test_whole_numbers_stay_whole_in_a_column_with_gaps() -> None:
    records = [
        replace(RECORDS[0], params={"architecture": "model2", "trees": 1024, "rate": 0.5}),
        replace(RECORDS[1], params={"architecture": "model2"}),
    ]
    table = leaderboard(records, settings())
    shown = compact(table)
    assert shown["trees"].tolist() == ["", "1024"]
    assert shown["rate"].tolist() == ["", "0.5"]
    assert "1024," in table.to_csv(index=False)


@pytest.mark.parametrize(
    ("fits", "title"),
    [(10, "± sd over 5 folds x 2 ["), (5, "± sd over 5 folds ["), (7, "over 7 fits of 5 folds [")],
)
def test_folds_and_repeats_are_told_apart(fits: int, title: str) -> None:
    values = tuple(0.5 + i / 100 for i in range(fits))
    ended = replace(RECORDS[0], folds=5, fold_accuracies=values, fold_values=values)
    failed = RECORDS[2]
    shown = compact(leaderboard([failed, ended], settings()))
    assert any(title in name for name in shown.columns)
    # The first record failed, and knows of no folds.
    judged = judged_on([failed, ended])
    assert judged.startswith(title.removeprefix("± sd over ").removeprefix("over ").rstrip(" ["))


MACRO = Proportion(0.61, 0.5, 0.72, 10)


def by(objective: str) -> pd.DataFrame:
    """Return the leaderboard of two trials whose order by accuracy is another one."""
    better = replace(RECORDS[0], value=0.61, low=MACRO.low, high=MACRO.high)
    worse = replace(RECORDS[1], value=0.55, low=0.4, high=0.7)
    return leaderboard([worse, better], settings().model_copy(update={"objective": objective}))


@pytest.mark.parametrize("objective", ["macro_f1", "balanced_accuracy", "min_recall"])
def test_the_objective_sorts_and_stands_beside_the_accuracy(objective: str) -> None:
    table = by(objective)
    assert table["trial"].tolist() == [0, 1]
    best = table.iloc[0]
    assert (best[f"val_{objective}"], best["low"], best["high"]) == (0.61, 0.5, 0.72)
    assert best["accuracy_low"] < best["val_accuracy"] == 0.7 < best["accuracy_high"]
    shown = compact(table)
    name = objective.replace("_", " ")
    assert shown[f"{name} [95 % interval]"][0] == "0.610 [0.500, 0.720]"
    assert shown["accuracy [95 % interval]"][0].startswith("0.700 [")


def test_by_loss_the_smallest_is_first_and_has_no_interval() -> None:
    records = [replace(one, value=one.loss) for one in RECORDS]
    shown = compact(leaderboard(records, settings().model_copy(update={"objective": "loss"})))
    assert shown["loss"].tolist() == ["0.400", "0.900", "-"]
    assert list(shown.columns).count("loss") == 1


def test_a_loss_over_folds_may_be_above_1() -> None:
    values = (1.2, 1.6, 2.0)
    record = replace(RECORDS[0], value=1.6, folds=3, fold_accuracies=(0.5,) * 3, fold_values=values)
    score = record.score()
    assert score is not None
    assert score.low < 1.6 < score.high


FIRST = Decision("promoted", "3", "", "no champion", "There was none.", "me", "2026-01-01T00:00")


def crowned(openings: int) -> Crowned:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    scores = score(probabilities, [0, 1], ["a", "b"])
    return Crowned(RECORDS[1], scores, "3", openings, FIRST)


def test_a_champion_is_read_as_it_was_written() -> None:
    written = crowned(1)
    read = Crowned.from_json(written.to_json())
    assert read.to_json() == written.to_json()
    assert read.record == written.record
    assert read.scores.recall == written.scores.recall


def test_the_description_answers_the_question_with_intervals(dataset: Dataset) -> None:
    left_out = ("vgg16: no weights",)
    evidence = Evidence("s", settings(), dataset, tuple(RECORDS), crowned(1), "", "", left_out)
    text = description(evidence, 1.25)
    assert dataset.describe() in text
    assert "Does the loop hold?" in text
    assert "accuracy 0.900 [0.596, 0.982], n = 10" in text
    assert "accuracy 1.000 [0.342, 1.000], n = 2" in text
    assert "macro f1 1.000 [" in text
    assert "version 3" in text
    assert "vgg16: no weights" in text
    assert "1.2 minutes" in text
    assert "Careful" not in text
    assert "There was none." in text  # why the gate decided so
    assert "\n| rank | trial |" in text
    text = description(evidence, 1.0, warnings=["few images of b."])
    assert "**Careful.** few images of b." in text
    cheap = replace(
        evidence, sweep=evidence.sweep.model_copy(update={"objectives": ("accuracy", "size_mb")})
    )
    assert "was best on" in text
    assert "was chosen for its costs on" in description(cheap, 1.25)


def test_the_pieces_of_text_load_neither_tensorflow_nor_mlflow() -> None:
    code = (
        "import sys, mineralsweep.report, mineralsweep.report.photographs;"
        "print({'tensorflow', 'mlflow', 'optuna'} & sys.modules.keys())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"architecture": "model2"}, ""),
        ({"architecture": "vgg16"}, "vgg16"),
        ({"architecture": "probe"}, "efficientnet_lite0"),
        ({"architecture": "probe", "backbone": "vgg16"}, "vgg16"),
        (
            {"architecture": "probe+probe", "second_backbone": "vgg16"},
            "efficientnet_lite0 and vgg16",
        ),
    ],
)
def test_a_trial_is_told_with_the_pretrained_networks_that_it_has(
    params: dict[str, str], named: str
) -> None:
    from mineralsweep.report.costs import backbones_of

    assert backbones_of(replace(RECORDS[0], params=params)) == named
