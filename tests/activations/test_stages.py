"""What stages answer: one pass for all that lack it, shared by folds and later trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mineralsweep import files
from mineralsweep.activations import stages, store
from mineralsweep.activations.pooling import each, moments
from mineralsweep.activations.stages import StagesWanted
from mineralsweep.core.recipe import AXES

SIDE = 32


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture
def wanted(tmp_path: Path, pixels: np.ndarray) -> StagesWanted:
    np.save(tmp_path / "digest-32x32.npy", pixels)
    path = tmp_path / "digest-32x32.npy"
    return StagesWanted(("fine", "coarse"), "w", path, (0, 2, 3, 5), "horizontal", "float32")


def network(*names: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    fine = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(inputs / 255.0)
    coarse = keras.layers.Conv2D(6, 3, 2, "same", activation="relu")(fine)
    ends = {"fine": fine, "coarse": coarse}
    return keras.Model(inputs, [ends[name] for name in names])


def test_they_are_the_networks_answers_to_each_view(
    wanted: StagesWanted, pixels: np.ndarray
) -> None:
    model, said = network("fine", "coarse"), []
    found = stages.ensure(model, wanted, said.append)
    assert said == [f"backbone, 4 images, view {view} of 2" for view in (1, 2)]
    kept_as = {f"{model.name}, 32x32, float32, {stage}" for stage in wanted.stages}
    assert {one.name for one in store.stored()} == kept_as
    for view in range(2):
        seen = np.flip(pixels[list(wanted.rows)], AXES["horizontal"][view]).astype(np.float32)
        for stage, expected in zip(wanted.stages, model(seen), strict=True):
            kept = found[stage][view]
            assert kept.dtype == np.float32  # their moments are smaller
            np.testing.assert_allclose(kept, moments(expected), rtol=1e-4, atol=1e-5)


def test_activations_are_kept_where_their_moments_are_larger(
    wanted: StagesWanted, pixels: np.ndarray
) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    wide = keras.Model(inputs, [keras.layers.Conv2D(40, 3, 4, "same")(inputs / 255.0)])
    found = stages.ensure(wide, replace(wanted, stages=("wide",)), lambda words: None)
    [expected] = each(wide(pixels[list(wanted.rows)].astype(np.float32)))
    [kept, mirrored] = found["wide"]
    assert kept.dtype == mirrored.dtype == store.DTYPE
    np.testing.assert_allclose(kept.astype(np.float32), expected, rtol=0.01, atol=1e-2)


def test_a_single_stage_is_no_first_image(wanted: StagesWanted, pixels: np.ndarray) -> None:
    model = network("coarse")
    single = keras.Model(model.input, model.outputs[0])  # answers without a list, as loaded ones
    for one in (model, single):
        found = stages.ensure(one, replace(wanted, stages=("coarse",)), lambda words: None)
        expected = single(pixels[list(wanted.rows)].astype(np.float32))
        np.testing.assert_allclose(found["coarse"][0], moments(expected), rtol=1e-4, atol=1e-5)
        store.clear()


def test_what_is_there_is_not_computed_again(wanted: StagesWanted) -> None:
    said: list[str] = []
    stages.ensure(network("coarse"), replace(wanted, stages=("coarse",)), said.append)
    assert len(said) == 2
    stages.ensure(network("fine", "coarse"), wanted, said.append)  # `fine` lacks
    assert len(said) == 4
    for fewer in (wanted, replace(wanted, flips="none"), replace(wanted, stages=("fine",))):
        stages.ensure(network(*fewer.stages), fewer, said.append)
    assert len(said) == 4


@pytest.mark.parametrize(
    "change", [{"weights": "v"}, {"rows": (0, 1)}, {"precision": "bfloat16"}, {"flips": "all"}]
)
def test_what_decides_them_tells_them_apart(
    wanted: StagesWanted, change: dict[str, object]
) -> None:
    said: list[str] = []
    stages.ensure(network("fine", "coarse"), wanted, said.append)
    stages.ensure(network("fine", "coarse"), replace(wanted, **change), said.append)  # type: ignore[arg-type]
    assert len(said) > 2


def test_without_room_they_are_computed_and_not_kept(
    wanted: StagesWanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = stages.ensure(network("fine", "coarse"), wanted, lambda words: None)
    store.clear()
    monkeypatch.setenv(store.CAP_VARIABLE, "0")
    said: list[str] = []
    found = stages.ensure(network("fine", "coarse"), wanted, said.append)
    assert store.stored() == []
    assert any(store.CAP_VARIABLE in words and "not kept" in words for words in said)
    for stage in wanted.stages:
        for one, other in zip(found[stage], kept[stage], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_pass_that_fails_leaves_nothing(wanted: StagesWanted) -> None:
    def fail(words: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.ensure(network("fine", "coarse"), wanted, fail)
    assert store.stored() == []
    assert len(stages.ensure(network("fine", "coarse"), wanted, lambda words: None)) == 2


def test_what_another_process_computes_is_passed_over_and_waited_for(
    wanted: StagesWanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, order = network("fine", "coarse"), []
    ensure_together = store.ensure_together
    first = True

    def busy_at_first(requests: Any, build: Any, wait: bool = True) -> Any:
        nonlocal first
        order.append((requests[0].key["mirrored"], wait))
        if first:
            first = False
            return None
        return ensure_together(requests, build, wait)

    monkeypatch.setattr(store, "ensure_together", busy_at_first)
    found = stages.ensure(model, wanted, lambda words: None)
    views = [str(axes) for axes in AXES["horizontal"]]
    assert order == [(views[0], False), (views[1], False), (views[0], True)]
    assert [len(found[stage]) for stage in wanted.stages] == [2, 2]


def test_a_lock_that_is_held_is_not_waited_for_unless_asked(tmp_path: Path) -> None:
    request = store.Request({"a": 1}, (2,), lambda target: None)
    with files.exclusive(request.place.with_suffix(".lock"), wait=True):
        assert store.ensure_together([request], lambda targets: None, wait=False) is None
    assert store.ensure_together([request], lambda targets: None, wait=False) is not None
