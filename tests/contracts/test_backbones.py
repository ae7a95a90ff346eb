"""Any row of the backbones: probed and fine-tuned, saved, loaded and served alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.models.backbones import BACKBONES
from mineralsweep.serving import network
from tests.examples import trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SIDE = 64


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize(
    "asked",
    [
        {"architecture": "probe", "stages": "all"},
        {"architecture": "finetune", "stage": "top", "unfrozen_stages": 2, "epochs": 1},
    ],
    ids=["probe", "finetune"],
)  # fmt: skip
def test_what_is_served_answers_as_what_was_trained(
    dataset: Dataset, tmp_path: Path, name: str, asked: dict[str, Any]
) -> None:
    from mineralsweep.search.task import examples
    from mineralsweep.training.run import run_trial

    seen = examples(dataset, (SIDE, SIDE))
    spec = trial(
        dataset, tmp_path / "m", **asked, backbone=name, weights="none", precision="float32",
        pooling="mean_and_deviation", image_size=(SIDE, SIDE), examples=seen,
    )  # fmt: skip
    result = run_trial(spec, lambda report: None)
    served = network.load(result.folder)
    assert served.image_size == (SIDE, SIDE)
    images = np.asarray(arrays.load(seen.arrays)[list(seen.validation)])
    np.testing.assert_allclose(served.predict(images), result.probabilities, atol=1e-3)
    keras.utils.clear_session()  # the graphs of sixteen trainings are gigabytes
