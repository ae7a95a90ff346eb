"""Sweeps by time: what is chosen, and that it makes a whole sweep file."""

from __future__ import annotations

import pytest

from mineralsweep.config import Sweep, build, presets
from mineralsweep.errors import ConfigError

FILE = {
    "question": "Which?",
    "image_size": [96, 96],
    "space": {"architecture": "model2", "dropout": [0.1, 0.2]},
    "engine": {"pruner": "median"},
    "objective": "loss",
}


def sweep(minutes: float, images: int = 400, cores: int = 2) -> Sweep:
    return build(FILE, "file", presets.choose(minutes, images, cores).overrides)


@pytest.mark.parametrize("minutes", [1, 2, 5, 10, 15, 30, 60, 600])
@pytest.mark.parametrize("images", [30, 400, 500])
def test_every_time_makes_a_whole_sweep_that_begins_with_a_probe(
    minutes: float, images: int
) -> None:
    made = sweep(minutes, images)
    assert made.objective == "loss"  # of the file
    assert made.first_points()[0]["architecture"] == "probe"
    assert len(made.first_points()) <= made.engine.startup_trials
    assert made.budget.timeout is not None
    assert 0 < made.budget.timeout < 60 * minutes


def test_more_time_has_room_for_folds_backbones_and_fine_tuning() -> None:
    two, fifteen, hour = sweep(2), sweep(15), sweep(60)
    assert (two.folds, fifteen.folds, hour.folds) == (1, 5, 5)
    assert "finetune" not in two.space.architectures()
    assert {"finetune", "probe+finetune"} <= {*fifteen.space.architectures()}
    assert two.space.backbones("probe") == ("efficientnet_lite0",)
    assert "mobilenetv2" in fifteen.space.backbones("probe")


def test_many_images_are_made_smaller_and_a_large_machine_keeps_them_large() -> None:
    assert sweep(5, 400).first_points()[0]["image_size"] == 448
    assert sweep(5, 4000).first_points()[0]["image_size"] == 160
    assert sweep(5, 4000, cores=64).first_points()[0]["image_size"] == 448


def test_presets_are_minutes() -> None:
    assert presets.minutes_of("medium", None) == 15
    assert presets.minutes_of(None, 7.0) == 7
    assert presets.minutes_of(None, None) is None


@pytest.mark.parametrize(
    ("preset", "minutes", "message"),
    [
        ("best", 5.0, "--minutes: --preset says it too"),
        ("bets", None, "--preset: unknown name 'bets'; did you mean 'best'"),
        (None, 0.5, "--minutes: must be at least 1, got 0.5"),
    ],
)
def test_what_makes_no_sense_is_refused(
    preset: str | None, minutes: float | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        presets.minutes_of(preset, minutes)


def test_a_time_that_many_images_do_not_fit_in_is_refused() -> None:
    with pytest.raises(ConfigError, match="--minutes: 10000 images need at least 6, got 5"):
        presets.choose(5, 10_000, 2)
    assert presets.choose(6, 10_000, 2).overrides
