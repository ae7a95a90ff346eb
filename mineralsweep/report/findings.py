"""All warnings of one study, the gravest first."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import duplicates
from mineralsweep.evaluation import Paired, compare
from mineralsweep.report import warnings
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.warnings import Warning

COMPARED = 8
"""The best trials, whose answers are compared image by image."""


def warnings_of(evidence: Evidence) -> list[Warning]:
    """Check a study with every check that there is."""
    best, crowned, classes = evidence.best, evidence.crowned, evidence.dataset.classes
    epochs = evidence.sweep.budget.epochs
    found = [
        *warnings.opened_again(crowned.openings),
        *warnings.never_found(crowned.scores, "test split"),
        *warnings.leaks(_divided(evidence)),
        *warnings.no_better_than_baseline(against_baseline(evidence), "colour_texture"),
        *warnings.can_not_be_told_apart(evidence.complete, _right(evidence)),
        *warnings.spread_larger_than_lead(evidence.complete),
        *warnings.suspicious_loss(
            crowned.scores.accuracy, crowned.scores.loss, len(classes), "test split"
        ),
        *warnings.at_a_boundary(best.params, evidence.sweep.space.entries()),
        *warnings.still_improving(best, epochs),
        *warnings.small_classes(counts(evidence)),
        *warnings.many_failed(evidence.records),
    ]
    if best.loss is not None:
        found += warnings.suspicious_loss(best.interval(), best.loss, len(classes), evidence.part)
    return found


def counts(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Return part of the split -> class -> images."""
    labels, split = evidence.dataset.labels(), evidence.dataset.split
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    found = {}
    for part, rows in parts.items():
        of_class = Counter(labels[row] for row in rows)
        found[part] = {name: of_class[i] for i, name in enumerate(evidence.dataset.classes)}
    return found


def _divided(evidence: Evidence) -> list[tuple[str, str]]:
    """Return pairs of near-duplicates that stand in different parts of the split."""
    split = evidence.dataset.split
    part = {
        row: place
        for place, rows in enumerate((split.train, split.validation, split.test))
        for row in rows
    }
    found = []
    for row, first in enumerate(duplicates.groups(evidence.dataset.catalog)):
        if part[row] != part[first]:
            one, two = evidence.dataset.files([first, row])
            found.append((one, two))
    return found


def against_baseline(evidence: Evidence) -> Paired | None:
    """Return the champion's validated answers beside the baseline's, None where there are none.

    The baseline stands as the champion, the best trial as the challenger.
    """
    baseline = evidence.baseline
    if baseline is None or baseline.number == evidence.best.number:
        return None
    try:
        before = evidence.predictions(baseline.number)
        after = evidence.validation
    except Exception as error:
        logging.getLogger(__name__).info("no baseline's predictions: %s", error)
        return None
    order = {row: place for place, row in enumerate(before.rows)}
    if set(order) != set(after.rows):
        return None
    return compare(before.right[[order[row] for row in after.rows]], after.right)


def _right(evidence: Evidence) -> dict[int, NDArray[np.bool_]]:
    """Return which images the best trials got right; those whose answers can't be read are left."""
    found = {}
    for record in evidence.complete[:COMPARED]:
        try:
            found[record.number] = evidence.predictions(record.number).right
        except Exception as error:
            logging.getLogger(__name__).info("trial %d: no predictions: %s", record.number, error)
    return found


def brief(found: Sequence[Warning]) -> list[str]:
    """Return the warnings, each cut to its first sentence: it says what, the rest what to do.

    That of the baseline is left to `baseline.verdict`, which says it beside them.
    """
    return [
        warning.text.partition(". ")[0].rstrip(".") + "."
        for warning in found
        if warning.kind != "baseline"
    ]
