"""Brings one entry of the outbox to MLflow: each thing once, in the order in which it happened."""

from __future__ import annotations

import itertools

from mineralsweep.evaluation import score
from mineralsweep.tracking.outbox import Change, Entry, Point
from mineralsweep.tracking.study_run import StudyRun
from mineralsweep.tracking.trial_run import TrialRun


class Delivery:
    """An entry on its way. `bring` may be called again and again, also after an error.

    Args:
        run: the study's run.
        entry: what is to be delivered.
        doubt: whether some of it may be there already: another driver began, or a request had no
            answer. Then MLflow is asked before anything is written.

    Attributes:
        whole: whether the entry's end may be delivered: only once the engine was told, since the
            entry is removed then.
        done: whether MLflow has all of it.
    """

    def __init__(self, run: StudyRun, entry: Entry, doubt: bool) -> None:
        self._study_run = run
        self._entry = entry
        self._run: TrialRun | None = None
        self._described = False
        self._delivered = 0
        self._doubted = False
        self.doubt = doubt
        self.whole = False
        self.done = False

    @property
    def waiting(self) -> int:
        """How many writes are still to be delivered."""
        if self.done:
            return 0
        return len(self._entry.happened) - self._delivered + self._entry.ended

    def bring(self) -> None:
        """Deliver all that the entry holds now; remove it once it is whole.

        Raises:
            Exception: MLflow's; nothing is lost, and nothing will stand twice.
        """
        if self.done:
            return
        self._doubted = self._doubted or self.doubt
        run = self._open()
        if not self._described:
            run.describe(self._entry.card.params)
            self._described = True
        self._bring_what_happened(run)
        if self.whole and self._delivered == len(self._entry.happened):
            self._bring_end(run)
            if self._doubted:  # a request that timed out may have been carried out since
                self._study_run.find_trial(self._entry.card, keep=run.run_id)
            self._entry.remove()
            self.done = True
        self.doubt = False

    def _open(self) -> TrialRun:
        card = self._entry.card
        if self._run is None or self.doubt:
            known = self._run.run_id if self._run else ""
            found = self._study_run.find_trial(card, known) if self.doubt else None
            self._run = found or self._study_run.start_trial(card)
            if self.doubt:
                self._run.go_on()
        return self._run

    def _bring_what_happened(self, run: TrialRun) -> None:
        ahead = self._entry.happened[self._delivered :]
        for kind, group in itertools.groupby(ahead, key=type):
            several = list(group)
            if kind is Point:
                points = [one for one in several if isinstance(one, Point)]
                run.write(run.without_known(points) if self.doubt else points)
            else:
                for one in several:
                    _change(run, one)
            self._delivered += len(several)

    def _bring_end(self, run: TrialRun) -> None:
        end = self._entry.end()
        if end.result is None or end.predicted is None:
            run.fail(end.reason, end.log, end.time)
        else:
            dataset = self._study_run.dataset_of(self._entry.card)
            labels = dataset.labels()
            scores = score(
                end.result.probabilities,
                [labels[row] for row in end.predicted.rows],
                dataset.classes,
            )
            run.finish(
                end.result, scores, end.state, end.reason, end.predicted, end.time, self._doubted
            )
        if end.best is not None:
            self._study_run.best_so_far(end.best, end.time)


def _change(run: TrialRun, change: object) -> None:
    if isinstance(change, Change) and change.kind == "suspended":
        run.suspend(change.reason)
    else:
        run.go_on()
