"""The table of the original beside our own figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mineralsweep.data.dataset import Division
from mineralsweep.evaluation import Scores, fold_mean, wilson
from mineralsweep.evaluation.scores import corrected_half_width
from mineralsweep.models.original import Variant
from mineralsweep.report.leaderboard import markdown

NEEDS_WEIGHTS = "needs ImageNet weights"


@dataclass(frozen=True)
class Outcome:
    """What one training of a reproduction gave.

    Attributes:
        variant: its name.
        division: of the images: a split, or a fold.
        epochs: that it could have, at most.
        best_epoch: whose weights are kept.
        train: images that it was trained on.
        scores: on the test part, which had no say in the training.
    """

    variant: str
    division: Division
    epochs: int
    best_epoch: int
    train: int
    scores: Scores


def table(
    variants: Iterable[Variant], outcomes: Sequence[Outcome], missing: Iterable[str]
) -> pd.DataFrame:
    """Return one row a variant: the original's figures, and ours on single splits and over folds.

    Args:
        variants: in the order of the rows.
        outcomes: in any order; of one protocol.
        missing: names of the variants whose weights can't be had.
    """
    gone = set(missing)
    return pd.DataFrame([_row(variant, outcomes, variant.name in gone) for variant in variants])


def _row(variant: Variant, outcomes: Sequence[Outcome], missing: bool) -> dict[str, str]:
    mine = [one for one in outcomes if one.variant == variant.name]
    splits = [one for one in mine if not one.division.fold]
    folds = [one for one in mine if one.division.fold]
    nothing = NEEDS_WEIGHTS if missing else "not run"
    return {
        "variant": variant.title,
        "original: test accuracy": str(wilson(variant.right, variant.n)),
        "original: loss": f"{variant.loss:.2f}",
        "ours: splits of the same shares": _over_splits(splits) if splits else nothing,
        "their loss": _loss(splits),
        "ours: folds of all images": _over_folds(folds) if folds else nothing,
        "folds' loss": _loss(folds),
        "epochs": " / ".join(_epochs(some) for some in (splits, folds) if some),
    }


def _over_splits(outcomes: Sequence[Outcome]) -> str:
    """One split: Wilson's interval. More: the corrected one; see `evaluation.scores`."""
    if len(outcomes) == 1:
        return f"{outcomes[0].scores.accuracy}, 1 split"
    values = [one.scores.accuracy.value for one in outcomes]
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    n = outcomes[0].scores.accuracy.n
    half = corrected_half_width(spread, len(values), n / outcomes[0].train)
    return (
        f"{mean:.3f} ± {spread:.3f} over {len(values)} splits"
        f" [{max(0.0, mean - half):.3f}, {min(1.0, mean + half):.3f}], n = {n} each"
    )


def _over_folds(outcomes: Sequence[Outcome]) -> str:
    values = [one.scores.accuracy.value for one in outcomes]
    n = sum(one.scores.accuracy.n for one in outcomes)
    # A part of what is not in the fold chooses the epoch: less is trained on.
    return str(
        fold_mean(values, outcomes[0].division.of, n, n / sum(one.train for one in outcomes))
    )


def _loss(outcomes: Sequence[Outcome]) -> str:
    return f"{statistics.fmean(one.scores.loss for one in outcomes):.2f}" if outcomes else ""


def _epochs(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(str(epochs) for epochs in sorted({one.epochs for one in outcomes}))


def page(
    shown: pd.DataFrame,
    outcomes: Sequence[Outcome],
    wanted: int,
    failed: Mapping[str, str],
    missing: Iterable[str],
) -> str:
    """Return the table with what must be said beside it, as Markdown.

    Args:
        shown: from `table`.
        outcomes: that it is made of.
        wanted: trainings that were asked for.
        failed: name of a training -> why it failed.
        missing: variants whose weights can't be had.
    """
    lines = [
        markdown(shown),
        f"{len(outcomes)} of {wanted} trainings. One split: 95 % Wilson interval. Several splits or"
        " folds: mean ± standard deviation, and the 95 % interval corrected for images that they"
        " share (Nadeau & Bengio 2003).",
        f"Test parts read: {len(outcomes)}, each once, after its training had ended; nothing was"
        " chosen by them. The epoch that is kept is that of the lowest validation loss.",
        *(f"Failed: {name}: {reason}." for name, reason in failed.items()),
        *(f"Left out: {name}: {NEEDS_WEIGHTS}." for name in missing),
    ]
    return "\n\n".join(lines) + "\n"
