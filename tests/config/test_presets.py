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


def sweep(minutes: float, images: int = 400, cores: int = 2, smallest: int = 40) -> Sweep:
    return build(FILE, "file", presets.choose(minutes, images, smallest, cores, "optuna").overrides)


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
    assert {"finetune", "probe+finetune", "probe+probe"} <= {*fifteen.space.architectures()}
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
    with pytest.raises(ConfigError, match="--minutes: 10000 images need at least 11, got 10"):
        presets.choose(10, 10_000, 40, 2, "optuna")
    made = sweep(11, 10_000)
    assert made.first_points()[0]["image_size"] == 160
    assert made.budget.timeout is not None
    # The first pass of the backbone over every image leaves two thirds of the time.
    first = presets.SECONDS_A_MEGAPIXEL * presets.VIEWS * 10_000 * 160**2 / 1e6 / 2
    assert first <= made.budget.timeout / 3


@pytest.mark.parametrize(("smallest", "folds"), [(1, 1), (2, 1), (3, 3), (4, 4), (5, 5), (50, 5)])
def test_no_more_folds_are_made_than_the_smallest_class_has_images(
    smallest: int, folds: int
) -> None:
    assert sweep(15, 20, smallest=smallest).folds == folds


def test_the_engine_of_the_file_stays() -> None:
    file = {**FILE, "engine": {"name": "keras-tuner", "sampler": "random"}}
    made = build(file, "file", presets.choose(5, 400, 40, 2, "keras-tuner").overrides)
    assert (made.engine.name, made.engine.sampler) == ("keras-tuner", "random")
    file = {**FILE, "engine": {"sampler": "random", "pruner": "hyperband"}}
    made = build(file, "file", presets.choose(5, 400, 40, 2, "optuna").overrides)
    assert (made.engine.sampler, made.engine.pruner) == ("random", "wilcoxon")


def test_several_objectives_go_with_a_time() -> None:
    file = {**FILE, "objectives": ["macro_f1", "latency_ms"]}
    chosen = presets.choose(60, 400, 40, 2, "optuna", prunes=False)
    made = build({name: one for name, one in file.items() if name != "objective"}, "file",
                 chosen.overrides)  # fmt: skip
    assert made.folds > 1
    assert made.engine.pruner == "none"
    assert made.costs == ("latency_ms",)
