"""What a reader must be told before the numbers: pure checks of a finished study.

Each check takes the plain facts that it needs, and gives its warnings, mostly none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from mineralsweep.config.entries import Entry, Range
from mineralsweep.core.hyperparameter import Hyperparameter, Params
from mineralsweep.core.objective import Comparison
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.groups import Suggestion
from mineralsweep.evaluation import FoldMean, Proportion, Scores

EDGE = 0.05
"""A value within this share of a range from its end counts as at the end."""
SIGNIFICANT = 0.05
"""Of a paired test's p: from it on, a difference is not significant."""
FEW_TO_TRAIN = 20
FEW_TO_SCORE = 10


@dataclass(frozen=True)
class Warning:
    """One thing to know.

    Attributes:
        kind: a short name.
        headline: a sentence: what was found.
        more: why it matters and what to do about it, in sentences.
    """

    kind: str
    headline: str
    more: str = ""


def at_a_boundary(
    params: Params, entries: Mapping[str, Entry], declared: Mapping[str, Hyperparameter]
) -> Iterator[Warning]:
    """Warn where the best value of a setting lies at an end of what was searched.

    Args:
        params: of the best trial.
        entries: the search space, by name.
        declared: hyperparameters as they were declared, by name: no range can go further than
            theirs.
    """
    for name, value in params.items():
        entry = entries.get(name)
        end = None if entry is None or isinstance(value, str) else _end(float(value), entry)
        if entry is None or end is None or _is_last(entry, end, declared.get(name)):
            continue
        low, high = _numbers(entry)[0], _numbers(entry)[-1]
        yield Warning(
            "boundary",
            f"{name}: the best value, {value:.3g}, lies at the {end} end of what was searched"
            f" ({low:g} to {high:g}).",
            "A better one may lie beyond: widen it.",
        )


def _numbers(entry: Entry) -> list[float]:
    return sorted(float(bound) for bound in entry.bounds() if not isinstance(bound, str))


def _end(value: float, entry: Entry) -> str | None:
    """Say at which end of a range, or of choices of numbers, a value lies: lower, upper, None."""
    bounds = _numbers(entry)
    if len(bounds) < len(entry.bounds()) or len(set(bounds)) < 2:
        return None
    low, high = bounds[0], bounds[-1]
    if not isinstance(entry, Range) or entry.step is not None:
        return "lower" if value <= low else "upper" if value >= high else None
    if entry.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    share = (value - low) / (high - low)
    return "lower" if share <= EDGE else "upper" if share >= 1 - EDGE else None


def _is_last(entry: Entry, end: str, declared: Hyperparameter | None) -> bool:
    """Say whether no range can go further than this one does at an end."""
    if declared is None:
        return False
    low, high = _numbers(entry)[0], _numbers(entry)[-1]
    return low <= declared.low if end == "lower" else high >= declared.high


def is_significant(comparison: Comparison | None) -> bool:
    """Say whether the challenger is shown to be better."""
    return comparison is not None and comparison.ahead and comparison.p < SIGNIFICANT


def indistinguishable(
    ranked: Sequence[TrialRecord], comparisons: Sequence[Comparison]
) -> Iterator[Warning]:
    """Warn where the best trial is not significantly better than those after it.

    Args:
        ranked: the complete trials, best first.
        comparisons: of the best one as the challenger with those after it, in their order, as far
            as their predictions could be read.
    """
    equals = list(takewhile(lambda one: not is_significant(one), comparisons))
    if not equals:
        return
    count, first = len(equals) + 1, equals[0]
    yield Warning(
        "lead",
        f"The first {count} on the leaderboard are statistically indistinguishable"
        f" ({first.test} p >= {SIGNIFICANT:g}, n = {first.n}).",
        f"{ranked[0].title().capitalize()} against {ranked[1].title()}: {first}. Read the"
        f" champion as one of {count} equals; more images to validate on, or folds, would tell"
        " more.",
    )


def worse_than_the_best(
    chosen: TrialRecord, best: TrialRecord, comparison: Comparison | None
) -> Iterator[Warning]:
    """Warn where a trial that was chosen for its costs is shown to be worse than the best.

    Args:
        chosen: the candidate.
        best: by the objective.
        comparison: of the best one as the challenger with the chosen; None: it could not be made.
    """
    if comparison is None or not is_significant(comparison):
        return
    yield Warning(
        "costs",
        f"{chosen.title().capitalize()} was chosen for its costs, and is significantly worse than"
        f" {best.title()}.",
        f"{best.title().capitalize()} against {chosen.title()}: {comparison}. A smaller tolerance"
        " would choose a better and dearer model.",
    )


def spread_larger_than_lead(ranked: Sequence[TrialRecord]) -> Iterator[Warning]:
    """Warn where the best trial's folds differ more in their values than the first two trials."""
    if len(ranked) < 2:
        return
    first, second = ranked[0].score(), ranked[1].score()
    if not (isinstance(first, FoldMean) and isinstance(second, FoldMean)):
        return
    lead = abs(first.value - second.value)
    if lead >= first.spread:
        return
    yield Warning(
        "spread",
        f"{ranked[0].title().capitalize()} leads by {lead:.3f}, less than the standard"
        f" deviation over its folds, {first.spread:.3f}.",
        "Another division of the images may turn the order round: repeat the folds (repeats),"
        " or add images.",
    )


def small_classes(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Warning]:
    """Warn of classes with too few images.

    Args:
        counts: part of the split (train, validation, test) -> class -> images.
    """
    for part, by_class in counts.items():
        least = FEW_TO_TRAIN if part == "train" else FEW_TO_SCORE
        small = [f"{name} {count}" for name, count in by_class.items() if count < least]
        if small:
            why = "Too few to learn from" if part == "train" else "Its recall is a rough guess"
            yield Warning(
                "few images",
                f"{part.capitalize()} split: fewer than {least} images of {', '.join(small)}.",
                f"{why}: add photographs of it, or share the split out otherwise.",
            )


def leaks(pairs: Sequence[tuple[str, str]]) -> Iterator[Warning]:
    """Warn of near-duplicates on both sides of a border of the split.

    Args:
        pairs: names of two images that show the same, in different parts.
    """
    if not pairs:
        return
    shown = "; ".join(f"{one} and {other}" for one, other in pairs[:3])
    more = f"; and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    yield Warning(
        "leak",
        f"{len(pairs)} pair{'s' * (len(pairs) != 1)} of near-duplicates across the split:"
        " the scores are too good.",
        f"They are {shown}{more}. Keep such images in one part.",
    )


def ungrouped(suggested: Suggestion | None) -> Iterator[Warning]:
    """Warn where names suggest images of one specimen, which nothing keeps on one side."""
    if suggested is None:
        return
    yield Warning(
        "groups",
        f"{suggested.images} images seem to be of {suggested.groups} specimens, such as"
        f" {' and '.join(suggested.examples)}: if so, the scores are too good.",
        f"Keep each specimen on one side of the split: --set {suggested.setting}.",
    )


def suspicious_loss(
    accuracy: Proportion | FoldMean, loss: float, classes: int, where: str
) -> Iterator[Warning]:
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
        return
    yield Warning(
        "loss",
        f"{where.capitalize()}: the loss is {loss:.3g} at an accuracy of {accuracy.value:.3f};"
        f" a blind guess between {classes} classes costs {blind:.2f}.",
        f"So the model is nearly sure of its errors: its {wrong} wrong images cost about"
        f" {loss * accuracy.n / wrong:.3g} each. Don't trust its confidence; try dropout, label"
        " smoothing, a smaller learning rate, or fewer epochs.",
    )


def never_found(scores: Scores, where: str) -> Iterator[Warning]:
    """Warn of a class with a recall of 0."""
    for name in scores.never_found():
        yield Warning(
            "recall of 0",
            f"{where.capitalize()}: not one of {scores.recall[name].n} images of {name} was"
            " recognised.",
            "Try more epochs or trials, or add photographs of it.",
        )


def opened_again(openings: int) -> Iterator[Warning]:
    """Warn where the test split was read more than once, over all studies."""
    if openings < 2:
        return
    yield Warning(
        "test split",
        f"The test split has been opened {openings} times, over all studies of it.",
        "Each time makes its score less fresh. Photographs that no study has seen would do better.",
    )


def no_better_than_baseline(comparison: Comparison | None, name: str) -> Iterator[Warning]:
    """Warn where the champion is not significantly better than the baseline.

    Args:
        comparison: the baseline as the champion, the best trial as the challenger; None without.
        name: of the baseline.
    """
    if comparison is None or is_significant(comparison):
        return
    yield Warning(
        "baseline",
        f"The champion is not significantly better than the baseline, {name}: {comparison}.",
        "The baseline is simpler and faster: prefer it until a champion beats it.",
    )


def still_improving(best: TrialRecord, epochs: int) -> Iterator[Warning]:
    """Warn where the best weights are those of the last epoch that was allowed."""
    if best.best_epoch is None or best.best_epoch < epochs or epochs < 2:
        return
    yield Warning(
        "epochs",
        f"The best trial's validation loss was lowest in its last epoch, {epochs}: it was still"
        " learning.",
        "Allow more epochs.",
    )


def many_failed(records: Sequence[TrialRecord]) -> Iterator[Warning]:
    """Warn where more than a tenth of the trials failed."""
    failed = [record for record in records if record.state == "FAILED"]
    if len(failed) * 10 <= len(records) or not failed:
        return
    yield Warning(
        "failures",
        f"{len(failed)} of {len(records)} trials failed, the last with: {failed[-1].reason}.",
        "The search saw only the settings that could be trained.",
    )


def missing_images(names: Sequence[str]) -> Iterator[Warning]:
    """Warn of images that the best trial was validated on and that are not in the data any more."""
    if not names:
        return
    shown = ", ".join(names[:3]) + (f", and {len(names) - 3} more" if len(names) > 3 else "")
    yield Warning(
        "missing images",
        f"{len(names)} validated image{'s' * (len(names) != 1)} can't be found in the data any"
        f" more: {shown}.",
        "What is told image by image leaves them out.",
    )
