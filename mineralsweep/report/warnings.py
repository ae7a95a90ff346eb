"""What a reader must be told before the numbers: pure checks of a finished study.

Each check takes the plain facts that it needs, and answers with a list of warnings, mostly empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.config.entries import Entry, Range
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.evaluation import FoldMean, Paired, Proportion, Scores, compare

EDGE = 0.05
"""A value within this share of a range from its end counts as at the end."""
LIMITS: dict[str, tuple[float | None, float | None]] = {
    "dropout": (0.0, 0.95),
    "augmentation": (0.0, 1.0),
    "unfrozen": (0, 18),
    "colour": (0.0, 1.0),
    "crop": (0.0, 1.0),
    "label_smoothing": (0.0, None),
    "mixup": (0.0, None),
    "weight_decay": (0.0, None),
    "depth": (1, None),
}
"""Ends that no range can pass: the best value there is no reason to widen it."""
SIGNIFICANT = 0.05
"""Of the exact McNemar test's p: above it, two trials count as equals."""
FEW_TO_TRAIN = 20
FEW_TO_SCORE = 10


@dataclass(frozen=True)
class Warning:
    """One thing to know. `kind` is a short name; `text` says what, and what to do about it."""

    kind: str
    text: str


def at_a_boundary(params: Params, entries: Mapping[str, Entry]) -> list[Warning]:
    """Warn where the best value of a setting lies at an end of what was searched.

    Args:
        params: of the best trial.
        entries: the search space, by name.
    """
    found = []
    for name, value in params.items():
        entry = entries.get(name)
        if entry is None or isinstance(value, str):
            continue
        end = _end(float(value), entry)
        if end is None:
            continue
        numbers = [float(bound) for bound in entry.bounds() if not isinstance(bound, str)]
        lowest, highest = LIMITS.get(name, (None, None))
        if (end == "low" and min(numbers) == lowest) or (end == "high" and max(numbers) == highest):
            continue
        word = "lower" if end == "low" else "upper"
        found.append(
            Warning(
                "boundary",
                f"{name}: the best value, {value:.3g}, lies at the {word} end of what was searched"
                f" ({min(numbers):g} to {max(numbers):g}). A better one may lie beyond: widen it.",
            )
        )
    return found


def _end(value: float, entry: Entry) -> str | None:
    """Say at which end of a range, or of choices of numbers, a value lies: low, high or None."""
    bounds = [float(bound) for bound in entry.bounds() if not isinstance(bound, str)]
    if len(bounds) < len(entry.bounds()) or len(set(bounds)) < 2:
        return None
    low, high = min(bounds), max(bounds)
    if not isinstance(entry, Range) or entry.step is not None:
        return "low" if value <= low else "high" if value >= high else None
    if entry.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    share = (value - low) / (high - low)
    return "low" if share <= EDGE else "high" if share >= 1 - EDGE else None


def can_not_be_told_apart(
    ranked: Sequence[TrialRecord], right: Mapping[int, NDArray[np.bool_]]
) -> list[Warning]:
    """Warn where the images can't tell the best trial from those after it.

    Args:
        ranked: the complete trials, best first.
        right: trial number -> which images it got right, the same images in the same order.
            A trial without an entry is compared by its lead alone.
    """
    if len(ranked) < 2:
        return []
    best, equals = ranked[0], 1
    for other in ranked[1:]:
        if _told_apart(best, other, right):
            break
        equals += 1
    if equals < 2:
        return []
    second = ranked[1]
    lead = _right(best) - _right(second)
    images = f"{abs(lead)} image{'s' * (abs(lead) != 1)}"
    how = f"leads {second.title()} by {images}"
    if lead <= 0:  # equal, and the lower loss decided
        how = f"got no more images right than {second.title()}"
    return [
        Warning(
            "lead",
            f"{best.n} images can't tell the first {equals} trials apart: {best.title()} {how}"
            f" (exact McNemar test: p is not below {SIGNIFICANT:g}). Read the champion as one of"
            f" {equals} equals; more images to validate on, or folds, would tell more.",
        )
    ]


def _told_apart(
    best: TrialRecord, other: TrialRecord, right: Mapping[int, NDArray[np.bool_]]
) -> bool:
    mine, theirs = right.get(best.number), right.get(other.number)
    if mine is not None and theirs is not None and mine.shape == theirs.shape:
        found = compare(theirs, mine)
        return found.difference > 0 and found.p < SIGNIFICANT
    lead = _right(best) - _right(other)
    # The clearest case: the best is right wherever the other one is.
    return lead > 0 and 2 * 0.5**lead < SIGNIFICANT


def _right(record: TrialRecord) -> int:
    return round((record.accuracy or 0.0) * record.n)


def spread_larger_than_lead(ranked: Sequence[TrialRecord]) -> list[Warning]:
    """Warn where the best trial's folds differ more in accuracy than the first two trials do.

    Not where trials are compared by their loss: its spread over folds is not kept.
    """
    spreads = [record.spread for record in ranked[:2]]
    if any(record.value != record.accuracy for record in ranked[:2]):
        return []
    if len(ranked) < 2 or spreads[0] is None or ranked[0].value is None or ranked[1].value is None:
        return []
    lead = abs(ranked[0].value - ranked[1].value)
    if lead >= spreads[0]:
        return []
    return [
        Warning(
            "spread",
            f"{ranked[0].title()} leads by {lead:.3f}, but its folds differ more than that"
            f" (standard deviation {spreads[0]:.3f}): another division of the images may turn the"
            " order round. Repeat the folds (repeats), or add images.",
        )
    ]


def small_classes(counts: Mapping[str, Mapping[str, int]]) -> list[Warning]:
    """Warn of classes with too few images.

    Args:
        counts: part of the split (train, validation, test) -> class -> images.
    """
    found = []
    for part, by_class in counts.items():
        least = FEW_TO_TRAIN if part == "train" else FEW_TO_SCORE
        small = [f"{name} {count}" for name, count in by_class.items() if count < least]
        if small:
            why = "too few to learn from" if part == "train" else "its recall is a rough guess"
            found.append(
                Warning(
                    "few images",
                    f"{part} split: fewer than {least} images of {', '.join(small)}: {why}."
                    " Add photographs of it, or share the split out otherwise.",
                )
            )
    return found


def leaks(pairs: Sequence[tuple[str, str]]) -> list[Warning]:
    """Warn of near-duplicates on both sides of a border of the split.

    Args:
        pairs: names of two images that show the same, in different parts.
    """
    if not pairs:
        return []
    shown = "; ".join(f"{one} and {other}" for one, other in pairs[:3])
    more = f"; and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return [
        Warning(
            "leak",
            f"{len(pairs)} pair{'s' * (len(pairs) != 1)} of near-duplicates across the split"
            f" ({shown}{more}): the scores are too good. Keep such images in one part.",
        )
    ]


def suspicious_loss(
    accuracy: Proportion | FoldMean, loss: float, classes: int, where: str
) -> list[Warning]:
    """Warn of a loss above that of blind guessing beside an accuracy above it: few, huge errors.

    Args:
        accuracy: with its interval.
        loss: mean cross-entropy in nats.
        classes: how many; a blind guess costs ln(classes).
        where: what was scored.
    """
    blind = math.log(classes)
    wrong = round((1 - accuracy.value) * accuracy.n)
    if loss <= blind or accuracy.low <= 1 / classes or not wrong:
        return []
    return [
        Warning(
            "loss",
            f"{where}: the loss is {loss:.3g} at an accuracy of {accuracy.value:.3f}; a blind guess"
            f" between {classes} classes costs {blind:.2f}. So the model is nearly sure of its"
            f" errors: its {wrong} wrong images cost about {loss * accuracy.n / wrong:.3g} each."
            " Don't trust its confidence; try dropout, label smoothing, a smaller learning rate,"
            " or fewer epochs.",
        )
    ]


def never_found(scores: Scores, where: str) -> list[Warning]:
    """Warn of a class of which not one image was recognised."""
    return [
        Warning(
            "never found",
            f"{where}: not one of {scores.recall[name].n} images of {name} was recognised."
            " Try more epochs or trials, or add photographs of it.",
        )
        for name in scores.never_found()
    ]


def opened_again(openings: int) -> list[Warning]:
    """Warn where the test split was read more than once, over all studies."""
    if openings < 2:
        return []
    return [
        Warning(
            "test split",
            f"the test split has been opened {openings} times, over all studies of it: each look"
            " makes its score less fresh. Photographs that no study has met would do better.",
        )
    ]


def no_better_than_baseline(comparison: Paired | None, name: str) -> list[Warning]:
    """Warn where the champion does not beat the baseline on the same images.

    Args:
        comparison: the baseline as the champion, the best trial as the challenger; None without.
        name: of the baseline.
    """
    if comparison is None or (comparison.difference > 0 and comparison.p < SIGNIFICANT):
        return []
    said = f"the champion is not shown to be better than the baseline, {name}"
    if comparison.p < SIGNIFICANT:
        said = f"the baseline, {name}, is shown to be better than the champion"
    return [
        Warning(
            "baseline",
            f"{said}: {comparison}."
            " The baseline is simpler and faster: prefer it until a champion beats it.",
        )
    ]


def still_improving(best: TrialRecord, epochs: int) -> list[Warning]:
    """Warn where the kept weights are those of the last epoch that was allowed."""
    if best.best_epoch is None or best.best_epoch < epochs or epochs < 2:
        return []
    return [
        Warning(
            "epochs",
            f"the best trial's validation loss was lowest in its last epoch, {epochs}: it was still"
            " learning. Allow more epochs.",
        )
    ]


def many_failed(records: Sequence[TrialRecord]) -> list[Warning]:
    """Warn where more than a tenth of the trials failed."""
    failed = [record for record in records if record.state == "FAILED"]
    if len(failed) * 10 <= len(records) or not failed:
        return []
    return [
        Warning(
            "failures",
            f"{len(failed)} of {len(records)} trials failed, the last with: {failed[-1].reason}."
            " The search saw only the settings that could be trained.",
        )
    ]
