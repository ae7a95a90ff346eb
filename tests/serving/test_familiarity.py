"""Novelty: few held-out images are called unlike the training, others are."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.serving import familiarity
from mineralsweep.serving.familiarity import FALSE_ALARMS, Seen, bound, fit, load, save


def drawn(count: int, seed: int, shift: float = 0.0, embedded: bool = True) -> Seen:
    """Return images whose numbers are normal around a shift."""
    random = np.random.default_rng(seed)
    looks = random.normal(shift, 1.0, (count, 12)).astype(np.float32)
    embeddings = random.normal(shift, 1.0, (count, 20)).astype(np.float32)
    return Seen(looks, embeddings if embedded else None)


def joined(*parts: Seen) -> Seen:
    embeddings = [one.embeddings for one in parts if one.embeddings is not None]
    return Seen(
        np.concatenate([one.looks for one in parts]),
        np.concatenate(embeddings) if embeddings else None,
    )


@pytest.mark.parametrize("embedded", [True, False])
def test_about_one_new_image_in_twenty_is_a_false_alarm(embedded: bool) -> None:
    seen = drawn(1000, 0, embedded=embedded)
    known, _ = fit(seen, [(range(600), range(600, 1000))])
    assert known.held_out == 400
    alarms = (known.novelty(drawn(4000, 1, embedded=embedded)) > 1).mean()
    assert alarms == pytest.approx(FALSE_ALARMS, abs=0.03)
    assert (known.novelty(drawn(200, 2, 4.0, embedded)) > 1).all()


def test_either_distance_is_enough() -> None:
    known, _ = fit(drawn(400, 0), [(range(200), range(200, 400))])
    like, unlike = drawn(50, 1), drawn(50, 1, 6.0)
    assert unlike.embeddings is not None
    assert (known.novelty(Seen(unlike.looks, like.embeddings)) > 1).all()
    assert (known.novelty(Seen(like.looks, unlike.embeddings)) > 1).all()


def test_several_divisions_hold_out_each_image_once_and_all_are_the_reference() -> None:
    rows = range(60)
    divisions = [
        ([row for row in rows if row % 3 != fold], [row for row in rows if row % 3 == fold])
        for fold in range(3)
    ]
    known, kept = fit(drawn(60, 0), divisions)
    assert known.held_out == 60
    assert kept == list(rows)


@pytest.mark.parametrize(("count", "rank"), [(1, 1), (10, 10), (19, 19), (39, 38), (99, 95)])
def test_the_bound_is_split_conformal_s(count: int, rank: int) -> None:
    distances = np.random.default_rng(0).permutation(count).astype(float) + 1
    assert bound(distances) == rank


def test_more_images_than_are_kept_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiarity, "MOST", 16)
    known, kept = fit(drawn(100, 0), [(range(20, 100), range(20))])
    assert known.reference.embeddings is not None
    assert known.reference.embeddings.shape == (16, 20)
    assert len(kept) == 16
    assert set(kept) <= set(range(20, 100))


@pytest.mark.parametrize("embedded", [True, False])
def test_what_is_saved_says_the_same(tmp_path: Path, embedded: bool) -> None:
    seen = drawn(80, 0, embedded=embedded)
    fitted, _ = fit(seen, [(range(50), range(50, 80))])
    known = fitted.with_digests([f"{i:064x}" for i in range(50)])
    save(known, tmp_path)
    loaded = load(tmp_path)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.novelty(seen), known.novelty(seen))
    assert loaded.digests == known.digests
    assert loaded.held_out == 30


def test_a_training_image_s_nearest_is_itself() -> None:
    seen = drawn(40, 0)
    known, kept = fit(seen, [(range(10, 40), range(10))])
    assert seen.embeddings is not None
    places, distances = known.reference.nearest(seen.embeddings[25], 3)
    assert kept[places[0]] == 25
    assert distances[0] == pytest.approx(0.0, abs=0.02)  # kept in half precision
    assert distances.tolist() == sorted(distances.tolist())


def test_constant_numbers_do_no_harm() -> None:
    seen = joined(drawn(40, 0), drawn(10, 1))
    seen.looks[:, 3] = 0.5
    known, _ = fit(seen, [(range(30), range(30, 50))])
    assert np.isfinite(known.novelty(seen)).all()


def test_files_that_are_damaged_or_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(tmp_path) is None
    (tmp_path / familiarity.FILE).write_bytes(b"no archive")
    with pytest.raises(ValueError, match="no archive"):
        load(tmp_path)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("whitening.npy", bytes(2000))
    (tmp_path / familiarity.FILE).write_bytes(content.getvalue())
    monkeypatch.setattr(familiarity, "LARGEST", 1000)
    with pytest.raises(ValueError, match="at most 1000"):
        load(tmp_path)
