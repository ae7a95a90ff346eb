"""The mean over folds and its corrected interval."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.evaluation import fold_mean
from mineralsweep.evaluation.scores import corrected_half_width

FIVE = [0.80, 0.85, 0.75, 0.84, 0.82]


def test_the_interval_by_hand() -> None:
    mean = fold_mean(FIVE, folds=5, n=320)
    assert mean.value == pytest.approx(0.812)
    assert mean.spread == pytest.approx(0.03962, abs=1e-5)
    # t(0.975, 4) = 2.7764; sqrt(1/5 + 1/4) = 0.6708
    assert mean.high - mean.value == pytest.approx(2.7764 * 0.03962 * 0.6708, abs=1e-4)
    assert mean.value - mean.low == pytest.approx(mean.high - mean.value)
    assert str(mean) == "0.812 ± 0.040 over 5 folds [0.738, 0.886], n = 320"


def test_repeats_don_t_make_it_as_narrow_as_one_would_wish() -> None:
    once, often = fold_mean(FIVE, 5, 320), fold_mean(FIVE * 20, 5, 320)
    assert often.high - often.low < once.high - once.low
    plain = 2 * 1.96 * often.spread / np.sqrt(100)
    assert often.high - often.low > 4 * plain
    assert often.over() == "5 folds x 20"


def test_a_trial_cut_short_says_so() -> None:
    assert fold_mean(FIVE[:3], 5, 192).over() == "3 fits of 5 folds"


def test_one_fold_tells_nothing_of_the_spread() -> None:
    mean = fold_mean([0.7], 5, 64)
    assert (mean.low, mean.high) == (0, 1)


def test_the_interval_stays_in_its_range() -> None:
    mean = fold_mean([1.0, 0.9, 1.0, 1.0, 0.95], 5, 50)
    assert mean.high == 1
    assert fold_mean([0.9] * 5, 5, 50).low == pytest.approx(0.9)


@pytest.mark.parametrize(("values", "folds"), [([], 5), ([0.5], 1)])
def test_without_folds_there_is_no_mean(values: list[float], folds: int) -> None:
    with pytest.raises(ValueError, match="needs values of at least 2 folds"):
        fold_mean(values, folds, 10)


def test_it_covers_where_the_plain_interval_does_not() -> None:
    """Fits that share their training images share an error: simulated with correlation 1 / 5.

    Nadeau & Bengio's correction assumes the correlation validation / (training + validation).
    """
    random = np.random.default_rng(0)
    covered = plain_covered = 0
    for _ in range(2000):
        shared, own = random.normal(scale=np.sqrt(0.2)), random.normal(scale=np.sqrt(0.8), size=15)
        values = shared + own
        mean, spread = values.mean(), values.std(ddof=1)
        covered += abs(mean) < corrected_half_width(spread, 15, 1 / 4)
        plain_covered += abs(mean) < 2.145 * spread / np.sqrt(15)
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
    assert plain_covered / 2000 < 0.75
