"""What the frozen part of a network answers, against the network itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.activations import store
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from tests.examples import trial

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SIZE = (48, 48)


@pytest.fixture
def whole() -> Any:
    import keras

    from mineralsweep.models import get

    keras.utils.set_random_seed(3)
    return get("vgg16").build((*SIZE, 3), 3, augmentation=0.0, weights="none")


@pytest.fixture
def wanted(dataset: Dataset) -> Any:
    from mineralsweep.activations.prefix import ActivationsWanted
    from mineralsweep.models import get

    segment = get("vgg16").trunk.segment
    assert segment is not None
    return ActivationsWanted(
        segment, cut=4, through=4, arrays=dataset.arrays(SIZE), rows=tuple(range(5)),
        strength=0.0, views=1, seed=1, precision="float32",
    )  # fmt: skip


def answer(whole: Any, wanted: Any) -> Any:
    from mineralsweep.activations import prefix

    return np.stack(prefix.ensure(whole, wanted, lambda words: None)).astype(np.float32)


def test_they_are_what_the_frozen_layers_answer(whole: Any, wanted: Any) -> None:
    images = np.asarray(arrays.load(wanted.arrays)[list(wanted.rows)], np.float32)
    for cut in (0, 4, 8, 17):
        expected = wanted.segment(whole, None, cut)(images)
        found = answer(whole, replace(wanted, cut=cut, through=cut))
        assert found.shape == (1, *expected.shape)
        np.testing.assert_allclose(found[0], expected, rtol=0.01, atol=1e-3)


def test_a_shallower_cut_is_reached_through_the_deeper_one(whole: Any, wanted: Any) -> None:
    direct = answer(whole, replace(wanted, cut=0, through=0))
    before = len(store.stored())
    through = answer(whole, replace(wanted, cut=0, through=8))
    assert {one.name for one in store.stored()[before:]} == {
        f"vgg16, unfrozen {cut}, 48x48, augmentation 0, float32" for cut in (0, 8)
    }
    np.testing.assert_allclose(through, direct, atol=0.02)


def test_views_differ_and_the_seed_decides_them(whole: Any, wanted: Any) -> None:
    varied = replace(wanted, strength=1.0, views=3)
    found = answer(whole, varied)
    assert len(np.unique(found[:, 0].reshape(3, -1), axis=0)) == 3
    store.clear()
    np.testing.assert_array_equal(answer(whole, varied), found)
    assert not np.array_equal(answer(whole, replace(varied, seed=2)), found)


def test_other_weights_images_rows_or_strengths_are_other_activations(
    whole: Any, wanted: Any, dataset: Dataset
) -> None:
    answer(whole, wanted)
    answer(whole, wanted)
    assert len(store.stored()) == 1
    for other in (
        replace(wanted, rows=(4, 3, 2)),
        replace(wanted, strength=0.5),
        replace(wanted, strength=0.6),
        replace(wanted, arrays=dataset.arrays((48, 48)).with_name("x-48x48.npy")),
    ):
        if other.arrays.name == "x-48x48.npy":
            other.arrays.write_bytes(wanted.arrays.read_bytes())
        answer(whole, other)
    layer = whole.get_layer("trunk").layers[1]
    layer.set_weights([2 * weight for weight in layer.get_weights()])
    answer(whole, wanted)
    assert len(store.stored()) == 6


def run(spec: Any) -> Any:
    from mineralsweep.training.run import run_trial

    return run_trial(spec, lambda report: None)


def spec(dataset: Dataset, folder: Path, **changes: Any) -> Any:
    from mineralsweep.search.task import examples

    settings = {"architecture": "vgg16", "image_size": SIZE, "learning_rate": 1e-4, "views": 3}
    found = examples(dataset, SIZE)
    return trial(dataset, folder, **{**settings, "examples": found, **changes})


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("unfrozen", [0, 4])
def test_the_saved_network_answers_from_pixels_what_the_trained_part_answered(
    dataset: Dataset, tmp_path: Path, unfrozen: int, precision: str
) -> None:
    from mineralsweep.serving import network

    asked = spec(dataset, tmp_path / "m", unfrozen=unfrozen, precision=precision, epochs=3)
    result = run(asked)
    assert store.stored()
    assert result.precision == precision
    rows = list(asked.examples.validation)
    loaded = network.load(result.folder)
    found = loaded.predict(np.asarray(arrays.load(asked.examples.arrays)[rows]))
    np.testing.assert_allclose(found, result.probabilities, atol=0.03)
    policies = {layer.dtype_policy.name for layer in loaded.model.layers}
    assert policies == {"float32"}  # whatever it was trained in, it is served in float32


def test_kept_and_new_features_give_the_same_trial(dataset: Dataset, tmp_path: Path) -> None:
    first = run(spec(dataset, tmp_path / "a", unfrozen=4, deepest={"unfrozen": 8}))
    kept = run(spec(dataset, tmp_path / "b", unfrozen=4, deepest={"unfrozen": 8}))
    store.clear()
    again = run(spec(dataset, tmp_path / "c", unfrozen=4, deepest={"unfrozen": 8}))
    for other in (kept, again):
        np.testing.assert_array_equal(first.probabilities, other.probabilities)


@pytest.mark.parametrize("changes", [{"views": 0}, {"unfrozen": 18}])
def test_without_views_or_a_frozen_layer_nothing_is_kept(
    dataset: Dataset, tmp_path: Path, changes: dict[str, int]
) -> None:
    result = run(spec(dataset, tmp_path / "m", **changes))
    assert len(result.history) == 2
    assert store.stored() == []


def test_where_they_have_no_room_the_trial_trains_through_the_whole_network(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(store.CAP_VARIABLE, "0")
    short = run(spec(dataset, tmp_path / "a"))
    assert "trains through the whole network" in capsys.readouterr().err
    plain = run(spec(dataset, tmp_path / "b", views=0))
    np.testing.assert_array_equal(short.probabilities, plain.probabilities)


def test_the_head_trains_alone_first_when_asked(dataset: Dataset, tmp_path: Path) -> None:
    asked = spec(dataset, tmp_path / "m", unfrozen=4, head_epochs=2, epochs=4, learning_rate=3e-6)
    result = run(asked)
    rates = [epoch.learning_rate for epoch in result.history]
    assert rates == pytest.approx([1e-6, 1e-6, 3e-6, 3e-6])
    only_head = run(spec(dataset, tmp_path / "h", unfrozen=0, epochs=2, learning_rate=1e-6))
    first_two = [epoch.train_loss for epoch in result.history[:2]]
    assert first_two == pytest.approx([epoch.train_loss for epoch in only_head.history], rel=0.1)


def test_a_stop_in_the_head_s_epochs_ends_the_trial(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.training.run import run_trial

    asked = spec(dataset, tmp_path / "m", unfrozen=4, head_epochs=2, epochs=4)
    result = run_trial(asked, lambda report: "enough")
    assert len(result.history) == 1
    assert result.stop_reason == "enough"
