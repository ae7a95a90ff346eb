"""A recipe's options: the study's by default, each changed alone, as its formula says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.core.recipe import FIXED, ORIGINAL, SEARCHABLE, Recipe
from mineralsweep.data.dataset import Dataset
from mineralsweep.models import ARCHITECTURES
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
STUDY_S = ("model1", "model2", "model2_1", "vgg16")


@pytest.mark.parametrize("name", STUDY_S)
def test_the_study_s_networks_have_every_option_off(name: str) -> None:
    assert ARCHITECTURES[name].recipe == ORIGINAL
    assert not ORIGINAL.needs_pixels()
    assert ORIGINAL.differing() == {}


def test_every_option_can_be_searched_or_is_fixed_for_a_sweep() -> None:
    assert set(SEARCHABLE) | set(FIXED) == set(Recipe.__dataclass_fields__)
    assert not set(SEARCHABLE) & set(FIXED)


def test_a_trial_takes_options_from_its_space_and_from_its_training_section(
    dataset: Dataset,
) -> None:
    spec = trial(dataset, Path("x"), mixup=0.3, schedule="cosine", warmup=2)
    assert spec.recipe == Recipe(schedule="cosine", warmup=2, mixup=0.3)
    assert spec.params()["mixup"] == 0.3
    assert trial(dataset, Path("x")).recipe == ORIGINAL
    assert "mixup" not in trial(dataset, Path("x")).params()


def test_an_option_can_be_turned_off_where_the_architecture_has_it_on(dataset: Dataset) -> None:
    assert ARCHITECTURES["compact"].recipe.mixup > 0
    assert trial(dataset, Path("x"), architecture="compact", mixup=0.0).recipe.mixup == 0


def rates(dataset: Dataset, epochs: int, **options: Any) -> list[float]:
    """Return the rate of each step, 4 steps an epoch."""
    from mineralsweep.training import recipe

    spec = trial(dataset, Path("x"), **options)
    found = recipe.schedule(spec, 0.1, epochs, 4)
    return [float(found(step) if callable(found) else found) for step in range(4 * epochs)]


def test_the_cosine_falls_from_the_rate_to_nothing(dataset: Dataset) -> None:
    found = rates(dataset, 10, schedule="cosine")
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(40) / 40)) / 2
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_warm_up_rises_evenly_to_the_rate(dataset: Dataset) -> None:
    found = rates(dataset, 10, schedule="cosine", warmup=2)
    np.testing.assert_allclose(found[:9], 0.1 * np.arange(9) / 8, atol=1e-6)
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(32) / 32)) / 2
    np.testing.assert_allclose(found[8:], expected, atol=1e-6)


def test_a_warm_up_longer_than_the_training_leaves_one_epoch(dataset: Dataset) -> None:
    found = rates(dataset, 3, schedule="cosine", warmup=9)
    assert max(found) == pytest.approx(0.1, rel=1e-5)


def test_a_constant_rate_stays(dataset: Dataset) -> None:
    assert set(rates(dataset, 2)) == {0.1}


def test_weight_decay_shrinks_kernels_and_no_scales(dataset: Dataset) -> None:
    import keras

    from mineralsweep.training import recipe

    spec = trial(dataset, Path("x"), weight_decay=0.5, optimizer="adamw")
    made = recipe.optimizer(spec, 0.1, 2, 4)
    kernel = keras.Variable(np.ones(2, np.float32), name="kernel")
    gamma = keras.Variable(np.ones(2, np.float32), name="gamma")
    made.build([kernel, gamma])
    made.apply([np.zeros(2, np.float32)] * 2)
    np.testing.assert_allclose(kernel.numpy(), 1 - 0.1 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(gamma.numpy(), 1)


def test_without_the_option_an_optimizer_keeps_its_own_decay(dataset: Dataset) -> None:
    from mineralsweep.training import recipe

    spec = trial(dataset, Path("x"), optimizer="adamw")
    assert recipe.optimizer(spec, 0.1, 2, 4).weight_decay == 0.004
    assert recipe.optimizer(trial(dataset, Path("x")), 0.1, 2, 4).weight_decay is None


def test_validation_labels_are_never_smoothed(dataset: Dataset) -> None:
    from mineralsweep.training import recipe

    spec = trial(dataset, Path("x"), label_smoothing=0.2, balance=1.0)
    found = recipe.validation_labels(spec)
    assert set(np.unique(found)) == {0.0, 1.0}
    np.testing.assert_array_equal(found.argmax(axis=1), spec.examples.validation_labels)
    plain = trial(dataset, Path("x"))
    np.testing.assert_array_equal(recipe.validation_labels(plain), plain.examples.validation_labels)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, True),
        ({"schedule": "cosine", "average_weights": 0.9, "weight_decay": 0.1}, True),
        ({"label_smoothing": 0.1, "balance": 1.0, "flips": "horizontal"}, True),
        ({"mixup": 0.2}, False),
        ({"crop": 0.2}, False),
    ],
)
def test_options_on_pixels_do_without_the_kept_answers_of_a_trunk(
    dataset: Dataset, options: dict[str, Any], kept: bool
) -> None:
    from mineralsweep.training import phases

    assert (
        phases.keeps_activations(trial(dataset, Path("x"), architecture="vgg16", **options)) == kept
    )


def test_a_space_without_a_network_has_no_recipe_to_search() -> None:
    from mineralsweep.config import build
    from mineralsweep.errors import ConfigError

    space = {"architecture": "colour_texture", "mixup": [0.0, 0.2]}
    with pytest.raises(ConfigError, match=r"space.mixup: none of colour_texture has it"):
        build({"question": "Any?", "space": space}, "x")


@pytest.mark.parametrize(
    ("section", "name", "value", "rule"),
    [
        ("space", "mixup", -0.1, "must be from 0 to 10"),
        ("space", "label_smoothing", 1.0, "must be from 0 to 0.9"),
        ("space", "depth", 1.5, "must be a whole number"),
        ("training", "schedule", "cosin", r"unknown value 'cosin'; did you mean 'cosine'\?"),
        ("training", "average_weights", 1.0, "must be less than 1"),
        ("training", "flips", True, "unknown value True"),
    ],
)
def test_values_out_of_range_are_refused_by_their_place(
    section: str, name: str, value: Any, rule: str
) -> None:
    from mineralsweep.config import build
    from mineralsweep.errors import ConfigError

    raw: dict[str, Any] = {"question": "Any?", "space": {"architecture": "compact"}}
    raw[section] = {**raw.get(section, {}), name: value}
    with pytest.raises(ConfigError, match=f"x: {section}.{name}: {rule}"):
        build(raw, "x")


def test_a_factor_scales_what_a_step_moves(dataset: Dataset) -> None:
    import keras

    from mineralsweep.training import recipe

    asked = trial(dataset, Path("x"), optimizer="sgd")
    model = keras.Sequential([
        keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name=name)
        for name in ("low", "high")
    ])  # fmt: skip
    model.build((None, 1))
    low, high = (layer.kernel for layer in model.layers)
    made = recipe.optimizer(asked, 0.1, 1, 1, {id(low): 0.25})
    model.compile(optimizer=made, loss=lambda truth, answer: answer)
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)  # both gradients are 1
    assert [float(np.squeeze(one.numpy())) for one in (low, high)] == pytest.approx([0.975, 0.9])
