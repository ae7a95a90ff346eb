"""All warnings of one study, the gravest first."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mineralsweep.core import objective as objectives
from mineralsweep.core.objective import Comparison
from mineralsweep.core.record import TrialRecord
from mineralsweep.data import groups
from mineralsweep.models import get as get_architecture
from mineralsweep.report import warnings
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.warnings import Warning

COMPARED = 8
"""The best trials, whose predictions are compared image by image."""


def warnings_of(evidence: Evidence) -> list[Warning]:
    """Check a study with every check that there is."""
    best, crowned, classes = evidence.best, evidence.crowned, evidence.dataset.classes
    test, epochs = crowned.scores, evidence.sweep.budget.epochs
    declared = get_architecture(str(best.params["architecture"])).hyperparameters
    found = [
        *warnings.opened_again(crowned.openings),
        *warnings.never_found(test, "test split"),
        *warnings.leaks(_divided(evidence)),
        *warnings.ungrouped(groups.unasked(evidence.dataset.catalog, evidence.dataset.settings)),
        *warnings.no_better_than_baseline(against_baseline(evidence), "colour_texture"),
        *_lead(evidence),
        *warnings.suspicious_loss(test.accuracy, test.loss, len(classes), "test split"),
        *warnings.at_a_boundary(best.params, evidence.sweep.space.entries(), declared),
        *warnings.still_improving(best, epochs),
        *warnings.small_classes(_used(evidence)),
        *warnings.many_failed(evidence.records),
        *warnings.missing_images(_missing(evidence)),
    ]
    if best.loss is not None:
        found += warnings.suspicious_loss(best.interval(), best.loss, len(classes), evidence.part)
    return found


def _lead(evidence: Evidence) -> Iterator[Warning]:
    """Warn of the best trial's lead; where it was not chosen, of what the chosen one lacks."""
    if not evidence.sweep.costs:
        yield from warnings.indistinguishable(evidence.complete, _with_the_best(evidence))
        yield from warnings.spread_larger_than_lead(evidence.complete)
        return
    ahead = evidence.complete[0]
    if ahead.number != evidence.best.number:
        lost = _compared(evidence, ahead, evidence.best)
        yield from warnings.worse_than_the_best(evidence.best, ahead, lost)


def _missing(evidence: Evidence) -> tuple[str, ...]:
    try:
        return evidence.validation.missing
    except Exception as error:
        logging.getLogger(__name__).info("no predictions of the champion: %s", error)
        return ()


def counts(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Return part of the split -> class -> images."""
    split = evidence.dataset.split
    return _by_class(
        evidence,
        {"train": split.train, "validation": split.validation, "test": split.test},
    )


def _used(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Return what trials learn from, are judged on and are tested on -> class -> images.

    With folds, all but the test split is judged on, and all but one fold of it learned from.
    """
    if evidence.sweep.folds == 1:
        return counts(evidence)
    train, _ = _folds(evidence)[0]
    dataset = evidence.dataset
    return _by_class(
        evidence, {"train": train, "validation": dataset.pool(), "test": dataset.split.test}
    )


def _by_class(evidence: Evidence, parts: Mapping[str, Sequence[int]]) -> dict[str, dict[str, int]]:
    labels = evidence.dataset.labels()
    found = {}
    for part, rows in parts.items():
        of_class = Counter(labels[row] for row in rows)
        found[part] = {name: of_class[i] for i, name in enumerate(evidence.dataset.classes)}
    return found


def _divided(evidence: Evidence) -> list[tuple[str, str]]:
    """Return pairs of near-duplicates that stand in different parts of the split, or folds."""
    split = evidence.dataset.split
    divisions: list[tuple[Sequence[int], ...]] = [(split.train, split.validation, split.test)]
    if evidence.sweep.folds > 1:
        divisions = [(*fold, split.test) for fold in _folds(evidence)]
    parts = [
        {row: place for place, rows in enumerate(division) for row in rows}
        for division in divisions
    ]
    found = []
    for row, first in enumerate(evidence.dataset.related()):
        if any(part[row] != part[first] for part in parts):
            one, two = evidence.dataset.files([first, row])
            found.append((one, two))
    return found


def _folds(evidence: Evidence) -> list[tuple[Sequence[int], Sequence[int]]]:
    return list(evidence.dataset.folds(evidence.sweep.folds, evidence.sweep.repeats))


def against_baseline(evidence: Evidence) -> Comparison | None:
    """Compare the champion's validated predictions with the baseline's, None where there are none.

    The baseline stands as the champion, the best trial as the challenger.
    """
    if evidence.baseline is None or evidence.baseline.number == evidence.best.number:
        return None
    return _compared(evidence, evidence.best, evidence.baseline)


def _compared(evidence: Evidence, best: TrialRecord, other: TrialRecord) -> Comparison | None:
    """Compare two trials image by image, by the sweep's objective; the best is the challenger.

    Of images that belong together the first counts: the tests take images for independent.
    """
    try:
        before, after = evidence.predictions(other.number), evidence.predictions(best.number)
    except Exception as error:
        logging.getLogger(__name__).info("%s: no predictions: %s", other.title(), error)
        return None
    places = {row: place for place, row in enumerate(before.rows)}
    if places.keys() != set(after.rows) or not places:
        return None
    groups = evidence.dataset.related()
    # From the last to the first, so that the first of each group stays.
    alone = {groups[row]: place for place, row in reversed(list(enumerate(after.rows)))}
    kept = sorted(alone.values())
    order = [places[after.rows[place]] for place in kept]
    return objectives.get(evidence.sweep.objective).compare(
        [after.labels[place] for place in kept],
        before.probabilities[order],
        after.probabilities[kept],
    )


def _with_the_best(evidence: Evidence) -> list[Comparison]:
    """Compare the best with those after it, as far as their predictions can be read."""
    best, *others = evidence.complete[:COMPARED] or [evidence.best]
    comparisons = []
    for other in others:
        compared = _compared(evidence, best, other)
        if compared is None:
            break
        comparisons.append(compared)
    return comparisons


def headlines(found: Sequence[Warning]) -> tuple[str, ...]:
    """Return the warnings in a sentence each; the baseline's is left to `summary.verdict`."""
    return tuple(warning.headline for warning in found if warning.kind != "baseline")
