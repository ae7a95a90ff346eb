"""Tests of two samples: against scipy's, against tables known by heart, and under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from mineralsweep.evaluation.shift import (
    Shift,
    holm,
    mean,
    of_labels,
    of_numbers,
    of_shares,
)


def labels(**counts: int) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


def test_labels_are_compared_as_by_chi_square_where_there_are_many() -> None:
    new, others = {"a": 55, "b": 80, "c": 65}, {"a": 60, "b": 50, "c": 50}
    wanted = chi2_contingency([[*new.values()], [*others.values()]], correction=False).pvalue
    shift = of_labels("labels", labels(**new), labels(**others))
    assert shift.p == pytest.approx(wanted, abs=0.015)
    assert shift == of_labels("labels", labels(**new), labels(**others))


def test_of_few_labels_p_is_exact() -> None:
    # 3 and 3 of two kinds, parted wholly: 2 of the 20 ways to draw them are as extreme.
    assert of_labels("x", labels(a=3), labels(b=3)).p == pytest.approx(0.1, abs=0.01)
    assert of_labels("x", labels(a=3), labels(a=4)).p == 1


def test_shares_are_compared_by_fisher_s_test() -> None:
    # Fisher's tea: 3 of 4 against 1 of 4 has the two-sided p 34/70.
    tea = of_shares("x", np.array([1, 1, 1, 0], bool), np.array([1, 0, 0, 0], bool))
    assert tea.p == pytest.approx(34 / 70)


def test_numbers_are_compared_by_their_whole_distribution() -> None:
    random = np.random.default_rng(0)
    narrow, wide = random.normal(0, 1, 300), random.normal(0, 3, 300)
    assert of_numbers("x", narrow, wide).p < 1e-6
    assert of_numbers("x", narrow, narrow).p == 1


@pytest.mark.parametrize("compared", ["labels", "numbers"])
def test_p_is_uniform_where_nothing_differs(compared: str) -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(200):
        both = [random.integers(0, 5, count) for count in (60, 150)]
        if compared == "labels":
            found.append(of_labels("x", *([str(one) for one in part] for part in both)).p)
        else:
            found.append(of_numbers("x", *(random.random(count) for count in (60, 150))).p)
    shares = [float(np.mean(np.asarray(found) < level)) for level in (0.05, 0.5)]
    assert shares == pytest.approx([0.05, 0.5], abs=0.1)
    assert shares[0] <= 0.09


def test_holm_s_correction() -> None:
    """Of p = 0.01, 0.04, 0.03: 0.03, 0.06, 0.06, as R's p.adjust gives."""
    found = holm([Shift("", "", p, p) for p in (0.01, 0.04, 0.03)])
    assert [one.corrected for one in found] == pytest.approx([0.03, 0.06, 0.06])
    assert [one.significant for one in found] == [True, False, False]
    assert [one.corrected for one in holm([Shift("", "", 0.9, 0.9)] * 2)] == [1, 1]
    assert holm([]) == ()


def test_a_mean_has_student_s_interval() -> None:
    found = mean(np.array([1.0, 2.0, 3.0]))
    assert (found.value, found.n) == (2, 3)
    assert found.high - found.value == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert mean(np.array([0.5, 0.5])).low == 0.5
    with pytest.raises(ValueError, match="2 numbers"):
        mean(np.array([1.0]))
