"""The leaderboard, the plots' page and the description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mineralsweep.core.record import TrialRecord
from mineralsweep.engines import ENGINES
from mineralsweep.evaluation import score
from mineralsweep.registry import Crowned, Decision
from mineralsweep.report import description, leaderboard, plots_page
from tests.contracts.test_engines import run as run_trials
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


def test_the_plots_page_stands_alone() -> None:
    engine = ENGINES["optuna"](settings(), "s", Path("studies"), None, {})
    run_trials(engine, 8)
    page = plots_page(engine, "a <study>")
    assert "<h1>a &lt;study&gt;</h1>" in page
    assert 'src="http' not in page
    for title in ("History", "Slices", "Parallel coordinates", "PED-ANOVA", "fANOVA"):
        assert title in page


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


def test_the_description_answers_the_question_with_intervals() -> None:
    table = leaderboard(RECORDS, settings())
    left_out = ["vgg16: no weights"]
    text = description(settings(), table, crowned(1), "data: 30 images", left_out, [], 1.25)
    assert "**Question.** Does the loop hold?" in text
    assert "accuracy 0.900 [0.596, 0.982], n = 10" in text
    assert "**1.000 [0.342, 1.000], n = 2**" in text
    assert "version 3" in text
    assert "**Left out.** vgg16: no weights" in text
    assert "1.2 minutes" in text
    assert "Careful" not in text
    assert "**The gate.** Version 3 took the alias champion. There was none." in text
    assert "| rank | trial |" in text
    text = description(settings(), table, crowned(1), "d", [], ["few images of b."], 1.0)
    assert "**Careful.** few images of b." in text
