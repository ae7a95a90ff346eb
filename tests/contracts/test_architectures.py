"""Every architecture keeps the contract; a new one needs a row in COUNTS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep import descriptors, models
from mineralsweep.config import Space
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.errors import ArchitectureError, WeightsUnavailable
from mineralsweep.models import ARCHITECTURES
from mineralsweep.models.architecture import OF_NETWORKS, Architecture

# name -> (input shape, parameters in all, of which not trainable), three classes
COUNTS = {
    "model1": ((400, 321, 3), 779_349, 96),
    "model2": ((180, 180, 3), 1_016_131, 0),
    "model2_1": ((180, 180, 3), 1_016_131, 0),
    "vgg16": ((180, 180, 3), 14_714_688 + 3_277_056 + 771, 14_714_688),
    "compact": ((128, 128, 3), 309_683, 1_472),
    "finetune": ((320, 320, 3), 765_059, 294_496),
}
# name -> numbers an image that it is fitted on by default
NUMBERS = {"colour_texture": 708}
PROBES = ("probe",)
"""Estimators on what a pretrained backbone answers."""
RANDOM: dict[str, dict[str, Any]] = {key: {"weights": "none"} for key in ("vgg16", "finetune")}
SMALL = (96, 96, 3)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
any_kind = pytest.mark.parametrize("name", sorted(ARCHITECTURES))
every = pytest.mark.parametrize("name", sorted(COUNTS))
every_estimator = pytest.mark.parametrize("name", sorted(NUMBERS))


def build(name: str, shape: tuple[int, int, int] = SMALL, classes: int = 3, **more: Any) -> Any:
    return ARCHITECTURES[name].build(shape, classes, **RANDOM.get(name, {}), **more)


def test_each_architecture_has_a_pinned_count() -> None:
    kinds = {name: one.kind for name, one in ARCHITECTURES.items()}
    estimators = dict.fromkeys((*NUMBERS, *PROBES), "estimator")
    assert kinds == {**dict.fromkeys(COUNTS, "network"), **estimators}


@every
def test_parameter_counts_are_exact(name: str) -> None:
    shape, total, frozen = COUNTS[name]
    model = build(name, shape)
    assert model.count_params() == total
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert total - trainable == frozen


@every
def test_the_pinned_image_size_is_the_default(name: str) -> None:
    assert ARCHITECTURES[name].image_size == COUNTS[name][0][:2]


@every
def test_the_model_is_uncompiled_and_answers_probabilities_for_raw_pixels(name: str) -> None:
    model = build(name, classes=4)
    assert not model.compiled
    images = np.random.default_rng(0).integers(0, 256, (2, *SMALL), dtype=np.uint8)
    answers = np.asarray(model(images, training=False))
    assert answers.shape == (2, 4)
    assert answers.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


@any_kind
def test_images_at_the_limit_work_and_smaller_ones_are_refused(name: str) -> None:
    smallest = ARCHITECTURES[name].smallest
    build(name, (smallest, smallest, 3))
    with pytest.raises(ArchitectureError, match=f"{name}: needs images of at least {smallest}"):
        build(name, (smallest, smallest - 1, 3))


@every
def test_odd_sizes_work(name: str) -> None:
    assert build(name, (97, 131, 3)).output_shape == (None, 3)


@any_kind
def test_unknown_hyperparameters_and_shapes_are_refused(name: str) -> None:
    with pytest.raises(ArchitectureError, match="has no hyperparameter 'wings'"):
        build(name, wings=2)
    with pytest.raises(ArchitectureError, match="3 channels"):
        build(name, (96, 96, 1))
    with pytest.raises(ArchitectureError, match="at least 2 classes"):
        build(name, classes=1)


@every
def test_hyperparameters_out_of_range_are_refused(name: str) -> None:
    bad = {"dropout": 1.0, "augmentation": 1.5, "unfrozen": 19}
    for key in ARCHITECTURES[name].defaults().keys() & bad.keys():
        with pytest.raises(ArchitectureError, match=f"{name}: {key}: must be from 0 to"):
            build(name, **{key: bad[key]})


@pytest.mark.parametrize(
    ("settings", "total"),
    [({"width": 24}, 693_963), ({"depth": 2}, 703_283), ({"width": 24, "depth": 2}, 1_578_123)],
)
def test_compact_grows_by_width_and_depth(settings: dict[str, Any], total: int) -> None:
    model = build("compact", **settings)
    assert model.count_params() == total
    assert model.count_params() == build("compact", (64, 80, 3), **settings).count_params()


@pytest.mark.parametrize("bad", [{"width": 3}, {"width": 16.5}, {"depth": 0}, {"depth": 5}])
def test_compact_refuses_other_widths_and_depths(bad: dict[str, Any]) -> None:
    with pytest.raises(ArchitectureError, match=r"(width|depth): must be (from|a whole)"):
        build("compact", **bad)


@pytest.mark.parametrize(("unfrozen", "trainable"), [(0, 0), (4, 7_079_424), (8, 12_979_200)])
def test_unfrozen_counts_layers_from_the_top_of_the_trunk(unfrozen: int, trainable: int) -> None:
    trunk = build("vgg16", unfrozen=unfrozen).get_layer("trunk")
    assert trunk.count_params() == 14_714_688
    assert sum(int(np.prod(weight.shape)) for weight in trunk.trainable_weights) == trainable


def test_a_fraction_of_a_layer_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"unfrozen: must be a whole number, got 2\.5"):
        build("vgg16", unfrozen=2.5)


def test_vgg16_takes_weights_from_a_file(tmp_path: Path) -> None:
    source = build("vgg16", (32, 32, 3)).get_layer("trunk")
    path = tmp_path / "trunk.weights.h5"
    source.save_weights(path)
    loaded = ARCHITECTURES["vgg16"].build((48, 48, 3), 3, weights=str(path)).get_layer("trunk")
    for ours, theirs in zip(loaded.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_that_holds_no_such_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trunk.weights.h5"
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsUnavailable, match="does not hold vgg16's weights"):
        ARCHITECTURES["vgg16"].build((32, 32, 3), 3, weights=str(path))
    with pytest.raises(WeightsUnavailable, match=r"no such file: nowhere\.h5"):
        ARCHITECTURES["vgg16"].build((32, 32, 3), 3, weights="nowhere.h5")


def test_imagenet_out_of_reach_says_how_to_supply_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda *_: None)
    with pytest.raises(WeightsUnavailable, match=r"nor reachable; copy vgg16_.*\.h5"):
        ARCHITECTURES["vgg16"].build((32, 32, 3), 3)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"'vgg61'; did you mean 'vgg16'\?"):
        models.get("vgg61")


@every
def test_its_segments_joined_are_the_network(name: str) -> None:
    architecture = ARCHITECTURES[name]
    if architecture.trunk is None:
        assert not architecture.pretrained
        return
    segment, parts = architecture.trunk.segment, architecture.trunk.parts(architecture.defaults())
    extra = {"augmentation": 0.0, "dropout": 0.0}
    model = build(name, (64, 64, 3), **extra)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    whole = np.asarray(model(images, training=False))
    for cut in range(parts):
        features = segment(model, None, cut)(images)
        tail = segment(model, cut, None)
        np.testing.assert_allclose(tail(features), whole, atol=0.02)
        ours = {id(weight) for weight in model.weights}
        assert all(id(weight) in ours for weight in tail.weights)  # training it trains the network
    deeper = segment(model, None, parts - 1)(images)
    between = segment(model, parts - 1, 1)(deeper)
    expected = segment(model, None, 1)(images)
    np.testing.assert_allclose(between, expected, atol=0.02)


@every
def test_the_last_layer_answers_in_float32_also_under_mixed_precision(name: str) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(name)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in model.layers} == {"float32", "bfloat16"}
    images = np.zeros((1, *SMALL), np.uint8)
    assert np.asarray(model(images, training=False)).dtype == np.float32


@every_estimator
def test_an_estimator_answers_probabilities_from_the_pinned_numbers(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert descriptors.count(str(architecture.defaults()["features"])) == NUMBERS[name]
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 4
    numbers = rng.normal(size=(24, NUMBERS[name])) + labels[:, None]
    answers = build(name, classes=4, trees=5).fit(numbers, labels).predict_proba(numbers)
    assert answers.shape == (24, 4)
    assert answers.sum(axis=1) == pytest.approx(np.ones(24))
    assert (answers.argmax(axis=1) == labels).mean() > 0.9


@every_estimator
def test_an_estimator_has_no_setting_of_networks(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert not any(architecture.has(setting) for setting in ("learning_rate", "batch_size"))
    assert all(ARCHITECTURES[other].has("learning_rate") for other in COUNTS)
    assert architecture.epochs == 1


@every_estimator
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"estimator": "forrest"}, "'forrest'; did you mean 'forest'"),
        (
            {"features": "sound"},
            "features: unknown name 'sound'; known: all, colour, covariance, texture,",
        ),
        ({"trees": 0}, "trees: must be from 1 to 1000, got 0"),
        ({"trees": 2.5}, "trees: must be a whole number"),
        ({"penalty": 0}, "penalty: must be from 0.0001 to 10000"),
    ],
)
def test_an_estimator_refuses_what_it_does_not_know(
    name: str, setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArchitectureError, match=message):
        build(name, **setting)


@pytest.mark.slow
def test_compact_with_few_channels_survives_training() -> None:
    code = (
        "import numpy as np\n"
        "from mineralsweep.models import get\n"
        "model = get('compact').build((128, 128, 3), 3, width=8)\n"
        "model.compile('adamw', 'sparse_categorical_crossentropy')\n"
        "images = np.zeros((64, 128, 128, 3), np.uint8)\n"
        "model.fit(images, np.arange(64) % 3, epochs=3, batch_size=32, verbose=0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@any_kind
def test_defaults_keep_to_their_own_declarations(name: str) -> None:
    for declared in ARCHITECTURES[name].hyperparameters.values():
        assert declared.help
        if declared.default is not None:
            declared.check(declared.default)
            assert declared.typed(declared.default) == declared.default


@every
def test_every_network_has_the_hyperparameters_of_networks_with_its_own_defaults(name: str) -> None:
    architecture = ARCHITECTURES[name]
    declared = architecture.hyperparameters
    assert {one.name for one in OF_NETWORKS} <= declared.keys()
    assert declared["learning_rate"].default == architecture.learning_rate
    assert declared["learning_rate"].log
    assert declared["mixup"].default == architecture.recipe.mixup


def test_a_hyperparameter_that_is_there_already_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="toy: hyperparameter 'batch_size' is there"):
        Architecture("toy", own=(Hyperparameter("batch_size", "int"),))


TOY = Architecture(
    "toy",
    builder=lambda shape, classes, width: (width, type(width)),
    own=(Hyperparameter("width", "int", "channels", default=4, low=1, high=9),),
)


def test_a_toy_from_outside_of_the_package_is_searched_like_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "toy", TOY)
    assert models.get("toy").build((32, 32, 3), 2, width=7.0) == (7, int)
    assert models.get("toy").build((32, 32, 3), 2) == (4, int)
    space = Space.model_validate(
        {"architecture": ["toy", "model2"], "width": {"low": 2, "high": 8}, "optimizer": "sgd"}
    )
    params = space.propose(lambda name, entry: {"architecture": "toy", "width": 3.0}[name])
    assert params == {"architecture": "toy", "width": 3, "optimizer": "sgd"}
    assert space.distribution("width").high == 8
    with pytest.raises(ValueError, match="must be from 1 to 9, got 10"):
        Space.model_validate({"architecture": "toy", "width": 10})
