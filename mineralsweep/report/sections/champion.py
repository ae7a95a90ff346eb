"""The champion: what it confuses, how far its confidence can be trusted, what it gets wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from mineralsweep.evaluation import Scores
from mineralsweep.evaluation.calibration import calibration as measure
from mineralsweep.report import charts
from mineralsweep.report.evidence import Evidence, Predictions
from mineralsweep.report.pictures import thumbnail
from mineralsweep.report.svg import inline

WRONG = 12


def confusion(evidence: Evidence) -> dict[str, Any]:
    """Return what was taken for what, and each class's recall, on test and validation."""
    parts = {
        "test split": evidence.crowned.scores,
        evidence.part: evidence.validation_scores(),
    }
    figure = charts.recalls({part: scores.recall for part, scores in parts.items()})
    words = "; ".join(
        f"{part}: " + ", ".join(f"{name} {recall}" for name, recall in scores.recall.items())
        for part, scores in parts.items()
    )
    return {
        "classes": evidence.dataset.classes,
        "parts": [_part(part, scores) for part, scores in parts.items()],
        "figure": inline(figure, "recalls", f"Recall with its interval. {words}"),
    }


def _part(name: str, scores: Scores) -> dict[str, Any]:
    totals = scores.confusion.sum(axis=1)
    share = scores.confusion / np.maximum(totals[:, None], 1)
    return {
        "name": name,
        "scores": scores,
        "counts": scores.confusion.tolist(),
        "share": share.round(2).tolist(),
        "totals": totals.tolist(),
    }


def calibration(evidence: Evidence) -> dict[str, Any]:
    """Return accuracy over confidence, and the expected calibration error."""
    shown, part = evidence.test, "test split"
    if shown is None:
        shown, part = evidence.validation, evidence.part
    found = measure(shown.probabilities, shown.labels)
    points = ", ".join(
        f"{one.confidence:.2f}: {one.accuracy.value:.2f} of {one.accuracy.n}" for one in found.bins
    )
    alt = f"Accuracy over mean confidence, a point a bin: {points}."
    return {
        "part": part,
        "found": found,
        "figure": inline(charts.reliability(found), "reliability", alt),
    }


def mistakes(evidence: Evidence) -> dict[str, Any]:
    """Return the images whose true class got the lowest probability, as pictures.

    Those of the validation split: a reader who looks at test images, and changes something,
    has used the test split up.
    """
    shown = evidence.validation
    places = most_wrong(shown)
    pictures = evidence.pixels(tuple(shown.rows[i] for i in places[:WRONG]))
    files = evidence.dataset.files([shown.rows[i] for i in places[:WRONG]])
    classes = evidence.dataset.classes
    return {
        "part": evidence.part,
        "total": len(places),
        "n": len(shown.rows),
        "shown": [
            {
                "uri": thumbnail(pixels),
                "file": name,
                "true": classes[shown.labels[i]],
                "predicted": classes[int(shown.probabilities[i].argmax())],
                "p_predicted": float(shown.probabilities[i].max()),
                "p_true": float(shown.probabilities[i, shown.labels[i]]),
            }
            for i, pixels, name in zip(places, pictures, files, strict=False)
        ],
    }


def most_wrong(shown: Predictions) -> list[int]:
    """Return the places of the wrong answers, the lowest probability of the truth first."""
    of_truth = shown.probabilities[np.arange(len(shown.rows)), list(shown.labels)]
    order = np.argsort(of_truth, kind="stable")
    return [int(i) for i in order if not shown.right[i]]
