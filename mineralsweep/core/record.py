"""How a trial ended, and which of them is better: one order for all that compare trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Params
from mineralsweep.evaluation import FoldMean, Proportion, fold_mean, wilson

State = Literal["COMPLETE", "PRUNED", "FAILED"]

BASELINE = -1
"""The number of the baseline, which is no trial of the search."""


def epoch_named(epoch: int | None) -> str:
    """Say which weights are kept: those of an epoch, or those that training started from."""
    return f"epoch {epoch}" if epoch else "the start"


@dataclass(frozen=True)
class TrialRecord:
    """How a trial ended: one line of the leaderboard.

    Attributes:
        value: of the objective's metric, for the weights kept; None for a failed trial.
        accuracy: on the validation split, in [0, 1]; None for a failed trial. With folds, the mean
            over those that ended, as `value` and `loss` are.
        loss: on the validation split, in nats; None for a failed trial.
        n: images in the validation split; with folds, images that were predicted.
        run_id: MLflow's run of the trial; "" while MLflow may not have it yet. An engine is told of
            a trial once it is safe on disk; `StudyRun.located` fills both in afterwards.
        model_id: MLflow's logged model; None for a failed trial, and while it is not there yet.
        reason: why it was pruned or failed, or ended before its last epoch; "" if neither.
        seconds: wall time of the training; with folds, the sum of theirs.
        spread: standard deviation of the accuracy over folds; None without folds.
        folds: that the pool is divided into, 1 without folds.
        fold_accuracies: the accuracy of each fold, all repeats' in order; None for one that was not
            trained to its end. Empty without folds.
        fold_values: the same of the objective.
        low, high: the 95 % interval of `value`; None where it has none, or is of folds.
        independent: the share of the images that count as independent, as in `Scores`.
        measures: the value of every objective, by name, and of every cost that was measured; empty
            for a failed trial.
    """

    number: int
    state: State
    params: Params
    value: float | None
    accuracy: float | None
    loss: float | None
    n: int
    best_epoch: int | None
    run_id: str
    model_id: str | None
    reason: str
    seconds: float
    spread: float | None = None
    folds: int = 1
    fold_accuracies: tuple[float | None, ...] = ()
    fold_values: tuple[float | None, ...] = ()
    low: float | None = None
    high: float | None = None
    independent: float = 1.0
    measures: dict[str, float] = field(default_factory=dict)

    def title(self) -> str:
        """Return what people call it: "trial 5", or "the baseline"."""
        return "the baseline" if self.number == BASELINE else f"trial {self.number}"

    def interval(self) -> Proportion | FoldMean:
        """Return the validation accuracy with its interval: Wilson's, or the one over folds.

        Raises:
            ValueError: the trial failed and has none.
        """
        if self.accuracy is None:
            raise ValueError(f"trial {self.number} failed: it has no accuracy")
        ended = [one for one in self.fold_accuracies if one is not None]
        if ended:
            return fold_mean(ended, self.folds, self.n)
        return wilson(round(self.accuracy * self.n), self.n, self.independent)

    def value_of(self, objective: str) -> float | None:
        """Return the trial's value of any objective, None where it is not known."""
        older = {"accuracy": self.accuracy, "loss": self.loss}
        return self.measures.get(objective, older.get(objective))

    def score(self) -> Proportion | FoldMean | None:
        """Return the objective's value with its interval; None for a loss of one split."""
        ended = [one for one in self.fold_values if one is not None]
        if ended:
            return fold_mean(ended, self.folds, self.n)
        if self.value is None:
            return None
        if self.low is None or self.high is None:  # an older record has none of its accuracy
            return self.interval() if self.value == self.accuracy else None
        return Proportion(self.value, self.low, self.high, self.n)

    def scores(self, objective: str) -> dict[str, str]:
        """Return the objective's value as people read it, then accuracy's and the loss, by name.

        Shares stand with their 95 % interval and n, losses alone. A failed trial has none.
        """
        if self.value is None or self.loss is None:
            return {}
        own = self.score()
        text = f"{self.value:.3f}" if own is None else str(own)
        others = {"accuracy": str(self.interval()), "loss": f"{self.loss:.3f}"}
        others.pop(objective, None)
        return {objective: text, **others}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        tuples = {name: tuple(data.get(name, ())) for name in ("fold_accuracies", "fold_values")}
        return cls(**{**data, **tuples})


def ranked(records: Sequence[TrialRecord], objective: str) -> list[TrialRecord]:
    """Order records best first: complete ones by value, ties by loss; then pruned; then failed.

    A tie with the baseline goes to the trial.
    """
    sign = objectives.get(objective).sign
    order = ("COMPLETE", "PRUNED", "FAILED")

    def key(record: TrialRecord) -> tuple[int, float, float, bool, int]:
        value = 0.0 if record.value is None else sign * record.value
        loss = record.loss or 0.0
        return order.index(record.state), value, loss, record.number == BASELINE, record.number

    return sorted(records, key=key)


def champion(records: Sequence[TrialRecord], objective: str) -> TrialRecord | None:
    """Return the best complete trial by validation alone, None without one."""
    best = ranked(records, objective)
    return best[0] if best and best[0].state == "COMPLETE" else None
