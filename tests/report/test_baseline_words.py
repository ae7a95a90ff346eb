"""How the best trial stands to the baseline, in plain words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mineralsweep.config import Sweep, build
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.evaluation import Paired, compare
from mineralsweep.report import leaderboard, standing, verdict


def sweep(**changes: Any) -> Sweep:
    raw = {"question": "Is it better?", "image_size": 80, "space": {"architecture": "model2"}}
    return build({**raw, **changes}, "test")


def record(number: int, accuracy: float, **changes: Any) -> TrialRecord:
    made = TrialRecord(
        number=number, state="COMPLETE", params={"architecture": "model2"}, value=accuracy,
        accuracy=accuracy, loss=1 - accuracy, n=100, best_epoch=1, run_id="r", model_id="m-1",
        reason="", seconds=1.0,
    )  # fmt: skip
    return replace(made, **changes)


def test_its_row_stands_where_its_value_puts_it() -> None:
    rows = [record(0, 0.9), record(1, 0.7), record(BASELINE, 0.8)]
    table = leaderboard(rows, sweep())
    assert table["trial"].tolist() == [0, "baseline", 1]


def paired(gained: int, lost: int) -> Paired:
    """Return 100 images, on some of which the baseline or the best trial alone is right."""
    before = [False] * gained + [True] * (100 - gained)
    after = [True] * gained + [False] * lost + [True] * (100 - gained - lost)
    return compare(before, after)


def test_a_champion_that_does_not_beat_it_is_told_aloud_with_what_to_do() -> None:
    best, baseline, worse = record(4, 0.74), record(BASELINE, 0.88, model_id="m-7"), paired(1, 15)
    assert verdict(best, baseline, worse, "accuracy", "granite") == [
        "Careful: the baseline is better: accuracy 0.880 [0.802, 0.930], n = 100 against accuracy"
        " 0.740 [0.646, 0.816], n = 100 of trial 4.",
        f"On the same images: {worse}.",
        "To serve the baseline: mlflow models serve -m models:/m-7 --env-manager local --port 5001",
        "To have it registered: mineralsweep resume granite --baseline eligible",
    ]
    assert standing(best, baseline, worse, "accuracy") == "false"
    hardly = verdict(record(4, 0.86), baseline, paired(1, 3), "accuracy", "s")
    assert hardly[0].startswith("Careful: the baseline scores higher:")
    alike = verdict(record(4, 0.8), record(BASELINE, 0.8), paired(2, 2), "accuracy", "s")
    assert alike[0].startswith("Careful: the baseline scores as high:")


def test_a_champion_beats_it_only_where_that_is_shown() -> None:
    best, baseline = record(4, 0.92), record(BASELINE, 0.85)
    shown = verdict(best, baseline, paired(9, 1), "accuracy", "s")
    assert shown[0].startswith("Trial 4 is better than the baseline")
    assert standing(best, baseline, paired(9, 1), "accuracy") == "true"
    for unclear in (paired(7, 3), None):
        near = verdict(best, baseline, unclear, "accuracy", "s")
        assert near[0].startswith("Trial 4 scores higher than the baseline")
        assert near[1].startswith("That it is better is not shown.")
        assert standing(best, baseline, unclear, "accuracy") == "not shown"


def test_a_baseline_that_was_chosen_is_said_to_be_it() -> None:
    best = record(BASELINE, 0.8)
    assert verdict(best, best, None, "accuracy", "s") == [
        "No trial scores higher than the baseline, which was chosen."
    ]
    assert standing(best, best, None, "accuracy") == "is the baseline"
