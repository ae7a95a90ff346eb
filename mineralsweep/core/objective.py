"""What trials are compared by: one object an objective, used wherever trials are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mineralsweep.errors import ConfigError, did_you_mean
from mineralsweep.evaluation import CONFIDENCE, Paired, Proportion, Scores, compare, wilson
from mineralsweep.evaluation.paired import Permuted, permuted_p

Confusion = NDArray[np.int64]
"""Images by class: int (classes, classes), rows true, columns predicted."""

Comparison = Paired | Permuted
"""Two models on the same images; `ahead` and `p` tell whether the challenger is better."""

DRAWS = 4_000
"""Of a simulated interval; its ends then vary by less than 0.005."""


@dataclass(frozen=True)
class Objective:
    """A number that says how good a model is on images that it was not trained on.

    Attributes:
        name: as sweep files have it; MLflow's metric is `val_` and the name.
        direction: "maximize" or "minimize".
        of: (confusion, mean cross-entropy in nats) -> the value. Classes without an image
            don't count.
        help: one line.
        counts: confusion -> (right, n), of an objective that is a proportion.
        is_share: whether the value lies in [0, 1] and follows from the confusion.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    of: Callable[[Confusion, float], float]
    help: str
    counts: Callable[[Confusion], tuple[int, int]] | None = None
    is_share: bool = True

    @property
    def metric(self) -> str:
        """The name of the metric in MLflow."""
        return f"val_{self.name}"

    @property
    def sign(self) -> float:
        """What a value is multiplied by so that smaller is better."""
        return -1.0 if self.direction == "maximize" else 1.0

    def is_better(self, value: float | None, other: float | None) -> bool:
        """Say whether a value is better than another; equal is not better, None is never."""
        if value is None or other is None:
            return False
        return self.sign * value < self.sign * other

    def interval(
        self, confusion: Confusion, loss: float, independent: float = 1.0
    ) -> Proportion | None:
        """Return the value with its 95 % interval and n; None for one that is no share.

        A proportion (accuracy, the smallest recall) has Wilson's interval. For others, each
        class's row of the confusion is drawn from its posterior (Dirichlet, Jeffreys' prior), and
        the interval holds 95 % of the values. It is wide for small classes, and never empty.

        Args:
            confusion, loss: of the predictions.
            independent: the share of the images that count as independent; see
                `evaluation.scores.independent_share`.
        """
        if not self.is_share:
            return None
        if self.counts is not None:
            return wilson(*self.counts(confusion), independent)
        value, n = self.of(confusion, loss), int(confusion.sum())
        values = [self.of(drawn, loss) for drawn in _draws(confusion * independent)]
        tail = 100 * (1 - CONFIDENCE) / 2
        low, high = np.percentile(values, [tail, 100 - tail])
        return Proportion(value, min(float(low), value), max(float(high), value), n)

    def shown(self, scores: Scores) -> str:
        """Return a model's value in words, with its interval and n where it has one."""
        interval = self.interval(scores.confusion, scores.loss, scores.independent)
        return str(interval or f"{self.of(scores.confusion, scores.loss):.3f}")

    def compare(
        self,
        labels: Sequence[int],
        champion: NDArray[np.float64],
        challenger: NDArray[np.float64],
    ) -> Comparison:
        """Compare two models' answers for the same images in the same order.

        Accuracy by the exact McNemar test, any other objective by a paired permutation test.

        Args:
            labels: n positions of classes.
            champion: probabilities, float (n, classes).
            challenger: the same of the other model.
        """
        truth = np.asarray(labels)
        if self.name == "accuracy":
            return compare(champion.argmax(axis=1) == truth, challenger.argmax(axis=1) == truth)

        def value(probabilities: NDArray[np.float64]) -> float:
            of_truth = probabilities[np.arange(len(truth)), truth]
            loss = float(-np.log(np.clip(of_truth, 1e-7, 1.0)).mean())
            predicted = probabilities.argmax(axis=1)
            return self.of(confusion_of(predicted, truth, probabilities.shape[1]), loss)

        before, after = value(champion), value(challenger)
        p = permuted_p(value, champion, challenger)
        return Permuted(
            self.name.replace("_", " "),
            after - before,
            self.is_better(after, before),
            p,
            len(truth),
        )


def _draws(confusion: Any) -> list[Any]:
    random = np.random.default_rng(0)
    present = confusion.sum(axis=1) > 0
    drawn = np.zeros((DRAWS, *confusion.shape))
    for row in np.flatnonzero(present):
        shares = random.dirichlet(confusion[row] + 1 / len(confusion), DRAWS)
        drawn[:, row] = shares * confusion[row].sum()
    return list(drawn)


def recalls(confusion: Any) -> NDArray[np.float64]:
    """Return the recall of each class that has an image."""
    totals = np.asarray(confusion).sum(axis=1)
    there = totals > 0
    found: NDArray[np.float64] = np.diag(confusion)[there] / totals[there]
    return found


def _accuracy(confusion: Any, loss: float) -> float:
    return float(np.trace(confusion) / np.sum(confusion))


def _macro_f1(confusion: Any, loss: float) -> float:
    right = np.diag(confusion)
    named = np.sum(confusion, axis=0) + np.sum(confusion, axis=1)
    there = np.sum(confusion, axis=1) > 0
    return float(np.mean(2 * right[there] / named[there]))


def _worst_class(confusion: Confusion) -> tuple[int, int]:
    totals = confusion.sum(axis=1)
    worst = min(np.flatnonzero(totals), key=lambda row: confusion[row, row] / totals[row])
    return int(confusion[worst, worst]), int(totals[worst])


OBJECTIVES: dict[str, Objective] = {}


def register(objective: Objective) -> Objective:
    """Add an objective under its name, for sweep files to name; return it."""
    OBJECTIVES[objective.name] = objective
    return objective


register(
    Objective(
        "accuracy",
        "maximize",
        _accuracy,
        "the share of images classified well",
        counts=lambda confusion: (int(np.trace(confusion)), int(np.sum(confusion))),
    )
)
register(
    Objective(
        "loss",
        "minimize",
        lambda _, loss: loss,
        "the mean cross-entropy, in nats",
        is_share=False,
    )
)
register(
    Objective("macro_f1", "maximize", _macro_f1, "the mean over classes of each class's F1 score")
)
register(
    Objective(
        "balanced_accuracy",
        "maximize",
        lambda confusion, _: float(recalls(confusion).mean()),
        "the mean over classes of each class's recall",
    )
)
register(
    Objective(
        "min_recall",
        "maximize",
        lambda confusion, _: float(recalls(confusion).min()),
        "the recall of the class that is found least often",
        counts=_worst_class,
    )
)


def get(name: str) -> Objective:
    """Return the objective called `name`.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in OBJECTIVES:
        raise ConfigError(f"objective: unknown name '{name}'{did_you_mean(name, OBJECTIVES)}")
    return OBJECTIVES[name]


def metrics_of(counts: Sequence[Sequence[int]] | Confusion) -> dict[str, float]:
    """Return what accuracy and loss don't tell of a confusion, by the metrics' names in MLflow."""
    confusion = np.asarray(counts)
    if not confusion.size:
        return {}
    return {
        one.metric: one.of(confusion, 0.0)
        for one in OBJECTIVES.values()
        if one.is_share and one.name != "accuracy"
    }


def confusion_of(predicted: Any, labels: Any, classes: int) -> Confusion:
    """Count predictions: positions of classes, n of each -> int (classes, classes)."""
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (np.asarray(labels), np.asarray(predicted)), 1)
    return found
