"""Colour and texture as numbers: what they tell, their layout, and how they are kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mineralsweep import descriptors, files
from mineralsweep.data.dataset import Dataset
from mineralsweep.descriptors import colour, store
from mineralsweep.errors import ArchitectureError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (64, 48, 3), dtype=np.uint8)


def flat(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((64, 64, 3), (red, green, blue), np.uint8)


def stripes(period: int, across: bool = False) -> np.ndarray:
    rows = (np.arange(64) // period % 2 * 255).astype(np.uint8)
    image = np.repeat(np.tile(rows[:, None], (1, 64))[..., None], 3, axis=2)
    return image.transpose(1, 0, 2) if across else image


def block(name: str, image: np.ndarray) -> np.ndarray:
    made = next(one for one in descriptors.BLOCKS if one.name == name)
    return made.compute(colour.planes_of(image))


def test_each_block_has_the_count_that_it_states() -> None:
    for one in descriptors.BLOCKS:
        for image in (NOISE, flat(0, 0, 0)):
            numbers = one.compute(colour.planes_of(image))
            assert numbers.shape == (one.count,), one.name
            assert numbers.dtype == np.float32
            assert np.isfinite(numbers).all()
    assert descriptors.count() == sum(one.count for one in descriptors.BLOCKS) == 1786


def test_sets_are_blocks_in_one_order() -> None:
    counts = {name: descriptors.count(name) for name in descriptors.SETS}
    assert counts == {
        "colour": 754, "texture": 278, "whole": 708, "whole_and_grid": 1032,
        "covariance": 754, "all": 1786,
    }  # fmt: skip
    assert [block.name for block in descriptors.blocks("whole_and_grid")] == [
        block.name for block in descriptors.BLOCKS[:-1]
    ]
    for call in (descriptors.count, descriptors.blocks):
        with pytest.raises(ArchitectureError, match="unknown set 'color'; did you mean 'colour'"):
            call("color")


def test_a_set_has_the_numbers_that_all_has_of_its_blocks() -> None:
    every = descriptors.features(NOISE[None])[0]
    for name in descriptors.SETS:
        own = descriptors.features(NOISE[None], name)[0]
        assert own.shape == (descriptors.count(name),)
        for block in descriptors.blocks(name):
            np.testing.assert_array_equal(
                own[descriptors.columns(block.name, name)], every[descriptors.columns(block.name)]
            )
    with pytest.raises(KeyError, match="set 'colour' has no block 'gradients'"):
        descriptors.columns("gradients", "colour")


def test_an_image_s_numbers_depend_on_it_alone() -> None:
    images = np.stack([stripes(4), flat(200, 30, 30), stripes(2)])
    together = descriptors.features(images)
    assert together.shape == (3, 1786)
    np.testing.assert_array_equal(together[1], descriptors.features(images[1:2])[0])
    assert descriptors.features(images[:0], "colour").shape == (0, 754)


@pytest.mark.parametrize("side", [descriptors.SMALLEST, 33, 97])
def test_small_and_odd_sizes_work(side: int) -> None:
    image = RNG.integers(0, 256, (side, side + 7, 3), dtype=np.uint8)
    assert np.isfinite(descriptors.features(image[None])).all()


def test_colours_are_told_by_colour_and_not_by_texture() -> None:
    both = np.stack([flat(200, 0, 0), flat(0, 120, 0)])
    red, green = descriptors.features(both, "colour")
    assert np.abs(red - green).max() > 0.9
    red, green = descriptors.features(both, "texture")
    assert np.abs(red - green).max() < 0.35  # the local patterns of flat planes are the same


def test_shares_of_a_histogram_are_roots_that_square_to_one() -> None:
    numbers = colour.histograms(colour.planes_of(NOISE))
    assert (numbers[:16] ** 2).sum() == pytest.approx(1, abs=1e-5)
    assert (numbers[-72:] ** 2).sum() == pytest.approx(1, abs=1e-5)


def test_where_a_colour_is_shows_in_the_grid_alone() -> None:
    left = flat(0, 0, 0)
    left[:, :32] = 255
    right = left[:, ::-1]
    np.testing.assert_allclose(block("histograms", left), block("histograms", right), atol=1e-6)
    assert np.abs(block("grid", left) - block("grid", right)).max() > 0.9


def test_edges_tell_their_direction_and_their_scale() -> None:
    down, across = block("gradients", stripes(8)), block("gradients", stripes(8, across=True))
    assert down[:9].argmax() != across[:9].argmax()
    assert down[:36].sum() == pytest.approx(1, abs=1e-5)
    fine, coarse = (block("gradients", stripes(period))[48:] for period in (1, 8))
    assert fine[0] > coarse[0]  # L* of the finest of the five scales
    assert fine[12] < coarse[12]  # and of a coarser one


def test_patterns_don_t_change_with_a_quarter_turn() -> None:
    turned = block("local_binary", np.rot90(NOISE).copy())
    assert np.abs(turned - block("local_binary", NOISE)).max() < 0.02


def test_covariance_is_the_same_mirrored_and_tells_turned_stripes_apart() -> None:
    seen = block("covariance", NOISE)
    np.testing.assert_allclose(block("covariance", NOISE[:, ::-1]), seen, atol=1e-3)
    np.testing.assert_allclose(block("covariance", NOISE[::-1]), seen, atol=1e-3)
    down, across = (block("covariance", stripes(8, turned)) for turned in (False, True))
    assert np.abs(down - across).max() > 1


def test_distances_of_covariances_are_those_of_their_logarithms() -> None:
    from mineralsweep.descriptors import covariance

    def matrix(channels: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(np.cov(channels) + covariance.RIDGE * np.eye(4))
        return vectors @ np.diag(np.log(values)) @ vectors.T

    one, other = RNG.normal(size=(2, 4, 50))
    rows = [covariance._of(each.reshape(4, 10, 5))[:10] for each in (one, other)]
    distance = np.linalg.norm(matrix(one) - matrix(other))
    assert np.linalg.norm(rows[0] - rows[1]) == pytest.approx(distance)
    means = covariance._of(one.reshape(4, 10, 5))[10:]
    np.testing.assert_allclose(means, one.mean(axis=1))


def test_they_are_computed_once_and_again_when_damaged(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = dataset.arrays((32, 32))
    first = store.ensure(images, threads=2, chosen="texture")
    assert first.shape == (30, 278)
    kept = sorted((files.folder() / "texture").iterdir())
    start = f"{images.stem}-t{descriptors.VERSION}-"
    assert [one.name for one in kept] == [
        f"{start}{name}.npy" for name in ("co_occurrence", "gradients", "local_binary")
    ]
    with monkeypatch.context() as patch:
        patch.setattr(store, "_compute", lambda *_: pytest.fail("computed twice"))
        np.testing.assert_array_equal(store.ensure(images, chosen="texture"), first)
    whole = store.ensure(images)
    np.testing.assert_array_equal(whole[:, descriptors.columns("gradients")], first[:, 164:242])
    kept[1].write_bytes(kept[1].read_bytes()[:-100])
    np.testing.assert_array_equal(store.ensure(images), whole)


def test_one_row_an_image_in_the_order_of_the_images(dataset: Dataset) -> None:
    from mineralsweep.data import arrays

    images = dataset.arrays((32, 32))
    expected = descriptors.features(arrays.load(images)[[7]])[0]
    np.testing.assert_array_equal(store.ensure(images, threads=3)[7], expected)


def test_naming_the_sets_loads_no_image_library(tmp_path: Path) -> None:
    code = (
        "import sys, mineralsweep.descriptors; sys.exit(','.join({'skimage', 'sklearn', 'scipy'}"
        " & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
