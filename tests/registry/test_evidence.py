"""Evidence: what its numbers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mineralsweep.evaluation.calibration import calibration
from mineralsweep.registry.evidence import Evidence
from mineralsweep.serving.confidence import with_temperature

PLAIN = np.random.default_rng(0).dirichlet([0.3, 0.3], 50)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 3.0])
def test_the_error_without_the_temperature_is_that_of_the_plain_answers(temperature: float) -> None:
    labels = tuple(map(int, PLAIN.argmax(axis=1)))
    told = Evidence(
        "a", False, ("x", "y"), (), (), labels, with_temperature(PLAIN, temperature), {}, 1.0, 1,
        temperature=temperature,
    )  # fmt: skip
    plain = told.uncalibrated()
    assert plain is not None
    assert plain.error == pytest.approx(calibration(PLAIN, labels).error, abs=0.03)
    assert replace(told, temperature=1.0).uncalibrated() is None
