"""Who watches a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import EpochReport, FoldResult, TrialSpec

if TYPE_CHECKING:
    from mineralsweep.tracking import Away


class Listener(Protocol):
    """Who watches a study; the command line shows it."""

    def study_opened(self, name: str, ended: list[TrialRecord]) -> None: ...

    def trial_started(self, spec: TrialSpec) -> None: ...

    def epoch_ended(self, spec: TrialSpec, report: EpochReport, fold: int | None = None) -> None:
        """A trial, or one of its folds (from 1), ended an epoch."""

    def fold_ended(self, spec: TrialSpec, fold: FoldResult) -> None:
        """A trial's fold was trained to its end."""

    def trial_does(self, spec: TrialSpec, words: str) -> None:
        """Between epochs a trial does something that takes a while."""

    def trial_retried(self, spec: TrialSpec, reason: str, goes_on: bool) -> None:
        """A trial failed for `reason`, and is tried again as `spec` says.

        `goes_on`: from its checkpoint.
        """

    def trial_ended(self, record: TrialRecord) -> None: ...

    def refitting(self, words: str | None) -> None:
        """The chosen trial is trained on all images, and does this now; None: it has ended."""

    def store_away(self, away: Away | None) -> None:
        """Called about once a second: MLflow does not answer, or it does (None)."""

    def slots_changed(self, count: int, words: str) -> None:
        """So many trials run at a time now, at most; `words`: where, "" on this machine."""

    def tick(self) -> None:
        """Called about once a second."""
