"""Every row of the backbones keeps the contract, with random weights, and with real ones."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import keras
import numpy as np
import pytest

from mineralsweep.errors import ArchitectureError
from mineralsweep.models import backbones
from mineralsweep.models.backbones import BACKBONES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
every = pytest.mark.parametrize("name", sorted(BACKBONES))
SIDE = 64


def images(count: int = 2) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.float32)


@functools.cache
def trunk_of(name: str) -> keras.Model:
    return BACKBONES[name].trunk((SIDE, SIDE, 3), "trunk")


@every
def test_a_row_states_what_is_built(name: str) -> None:
    row = BACKBONES[name]
    trunk = trunk_of(name)
    assert trunk.name == "trunk"
    assert trunk.count_params() == row.parameters
    assert list(row.stages.values())[-1] in (trunk.layers[-1].name, "")
    with pytest.raises(ArchitectureError, match=f"at least {row.smallest} x {row.smallest} pixels"):
        row.trunk((row.smallest, row.smallest - 1, 3), "small")


@every
@pytest.mark.slow
def test_a_row_takes_the_least_and_any_size(name: str) -> None:
    row = BACKBONES[name]
    assert row.trunk((row.smallest, row.smallest, 3), "least").output_shape[1] >= 1
    assert row.trunk((None, None, 3), "any").output_shape[1:3] == (None, None)


@every
def test_a_cut_answers_as_the_whole_network_does(name: str) -> None:
    row, trunk = BACKBONES[name], trunk_of(name)
    scaled = row.scale(keras.ops.convert_to_tensor(images()))
    together = row.cut(trunk, list(row.stages))(scaled, training=False)
    sides = [answer.shape[1] for answer in together]
    assert sides == sorted(sides, reverse=True)  # finer ones first
    np.testing.assert_allclose(together[-1], trunk(scaled, training=False), atol=1e-5)
    for stage, expected in zip(row.stages, together, strict=True):
        alone = row.cut(trunk, [stage])
        answer = alone(scaled, training=False)
        np.testing.assert_allclose(answer[0] if isinstance(answer, list) else answer, expected)
        assert len(alone.layers) <= len(trunk.layers)
    assert len(row.cut(trunk, [next(iter(row.stages))]).layers) < len(trunk.layers)


@every
def test_stages_follow_each_other(name: str) -> None:
    """Each can be frozen while those above it train: a cut lies on every way through."""
    row, trunk = BACKBONES[name], trunk_of(name)
    borders = row.borders(trunk)
    assert list(borders) == list(row.stages)
    scaled = row.scale(keras.ops.convert_to_tensor(images()))
    expected = row.cut(trunk, list(row.stages))(scaled, training=False)
    ends = zip(itertools.pairwise(borders.values()), itertools.pairwise(expected), strict=True)
    for (below, above), (start, end) in ends:
        part = keras.Model(below.tensor, above.tensor)
        np.testing.assert_allclose(part(start, training=False), end, rtol=1e-3, atol=1e-3)
        assert any(layer.weights for layer in trunk.layers[below.layers : above.layers])


@every
@pytest.mark.slow
def test_a_saved_cut_answers_the_same(name: str, tmp_path: Path) -> None:
    row, trunk = BACKBONES[name], trunk_of(name)
    cut = row.cut(trunk, list(row.stages)[-2:])
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, cut(row.scale(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    for ours, theirs in zip(model(images()), loaded(images()), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_is_no_stage_and_no_backbone_is_named() -> None:
    row = BACKBONES["vgg16"]
    with pytest.raises(ArchitectureError, match=r"vgg16: has no stage 'blok3'; did you mean"):
        row.cut(row.trunk((32, 32, 3), "trunk"), ["block4", "blok3"])
    with pytest.raises(ArchitectureError, match=r"backbone: unknown name 'vgg61'; did you mean"):
        backbones.get("vgg61")


def test_weights_from_the_package_index_know_an_egyptian_cat() -> None:
    """The file has a top, too: with it the network names what is on a photograph."""
    from skimage import data, transform

    from mineralsweep.models import torch_file, weights

    row = BACKBONES["efficientnet_lite0"]
    trunk = row.trunk((224, 224, 3), "trunk")
    row.load(trunk, "imagenet")
    path = weights.imagenet_path(row)
    top = torch_file.read(path)
    cat = transform.resize(data.chelsea(), (224, 224), preserve_range=True)[None]
    pooled = np.asarray(trunk(row.scale(cat.astype(np.float32)))).mean(axis=(1, 2))
    scores = pooled @ top["_fc.weight"].T + top["_fc.bias"]
    assert scores.argmax() == 285  # of ImageNet's thousand
    with pytest.raises(Exception, match="does not hold vgg16's weights"):
        BACKBONES["vgg16"].load(BACKBONES["vgg16"].trunk((32, 32, 3), "trunk"), str(path))


@pytest.mark.parametrize(
    ("name", "layer", "total"),
    [("vgg16", "block1_conv1", 291.410), ("mobilenetv2", "Conv1", 92.247)],
)
def test_real_weights_come_from_a_folder(
    weights_folder: Path, name: str, layer: str, total: float
) -> None:
    row = BACKBONES[name]
    trunk = row.trunk((SIDE, SIDE, 3), "trunk")
    row.load(trunk, str(weights_folder))
    kernel = trunk.get_layer(layer).get_weights()[0]
    assert np.abs(kernel).sum() == pytest.approx(total, rel=1e-4)
