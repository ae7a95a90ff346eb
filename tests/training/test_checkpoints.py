"""A training that is stopped and taken up again gives what one gives that ran through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.core.trial import EpochReport, TrialResult, TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.training import checkpoint
from mineralsweep.training.checkpoint import Checkpoint
from tests.examples import trial

REPORT = EpochReport(1, 1.0, 0.5, 0.75, 0.5, 1e-3, 2.0, ((3, 1), (0, 2)))
STATE = Checkpoint(
    history=(REPORT,),
    best_epoch=1,
    lowest=0.75,
    weights=[np.ones((2, 3), np.float32)],
    best_weights=[np.zeros((2, 3), np.float32)],
    optimizer=[np.int64(7), np.float32(0.5)],  # type: ignore[list-item]
    seconds=3.5,
)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path) is None
    assert not checkpoint.exists(tmp_path)
    checkpoint.write(tmp_path / "3", STATE)
    found = checkpoint.read(tmp_path / "3")
    assert found is not None
    assert checkpoint.exists(tmp_path)
    assert (found.epoch, found.history, found.seconds) == (1, (REPORT,), 3.5)
    np.testing.assert_array_equal(found.weights[0], STATE.weights[0])
    np.testing.assert_array_equal(found.best_weights[0], STATE.best_weights[0])
    assert [int(found.optimizer[0]), float(found.optimizer[1])] == [7, 0.5]


def test_a_damaged_state_is_no_state(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, STATE)
    path = tmp_path / checkpoint.STATE
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no archive"):
        path.write_bytes(content)
        assert checkpoint.read(tmp_path) is None


class _KilledError(Exception):
    """The worker dies."""


def train(spec: TrialSpec, die_after: int = 0) -> TrialResult:
    from mineralsweep.training.run import run_trial

    def report(epoch: EpochReport) -> None:
        if epoch.epoch == die_after:
            raise _KilledError

    return run_trial(spec, report)


def without_times(result: TrialResult) -> list[EpochReport]:
    return [replace(report, seconds=0.0) for report in result.history]


CASES = [
    {"architecture": "model2_1", "dropout": 0.3, "augmentation": 0.5},
    {"architecture": "model2_1", "patience": 1, "learning_rate": 0.02, "epochs": 8},
    {"architecture": "compact", "mixup": 0.4, "balance": 0.5, "augmentation": 0.5, "epochs": 3},
    {"architecture": "vgg16", "unfrozen": 2, "image_size": (32, 32), "dropout": 0.3,
     "augmentation": 0.5, "head_epochs": 2},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("changes", "die_after"), list(zip(CASES, (2, 3, 2, 3), strict=True)))
def test_stopped_after_an_epoch_it_ends_as_if_it_had_not_been(
    dataset: Dataset,
    tmp_path: Path,
    changes: dict[str, Any],
    die_after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mineralsweep.search.task import examples

    monkeypatch.setattr(checkpoint, "MOST_OF_THE_TIME", 0)  # each epoch's state, whatever it costs

    changes = {"epochs": 4, **changes}
    if "image_size" in changes:
        changes["examples"] = examples(dataset, changes["image_size"])
    whole = train(trial(dataset, tmp_path / "whole", **changes))
    spec = replace(
        trial(dataset, tmp_path / "twice", **changes),
        checkpoint=tmp_path / "state",
        checkpoint_every=0.0,
    )
    with pytest.raises(_KilledError):
        train(spec, die_after)  # before the state of that epoch is written
    state = checkpoint.read(tmp_path / "state")
    assert state is not None
    assert state.epoch == die_after - 1
    seen: list[int] = []
    from mineralsweep.training.run import run_trial

    again = run_trial(spec, lambda report: seen.append(report.epoch))
    assert seen == list(range(die_after, 1 + len(whole.history)))
    assert without_times(again) == without_times(whole)
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    assert (again.best_epoch, again.stop_reason) == (whole.best_epoch, whole.stop_reason)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_longer_trial_goes_on_from_a_shorter_one(dataset: Dataset, tmp_path: Path) -> None:
    whole = train(trial(dataset, tmp_path / "whole", epochs=3))
    short = replace(
        trial(dataset, tmp_path / "short", epochs=2), checkpoint=tmp_path / "state", keep_last=True
    )
    train(short)
    longer = replace(trial(dataset, tmp_path / "longer", epochs=3), initial=tmp_path / "state")
    result = train(longer)
    assert without_times(result) == without_times(whole)
    np.testing.assert_array_equal(result.probabilities, whole.probabilities)
    # Nothing is left to train: the same answer at once.
    again = train(replace(short, folder=tmp_path / "again"), die_after=2)
    assert [report.epoch for report in again.history] == [1, 2]
